"""Validation fields are set aside by region and date, and leaks are errors."""

import numpy as np
import pytest
from astropy.io import fits

from sunpy_magsr.data import sample_truth
from sunpy_magsr.training.cli import main
from sunpy_magsr.training.data import TrainingField
from sunpy_magsr.training.splits import check_leak, split_fields


@pytest.fixture
def make(rng):
    def field(harp, date, data=None):
        data = rng.normal(0, 50, (40, 40)).astype(np.float32) if data is None else data
        return TrainingField(data, f"harp{harp}.{date}.fits", harp, date, "los", 3.0)

    return field


def test_split_by_region(make):
    fields = [make(1, "20110215_000000"), make(1, "20110216_000000"), make(2, "20120307_120000")]
    training, validation = split_fields(fields, harps=[2])
    assert [field.harp for field in training] == [1, 1]
    assert [field.harp for field in validation] == [2]


def test_split_by_date(make):
    fields = [make(1, "20110215_000000"), make(0, "2012-03-07T12:00:00.000"), make(2, "20130101_000000")]
    training, validation = split_fields(fields, dates=["2012-03-01", "2012-03-31"])
    assert [field.harp for field in training] == [1, 2]
    assert validation == [fields[1]]


def test_nothing_set_aside_leaves_all(make):
    fields = [make(1, "20110215_000000"), make(0, "")]
    assert split_fields(fields) == (fields, [])


def test_planted_duplicate_region_is_found(make):
    """The same data under another number and date, with noise below the rounding of a file."""
    original = make(1, "20110215_000000")
    copy = make(99, "20150101_000000", np.round(original.data / 0.1) * np.float32(0.1))
    with pytest.raises(ValueError, match=r"harp99.*\(validation\) and harp1.*\(training\): they hold the same data"):
        split_fields([original, copy], harps=[99])


def test_planted_neighboring_date_is_found(make):
    fields = [make(1, "20110215_000000"), make(2, "20110217_000000")]
    with pytest.raises(ValueError, match=r"they are 2\.0 days apart, less than data\.least_gap_days = 3"):
        split_fields(fields, harps=[2])
    assert split_fields(fields, harps=[2], least_gap=1.5)[1] == [fields[1]]


def test_one_region_on_both_sides_is_found(make):
    fields = [make(7, "20110201_000000"), make(7, "20110301_000000")]
    with pytest.raises(ValueError, match="both are of HARP 7"):
        split_fields(fields, dates=["2011-03-01", "2011-03-02"])
    with pytest.raises(ValueError, match="both are of HARP 7"):
        check_leak(fields[:1], fields[1:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"harps": [5]}, r"data\.validation_harps must be regions of the data, got \[5\]"),
        ({"dates": ["2011-01-01"]}, r"data\.validation_dates must be empty or the first and last day"),
        ({"harps": [1]}, "data must hold fields to train on and to validate on, got 0 and 1"),
    ],
)
def test_bad_splits(make, options, message):
    with pytest.raises(ValueError, match=message):
        split_fields([make(1, "20110215_000000")], **options)


def test_training_is_validated_on_fields_set_aside(tmp_path, capsys):
    (tmp_path / "fits").mkdir()
    truth = sample_truth()[0]
    for number, date in ((1, "20110215"), (2, "20130101")):
        data = truth[200 + 300 * number : 400 + 300 * number, 600:800]
        name = f"hmi.sharp_cea_720s.{number}.{date}_000000_TAI.magnetogram.fits"
        fits.PrimaryHDU(data).writeto(tmp_path / "fits" / name)
    (tmp_path / "train.toml").write_text(
        """
output = "run"
[data]
root = "fits"
validation_harps = [2]
[regression]
network = "Enhance"
steps = 60
patch = 32
batch_size = 4
warmup = 1
learning_rate = 3e-3
ema_decay = 0.5
validate_every = 20
model = { channels = 8, blocks = 1 }
"""
    )
    config = str(tmp_path / "train.toml")
    assert main(["baseline", config]) == 0
    lines = (tmp_path / "run" / "checkpoints" / "regression" / "validation.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["20", "40", "60"]
    losses = [float(line.split(",")[1].removeprefix("loss=")) for line in lines]
    assert losses[-1] < losses[0]
    assert main(["baseline", config, "--set", "data.least_gap_days=1000"]) == 2
    assert "validation data leak: hmi.sharp_cea_720s.2" in capsys.readouterr().err
