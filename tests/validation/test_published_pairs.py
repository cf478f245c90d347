"""True pairs as images: found, brought to pixels of their own, aligned and judged."""

import numpy as np
import pytest
import scipy.ndimage
from astropy.io import fits
from astropy.table import Table

from sunpy_magsr.cli.main import main
from sunpy_magsr.instrument import degrade
from sunpy_magsr.validation import Results, evaluate_pairs, read_published_pairs
from sunpy_magsr.validation.published import native_pixels
from sunpy_magsr.validation.scores import scaled_input

TABLE = """
[[pairs]]
source = "test"
low = "low_{stamp}.fits"
high = "high_{stamp}.fits"
plate_scale = 0.5
interpolation = "none"
correlation = { "20110402_000000" = 0.9 }
"""


@pytest.fixture
def pair(truth):
    truth = truth[300:556, 300:556].astype(float)
    return truth, degrade(truth, psf_fwhm=5.0, gain=1.4, noise=8.0, seed=1)


@pytest.fixture
def folder(tmp_path, pair):
    """One pair whose high-resolution image is displaced, and a file without a partner."""
    truth, low = pair
    fits.writeto(tmp_path / "low_20110402_000000.fits", low)
    fits.writeto(tmp_path / "high_20110402_000000.fits", scipy.ndimage.shift(truth, (2, -3.25), order=3, mode="wrap"))
    fits.writeto(tmp_path / "low_20110403_000000.fits", low)
    (tmp_path / "pairs.toml").write_text(TABLE)
    return tmp_path


def test_high_is_shifted_to_where_it_fits(folder, pair):
    truth, low = pair
    regions, failed = read_published_pairs(folder)
    assert list(failed) == ["low_20110403_000000.fits"]
    (region,) = regions
    assert region.stamp == "20110402_000000"
    assert region.low.data == pytest.approx(low, abs=1e-3)
    known = np.isfinite(region.truth)
    assert known.sum() == (256 - 48) ** 2
    assert np.corrcoef(region.truth[known], truth[known])[0, 1] > 0.99


def test_bilinear_interpolation_is_undone(rng):
    low, high = rng.normal(0, 100, (20, 24)), np.zeros((80, 96))
    published = scipy.ndimage.zoom(low, 4, order=1, grid_mode=True, mode="nearest")
    entry = {"interpolation": "bilinear", "plate_scale": 0.504}
    assert native_pixels(published, high, entry)[0] == pytest.approx(low, abs=1e-6)


def test_an_unknown_grid_is_sampled_at_the_native_scale():
    _y, x = np.mgrid[:256, :256]
    wave = np.sin(2 * np.pi * (x + 0.5) * 0.73 / 30)
    entry = {"interpolation": "unknown", "plate_scale": 0.73, "native_plate_scale": 1.98}
    low, high, scale = native_pixels(wave, wave, entry)
    assert scale == pytest.approx(0.495)
    assert high.shape == tuple(4 * side for side in low.shape)
    inner = slice(4, -4)
    expected = np.sin(2 * np.pi * (np.arange(low.shape[1]) + 0.5) * 1.98 / 30)
    assert low[inner, inner] == pytest.approx(np.broadcast_to(expected, low.shape)[inner, inner], abs=0.01)


def test_interpolation_is_compared_with_the_scaled_input(folder):
    (pair,), _ = read_published_pairs(folder)
    numbers = evaluate_pairs([pair], ["bicubic"]).numbers["bicubic"][pair.name]
    assert 0.9 < numbers["rmse_ratio"] < 1.2
    assert numbers["power_ratio_sample_4_2"] < 0.3
    assert "spread_skill" not in numbers
    known = np.isfinite(pair.truth)
    scaled = scaled_input(pair)[known]
    assert scaled @ pair.truth[known] / (scaled**2).sum() == pytest.approx(1, rel=1e-6)


