"""What an ensemble of samples says, and how sure it is."""

from sunpy_magsr.uncertainty.ensemble import Ensemble

__all__ = ["Ensemble"]
