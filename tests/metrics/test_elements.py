"""Fields whose flux elements are known."""

import astropy.units as u
import numpy as np
import pytest

from sunpy_magsr.metrics import element_labels
from sunpy_magsr.metrics.elements import match_elements

SCALE = {"plate_scale": 0.5 * u.arcsec / u.pix}


def element(peak, y, x, *, sigma=2.0, shape=(60, 80)):
    rows, columns = np.indices(shape)
    return peak * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))


def test_elements_are_counted_and_end_at_the_threshold():
    field = element(400, 20, 20) + element(-300, 40, 60) + element(40, 20, 60)
    labels = element_labels(field, **SCALE)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, np.select([field > 50, field < -50], [1, 2], 0))


def test_a_valley_divides_if_it_is_deep_enough():
    field = element(400, 30, 30, sigma=3) + element(300, 30, 42, sigma=3)
    labels = element_labels(field, **SCALE)
    assert labels.max() == 2
    assert labels[30, 30] != labels[30, 42]
    assert element_labels(field, prominence=250 * u.G, **SCALE).max() == 1


def test_noise_on_a_plateau_does_not_divide_it(rng):
    field = np.where(np.hypot(*(np.indices((60, 80)) - [[[30]], [[40]]])) < 15, 500.0, 0) + rng.normal(0, 8, (60, 80))
    labels = element_labels(field, **SCALE)
    np.testing.assert_array_equal(labels > 0, field > 50)
    assert labels.max() == 1


def test_small_ones_are_left_out_by_their_area_on_the_sun():
    field = np.zeros((20, 20))
    field[5, 5], field[10:12, 10:12] = 500, 500  # 0.13 and 0.53 Mm^2
    assert element_labels(field, **SCALE).max() == 1
    assert element_labels(field, min_area=0 * u.Mm**2, **SCALE).max() == 2
    assert element_labels(field, min_area=1 * u.Mm**2, **SCALE).max() == 0


def test_refusals():
    with pytest.raises(ValueError, match="threshold must be a non-negative Quantity in G, got 50"):
        element_labels(np.ones((4, 4)), threshold=50, **SCALE)
    with pytest.raises(ValueError, match="prominence must be a positive Quantity in G"):
        element_labels(np.ones((4, 4)), prominence=0 * u.G, **SCALE)
    with pytest.raises(ValueError, match="plate_scale must be given"):
        element_labels(np.ones((4, 4)))


def found(field, other, **options):
    return match_elements(
        element_labels(field, **SCALE), field, element_labels(other, **SCALE), other, **options
    ).tolist()


def test_the_same_is_matched_and_a_missing_one_is_not():
    field = element(400, 20, 20) + element(-300, 40, 60)
    assert found(field, field) == [True, True]
    assert found(field, element(400, 20, 20)) == [True, False]
    assert found(field, np.zeros_like(field)) == [False, False]
    assert found(np.zeros_like(field), field) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"x": 31}, True),
        ({"x": 36}, False),
        ({"peak": 250}, True),
        ({"peak": 100}, False),
        ({"peak": 1600}, False),
        ({"peak": -400}, False),
    ],
)
def test_a_third_of_the_stronger_must_be_shared(change, expected):
    first = {"peak": 400, "y": 30, "x": 30}
    fields = element(**first), element(**(first | change))
    assert found(*fields) == found(*fields[::-1]) == [expected]


def test_one_of_two_that_another_merges_is_matched():
    """The stronger: a fake beside it has no partner of its own."""
    plain = element(400, 30, 30, sigma=4)
    with_fake = plain + element(200, 30, 40, sigma=1.5)
    labels = element_labels(with_fake, **SCALE)
    is_matched = match_elements(labels, with_fake, element_labels(plain, **SCALE), plain)
    assert is_matched[labels[30, 30] - 1]
    assert not is_matched[labels[30, 40] - 1]
