"""Publishing: what is on the Hub is the model that was here, whole, or nothing."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import sunpy_magsr
from sunpy_magsr.cli.train import main
from sunpy_magsr.store.card import ModelCard
from sunpy_magsr.training.publish import export_model

from ..store.hub_server import local_hub
from .tiny_models import REGRESSION, diffusion_run, exported_diffusion, regression_run

# huggingface_hub hands a file over to its HTTP client the old way
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    return exported_diffusion(diffusion_run(folder / "run"), folder / "model")


@pytest.fixture
def model(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "model")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    with local_hub(monkeypatch, tmp_path / "cache") as hub:
        yield hub


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_there_and_back(hub, exported, small, tmp_path):
    """As a user does it: another process that knows the Hub and the token from its environment."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.address,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-P", "-c", "import sys; from sunpy_magsr.cli.train import main; sys.exit(main())"]
    command += ["push", str(exported), "team/magsr", "--revision", "v1", "--private"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    commit = hub.branches["team/magsr"]["v1"]
    assert done.stdout == f"{hub.address}/team/magsr/commit/{commit}\n"
    assert hub.messages[commit] == f"tiny 2026.11, SHA-256 {ModelCard.read(exported).sha256}"
    assert hub.files("team/magsr", "v1") == content(exported)
    assert hub.files("team/magsr", "main") == {}
    assert hub.private == {"team/magsr": True}
    assert "Bearer hf_of_the_test" in hub.tokens
    fetched = sunpy_magsr.superresolve(small, model=f"team/magsr@{commit}")
    here = sunpy_magsr.superresolve(small, model=exported)
    assert np.array_equal(fetched.data, here.data, equal_nan=True)
    assert np.isfinite(fetched.data).any()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.slow
def test_a_model_takes_the_place_of_the_one_before(hub, model, small, tmp_path, capsys):
    """Weights of the older model left behind would change the digest, and its revisions stay."""
    other = export_model(regression_run(tmp_path / "run"), tmp_path / "other", card=REGRESSION)
    assert main(["push", str(other), "team/magsr"]) == 0
    first = hub.branches["team/magsr"]["main"]
    assert main(["push", str(model), "team/magsr"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(hub.branches["team/magsr"]["main"])
    assert hub.files("team/magsr") == content(model)
    assert hub.private == {"team/magsr": False}
    second = hub.branches["team/magsr"]["main"]
    for name, folder in ((f"team/magsr@{second}", model), (f"team/magsr@{first}", other)):
        fetched, here = (sunpy_magsr.superresolve(small, model=place).data for place in (name, folder))
        assert np.array_equal(fetched, here, equal_nan=True)


@pytest.mark.usefixtures("unchecked")
def test_notes_beside_the_model_are_not_published(hub, model):
    (model / "notes.txt").write_text("mine")
    (model / "denoiser" / "optimizer.pt").write_text("large")
    assert main(["push", str(model), "team/magsr"]) == 0
    assert set(content(model)) - set(hub.files("team/magsr")) == {"notes.txt", "denoiser/optimizer.pt"}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("refused", ["/api/repos/create", "/preupload/", "/large/", "/commit/"])
def test_a_hub_that_refuses(hub, model, capsys, refused):
    if refused != "/api/repos/create":
        hub.create("team/magsr")
    before, branches = content(model), {name: dict(found) for name, found in hub.branches.items()}
    hub.refused = refused
    assert main(["push", str(model), "team/magsr"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    line = said.err.splitlines()[-1]
    assert line.startswith("magsr-train: failed: team/magsr was not published: ")
    assert "403 Forbidden" in line
    assert "You have no right to write here." in line
    assert content(model) == before
    assert hub.branches == branches


@pytest.mark.usefixtures("unchecked")
def test_no_hub(model, monkeypatch, capsys):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert main(["push", str(model), "team/magsr"]) == 1
    assert capsys.readouterr().err.startswith("magsr-train: failed: team/magsr was not published: ")


def test_other_weights_than_the_card_says_are_not_published(hub, model, capsys):
    path = next(model.glob("denoiser/*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert main(["push", str(model), "team/magsr"]) == 2
    assert capsys.readouterr().err.startswith("magsr-train: error: folder must hold the weights of its card, SHA-256 ")
    assert hub.log == []


@pytest.mark.slow
def test_a_model_that_fails_its_check_is_not_published(hub, model, capsys):
    with np.load(model / "check.npz") as stored:
        changed = {**stored, "high": stored["high"] + 1}
    np.savez_compressed(model / "check.npz", **changed)
    assert main(["push", str(model), "team/magsr"]) == 1
    error = capsys.readouterr().err
    assert error == (
        "magsr-train: failed: the model folder does not pass its check: "
        "its answer differs from the stored one by 1 G, more than 0.5 G.\n"
    )
    assert hub.log == []


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("check.npz", "and {} has no check.npz; export it again."),
        ("README.md", "and {} has no README.md; export it again."),
        ("card.json", "model must be a folder with a card.json, got '{}'."),
    ],
)
def test_what_is_no_exported_model_is_not_published(hub, model, capsys, missing, message):
    (model / missing).unlink()
    assert main(["push", str(model), "team/magsr"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message.format(model) in error
    assert hub.log == []


@pytest.mark.parametrize("repo_id", ["magsr", "team/mag/sr", "team/-magsr"])
def test_a_wrong_name_is_one_line(hub, model, capsys, repo_id):
    assert main(["push", str(model), repo_id]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"'{repo_id}'" in error
    assert hub.log == []