def test_the_command_writes_the_tables(folder, tmp_path, capsys):
    output = tmp_path / "out"
    command = ["evaluate", "--pairs", str(folder), "--models", "bicubic,default", "--samples", "6", "-o", str(output)]
    assert main(command) == 1
    shown = capsys.readouterr()
    assert "1 true pair, HMI's scale; 6 samples" in shown.out
    assert "low_20110403_000000.fits: its partner must be" in shown.err
    table = Table.read(output / "pairs.ecsv")
    assert list(table["model"]) == ["bicubic", "default", "test (published)"]
    assert table["correlation of the mean"][2] == 0.9
    assert table["spread / skill"][1] > 0.3
    assert (output / "pairs.png").read_bytes()[:4] == b"\x89PNG"
    response = Table.read(output / "response.ecsv")
    assert response["psf_fwhm"][0] == pytest.approx(2.5, abs=0.15)
    assert response["gain"][0] == pytest.approx(1.4, abs=0.03)


def test_results_from_elsewhere_are_judged_as_they_are(folder, tmp_path, capsys, rng):
    """A result that is MDI over its gain, and the truth plus a little noise as two members."""
    name, results = "low_20110402_000000", tmp_path / "results"
    (region,), _ = read_published_pairs(folder)
    for kind, files in {
        "scaled": {f"{name}.fits": scaled_input(region)},
        "near": {
            f"{name}.{number}.fits": np.nan_to_num(region.truth) + rng.normal(0, 2, (256, 256)) for number in (0, 1)
        },
    }.items():
        (results / kind).mkdir(parents=True)
        for file, field in files.items():
            fits.writeto(results / kind / file, field.astype(np.float32))
    command = ["evaluate", "--pairs", str(folder), "--models", "bicubic", "-o", str(tmp_path / "out")]
    assert main([*command, *(f"--results={kind}={results / kind}" for kind in ("scaled", "near"))]) == 1
    table = Table.read(tmp_path / "out" / "pairs.ecsv")
    assert list(table["model"][1:3]) == ["scaled", "near"]
    ratio = table["RMSE of the mean / of the scaled input"]
    assert ratio[1] == pytest.approx(1, abs=1e-3)
    assert ratio[2] < 0.1
    assert table['power of a sample / HMI, 4-2"'][2] == pytest.approx(1, abs=0.05)
    assert table["spread / skill"][2] == pytest.approx(np.sqrt(3), abs=0.2)
    capsys.readouterr()
    (results / "scaled" / f"{name}.fits").unlink()
    assert main([*command, f"--results=scaled={results / 'scaled'}"]) == 2
    assert "--results must have a result for a pair of --pairs, got none" in capsys.readouterr().err


def test_results_on_a_published_grid_are_brought_to_native_pixels(tmp_path):
    """The published image of HMI itself, entered as a result, is the truth."""
    y, x = np.mgrid[:256, :256]
    image = 300 * np.sin(2 * np.pi * x / 40) * np.cos(2 * np.pi * y / 56)
    entry = TABLE.replace('"none"', '"unknown"\nnative_plate_scale = 2.0')
    (tmp_path / "pairs.toml").write_text(entry.replace("plate_scale = 0.5\n", "plate_scale = 0.731\n"))
    (tmp_path / "results").mkdir()
    for path in ("low_20110402_000000.fits", "high_20110402_000000.fits", "results/low_20110402_000000.fits"):
        fits.writeto(tmp_path / path, image)
    (region,), _ = read_published_pairs(tmp_path)
    (field,) = Results("same", tmp_path / "results").members(region)
    known = np.isfinite(region.truth)
    assert np.isfinite(field).sum() == known.sum()
    assert field[known] == pytest.approx(region.truth[known], abs=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pairs = 1 =", "is not valid TOML"),
        (TABLE.replace("plate_scale", "scale"), "an entry of .* must have"),
        (TABLE.replace('"none"', '"cubic"'), "interpolation of none, bilinear, unknown"),
        ("", "folder must hold pairs"),
    ],
)
def test_errors(folder, text, message):
    (folder / "pairs.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_published_pairs(folder)
