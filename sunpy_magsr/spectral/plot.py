"""Figures that pyplot does not know."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, TypeAlias

import astropy.units as u
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sunpy_magsr.spectral.spectrum import Spectrum

Curves: TypeAlias = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]


class FreeFigure(Figure):
    """A figure that pyplot does not know, but that notebooks show when it is the value of a cell."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png")
        return stream.getvalue()


def make_axes(axes: Axes | None = None, *, width: float = 6.4, height: float = 4.4) -> Axes:
    """Make axes in a figure of its own if there are none."""
    return FreeFigure(figsize=(width, height), layout="constrained").add_subplot() if axes is None else axes


#: Okabe & Ito's palette, told apart with any color vision, without its black (the truth) and yellow (faint on white).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES = ("-", "--", "-.", ":")
_MARKS = {4: '4" MDI Nyquist', 2: '2" MDI pixel'}


def plot_spectra(spectra: Mapping[str, Spectrum], *, truth: Spectrum | None = None, axes: Axes | None = None) -> Axes:
    """
    Plot power spectra against wavenumber, both logarithmic, with the wavelength along the top.

    A band around each curve shows one standard deviation. Dotted lines mark 4 arcsec, the shortest wavelength that the
    pixels of MDI can hold, and 2 arcsec, the size of these pixels.

    Parameters
    ----------
    spectra : `dict` of `str` to `Spectrum`
        Power spectra in G2 arcsec2, each with its name in the legend.
    truth : `Spectrum`, optional
        Power spectrum of the truth, drawn in black. The frame then ends at a thousandth of its least power, and curves
        may leave it there.
    axes : `matplotlib.axes.Axes`, optional
        Where to draw. Defaults to the axes of a new figure, which is not one of pyplot's. A notebook shows it as
        ``axes.figure``.

    Returns
    -------
    `matplotlib.axes.Axes`
        The axes with the curves. ``axes.figure.savefig`` writes the figure to a file.

    Raises
    ------
    ValueError
        If there is no spectrum or one is not a power in G2 arcsec2.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import plot_spectra, power_spectrum
    >>> noise = np.random.default_rng(0).normal(size=(64, 64))
    >>> axes = plot_spectra({"noise": power_spectrum(noise, plate_scale=0.5 * u.arcsec / u.pix)})
    >>> axes.get_xlabel()
    'Wavenumber [1/arcsec]'
    """
    power = u.G**2 * u.arcsec**2
    curves = _curves(spectra, power, "a real power in G2 arcsec2")
    if truth is not None:
        curves = {**_curves({"truth": truth}, power, "a real power in G2 arcsec2"), **curves}
    axes = make_axes(axes)
    axes.set_yscale("log")
    axes.set_ylabel(r"Power [G$^2$ arcsec$^2$]")
    _draw(axes, curves, black=truth is not None)
    if truth is not None:
        # A blurred field falls by ten orders of magnitude and would flatten all others.
        lowest, floor = axes.get_ylim()[0], 1e-3 * np.nanmin(curves["truth"][1])
        axes.set_ylim(bottom=max(lowest, floor))
    return axes


def plot_coherence(coherences: Mapping[str, Spectrum], *, axes: Axes | None = None) -> Axes:
    """
    Plot squared coherences from 0 to 1 against wavenumber.

    A band around each curve shows one standard deviation. Lines and axes are those of `plot_spectra`.

    Parameters
    ----------
    coherences : `dict` of `str` to `Spectrum`
        Spectra of plain numbers, each with its name in the legend.
    axes : `matplotlib.axes.Axes`, optional
        Where to draw. Defaults to the axes of a new figure, which is not one of pyplot's. A notebook shows it as
        ``axes.figure``.

    Returns
    -------
    `matplotlib.axes.Axes`
        The axes with the curves. ``axes.figure.savefig`` writes the figure to a file.

    Raises
    ------
    ValueError
        If there is no spectrum or one is not a plain number.

    Examples
    --------
    Two fields that are unrelated:

    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import coherence, plot_coherence
    >>> first, second = np.random.default_rng(0).normal(size=(2, 64, 64))
    >>> axes = plot_coherence({"unrelated": coherence(first, second, plate_scale=0.5 * u.arcsec / u.pix)})
    >>> axes.get_ylabel()
    'Coherence with the truth'
    """
    curves = _curves(coherences, u.dimensionless_unscaled, "a real number without unit")
    axes = make_axes(axes)
    axes.set_ylim(0, 1)
    axes.set_ylabel("Coherence with the truth")
    _draw(axes, curves)
    return axes


def _curves(spectra: Mapping[str, Spectrum], unit: u.UnitBase, wanted: str) -> Curves:
    if not spectra:
        msg = f"spectra must hold at least one name and Spectrum, got {spectra!r}."
        raise ValueError(msg)
    for name, spectrum in spectra.items():
        value = u.Quantity(getattr(spectrum, "value", np.nan * u.m))
        if not value.unit.is_equivalent(unit) or np.iscomplexobj(value):
            msg = f"spectra must each be {wanted}, got {value.dtype} {value.unit} for {name!r}."
            raise ValueError(msg)
    return {
        name: (
            spectrum.wavenumber.to_value(1 / u.arcsec),
            u.Quantity(spectrum.value).to_value(unit),
            u.Quantity(spectrum.error).to_value(unit),
        )
        for name, spectrum in spectra.items()
    }


def _draw(axes: Axes, curves: Curves, *, black: bool = False) -> None:
    """Draw the curves, the first in black where there is a truth, and mark and label the axes."""
    for number, (name, (wavenumber, value, error)) in enumerate(curves.items()):
        is_truth = black and number == 0
        place = number - black
        color = "black" if is_truth else COLORS[place % len(COLORS)]
        style = "-" if is_truth else _DASHES[place // len(COLORS) % len(_DASHES)]
        # A band through zero has no logarithm: it ends far below the curve instead.
        low = np.maximum(value - error, value * 1e-3) if axes.get_yscale() == "log" else value - error
        axes.fill_between(wavenumber, low, value + error, color=color, alpha=0.2, linewidth=0)
        axes.plot(wavenumber, value, color=color, linestyle=style, linewidth=1.6, label=name)
    every = np.concatenate([curve[0] for curve in curves.values()])
    axes.set_xscale("log")
    axes.set_xlim(every.min(), every.max())
    for wavelength, label in _MARKS.items():
        if every.min() < 1 / wavelength < every.max():
            axes.axvline(1 / wavelength, color="0.35", linestyle=":", linewidth=1, zorder=1)
            text: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "bottom", "zorder": 1}
            axes.text(
                1 / wavelength,
                0.03,
                label,
                transform=axes.get_xaxis_transform(),
                fontsize="small",
                color="0.35",
                **text,
            )
    _label_wavenumbers(axes)
    axes.legend(frameon=False)


def _label_wavenumbers(axes: Axes) -> None:
    """Wavenumbers along the bottom, wavelengths along the top."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    axes.set_xlabel("Wavenumber [1/arcsec]")
    top = axes.secondary_xaxis("top", functions=(_inverse, _inverse))
    top.set_xlabel("Wavelength [arcsec]")
    top.xaxis.set_major_locator(FixedLocator([2.0**power for power in range(-3, 12)]))
    top.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]))
    for axis in (axes.xaxis, top.xaxis):
        axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
        axis.set_minor_formatter(NullFormatter())


def _inverse(number: npt.ArrayLike) -> npt.ArrayLike:
    return 1 / np.maximum(number, 1e-9)
