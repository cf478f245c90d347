"""Evaluation: pairs from files, the table, the figures, and a run that resumes where it stopped."""

import dataclasses
import json
import shutil

import astropy.units as u
import docutils.core
import docutils.nodes
import numpy as np
import pytest
import scipy.stats
import sunpy.map
from astropy.io import ascii as tables
from astropy.io import fits

from sunpy_magsr import metrics, spectral
from sunpy_magsr.cli.main import main
from sunpy_magsr.inference.header import finer_header
from sunpy_magsr.instrument import degrade
from sunpy_magsr.instrument.gain import MDI_GAIN
from sunpy_magsr.maps import Magnetogram, prepare
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.store.card import bundled_folder
from sunpy_magsr.validation.evaluate import Evaluation, evaluate
from sunpy_magsr.validation.regions import (
    Region,
    component_of,
    cut_region,
    degraded_region,
    observation_time,
    paired_region,
    read_regions,
)
from sunpy_magsr.validation.scores import score

HMI = {"telescop": "SDO/HMI", "instrume": "HMI_SIDE1", "bunit": "Gauss"}


@pytest.fixture(scope="session")
def hmi(sample, truth):
    """The truth behind the sample on the x4 grid, as HMI would deliver it."""
    meta = finer_header(sample, (4, 4), (0, 0), truth.shape)
    for card in ("camera", "drms_id"):
        meta.pop(card, None)
    return sunpy.map.Map(
        truth.astype(np.float32), {**meta, **HMI, "t_obs": str(sample.meta.get("t_obs", sample.meta["date-obs"]))}
    )


def cut(smap, y, x, rows, columns):
    return smap.submap([x, y] * u.pix, top_right=[x + columns - 1, y + rows - 1] * u.pix)


@pytest.fixture
def folder(hmi, tmp_path):
    """A folder with two magnetograms of HMI."""
    (tmp_path / "hmi").mkdir()
    for number, (y, x) in enumerate(((380, 800), (560, 420))):
        smap = cut(hmi, y, x, 180, 202)
        fits.PrimaryHDU(smap.data, smap.fits_header).writeto(tmp_path / "hmi" / f"hmi.m_720s.{number}.fits")
    return tmp_path / "hmi"


def test_input_is_the_block_mean_at_the_same_place(hmi):
    region = degraded_region(cut(hmi, 380, 800, 181, 203), name="a")
    assert region.truth.shape == (180, 200)
    expected = region.truth.reshape(45, 4, 50, 4).mean(axis=(1, 3))
    assert region.low.data == pytest.approx(expected, abs=1e-3)
    assert region.plate_scale.to_value(u.arcsec / u.pix) == pytest.approx(hmi.scale[0].value)
    assert region.low.plate_scale[0].value == pytest.approx(4 * hmi.scale[0].value)


def test_a_gap_leaves_out_its_block_in_input_and_truth(hmi):
    smap = cut(hmi, 380, 800, 120, 120)
    data = smap.data.copy()
    data[50, 41] = np.nan
    region = degraded_region(sunpy.map.Map(data, smap.meta), name="a")
    assert np.isnan(region.truth).sum() == 16
    assert not region.low.valid[12, 10]
    assert region.low.valid.sum() == 30 * 30 - 1


def test_a_perfect_model_gets_perfect_scores(hmi):
    region = degraded_region(cut(hmi, 380, 800, 160, 200), name="a")

    class Perfect:
        card = load_backend("bicubic").card

        def samples(self, *_, **__):
            yield region.truth

    numbers, _ = score(Perfect(), region, n_samples=1, seed=0, segment=40.0)
    assert numbers["psnr"] > 100
    assert numbers["ssim"] == pytest.approx(1)
    assert numbers["lpips"] == pytest.approx(0, abs=1e-6)
    for name in ("flux_50", "flux_100", "area", "crps", "rmse_mean", "omission", "hallucination", "raw_departure"):
        assert numbers[name] == pytest.approx(0, abs=1e-3), name
    for name in (
        "power_ratio_sample_8_4",
        "power_ratio_mean_4_2",
        "coherence_sample_8_4",
        "coherence_mean_4_2",
        "pearson_mean",
        "lattice_axes",
        "lattice_places",
    ):
        assert numbers[name] == pytest.approx(1, abs=1e-3), name
    assert numbers["improvement"] == 100


