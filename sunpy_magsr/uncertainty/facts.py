"""What is known of an ensemble beside its members."""

import dataclasses

import numpy as np

from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.uncertainty.calibration import UNCALIBRATED

__all__ = ["Facts"]


@dataclasses.dataclass
class Facts:
    """
    What is known of an ensemble beside its members.

    Attributes
    ----------
    calibrations : `dict` of `str` to `~sunpy_magsr.uncertainty.Calibration`
        ``"pixel"`` and names of `~sunpy_magsr.uncertainty.QUANTITIES`.
    make_strata, make_untrained : callable
        ``make_strata(calibration)``: stratum of each pixel, uint8 ``[Y, X]``; ``make_untrained()``: whether the input is
        outside of what the model was trained on, bool ``[Y, X]``.
    frame : `dict`
        Values of the axes of calibrations for the frame as a whole.
    flags, strata : `numpy.ndarray` or `None`
        uint8 ``[Y, X]``; made when they are needed.
    """

    calibrations: dict = dataclasses.field(default_factory=dict)
    make_strata: object = None
    make_untrained: object = None
    frame: dict = dataclasses.field(default_factory=dict)
    flags: np.ndarray | None = None
    strata: np.ndarray | None = None

    def frame_factor(self, name, level):
        """Factor of a quantity of the frame; 1, with a warning, where there is none."""
        calibration = self.calibrations.get(name)
        stratum = UNCALIBRATED if calibration is None else int(calibration.strata(self.frame, ()))
        if stratum == UNCALIBRATED:
            warn_user(
                f"{name} is not calibrated for this model and input; the interval is that of the members.", stacklevel=4
            )
            return 1.0
        return float(calibration.factor(level)[stratum])
