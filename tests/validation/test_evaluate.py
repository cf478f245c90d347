"""Scores of regions, their table and figures, and a run that resumes where it stopped."""

import json
import shutil

import docutils.core
import docutils.nodes
import numpy as np
import pytest
import scipy.stats
import sunpy.map
from astropy.io import ascii as tables
from astropy.io import fits

from sunpy_magsr import metrics
from sunpy_magsr.cli.main import main
from sunpy_magsr.instrument.gain import MDI_GAIN
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.store.card import bundled_folder
from sunpy_magsr.validation import evaluate, read_regions
from sunpy_magsr.validation.evaluation import Evaluation
from sunpy_magsr.validation.regions import degraded_region
from sunpy_magsr.validation.scores import score_region

from .cutouts import cut


@pytest.fixture(scope="module")
def region(hmi):
    return degraded_region(cut(hmi, 380, 800, 160, 200), name="a")


def score(region, model=None, samples=None):
    """The numbers of a model, or of what a function makes of the input."""
    model = model or load_backend("bicubic")
    if samples is not None:

        class Model:
            card = model.card

            def samples(self, low, **_):
                yield samples(low.data)

        model = Model()
    return score_region(model, region, n_samples=1, seed=0, segment=40.0)[0]


def test_a_perfect_model_gets_perfect_scores(region):
    numbers = score(region, samples=lambda _: region.truth)
    assert numbers["psnr"] > 100
    assert numbers["lpips"] == pytest.approx(0, abs=1e-6)
    assert numbers["improvement"] == 100
    zeros = ("flux_50", "flux_100", "area", "crps", "rmse_mean", "omission", "hallucination", "raw_departure")
    powers = ("power_ratio_sample_8_4", "power_ratio_mean_4_2", "coherence_sample_8_4", "coherence_mean_4_2")
    ones = ("ssim", "pearson_mean", "lattice_axes", "lattice_places", *powers)
    for names, right in ((zeros, 0), (ones, 1)):
        assert {name: numbers[name] for name in names} == pytest.approx(dict.fromkeys(names, right), abs=1e-3)


def test_squares_of_input_pixels_are_a_lattice(region):
    numbers = score(region, samples=lambda low: low.repeat(4, 0).repeat(4, 1))
    assert numbers["lattice_axes"] > 1.5
    assert numbers["lattice_places"] > 1.3


def test_scores_are_those_of_the_metrics_and_consistency_helps_interpolation(region):
    numbers = score(region)
    raw = next(iter(load_backend("bicubic").samples(region.low)))
    assert numbers["raw_rmse"] == pytest.approx(metrics.rmse(raw, region.truth).value)
    assert numbers["raw_psnr"] == pytest.approx(20 * np.log10(6000 / numbers["raw_rmse"]))
    assert numbers["rmse"] < numbers["raw_rmse"]
    assert numbers["raw_departure"] > 1


@pytest.mark.slow
def test_a_network_tells_interpolation_from_the_truth(hmi):
    places = ((300, 700), (300, 480), (700, 380), (1000, 100))
    *active, quiet = (degraded_region(cut(hmi, y, x, 180, 200), name=f"{y} {x}") for y, x in places)
    assert evaluate(active, ["bicubic"], two_samples=True).pooled("bicubic")["two_samples"][0] > 0.9
    found = evaluate([*active[:2], quiet], ["bicubic"], two_samples=True)
    assert "two_samples" not in found.pooled("bicubic")
    assert "must have crops of 48 x 48 pixels above 25 G" in found.failed["bicubic, two samples"]
    assert found.pooled("bicubic")["rmse"][0] > 0


