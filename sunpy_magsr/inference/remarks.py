"""What is unusual about an input, in one warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import sunpy.coordinates
from astropy.coordinates import angular_separation

from sunpy_magsr.instrument import input_noise, instrument_of, is_interpolated
from sunpy_magsr.maps.reading import STRONGEST
from sunpy_magsr.maps.wcs import is_helioprojective, unread_roll

if TYPE_CHECKING:
    from sunpy_magsr.maps import Magnetogram
    from sunpy_magsr.store.card import ModelCard


def outside_training(magnetogram: Magnetogram, mu: np.ndarray, card: ModelCard) -> np.ndarray:
    """
    Find the pixels that are unlike all pixels that a model was trained on.

    These are pixels whose field is stronger, whose noise is less or more, or which lie closer to the limb.
    """
    trained = card.trained
    outside = ~(mu >= trained.get("mu", 0)) | (np.abs(magnetogram.data) > trained.get("field", np.inf))
    if "noise" in trained:
        noise = input_noise(magnetogram)
        outside |= (noise < trained["noise"][0]) | (noise > trained["noise"][1])
    return outside


_TRANSVERSE = ("bp", "bt")
_NEAR_EARTH = ("MDI", "HMI", "GONG", "SOLIS", "HINODE", "MWO")
_FARTHEST = 5.0  # degrees from the Earth as seen from the Sun; SOHO and SDO stay within 0.5
_NATIVE = (1.2, 2.9)  # arcsec: no frame of MDI on its own pixels was found to have another blur
_SQUARE = 0.01  # by which the sides of a pixel may differ, relative


def remarks_on(smap, magnetogram, card, *, steps, bad_pixels=0):
    """Say what is unlike the data that a model was trained on, and what is done about an input's defects."""
    return [
        *_defects(smap, magnetogram, bad_pixels),
        *_changed(smap, magnetogram),
        *_untrained(magnetogram, card),
        *_outside(magnetogram, card),
        *_steps(card, steps),
    ]


def _defects(smap, magnetogram, bad_pixels):
    if bad_pixels:
        yield (
            f"smap has {_pixels(bad_pixels, 'bad pixel')} (hits, dead or constant pixels, saturation), which are masked and "
            "NaN in the result; bad_pixels='keep' takes them for measurements."
        )
    if magnetogram.absurd:
        yield (
            f"smap has {_pixels(magnetogram.absurd)} on the disk that are infinite or of {STRONGEST:g} G and more, which are "
            "taken for missing and NaN in the result."
        )
    if magnetogram.is_guess:
        yield (
            "smap does not say which component of the field it shows, and is taken for the line of sight; component='los' or "
            "component='br' says it."
        )
    roll = unread_roll(smap)
    if roll is not None:
        yield (
            f"smap has SOLAR_P0 = {-roll} and no CROTA2, so sunpy takes north to be up; the result has CROTA2 = {roll}."
        )


def _changed(smap, magnetogram):
    """Signs that a map is not on the pixels of its detector."""
    is_on_sky, blur = is_helioprojective(smap), magnetogram.blur
    if blur is not None and is_interpolated(magnetogram.data, magnetogram.valid):
        yield (
            "smap seems to have been interpolated between the pixels of its detector: its noise is weaker at the shortest "
            "wavelengths than at others. Take the map as it was observed."
        )
    elif blur is not None and blur.origin != "told" and not _NATIVE[0] <= blur.fwhm <= _NATIVE[1]:
        yield (
            f"smap has a blur of {blur.fwhm:.1f} arcsec, and frames of MDI on the pixels of its detector have 1.6 to 2.4; it "
            "may have been interpolated or published on another grid."
        )
    elif is_on_sky and magnetogram.instrument in ("MDI", "HMI") and "pc1_1" in smap.meta and "crota2" not in smap.meta:
        yield (
            "smap seems to have been rotated or reprojected (it has a PC matrix, where files of MDI and HMI have CROTA2), which "
            "blurs the field and correlates its noise; take the map as it was observed, and rotate the result."
        )
    x, y = (scale.value for scale in magnetogram.plate_scale)
    if abs(x / y - 1) > _SQUARE:
        yield (
            f"smap has pixels of {x:.4g} x {y:.4g} {'deg' if magnetogram.is_cea else 'arcsec'}, and the models were trained on "
            "square ones."
        )
    if magnetogram.instrument in _NEAR_EARTH and is_on_sky:
        observer = smap.observer_coordinate.heliographic_stonyhurst
        earth = sunpy.coordinates.get_earth(smap.observer_coordinate.obstime or smap.date)
        away = angular_separation(observer.lon, observer.lat, earth.lon, earth.lat).to_value(u.deg)
        if away > _FARTHEST:
            yield (
                f"smap is seen from a place {away:.0f} degrees from the Earth, where {magnetogram.instrument} never was; "
                "it seems to have been reprojected."
            )


def _untrained(magnetogram, card):
    """Another instrument, plate scale or component."""
    if card.instruments and magnetogram.instrument not in card.instruments:
        yield (
            f"The model {card.name!r} was trained for {', '.join(card.instruments)}, and this map is from "
            f"{magnetogram.instrument}."
        )
    unit = "deg" if magnetogram.is_cea else "arcsec"
    limits = card.plate_scale_range.get(unit)
    scales = [scale.to_value(u.Unit(unit) / u.pix) for scale in magnetogram.plate_scale]
    if limits and not all(limits[0] <= scale <= limits[1] for scale in scales):
        yield (
            f"The model {card.name!r} was trained on {limits[0]} to {limits[1]} {unit}/pix, and this map has "
            f"{scales[0]:.4g} {unit}/pix."
        )
    if magnetogram.component in _TRANSVERSE:
        yield (
            f"smap shows {magnetogram.component.capitalize()}, a transverse component; the models were trained on the line of "
            "sight and Br alone."
        )


def _outside(magnetogram, card):
    """Stronger fields, another blur or another noise; see ``remarks``."""
    trained, valid = card.trained, magnetogram.valid
    instrument = instrument_of(magnetogram, card)
    strong = int((np.abs(magnetogram.data[valid]) > trained.get("field", np.inf)).sum())
    if strong:
        yield (
            f"The model {card.name!r} was trained on fields up to {trained['field']:g} G, and {_pixels(strong)} of this map "
            "have more."
        )
    limits = trained.get("psf_fwhm")
    if limits and magnetogram.blur is not None and not limits[0] <= instrument.fwhm <= limits[1]:
        yield (
            f"The model {card.name!r} was trained on point-spread functions of {limits[0]:g} to {limits[1]:g} pixels, "
            f"and that of this map has {instrument.fwhm:.3g} pixels."
        )
    if "noise" in trained:
        noise = float(np.median(instrument.noise[valid]))
        if not trained["noise"][0] <= noise <= trained["noise"][1]:
            yield (
                f"The model {card.name!r} was trained on noise of {trained['noise'][0]:g} to {trained['noise'][1]:g} G, and "
                f"this map has about {noise:.3g} G."
            )


def _steps(card, steps):
    if card.fixed_steps and steps != card.steps:
        yield (
            f"The model {card.name!r} was trained to draw samples in {card.steps} steps; what it draws in {steps} has "
            "another spread and another power."
        )


def _pixels(count, what="pixel"):
    return f"{count} {what}{'' if count == 1 else 's'}"
