"""A model folder: it loads elsewhere to the answer that it had here, says what it is, and goes to a Hub as it is."""

import json
import re

import huggingface_hub
import numpy as np
import pytest
import sunpy.map

import sunpy_magsr
from sunpy_magsr.cli.train import main
from sunpy_magsr.instrument import degrade
from sunpy_magsr.store.card import ModelCard
from sunpy_magsr.training.check import check_folder, departure, load_exported
from sunpy_magsr.training.publish import export_model

from ..store.hub_server import local_hub
from .tiny_models import DIFFUSION, REGRESSION, adapter_run, regression_run


def fail(_):
    msg = "it fails"
    raise RuntimeError(msg)


def record(card, **changed):
    """What ``magsr evaluate`` would write for a model."""
    facts = {"name": card.name, "sha256": card.sha256, "steps": card.steps, **changed}
    numbers = {
        "psnr": {"mean": 40.125, "low": 39.5, "high": 41.0},
        "rmse_mean": {"mean": 25.016, "low": None, "high": None},
        "crps": {"mean": None, "low": None, "high": None},
    }
    return {
        "versions": {"sunpy_magsr": "0.1"},
        "settings": {"n_samples": 8, "seed": 3, "segment": 64.0},
        "files": {"first": "a", "second": "b"},
        "models": {"bicubic": {"name": "bicubic", "sha256": "", "steps": 0}, "some/folder": facts},
        "pooled": {"bicubic": {}, "some/folder": numbers},
    }


def test_the_stored_answer_is_that_of_seed_0(exported):
    with np.load(exported / "check.npz") as stored:
        low, high, header = stored["low"], stored["high"], json.loads(stored["header"].item())
    assert low.shape == (32, 32)
    assert np.abs(low).max() > 500
    assert degrade(high) == pytest.approx(low, abs=0.1)
    first, second = (
        sunpy_magsr.superresolve(sunpy.map.Map(low, header), model=exported, plate_scale=None, seed=seed).data
        for seed in (0, 1)
    )
    assert np.abs(first - high).max() < 1e-3
    assert np.abs(second - high).max() > 1


@pytest.mark.slow
def test_another_process_gives_the_answer(exported):
    check_folder(exported)


def test_another_process_sees_another_answer(model):
    """Another scheduler there stands for whatever may differ between machines."""
    path = model / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": "epsilon"}))
    with pytest.raises(RuntimeError, match=r"does not pass its check: its answer differs .* by .* G, more than 0\.5 G"):
        check_folder(model)


def test_the_check_sees_another_answer(model):
    assert departure(model) < 1e-3
    with np.load(model / "check.npz") as stored:
        content = dict(stored)
    content["high"][5, 7] += 0.6
    np.savez_compressed(model / "check.npz", **content)
    assert departure(model) == pytest.approx(0.6, abs=0.05)