def test_interval_of_many_regions_is_that_of_their_mean(rng):
    """Close to Student's for a normal sample."""
    values = rng.normal(30, 4, 60)
    rows = {str(number): {"rmse": value} for number, value in enumerate(values)}
    nothing = {name: {"features": np.empty((0, 0))} for name in rows}
    mean, *interval = Evaluation([], {}, {}, {"a": rows}, {"a": nothing}, {}, {}).pooled("a")["rmse"]
    assert mean == pytest.approx(values.mean())
    assert interval == pytest.approx(scipy.stats.t.interval(0.95, 59, mean, scipy.stats.sem(values)), abs=0.15)


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
    assert set(record["files"]) == {"a.fits", "more/b.fits"}
    assert all(len(digest) == 64 for digest in record["files"].values())
    assert record["models"]["default"]["sha256"] == load_backend("default").card.sha256
    assert f"{record['pooled']['default']['rmse_mean']['mean']:.2f}" in printed
    for name in ("spectra", "coherence", "small_features", "panels", "reliability"):
        assert (out / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_a_stopped_run_goes_on(folder, tmp_path, monkeypatch):
    from sunpy_magsr.validation.evaluation import score_region as original

    calls = []

    def counted(model, region, **options):
        calls.append(region.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(model, region, **options)

    monkeypatch.setattr("sunpy_magsr.validation.evaluation.score_region", counted)
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


def test_files_that_cannot_be_read_or_scored_are_named_and_the_rest_goes_on(folder, tmp_path, capsys):
    (folder / "torn.fits").write_bytes(b"SIMPLE  =                    T")
    smap = sunpy.map.Map(folder / "a.fits")
    fits.PrimaryHDU(0 * smap.data[:80, :80], smap.fits_header).writeto(folder / "empty.fits")
    assert main(["evaluate", "--data", str(folder), "-o", str(tmp_path / "out"), "--models", "bicubic"]) == 1
    captured = capsys.readouterr()
    assert "magsr: torn.fits: " in captured.err
    assert "magsr: empty.fits: bicubic: " in captured.err
    assert "Mean over 2 regions" in captured.out
    failed = json.loads((tmp_path / "out" / "evaluation.json").read_text())["failed"]
    assert set(failed) == {"torn.fits", "empty.fits: bicubic"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "nowhere"], "--data must be a folder, got 'nowhere'"),
        (["--models", "bicubic,best"], "model must be one of"),
        (["--component", "br"], "--data must be a folder with magnetograms"),
        (["--samples", "0"], "samples must be a whole number of at least 1, got 0"),
        (["--two-samples"], "--two-samples must be used with at least 3 regions, got 2"),
        (["--results", "nowhere"], "--results must be NAME=DIR with a folder DIR, got 'nowhere'."),
        (["--results", "other=nowhere"], "--results must be NAME=DIR with a folder DIR, got 'other=nowhere'."),
        (["--results", "bicubic=."], "--results must have a name that no model and no other results have"),
        (["--noise", "3", "--low-resolution", "."], "--blur and --noise must be used with --data and without"),
        (["--results", "o=.", "--low-resolution", "."], "--results must be used with --data alone or with --pairs"),
        (["--noise", "-3"], "noise must be a finite number of at least 0, got -3.0"),
    ],
)
def test_wrong_usage_is_one_line(folder, tmp_path, capsys, options, message):
    command = ["evaluate", "--data", str(folder), "--models", "bicubic", "-o", str(tmp_path / "out"), *options]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_low_resolution_files_are_the_input(sample, hmi, tmp_path, capsys):
    """The partner is the one of that time that overlaps, and results are on the scale of the truth."""
    for name, smap in (
        ("mdi/a.fits", cut(sample, 10, 100, 44, 50)),
        ("mdi/b.fits", cut(sunpy.map.Map(MDI_GAIN * sample.data, sample.meta), 100, 200, 44, 50)),
        ("hmi/one.fits", cut(hmi, 383, 790, 200, 232)),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        fits.PrimaryHDU(smap.data, smap.fits_header).writeto(tmp_path / name)
    command = ["evaluate", "--data", str(tmp_path / "hmi"), "--models", "bicubic", "-o", str(tmp_path / "out")]
    command += ["--low-resolution", str(tmp_path / "mdi")]
    assert main(command) == 0
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert "+" in record["files"]["one.fits"]
    assert abs(record["pooled"]["bicubic"]["flux_100"]["mean"]) < 15, "without the gain it would be 40 % and more"
    assert main([*command, "--component", "br"]) == 2
    (tmp_path / "mdi" / "b.fits").unlink()
    capsys.readouterr()
    assert main(command) == 2
    assert "no low-resolution magnetogram of component 'los' within 30 min" in capsys.readouterr().err


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


def test_regions_of_other_sizes_scales_and_strengths_are_pooled(region, hmi):
    """A quiet region has no active-region area to be wrong about; the other's counts."""
    smap = cut(hmi, 560, 420, 170, 190)
    quiet = sunpy.map.Map(0.01 * smap.data, {**smap.meta, "cdelt1": 0.4, "cdelt2": 0.4})
    result = evaluate([region, degraded_region(quiet, name="quiet")], ["bicubic"])
    assert np.isfinite(result.spectrum("bicubic", "power").value).all()
    assert np.isnan(result.numbers["bicubic"]["quiet"]["area"])
    assert result.pooled("bicubic")["area"][0] == result.numbers["bicubic"]["a"]["area"]