def test_squares_of_input_pixels_are_a_lattice(hmi):
    region = degraded_region(cut(hmi, 380, 800, 160, 200), name="a")

    class Squares:
        card = load_backend("bicubic").card

        def samples(self, low, **_):
            yield np.repeat(np.repeat(np.nan_to_num(low.data), 4, axis=0), 4, axis=1)

    numbers, _ = score(Squares(), region, n_samples=1, seed=0, segment=40.0)
    assert numbers["lattice_axes"] > 1.5
    assert numbers["lattice_places"] > 1.3


@pytest.mark.slow
def test_a_network_tells_interpolation_from_the_truth(hmi):
    places = ((300, 700), (300, 480), (700, 380), (1000, 100))
    *active, quiet = (degraded_region(cut(hmi, y, x, 180, 200), name=f"{y} {x}") for y, x in places)
    assert evaluate(active, ["bicubic"], two_samples=True).pooled("bicubic")["two_samples"][0] > 0.9
    found = evaluate([*active[:2], quiet], ["bicubic"], two_samples=True)
    assert "two_samples" not in found.pooled("bicubic")
    assert "must have crops of 48 x 48 pixels above 25 G" in found.failed["bicubic, two samples"]
    assert found.pooled("bicubic")["rmse"][0] > 0


def test_correction_helps_interpolation(hmi):
    region = degraded_region(cut(hmi, 380, 800, 160, 200), name="a")
    numbers, _ = score(load_backend("bicubic"), region, n_samples=1, seed=0, segment=40.0)
    assert numbers["rmse"] < numbers["raw_rmse"]
    assert numbers["raw_departure"] > 1


def test_scores_are_those_of_the_metrics(hmi):
    region = degraded_region(cut(hmi, 380, 800, 160, 200), name="a")
    numbers, _ = score(load_backend("bicubic"), region, n_samples=1, seed=0, segment=40.0)
    raw = next(iter(load_backend("bicubic").samples(region.low)))
    assert numbers["raw_rmse"] == pytest.approx(metrics.rmse(raw, region.truth).value)
    assert numbers["raw_psnr"] == pytest.approx(20 * np.log10(6000 / numbers["raw_rmse"]))


def test_pooled_numbers_are_means_with_intervals_around_them(folder):
    regions, failed = read_regions(folder)
    result = evaluate(regions, ["bicubic"])
    assert not failed
    mean, low, high = result.pooled("bicubic")["rmse"]
    each = [row["rmse"] for row in result.numbers["bicubic"].values()]
    assert mean == pytest.approx(np.mean(each))
    assert low < mean < high


def test_interval_of_many_regions_is_that_of_their_mean(rng):
    """Close to Student's for a normal sample."""
    rows = {str(number): {"rmse": value} for number, value in enumerate(rng.normal(30, 4, 60))}
    nothing = {name: {"features": np.empty((0, 0))} for name in rows}
    result = Evaluation([], {}, {}, {"a": rows}, {"a": nothing}, {}, {})
    _, low, high = result.pooled("a")["rmse"]
    values = [row["rmse"] for row in rows.values()]
    expected = scipy.stats.t.interval(0.95, 59, np.mean(values), scipy.stats.sem(values))
    assert (low, high) == pytest.approx(expected, abs=0.15)