def test_a_model_that_fails_its_check_is_not_put_in_place(tiny_run, model, monkeypatch):
    before = {path: path.read_bytes() for path in model.parent.rglob("*") if path.is_file()}
    monkeypatch.setattr("sunpy_magsr.training.publish.check_folder", fail)
    with pytest.raises(RuntimeError, match="it fails"):
        export_model(tiny_run, model, card={**DIFFUSION, "name": "other"})
    assert {path: path.read_bytes() for path in model.parent.rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("unchecked")
@pytest.mark.slow
def test_a_model_is_replaced_as_a_whole(model, tmp_path):
    export_model(regression_run(tmp_path / "run"), model, card=REGRESSION)
    assert sorted(path.name for path in model.iterdir()) == ["README.md", "card.json", "check.npz", "network"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "run"]
    assert "Nothing is stated." in (model / "README.md").read_text()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.slow
def test_an_adapter_answers_with_its_base(exported, tmp_path):
    card = {"name": "tiny-mdi", "kind": "adapter"}
    model = export_model(adapter_run(tmp_path / "run", exported), tmp_path / "model", card=card)
    assert departure(model) < 1e-3
    with np.load(model / "check.npz") as adapted, np.load(exported / "check.npz") as plain:
        assert np.abs(adapted["high"] - plain["high"]).max() > 1
    assert f'model="{exported}+org/name"' in (model / "README.md").read_text()
    assert str(exported) not in (model / "adapter" / "denoiser" / "adapter_config.json").read_text()
    (tmp_path / "evaluation.json").write_text(json.dumps(record(load_exported(model).card)))
    export_model(tmp_path / "run", model, card=card, evaluation=tmp_path)
    assert ModelCard.read(model).validation["RMSE of the mean (G)"] == "25.02"


def test_a_folder_that_is_no_model_is_left_alone(tiny_run, tmp_path):
    (tmp_path / "letters").mkdir()
    with pytest.raises(ValueError, match="destination must be a new folder or a model folder, got"):
        export_model(tiny_run, tmp_path / "letters", card=DIFFUSION)


def test_nothing_tells_where_it_was_made(exported, tiny_run):
    with np.load(exported / "check.npz") as stored:
        texts = [stored["header"].item()]
    texts += [path.read_text() for path in exported.rglob("*") if path.suffix in (".json", ".md")]
    assert len(texts) == 6
    for text in texts:
        assert str(tiny_run) not in text
        assert str(exported.parent) not in text


def test_the_readme_says_what_the_card_says(exported):
    readme = huggingface_hub.ModelCard.load(exported / "README.md")
    assert readme.data.license == "bsd-3-clause"
    assert readme.data.library_name == "sunpy_magsr"
    assert "magnetogram" in readme.data.tags
    for text in (
        "# tiny",
        "A model for tests.",
        "not measured",
        "| recipe | sunpy_magsr/training/recipes/default.toml |",
        "| rmse gauss | 99.00 |",
        "- Not for science.",
        'sunpy_magsr.superresolve(mdi, model="org/name")',
        "10.1051/0004-6361/202453205",
        ModelCard.read(exported).sha256,
    ):
        assert text in readme.text


@pytest.mark.usefixtures("unchecked")
@pytest.mark.slow
def test_numbers_of_an_evaluation(tiny_run, exported, tmp_path, capsys):
    """They replace those that the card had, and are found by the weights whatever the model was called."""
    card = ModelCard.read(exported)
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "evaluation.json").write_text(json.dumps(record(card)))
    (tmp_path / "train.toml").write_text(f'output = "{tiny_run}"\n')
    facts = "\n".join(f"{key} = {json.dumps(DIFFUSION[key])}" for key in ("name", "kind", "steps"))
    tables = '[noise]\nlos = 3.0\nradial = 16.0\n[validation]\ndata = "one region"\nrmse_gauss = "99.00"\n'
    (tmp_path / "card.toml").write_text(f"{facts}\n{tables}")
    command = ["export", str(tmp_path / "train.toml"), "--card", str(tmp_path / "card.toml")]
    command += ["--evaluation", str(tmp_path / "evaluation"), "-o", str(tmp_path / "model")]
    assert main(command) == 0, capsys.readouterr().err
    validation = ModelCard.read(tmp_path / "model").validation
    assert validation == {
        "regions": "first, second",
        "version": "0.1",
        "samples": 8,
        "seed": 3,
        "PSNR of a sample (dB)": "40.12 [39.50, 41.00]",
        "RMSE of the mean (G)": "25.02",
    }
    assert "| PSNR of a sample (dB) | 40.12 [39.50, 41.00] |" in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize("changed", [{"sha256": "0" * 64}, {"steps": 30}])
