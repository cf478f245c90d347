"""Training: from HMI FITS files to a model folder that `sunpy_magsr.superresolve` loads."""
