"""
The options of a super-resolution: their defaults, their checks, their cards, and how commands and plans give them.

An option is added in two places: here, and where it acts. Signature and docstring of `sunpy_magsr.superresolve` name it.
Imports stand within the methods, so that ``magsr --help`` does not wait for sunpy.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from sunpy_magsr._options import read_option, read_quantity

if TYPE_CHECKING:
    from sunpy_magsr.instrument import Blur
    from sunpy_magsr.store.card import ModelCard


_LARGEST_SEED = 2**63
_MOST_STEPS = 1000  # what diffusion models are trained with
_LARGEST_WIDTH = 5.0  # arcsec, of a point-spread function
_CHOICES = {
    "consistency": ("exact", "noise"),
    "calibrate": ("hmi",),
    "bad_pixels": ("mask", "keep"),
    "component": ("los", "br", "bp", "bt"),
}


def _option(default: Any, flag: str = "", metavar: str | None = None, text: str = "", **more: Any) -> Any:
    """A field of `Settings`, what reads it from a plan or a command (``read``), and how argparse takes it."""
    names = {"read": more.pop("read", None), "flag": flag}
    return dataclasses.field(
        default=default, metadata={**names, "argument": {"metavar": metavar, "help": text, **more}}
    )


def _or_none(value, _name):
    return value or None  # TOML has no null


def _quantity_or(word, unit):
    return lambda text, name: None if text == word else read_quantity(text, unit, name)


_READ_PLATE_SCALE = _quantity_or("native", u.arcsec / u.pix)
_READ_WIDTH = _quantity_or("none", u.arcsec)
_READ_TIME = _quantity_or("none", u.hour)


@dataclasses.dataclass(frozen=True, eq=False)
class Settings:
    """The options of `sunpy_magsr.superresolve`, checked."""

    n_samples: int = _option(1, "--samples", "N", "how many samples to draw", type=int)
    seed: int = _option(0, "--seed", "S", "seed of the random numbers", type=int)
    plate_scale: u.Quantity | None = _option(
        0.5 * u.arcsec / u.pix,
        "--plate-scale",
        "ARCSEC",
        "of the output in arcsec/pix, or 'native' for x4 the input's grid (default: 0.5)",
        read=_READ_PLATE_SCALE,
    )
    steps: int | None = _option(
        None, "--steps", "K", "steps of the sampling (default: those of the model)", read=_or_none, type=int
    )
    consistency: str | None = _option(None, read=_or_none)
    calibrate: str | None = _option(
        None, "--calibrate", None, "put an MDI result on HMI's scale", read=_or_none, choices=_CHOICES["calibrate"]
    )
    psf_fwhm: u.Quantity | None = _option(
        None,
        "--psf-fwhm",
        "ARCSEC[,ERROR]",
        "width (FWHM) of the point-spread function (default: measured on the frame)",
        read=_READ_WIDTH,
    )
    bad_pixels: str = _option(
        "mask",
        "--keep-bad-pixels",
        text="take hits and dead pixels for measurements",
        action="store_const",
        const="keep",
    )
    component: str | None = _option(
        None,
        "--component",
        None,
        "component of the field, if neither the header nor the name of the file says it",
        read=_or_none,
        choices=_CHOICES["component"],
    )
    noise_lifetime: u.Quantity | None = _option(
        None,
        "--noise-lifetime",
        "HOURS",
        "for frames of a movie: how long made-up structure stays on its place, or inf",
        read=_READ_TIME,
    )
    independent: bool = _option(False)
    device: str | None = _option(
        None, "--device", "D", "torch device (default: CUDA if there is one, else the CPU)", read=_or_none
    )
    batch_size: int | None = _option(None, read=_or_none)
    progress: bool = False

    def __post_init__(self) -> None:
        _check_whole("n_samples", self.n_samples, 1)
        _check_whole("seed", self.seed, 0, _LARGEST_SEED)
        if self.steps is not None:
            _check_whole("steps", self.steps, 1, _MOST_STEPS + 1)
        if self.batch_size is not None:
            _check_whole("batch_size", self.batch_size, 1)
        if self.plate_scale is not None:
            read_option(self.plate_scale, u.arcsec / u.pix, "plate_scale", zero=False)
        if self.noise_lifetime is not None:
            read_option(self.noise_lifetime, u.s, "noise_lifetime", infinite=True)
        _ = self.blur
        for name, choices in _CHOICES.items():
            value, is_optional = getattr(self, name), name != "bad_pixels"
            if value not in choices and not (value is None and is_optional):
                words = f"{'None or ' if is_optional else ''}one of {', '.join(map(repr, choices))}"
                msg = f"{name} must be {words}, got {value!r}."
                raise ValueError(msg)
        if not isinstance(self.independent, bool):
            msg = f"independent must be True or False, got {self.independent!r}."
            raise TypeError(msg)

    def for_model(self, card: ModelCard) -> Settings:
        """Check what depends on the model, and fill in what the model's card says."""
        from sunpy_magsr.sampling.consistency import check

        if card.is_deterministic and self.n_samples > 1:
            msg = f"n_samples must be 1 for the deterministic model {card.name!r}, got {self.n_samples}."
            raise ValueError(msg)
        if self.noise_lifetime is not None and card.kind == "published":
            msg = f"noise_lifetime must be None with a model of the published architecture, got {card.name!r}."
            raise ValueError(msg)
        return dataclasses.replace(
            self,
            n_samples=int(self.n_samples),
            seed=int(self.seed),
            steps=None if card.is_deterministic else int(self.steps or card.steps),
            consistency=check(self.consistency, card),
            # The published architecture draws its noise in tiles, which cannot be negated.
            independent=self.independent or card.kind == "published",
            noise_lifetime=None if card.is_deterministic else self.noise_lifetime,
        )

    @property
    def is_paired(self) -> bool:
        """Whether the samples are antithetic pairs."""
        return self.n_samples > 1 and not self.independent

    @property
    def lifetime(self) -> float | None:
        """``noise_lifetime`` in seconds."""
        return None if self.noise_lifetime is None else float(self.noise_lifetime.to_value(u.s))

    @property
    def blur(self) -> Blur | None:
        """The blur that ``psf_fwhm`` says, a width alone or with its error."""
        from sunpy_magsr.instrument import Blur

        if self.psf_fwhm is None:
            return None
        try:
            parts = np.atleast_1d(u.Quantity(self.psf_fwhm).to_value(u.arcsec))
            width, error = parts if len(parts) == 2 else (*parts, 0.0)
        except (TypeError, ValueError):  # Another unit, or another number of parts.
            width = error = math.nan
        if not (0 <= width <= _LARGEST_WIDTH and 0 <= error <= _LARGEST_WIDTH):
            msg = (
                f"psf_fwhm must be None, an angle from 0 to {_LARGEST_WIDTH:g} arcsec, or such an angle and its error, "
                f"got {self.psf_fwhm!r}."
            )
            raise ValueError(msg)
        return Blur(fwhm=float(width), error=float(error), windows=0, noise=math.nan, origin="told")

    def cards(self, card: ModelCard) -> dict[str, Any]:
        """The header cards that tell these settings; `None` for a card that a header does not have."""
        from sunpy_magsr.metrics.ensemble import ANTITHETIC

        lifetime = self.lifetime
        return {
            "magsrsed": self.seed,
            "magsrns": self.n_samples,
            "magsrstp": self.steps or 0,
            "magsrcal": self.calibrate or card.calibration,
            "magsrdrw": (ANTITHETIC if self.is_paired else "independent") if self.n_samples > 1 else None,
            "magsrnlt": -1.0 if lifetime == math.inf else lifetime,  # FITS has no infinity
        }


def _check_whole(name, value, lowest, below=math.inf):
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or not lowest <= value < below:
        limit = f" and below {'2**63' if below == _LARGEST_SEED else below}" if below < math.inf else ""
        msg = f"{name} must be a whole number of at least {lowest}{limit}, got {value!r}."
        raise ValueError(msg)