def test_an_evaluation_of_another_model_is_refused(tiny_run, exported, tmp_path, changed):
    card = ModelCard.read(exported)
    (tmp_path / "evaluation.json").write_text(json.dumps(record(card, **changed)))
    message = f"evaluation must hold a model of 2 steps with weights of SHA-256 {card.sha256}, got bicubic: 0 steps"
    with pytest.raises(ValueError, match=re.escape(message)):
        export_model(tiny_run, tmp_path / "model", card=DIFFUSION, evaluation=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.json"]


@pytest.mark.parametrize("content", [None, "no JSON", "{}", "[]"])
def test_a_folder_without_an_evaluation(tiny_run, tmp_path, content):
    if content is not None:
        (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(ValueError, match="evaluation must be an output folder of magsr evaluate, got"):
        export_model(tiny_run, tmp_path / "model", card=DIFFUSION, evaluation=tmp_path)


def spoil(folder):
    path = next(folder.glob("denoiser/*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    with local_hub(monkeypatch, tmp_path / "cache") as hub:
        yield hub


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# huggingface_hub hands a file over to its HTTP client the old way
uploads = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")


@uploads
@pytest.mark.usefixtures("unchecked")
def test_a_pushed_model_is_the_one_that_was_here(hub, model, small, capsys):
    assert main(["push", str(model), "team/magsr", "--revision", "v1", "--private"]) == 0
    commit = hub.branches["team/magsr"]["v1"]
    assert capsys.readouterr().out == f"{hub.address}/team/magsr/commit/{commit}\n"
    assert hub.messages[commit] == f"tiny 2026.11, SHA-256 {ModelCard.read(model).sha256}"
    assert hub.files("team/magsr", "v1") == content(model)
    assert hub.files("team/magsr", "main") == {}
    assert hub.private == {"team/magsr": True}
    assert "Bearer hf_of_the_test" in hub.tokens
    fetched, here = (sunpy_magsr.superresolve(small, model=one).data for one in (f"team/magsr@{commit}", model))
    assert np.array_equal(fetched, here, equal_nan=True)
    assert np.isfinite(fetched).any()


@uploads
@pytest.mark.usefixtures("unchecked")
@pytest.mark.slow
def test_a_model_takes_the_place_of_the_one_before(hub, model, tmp_path):
    """Weights of the older model left behind would change the digest; notes beside the model are not published."""
    other = export_model(regression_run(tmp_path / "run"), tmp_path / "other", card=REGRESSION)
    for folder in (other, model):
        expected = content(folder)
        (folder / "notes.txt").write_text("mine")
        assert main(["push", str(folder), "team/magsr"]) == 0
        assert hub.files("team/magsr") == expected
    assert hub.private == {"team/magsr": False}


@uploads
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("refused", ["/api/repos/create", "/preupload/", "/large/", "/commit/"])
def test_a_hub_that_refuses(hub, model, capsys, refused):
    if refused != "/api/repos/create":
        hub.create("team/magsr")
    branches = {name: dict(found) for name, found in hub.branches.items()}
    hub.refused = refused
    assert main(["push", str(model), "team/magsr"]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("magsr-train: failed: team/magsr was not published: ")
    assert "403 Forbidden" in line
    assert "You have no right to write here." in line
    assert hub.branches == branches


def test_a_model_that_fails_its_check_is_not_published(hub, model, monkeypatch, capsys):
    monkeypatch.setattr("sunpy_magsr.training.publish.check_folder", fail)
    assert main(["push", str(model), "team/magsr"]) == 1
    assert capsys.readouterr().err == "magsr-train: failed: it fails\n"
    assert hub.log == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "check.npz").unlink(), "has no check.npz; export it again."),
        (lambda folder: (folder / "README.md").unlink(), "has no README.md; export it again."),
        (lambda folder: (folder / "card.json").unlink(), "model must be a folder with a card.json, got"),
        (spoil, "folder must hold the weights of its card, SHA-256 "),
    ],
)
def test_what_is_no_exported_model_is_not_published(hub, model, capsys, change, message):
    change(model)
    assert main(["push", str(model), "team/magsr"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert hub.log == []


@pytest.mark.parametrize("repo_id", ["magsr", "team/mag/sr", "team/-magsr"])
def test_a_wrong_name_is_refused(hub, model, capsys, repo_id):
    assert main(["push", str(model), repo_id]) == 2
    assert f"'{repo_id}'" in capsys.readouterr().err
    assert hub.log == []
