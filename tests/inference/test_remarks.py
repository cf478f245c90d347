"""Inputs unlike what a model was trained on are warned about, and said pixel by pixel."""

import dataclasses
import re

import numpy as np
import pytest
import sunpy.map

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.inference.remarks import outside_training, remarks_on
from sunpy_magsr.instrument import Blur
from sunpy_magsr.maps import prepare
from sunpy_magsr.sampling.registry import model_card
from sunpy_magsr.uncertainty.ensemble import NOT_TRAINED


@pytest.fixture
def card():
    trained = {"field": 2000.0, "mu": 0.5, "noise": [5.0, 30.0], "psf_fwhm": [0.5, 1.5]}
    return dataclasses.replace(model_card("default+mdi"), name="tried", trained=trained)


def remarks(small, card, magnetogram=None, **settings):
    return remarks_on(small, magnetogram or prepare(small), card, **{"steps": card.steps} | settings)


def test_ordinary_input_is_silent(small, card):
    assert not remarks(small, dataclasses.replace(card, trained={**card.trained, "field": 9000.0}))


@pytest.mark.parametrize(
    ("trained", "match"),
    [
        ({"field": 1.0}, "was trained on fields up to 1 G, and [0-9]+ pixels of this map have more"),
        ({"noise": [0.1, 0.2]}, "was trained on noise of 0.1 to 0.2 G, and this map has about"),
    ],
)
def test_what_is_outside_is_said(small, card, trained, match):
    (said,) = remarks(small, dataclasses.replace(card, trained=trained))
    assert re.search(match, said)


def test_a_blur_outside_is_said(small, card):
    blur = Blur(fwhm=1.8 * 1.986059, error=0.0, windows=0, noise=np.nan, origin="told")
    magnetogram = dataclasses.replace(prepare(small), blur=blur)
    (said,) = remarks(small, dataclasses.replace(card, trained={"psf_fwhm": [0.5, 1.5]}), magnetogram)
    assert "point-spread functions of 0.5 to 1.5 pixels, and that of this map has 1.8 pixels" in said


def test_all_that_is_unusual_is_said_in_one_warning(small):
    """A notebook shows one box, not four."""
    odd = sunpy.map.Map(small.data * np.float32(8), {**small.meta, "instrume": "SPMG", "telescop": "KPVT"})
    with pytest.warns(MagsrUserWarning) as caught:
        sunpy_magsr.superresolve(odd, model="default+mdi", plate_scale=None)
    told = [one for one in caught if issubclass(one.category, MagsrUserWarning)]
    assert len(told) == 1
    assert len(str(told[0].message).splitlines()) >= 2
    assert told[0].filename == __file__


def test_pixels_outside(small, card):
    magnetogram = prepare(small)
    mu = np.ones(magnetogram.data.shape)
    mu[:5] = 0.4
    outside = outside_training(magnetogram, mu, dataclasses.replace(card, trained={"field": 500.0, "mu": 0.5}))
    assert outside[:5].all()
    assert np.array_equal(outside[5:], np.abs(magnetogram.data[5:]) > 500)
    assert not outside_training(magnetogram, mu, dataclasses.replace(card, trained={})).any()


def test_a_saturated_pixel_is_flagged_in_the_result(small):
    data = small.data.copy()
    data[17:20, 17:20] = 4500.0
    with pytest.warns(MagsrUserWarning, match="9 pixels of this map have more"):
        ensemble = sunpy_magsr.superresolve_ensemble(
            sunpy.map.Map(data, small.meta), n_samples=2, plate_scale=None, bad_pixels="keep"
        )
    flagged = ensemble.flags & NOT_TRAINED > 0
    assert flagged[4 * 17 : 4 * 20, 4 * 17 : 4 * 20].all()
    assert flagged.sum() == 144
