"""Scale between the two instruments."""

__all__ = ["MDI_GAIN"]

#: What MDI (level 1.8.2) reads for a field in which HMI reads 1 G: Liu et al. 2012,
#: :doi:`10.1007/s11207-012-9976-x`. It varies with limb distance and field strength, which is not modeled.
MDI_GAIN = 1.40
