"""From a trained run to a model folder: calibration, export, the check of the folder, and a Hub."""
