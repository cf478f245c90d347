"""Results of other code, judged in the same table as the models."""

import dataclasses
import json

import numpy as np
import pytest
from astropy.io import fits

from sunpy_magsr.cli.main import main
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.sampling.consistency import exact
from sunpy_magsr.validation import Results, evaluate, read_regions
from sunpy_magsr.validation.predictions import check_results
from sunpy_magsr.validation.regions import degraded_region, window_of


def write(folder, name, field):
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    fits.PrimaryHDU(np.asarray(field, np.float32)).writeto(path, overwrite=True)


def test_results_are_judged_as_they_are(folder, tmp_path):
    """Interpolation before the consistency step is worse than the package's own, and gets the number of the uncorrected."""
    region = read_regions(folder)[0][0]
    field = next(load_backend("bicubic").samples(region.low))
    write(tmp_path / "plain", region.file, field)
    write(tmp_path / "exact", region.file, exact(field, region.low.data))
    results = [Results(name, tmp_path / name) for name in ("plain", "exact")]
    found = evaluate([region], ["bicubic", *results])
    rmse = {name: found.pooled(name)["rmse"][0] for name in found.cards}
    assert rmse["exact"] == pytest.approx(rmse["bicubic"], rel=1e-4)
    assert rmse["plain"] == pytest.approx(found.pooled("bicubic")["raw_rmse"][0], rel=1e-4)


def test_results_on_the_grid_of_the_file_or_of_what_is_used(folder, tmp_path):
    regions, _ = read_regions(folder)
    write(tmp_path / "r", "a.fits", regions[0].truth)
    write(tmp_path / "r", "more/b.fits", fits.getdata(folder / "more" / "b.fits"))
    results = Results("r", tmp_path / "r")
    for region in regions:
        (field,) = results.members(region)
        assert np.array_equal(field, region.truth, equal_nan=True)


def test_members_are_numbered(folder, tmp_path, rng):
    region = read_regions(folder)[0][0]
    for number in range(4):
        write(tmp_path / "r", f"a.{number}.fits", region.truth + rng.normal(0, 10 + number, region.truth.shape))
    results = Results("r", tmp_path / "r")
    members = results.members(region)
    assert [round((member - region.truth).std()) for member in members] == [10, 11, 12, 13]
    assert not results.card.is_deterministic
    assert "spread_skill" in evaluate([region], [results]).pooled("r")


def test_a_piece_is_cut_out_of_the_result_of_the_file(hmi_active, tmp_path):
    region = degraded_region(hmi_active, name="a.fits")
    write(tmp_path / "r", "a.fits", region.truth)
    piece = dataclasses.replace(window_of(region, slice(20, 60), slice(30, 90)), name="a.fits[1,1]")
    (field,) = Results("r", tmp_path / "r").members(piece)
    assert np.array_equal(field, piece.truth)
    assert window_of(piece, slice(5, 9), slice(6, 9)).corner == (25, 36)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: None, "results must have a.fits or a.0.fits in"),
        (lambda field: field[:100], "a.fits must have 180 rows and 200 columns as the truth, got (100, 200)"),
        (lambda field: field.repeat(2, 0), "a.fits must have 180 rows and 200 columns as the truth, got (360, 200)"),
        (lambda field: field[None], "a.fits must hold an image of two dimensions, got none"),
        (lambda field: np.where(field > 50, np.nan, field), "a.fits must have a value wherever the truth has one, got"),
    ],
)
def test_what_is_wrong_is_named_and_left_out_for_all(folder, tmp_path, change, message):
    regions, _ = read_regions(folder)
    for region in regions:
        write(tmp_path / "r", region.file, region.truth)
    (tmp_path / "r" / "a.fits").unlink()
    changed = change(regions[0].truth)
    if changed is not None:
        write(tmp_path / "r", "a.fits", changed)
    kept, failed = check_results([Results("r", tmp_path / "r")], regions)
    assert [region.name for region in kept] == ["more/b.fits"]
    assert list(failed) == ["r: a.fits"]
    assert message in failed["r: a.fits"]


def test_command(folder, tmp_path, capsys):
    regions, _ = read_regions(folder)
    write(tmp_path / "r", "more/b.fits", regions[1].truth + 3)
    command = ["evaluate", "--data", str(folder), "-o", str(tmp_path / "out"), "--models", "bicubic"]
    assert main([*command, "--results", f"other={tmp_path / 'r'}"]) == 1
    captured = capsys.readouterr()
    assert "Mean over 1 region" in captured.out
    assert "magsr: other: a.fits: results must have a.fits" in captured.err
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert record["pooled"]["other"]["bias_mean"]["mean"] == pytest.approx(3, abs=1e-3)
