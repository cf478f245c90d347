"""Inputs unlike what a model was trained on are warned about, and said pixel by pixel."""

import dataclasses
import warnings

import numpy as np
import pytest
import sunpy.map

import sunpy_magsr
from sunpy_magsr.backends.registry import model_card
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.prep import prepare
from sunpy_magsr.training_range import outside_training, warn_if_outside
from sunpy_magsr.uncertainty.ensemble import NOT_TRAINED


@pytest.fixture
def card():
    trained = {"field": 2000.0, "mu": 0.5, "noise": [5.0, 30.0], "psf_fwhm": [0.5, 1.5]}
    return dataclasses.replace(model_card("default+mdi"), name="tried", trained=trained)


def test_ordinary_input_is_silent(small, card):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_outside(prepare(small), dataclasses.replace(card, trained={**card.trained, "field": 9000.0}))


@pytest.mark.parametrize(
    ("trained", "match"),
    [
        ({"field": 1.0}, "was trained on fields up to 1 G, and [0-9]+ pixels of this map have more"),
        ({"noise": [0.1, 0.2]}, "was trained on noise of 0.1 to 0.2 G, and this map has about"),
    ],
)
def test_what_is_outside_is_said(small, card, trained, match):
    with pytest.warns(MagsrUserWarning, match=match):
        warn_if_outside(prepare(small), dataclasses.replace(card, trained=trained))


def test_a_blur_outside_is_said(small, card):
    magnetogram = dataclasses.replace(prepare(small), psf_fwhm=1.8)
    with pytest.warns(
        MagsrUserWarning, match=r"point-spread functions of 0.5 to 1.5 pixels, and psf_fwhm is 1.8 pixels"
    ):
        warn_if_outside(magnetogram, dataclasses.replace(card, trained={"psf_fwhm": [0.5, 1.5]}))


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
