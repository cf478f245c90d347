"""Scale between the two instruments."""

__all__ = ["MDI_GAIN"]

#: What MDI (level 1.8.2) reads for a field in which HMI reads 1 G: HMI = 0.701 MDI (Liu et al. 2025,
#: :doi:`10.1007/s11207-025-02523-y`); 1.40 in Liu et al. 2012 (:doi:`10.1007/s11207-012-9976-x`). Both say that it
#: varies with limb distance and field strength, which is not modeled; `degrade` takes a gain for each pixel.
MDI_GAIN = 1 / 0.701
