"""How long an MDI magnetogram was averaged."""

import pytest

from sunpy_magsr.maps import prepare
from sunpy_magsr.maps.header import exposure_time


def test_the_interval_card_says_it(with_meta):
    assert exposure_time(with_meta(interval=30.0)) == 30
    assert prepare(with_meta(interval=300.0)).exposure == 300


def test_without_it_twice_the_time_to_the_middle(with_meta):
    smap = with_meta(interval=None, **{"t_obs": "2010.07.14_12:51:30_TAI", "date-obs": "2010-07-14T12:48:26.000"})
    assert exposure_time(smap) == pytest.approx(300, abs=1)


def test_a_header_that_does_not_say(with_meta):
    assert exposure_time(with_meta(interval=None, t_obs=None)) is None
    assert exposure_time(with_meta(interval=None, **{"t_obs": "2010.07.14_12:51:30_TAI", "date-obs": None})) is None


def test_of_another_instrument_nothing_is_said(with_meta):
    smap = with_meta(interval=300.0, instrume="HMI_SIDE1", camera=None)
    assert prepare(smap).exposure is None
