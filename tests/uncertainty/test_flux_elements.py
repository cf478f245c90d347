"""The catalogue of flux elements: planted ones are told for what they are."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable

import sunpy_magsr
from sunpy_magsr.metrics import element_labels, unsigned_flux
from sunpy_magsr.uncertainty import Ensemble, flux_elements

SHAPE = (96, 96)
REAL = {"peak": 400, "y": 30, "x": 24}
WEAK = {"peak": -150, "y": 70, "x": 70}
FAKE = {"peak": 200, "y": 60, "x": 30, "sigma": 1.7}


def element(peak, y, x, sigma=2.5):
    rows, columns = np.indices(SHAPE)
    return peak * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))


def row_at(table, place):
    """The element within two pixels of a planted one."""
    near = np.hypot(table["x"].value - place["x"], table["y"].value - place["y"]) < 2
    assert near.sum() == 1
    return table[near][0]


@pytest.fixture
def make_map(small):
    template = sunpy_magsr.superresolve(small, model="bicubic", plate_scale=None)

    def make(data, statistic="sample 0", std=None, flagged=None):
        return type(template)(data, {**template.meta, "magsrsta": statistic}, mask=np.isnan(data))

    return make


@pytest.fixture
def members(rng):
    """Eight that agree on two elements, up to a tenth of their strength."""
    strengths = rng.normal(1, 0.1, (8, 1, 1))
    noise = rng.normal(0, 5, (8, *SHAPE))
    return (strengths * (element(**REAL) + element(**WEAK)) + noise).astype(np.float32)


@pytest.fixture
def truth(rng):
    return element(**REAL) + element(**WEAK) + rng.normal(0, 5, SHAPE)


def test_what_all_agree_on(members, make_map):
    table = flux_elements(Ensemble(members, make_map))
    assert isinstance(table, QTable)
    assert len(table) == 2
    assert table["detection"].tolist() == [1, 1]
    assert table["polarity"].tolist() == [1, -1]
    mean = make_map(members.mean(axis=0))
    assert table["peak"].to_value(u.G) == pytest.approx([mean.data.max(), mean.data.min()], abs=0.1)
    assert table["flux"].sum().to_value(u.Mx) == pytest.approx(
        unsigned_flux(mean, threshold=50 * u.G).to_value(u.Mx), rel=1e-4
    )
    assert (table["flux_low"] < table["flux"]).all()
    assert (table["flux"] < table["flux_high"]).all()
    labels = element_labels(mean)
    assert table["id"].tolist() == [labels[30, 24], labels[70, 70]]


def test_a_fake_in_one_member_is_in_no_other_and_not_in_the_truth(members, make_map, truth):
    members[3] += element(**FAKE).astype(np.float32)
    ensemble = Ensemble(members, make_map)
    table = flux_elements(ensemble, number=3, truth=truth)
    fake, real = row_at(table, FAKE), row_at(table, REAL)
    assert (fake["detection"], fake["outcome"]) == (0, "hallucinated")
    assert fake["flux_low"] < fake["truth_flux"] < fake["flux_high"] < 0.2 * fake["flux"]
    assert (real["detection"], real["outcome"]) == (1, "improved")
    assert set(flux_elements(ensemble, number=4, truth=truth)["outcome"]) == {"improved"}
    assert len(flux_elements(ensemble)) == 2  # the mean has an eighth of it


def test_one_that_the_truth_lost_is_hallucinated_by_all(members, make_map, truth):
    table = flux_elements(Ensemble(members, make_map), truth=truth - element(**WEAK))
    lost = row_at(table, WEAK)
    assert (lost["detection"], lost["outcome"]) == (1, "hallucinated")
    assert lost["truth_flux"] < lost["flux_low"]


def test_one_that_the_members_lack_is_omitted(members, make_map, truth):
    table = flux_elements(Ensemble(members, make_map), truth=make_map((truth + element(**FAKE)).astype(np.float32)))
    assert sorted(table["outcome"]) == ["improved", "improved", "omitted"]
    missed = row_at(table, FAKE)
    assert (missed["outcome"], missed["detection"], missed["polarity"]) == ("omitted", 0, 1)
    assert missed["flux"] == missed["truth_flux"] > missed["flux_high"]


def test_detection_is_the_share_of_the_members(members, make_map):
    members[:6] += element(**FAKE).astype(np.float32)
    ensemble = Ensemble(members, make_map)
    assert row_at(flux_elements(ensemble), FAKE)["detection"] == 6 / 8
    assert row_at(flux_elements(ensemble, number=0), FAKE)["detection"] == pytest.approx(5 / 7)


def test_the_interval_holds_one_more_member(rng, make_map):
    """Of six with 36 elements of Gaussian strengths each, five make the ensemble: 90 % of the intervals hold the sixth."""
    places = [{"peak": 400, "y": 8 + 16 * row, "x": 8 + 16 * column} for row in range(6) for column in range(6)]
    shapes = np.stack([element(**place) for place in places])
    held = []
    for _ in range(8):
        fields = np.tensordot(rng.normal(1, 0.15, (6, len(shapes))), shapes, axes=1)
        table = flux_elements(Ensemble(fields[:5].astype(np.float32), make_map), truth=fields[5])
        table = table[table["outcome"] != "omitted"]
        held.extend((table["flux_low"] <= table["truth_flux"]) & (table["truth_flux"] <= table["flux_high"]))
    assert len(held) == 8 * 36
    assert np.mean(held) == pytest.approx(0.9, abs=0.05)


def test_positions_are_those_of_the_map(members, make_map):
    ensemble = Ensemble(members, make_map)
    table, mean = flux_elements(ensemble), ensemble.mean()
    world = SkyCoord(table["Tx"], table["Ty"], frame=mean.coordinate_frame)
    x, y = mean.wcs.world_to_pixel(world)
    assert x == pytest.approx(table["x"].value, abs=1e-6)
    assert y == pytest.approx(table["y"].value, abs=1e-6)


def test_the_table_is_written_and_read(members, make_map, tmp_path):
    table = flux_elements(Ensemble(members, make_map))
    for name in ("elements.ecsv", "elements.fits"):
        table.write(tmp_path / name)
        again = QTable.read(tmp_path / name)
        assert again["flux"].to_value(u.Mx) == pytest.approx(table["flux"].to_value(u.Mx))
    assert QTable.read(tmp_path / "elements.ecsv").meta["found_in"] == "mean"


def test_missing_pixels_and_empty_fields(members, make_map, truth):
    truth[60:] = np.nan
    table = flux_elements(Ensemble(members, make_map), truth=truth)
    assert len(table) == 1
    row_at(table, REAL)
    nothing = flux_elements(Ensemble(0 * members, make_map), truth=truth)
    assert nothing["outcome"].tolist() == ["omitted"]
    assert len(flux_elements(Ensemble(0 * members, make_map))) == 0


def test_refusals(members, make_map):
    ensemble = Ensemble(members, make_map)
    with pytest.raises(TypeError, match="ensemble must be an Ensemble, got ndarray"):
        flux_elements(members)
    with pytest.raises(ValueError, match=r"truth must have the shape of the ensemble, \(96, 96\), got \(4, 4\)"):
        flux_elements(ensemble, truth=np.ones((4, 4)))
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 90"):
        flux_elements(ensemble, level=90)
    with pytest.raises(ValueError, match="number must be 0 to 7, got 8"):
        flux_elements(ensemble, number=8)
    with pytest.raises(ValueError, match=r"3 members or more .* got 2"):
        flux_elements(Ensemble(members[:2], make_map), number=0)
