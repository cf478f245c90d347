"""Validation fields are set aside by region and date, and leaks are errors."""

import csv

import pytest

from sunpy_magsr.cli.train import main
from sunpy_magsr.training.data.fields import Split

from .magnetograms import write_patch


def field(harp, date, sha256=""):
    name = f"harp{harp}.{date}.fits"
    return {"name": name, "harp": harp, "date": date, "sha256": sha256 or name}


def sides(fields, **options):
    split = Split(**options)
    split.check(fields)
    return [split.side(field) for field in fields]


def test_split_by_region_or_date():
    fields = [field(1, "2011-02-15T00:00:00"), field(0, "2012-03-07T12:00:00.000"), field(2, "2013-01-01T00:00:00")]
    assert sides(fields, harps=[2]) == ["training", "training", "validation"]
    assert sides(fields, dates=["2012-03-01", "2012-03-07"]) == ["training", "validation", "training"]
    assert sides(fields, test_dates=["2012-03-07", "2012-03-31"]) == ["training", "test", "training"]


def test_nothing_set_aside_leaves_all():
    assert sides([field(1, "2011-02-15T00:00:00"), field(0, "")]) == ["training", "training"]


def test_planted_duplicate_region_is_found():
    """The same content under another number and date."""
    original, copy = field(1, "2011-02-15T00:00:00", "same"), field(99, "2015-01-01T00:00:00", "same")
    with pytest.raises(ValueError, match=r"harp99.*\(validation\) and harp1.*\(training\): they hold the same data"):
        sides([original, copy], harps=[99])


def test_planted_neighboring_date_is_found():
    fields = [field(1, "2011-02-15T00:00:00"), field(2, "2011-02-17T00:00:00"), field(3, "2011-01-01T00:00:00")]
    with pytest.raises(ValueError, match=r"harp1.*they are 2\.0 days apart, less than data\.least_gap_days = 3"):
        sides(fields, harps=[2])
    assert sides(fields, harps=[2], least_gap=1.5) == ["training", "validation", "training"]


def test_one_region_on_both_sides_is_found():
    fields = [field(7, "2011-02-01T00:00:00"), field(7, "2011-03-01T00:00:00")]
    with pytest.raises(ValueError, match="both are of HARP 7"):
        sides(fields, dates=["2011-03-01", "2011-03-02"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"harps": [5]}, r"data\.validation_harps must be regions of the data, got \[5\]"),
        ({"dates": ["2011-01-01"]}, r"data\.validation_dates must be empty or the first and last day"),
        ({"harps": [1], "fields": [field(1, "")]}, r"data must have dates to be split, got '' for harp1"),
        ({"harps": [1]}, "data must hold fields to train on and to validate on, got 0 and 1"),
    ],
)
def test_bad_splits(options, message):
    with pytest.raises(ValueError, match=message):
        sides(**{"fields": [field(1, "2011-02-15T00:00:00")], **options})


def test_training_is_validated_on_fields_set_aside(tmp_path, truth, capsys):
    for number, date in ((1, "20110215"), (2, "20130101")):
        data = truth[200 + 300 * number : 400 + 300 * number, 600:800]
        write_patch(tmp_path / "fits", data, harp=number, date=f"{date}_000000")
    (tmp_path / "train.toml").write_text(
        """
output = "run"
[data]
root = "fits"
validation_harps = [1]
strong_share = 0.0
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
    assert main(["prepare", config]) == 0
    assert main(["baseline", config]) == 0
    with (tmp_path / "run" / "checkpoints" / "regression" / "validation.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["20", "40", "60"]
    losses = [float(row["loss"]) for row in rows]
    assert losses[-1] < losses[0]
    assert main(["prepare", config, "--set", "data.least_gap_days=1000"]) == 2
    assert "validation data leak: hmi.sharp_cea_720s.1" in capsys.readouterr().err
