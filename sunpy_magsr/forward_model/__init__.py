"""What the low-resolution instrument would see of a high-resolution field."""

from sunpy_magsr.forward_model.degrade import degrade

__all__ = ["degrade"]
