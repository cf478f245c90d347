"""What an ensemble of samples says, and how sure it is."""

from sunpy_magsr.uncertainty.calibration import Calibration
from sunpy_magsr.uncertainty.diagnostics import (
    coverage,
    pit,
    pit_histogram,
    plot_pit,
    plot_reliability,
    rank_histogram,
    reliability,
)
from sunpy_magsr.uncertainty.elements import flux_elements
from sunpy_magsr.uncertainty.ensemble import Ensemble
from sunpy_magsr.uncertainty.quantities import QUANTITIES
from sunpy_magsr.uncertainty.real_scale import real_scale_map

__all__ = [
    "QUANTITIES",
    "Calibration",
    "Ensemble",
    "coverage",
    "flux_elements",
    "pit",
    "pit_histogram",
    "plot_pit",
    "plot_reliability",
    "rank_histogram",
    "real_scale_map",
    "reliability",
]