def test_command_writes_table_figures_and_record(folder, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["evaluate", "--data", str(folder), "-o", str(out), "--models", "bicubic,default", "--samples", "3"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "RMSE of the mean (G)" in printed
    table = tables.read(out / "table.csv", format="csv")
    assert table.colnames == ["quantity", "bicubic", "default"]
    document = docutils.core.publish_doctree((out / "table.rst").read_text(), settings_overrides={"report_level": 5})
    assert not list(document.findall(docutils.nodes.system_message))
    assert not list(document.findall(docutils.nodes.bullet_list))
    assert len(list(document.findall(docutils.nodes.row))) == len(table) + 1
    record = json.loads((out / "evaluation.json").read_text())
    assert record["settings"]["seed"] == 0
    assert len(record["files"]) == 2
    assert all(len(digest) == 64 for digest in record["files"].values())
    assert record["models"]["default"]["sha256"] == load_backend("default").card.sha256
    pooled = record["pooled"]["default"]["rmse_mean"]["mean"]
    assert f"{pooled:.2f}" in printed
    for name in ("spectra", "coherence", "small_features", "panels", "reliability"):
        assert (out / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_a_stopped_run_goes_on(folder, tmp_path, monkeypatch):
    from sunpy_magsr.validation import parts as module

    calls = []
    original = module.score

    def counted(backend, region, **options):
        calls.append(region.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(backend, region, **options)

    monkeypatch.setattr(module, "score", counted)
    command = ["evaluate", "--data", str(folder), "-o", str(tmp_path / "out"), "--models", "bicubic"]
    assert main(command) == 130
    assert main(command) == 0
    assert len(calls) == 3, "the finished part is not computed again"
    assert main([*command, "--samples", "2"]) == 0
    assert len(calls) == 5, "other settings are"
    part = next((tmp_path / "out" / "parts").glob("*.npz"))
    for size in (50, 0):
        part.write_bytes(part.read_bytes()[:size])
        assert main([*command, "--samples", "2"]) == 0
    assert len(calls) == 7, "so is a damaged part"


def test_a_damaged_file_is_named_and_the_rest_goes_on(folder, tmp_path, capsys):
    (folder / "torn.fits").write_bytes(b"SIMPLE  =                    T")
    assert main(["evaluate", "--data", str(folder), "-o", str(tmp_path / "out"), "--models", "bicubic"]) == 1
    assert "torn.fits" in capsys.readouterr().err
    assert "torn.fits" in json.loads((tmp_path / "out" / "evaluation.json").read_text())["failed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "nowhere"], "--data must be a folder, got 'nowhere'"),
        (["--models", "bicubic,best"], "model must be one of"),
        (["--component", "br"], "--data must be a folder with magnetograms"),
        (["--samples", "0"], "samples must be a whole number of at least 1, got 0"),
        (["--two-samples"], "--two-samples must be used with at least 3 regions, got 2"),
        (["--results", "nowhere"], "--results must be NAME=DIR, got 'nowhere'."),
        (["--results", "other=nowhere"], "--results must be NAME=DIR with a folder DIR, got other=nowhere."),
        (["--results", "bicubic=."], "--results must have a name that no model and no other results have"),
        (["--noise", "3", "--paired", "."], "--blur and --noise must be used with --data and without"),
        (["--results", "other=.", "--paired", "."], "--results must be used with --data alone or with --pairs"),
        (["--noise", "-3"], "noise must be a finite number of at least 0, got -3.0"),
    ],
)
def test_wrong_usage_is_one_line(folder, tmp_path, capsys, options, message):
    command = ["evaluate", "--data", str(folder), "--models", "bicubic", "-o", str(tmp_path / "out"), *options]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_sharp_files_without_unit_and_of_other_components(hmi, tmp_path):
    smap = cut(hmi, 380, 800, 64, 64)
    header = smap.fits_header
    header.remove("BUNIT")
    header["_BUNIT"] = "Mx/cm^2"
    for segment in ("magnetogram", "Br"):
        header["DRMS_ID"] = f"hmi.sharp_cea_720s:1:{segment}"
        fits.PrimaryHDU(smap.data, header).writeto(tmp_path / f"{segment}.fits")
    assert component_of(read_fits(tmp_path / "Br.fits"), "Br.fits") == "br"
    assert component_of(smap, "hmi.sharp_cea_720s.1.20110101_000000_TAI.Bt.fits") == "bt"
    assert "Br_err" in component_of(smap, "hmi.sharp_cea_720s.1.20110101_000000_TAI.Br_err.fits")
    regions, failed = read_regions(tmp_path)
    assert [region.name for region in regions] == ["magnetogram.fits"]
    assert not failed
    assert not regions[0].low.is_radial
    (tmp_path / "Br.fits").rename(tmp_path / "a_TAI.Br.fits")
    fits.delval(tmp_path / "a_TAI.Br.fits", "DRMS_ID")
    assert read_regions(tmp_path, component="br")[0][0].low.is_radial


def test_low_resolution_data_are_refused_as_truth(sample, tmp_path):
    fits.PrimaryHDU(sample.data, sample.fits_header).writeto(tmp_path / "mdi.fits")
    with pytest.raises(ValueError, match=r"high-resolution magnetogram of 0\.667 arcsec/pix or finer, got 1\.99"):
        read_regions(tmp_path)


def test_times_are_those_of_the_middle_of_the_exposure(small):
    meta = {**small.meta, "t_obs": "2001.03.29_12:02:30_TAI"}
    assert observation_time(sunpy.map.Map(small.data, meta)).tai.isot == "2001-03-29T12:02:30.000"


def test_a_true_pair_meets_on_the_grid_of_the_input(sample, hmi):
    """The truth of the synthetic sample, brought back from another grid, is what the sample was made of."""
    low = cut(sample, 100, 200, 40, 50)
    shifted = cut(hmi, 383, 790, 187, 232)  # not on the block grid
    region = paired_region(low, shifted, name="pair")
    expected = hmi.data[400:560, 800:1000]
    assert region.truth.shape == (160, 200)
    assert region.gain == pytest.approx(1 / 0.701)
    inner = np.isfinite(region.truth)
    assert inner.mean() > 0.9
    assert np.corrcoef(region.truth[inner], expected[inner])[0, 1] > 0.99
    window = (slice(20, 140), slice(20, 180))
    scale = {"plate_scale": region.plate_scale}
    power, reference = (spectral.power_spectrum(field[window], **scale) for field in (region.truth, expected))
    for band, lowest in (((8, 4), 0.98), ((4, 2), 0.95), ((2, 4 / 3), 0.75)):
        assert lowest < power.band(*band) / reference.band(*band) < 1.05, band


def test_a_pair_is_cut_to_what_the_truth_covers(sample, hmi):
    region = paired_region(sample, cut(hmi, 500, 700, 100, 120), name="pair")
    assert max(region.low.data.shape) <= 30 + 2 * 64 + 2
    covered = np.argwhere(np.isfinite(region.truth))
    place = covered.min(axis=0) + 4 * (np.array(region.low.origin) - prepare(sample).origin)
    assert np.abs(place - (500, 700)).max() <= 2


def test_a_large_region_is_cut_into_pieces_that_cover_it(rng):
    """Pieces hold every measured pixel but those of pieces that are nearly empty."""
    truth = rng.normal(0, 50, (2400, 1200)).astype(np.float32)
    truth[:, :100] = np.nan
    truth[1200:1800, 300:] = np.nan
    data = degrade(truth)
    valid = np.isfinite(data)
    low = Magnetogram(
        data=np.nan_to_num(data),
        valid=valid,
        origin=(-300, -150),
        plate_scale=(None, None),
        is_cea=True,
        instrument="HMI",
    )
    region = Region("disk", truth, low, [0.03, 0.03] * u.deg / u.pix, "")
    pieces = cut_region(region)
    assert [piece.name for piece in pieces] == ["disk[0,0]", "disk[1,0]"]
    assert sum(np.isfinite(piece.truth).sum() for piece in pieces) == np.isfinite(truth).sum()
    second = pieces[1]
    start = second.low.origin[0] + 300
    assert np.array_equal(second.truth, truth[4 * start :], equal_nan=True)
    assert np.array_equal(second.low.valid, valid[start:])
    small = dataclasses.replace(
        region, truth=truth[:400], low=dataclasses.replace(low, data=data[:100], valid=valid[:100])
    )
    assert cut_region(small) == [small]


@pytest.fixture
def pair_folders(sample, hmi, tmp_path):
    """MDI magnetograms of two places and an HMI one of the second, all of one time."""
    for name, smap in (
        ("mdi/a.fits", cut(sample, 10, 100, 44, 50)),
        ("mdi/b.fits", cut(sunpy.map.Map(MDI_GAIN * sample.data, sample.meta), 100, 200, 44, 50)),
        ("hmi/one.fits", cut(hmi, 383, 790, 200, 232)),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        fits.PrimaryHDU(smap.data, smap.fits_header).writeto(tmp_path / name)
    return tmp_path


def test_paired_command(pair_folders, capsys):
    """The partner is the one that overlaps, and results are on the scale of the truth."""
    out = pair_folders / "out"
    command = ["evaluate", "--data", str(pair_folders / "hmi"), "--models", "bicubic", "-o", str(out)]
    assert main([*command, "--paired", str(pair_folders / "mdi")]) == 0
    record = json.loads((out / "evaluation.json").read_text())
    assert "+" in record["files"]["one.fits"]
    assert abs(record["pooled"]["bicubic"]["flux_100"]["mean"]) < 15, "without the gain it would be 40 % and more"
    assert main([*command, "--paired", str(pair_folders / "mdi"), "--component", "br"]) == 2
    (pair_folders / "empty").mkdir()
    capsys.readouterr()
    assert main([*command, "--paired", str(pair_folders / "empty")]) == 2
    assert "no low-resolution magnetogram of component 'los' within 30 min" in capsys.readouterr().err


def test_files_of_one_name_are_two_regions(folder):
    (folder / "more").mkdir()
    (folder / "hmi.m_720s.0.fits").rename(folder / "more" / "hmi.m_720s.1.fits")
    regions, _ = read_regions(folder)
    result = evaluate(regions, ["bicubic"])
    assert len(result.numbers["bicubic"]) == 2


def test_models_of_the_same_weights_but_other_cards_differ(folder, tmp_path):
    default = bundled_folder("default")
    for name, steps in (("one", 1), ("two", 2)):
        shutil.copytree(default, tmp_path / name)
        card = json.loads((default / "card.json").read_text())
        (tmp_path / name / "card.json").write_text(json.dumps({**card, "steps": steps}))
    regions, _ = read_regions(folder)
    models = [str(tmp_path / name) for name in ("one", "two")]
    result = evaluate(regions[:1], models, n_samples=1, folder=tmp_path / "out")
    first, second = (result.pooled(name)["rmse"][0] for name in models)
    assert first != second
    again = evaluate(regions[:1], models[1:], n_samples=1, folder=tmp_path / "out")
    assert again.pooled(models[1])["rmse"][0] == second


def test_a_region_that_cannot_be_scored_is_named(folder, hmi, tmp_path, capsys):
    smap = cut(hmi, 380, 800, 80, 80)
    fits.PrimaryHDU(0 * smap.data, smap.fits_header).writeto(folder / "empty.fits")
    assert main(["evaluate", "--data", str(folder), "-o", str(tmp_path / "out"), "--models", "bicubic"]) == 1
    captured = capsys.readouterr()
    assert "magsr: empty.fits: bicubic:" in captured.err
    assert "Mean over 2 regions" in captured.out


def test_regions_of_different_size_and_scale(hmi):
    regions = [degraded_region(cut(hmi, 380, 800, 180, 200), name="a")]
    smap = cut(hmi, 560, 420, 170, 190)
    other = sunpy.map.Map(smap.data, {**smap.meta, "cdelt1": 0.4, "cdelt2": 0.4})
    regions.append(degraded_region(other, name="b"))
    result = evaluate(regions, ["bicubic"])
    spectrum = result.spectrum("bicubic", "power")
    assert np.isfinite(spectrum.value).all()
    assert result.pooled("bicubic")["rmse"][0] > 0


def test_numbers_that_a_region_does_not_have(hmi):
    """A quiet region has no active-region area to be wrong about; the other's counts."""
    smap = cut(hmi, 380, 800, 120, 120)
    quiet = sunpy.map.Map(0.01 * smap.data, smap.meta)
    regions = [degraded_region(one, name=name) for name, one in (("quiet", quiet), ("active", smap))]
    result = evaluate(regions, ["bicubic"])
    assert np.isnan(result.numbers["bicubic"]["quiet"]["area"])
    assert result.pooled("bicubic")["area"][0] == result.numbers["bicubic"]["active"]["area"]
