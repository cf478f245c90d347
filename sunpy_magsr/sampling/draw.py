"""Samples of a model that agree with their input, on the scale of its instrument or of HMI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sunpy_magsr.instrument.gain import to_hmi
from sunpy_magsr.sampling.consistency import enforcer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from sunpy_magsr.maps import Magnetogram
    from sunpy_magsr.sampling.backends import Backend
    from sunpy_magsr.store.card import ModelCard


def draw_samples(
    backend: Backend, magnetogram: Magnetogram, *, consistency: str | None = None, **options: Any
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each sample as the model draws it, and after the step that makes it agree with the input."""
    enforce = enforcer(magnetogram, backend.card, consistency or backend.card.consistency)
    for raw in backend.samples(magnetogram, **options):
        yield raw, enforce(raw)


def put_on_scale(
    field: np.ndarray,
    magnetogram: Magnetogram,
    card: ModelCard,
    scale: str | None,
    *,
    number: int,
    is_paired: bool = False,
) -> np.ndarray:
    """Put the sample of a number on HMI's scale if ``scale`` is ``"hmi"`` and the model does not draw on it already."""
    if scale in (None, "none", card.calibration):
        return field
    # The gain is drawn, too; the partners of an antithetic pair share it.
    return to_hmi(field, magnetogram.data, sample=number // 2 if is_paired else number)
