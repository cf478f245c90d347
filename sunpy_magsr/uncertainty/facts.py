"""What is known about an ensemble apart from its members."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.uncertainty.stratum_factors import UNCALIBRATED

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from sunpy_magsr.uncertainty.calibration import Calibration

__all__ = ["Facts"]


@dataclasses.dataclass
class Facts:
    """
    What is known about an ensemble apart from its members.

    Parameters
    ----------
    calibrations : `dict` of `str` to `~sunpy_magsr.uncertainty.Calibration`
        The calibration of the pixels, by the name ``"pixel"``, and those of `~sunpy_magsr.uncertainty.QUANTITIES`, by their
        names.
    make_strata : callable, optional
        A function that takes the calibration of the pixels and returns the stratum of each pixel, uint8 ``[Y, X]``.
    make_untrained : callable, optional
        A function without arguments that returns whether the input is outside of what the model was trained on, bool
        ``[Y, X]``.
    frame : `dict`
        Values of the calibrations' axes for the frame as a whole.
    flags : `numpy.ndarray`, optional
        Flags of the pixels, uint8 ``[Y, X]``. By default the ensemble makes them when they are needed.
    strata : `numpy.ndarray`, optional
        Strata of the pixels, uint8 ``[Y, X]``. By default the ensemble makes them when they are needed.
    """

    calibrations: dict[str, Calibration] = dataclasses.field(default_factory=dict)
    make_strata: Callable[[Calibration], NDArray[np.uint8]] | None = None
    make_untrained: Callable[[], NDArray[np.bool_]] | None = None
    frame: dict[str, float] = dataclasses.field(default_factory=dict)
    flags: NDArray[np.uint8] | None = None
    strata: NDArray[np.uint8] | None = None

    def frame_factor(self, name: str, level: float) -> float:
        """
        Give the factor of the interval of a quantity that was measured on the whole frame.

        Parameters
        ----------
        name : `str`
            One of the `~sunpy_magsr.uncertainty.QUANTITIES`.
        level : `float`
            Probability of the interval, between 0 and 1.

        Returns
        -------
        `float`
            The factor. Where there is none, it is 1, and the user is warned.
        """
        calibration = self.calibrations.get(name)
        stratum = UNCALIBRATED if calibration is None else int(calibration.strata(self.frame, ()))
        if calibration is None or stratum == UNCALIBRATED:
            warn_user(
                f"{name} is not calibrated for this model and input; the interval is that of the members.", stacklevel=4
            )
            return 1.0
        return float(calibration.factor(level)[stratum])
