"""Models from a Hub: what comes is what was asked for, or the error says of what kind it is."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from huggingface_hub import constants

import sunpy_magsr
from sunpy_magsr.cli.main import main
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.sampling import load_backend, model_card
from sunpy_magsr.store.card import ModelCard, bundled_folder
from sunpy_magsr.store.hub import CATALOGUE_VARIABLE, _warn_unpinned
from sunpy_magsr.training.push import catalogue_entry

from .training.hub_server import local_hub

MODEL = "enhance"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    _warn_unpinned.cache_clear()
    with local_hub(monkeypatch, tmp_path / "cache") as hub:
        hub.publish("team/magsr", bundled_folder(MODEL), branches=("main", "v1"))
        yield hub


@pytest.fixture
def commit(hub):
    return hub.branches["team/magsr"]["v1"]


@pytest.fixture
def pinned(hub, commit, tmp_path, monkeypatch):
    """A catalogue with an entry for the model, and its path."""
    path = tmp_path / "catalogue.toml"
    path.write_text(catalogue_entry("team/magsr@v1", "remote"))
    monkeypatch.setenv(CATALOGUE_VARIABLE, str(path))
    return path


def fetched(hub):
    return [path for method, path in hub.log if method == "GET" and "/resolve/" in path]


def test_a_commit_is_a_pin(hub, commit, small):
    result = sunpy_magsr.superresolve(small, model=f"team/magsr@{commit}")
    here = sunpy_magsr.superresolve(small, model=MODEL)
    assert np.array_equal(result.data, here.data, equal_nan=True)
    assert result.meta["magsrrev"] == commit
    assert result.meta["magsrsha"] == here.meta["magsrsha"]


@pytest.mark.parametrize("name", ["team/magsr", "team/magsr@v1"])
def test_what_is_not_pinned_warns_once_and_records_what_came(hub, small, name):
    now = hub.branches["team/magsr"][name.partition("@")[2] or "main"]
    with pytest.warns(MagsrUserWarning, match=f"is whatever its repository holds at the time, now team/magsr@{now}"):
        result = sunpy_magsr.superresolve(small, model=name)
    assert result.meta["magsrrev"] == now
    with warnings.catch_warnings():
        warnings.simplefilter("error", MagsrUserWarning)
        sunpy_magsr.superresolve(small, model=name)


def test_only_json_and_safetensors_come(hub, tmp_path):
    files = hub.files("team/magsr")
    added = {
        "network/diffusion_pytorch_model.bin": b"x",
        "network/model.py": b"x",
        "adapters/../../../card.json": b"{}",
    }
    name = hub.commit("team/magsr", "main", files | added, "more")
    load_backend(f"team/magsr@{name}")
    assert {path.suffix for path in (tmp_path / "cache").rglob("snapshots/*/**/*") if path.is_file()} == {
        ".json",
        ".safetensors",
    }
    assert not any(".." in path for path in fetched(hub))


@pytest.mark.parametrize(
    ("name", "status", "kind", "message"),
    [
        ("team/nothing", None, FileNotFoundError, "was not found on .*no such repository, or it is private"),
        ("team/magsr@v9", None, FileNotFoundError, "was not found on .*: there is no such revision"),
        ("team/magsr", 401, FileNotFoundError, "no such repository, or it is private and HF_TOKEN gives no access"),
        ("team/magsr", 403, PermissionError, "no access to model 'team/magsr@main'"),
        ("team/magsr", 500, ConnectionError, "could not be fetched from .*500"),
        ("team/-magsr", None, ValueError, "model must be a Hub id 'org/name'"),
    ],
)
def test_errors_keep_their_kind(hub, name, status, kind, message):
    hub.status = status
    with pytest.raises(kind, match=message):
        load_backend(name)


def test_no_hub(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match=r"is not in the cache, and http://127\.0\.0\.1:9 could not be reached"):
        load_backend("team/magsr")


def test_a_full_disk_is_one(hub, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sunpy_magsr.store.hub.snapshot_download", full)
    with pytest.raises(OSError, match="no space left for model 'team/magsr@main' in the cache") as caught:
        load_backend("team/magsr")
    assert caught.value.errno == 28


@pytest.mark.parametrize("status", [500, 401])
def test_a_hub_that_is_ill_does_not_matter_once_the_model_is_here(hub, commit, status):
    """In the cache, whether by its commit or by a name that had it."""
    with pytest.warns(MagsrUserWarning):
        load_backend("team/magsr@v1")
    hub.status = status
    assert model_card("team/magsr@v1").revision == commit
    assert model_card(f"team/magsr@{commit}").revision == commit


def test_offline(hub, commit, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        ConnectionError, match=r"is not in the cache, and offline mode \(HF_HUB_OFFLINE\) forbids to fetch"
    ):
        load_backend(f"team/magsr@{commit}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    load_backend(f"team/magsr@{commit}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.log.clear()
    assert load_backend(f"team/magsr@{commit}").card.name == MODEL
    assert hub.log == []


def test_a_slow_hub(hub, commit):
    hub.delay = 0.3
    assert load_backend(f"team/magsr@{commit}").card.name == MODEL


def test_a_download_that_was_cut_goes_on(hub, commit, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 2**10)
    hub.cuts = 2
    assert load_backend(f"team/magsr@{commit}").card.name == MODEL
    size = len(next(content for path, content in hub.files("team/magsr", "v1").items() if path.endswith("safetensors")))
    starts = [start for method, start in hub.log if method == "RANGE"]
    assert len(starts) == 2
    assert starts == pytest.approx([size / 2, 3 * size / 4], abs=2**11)


@pytest.mark.slow
def test_two_processes_at_once(hub, commit, tmp_path):
    environment = os.environ | {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    hub.delay = 0.2
    code = f"from sunpy_magsr.sampling import model_card; print(model_card('team/magsr@{commit}').revision)"
    command = [sys.executable, "-P", "-c", code]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=100)[0].strip() for process in both] == [commit, commit]


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize("name", ["remote", "team/magsr", "team/magsr@v1"])
def test_what_the_catalogue_pins_comes_without_a_word(hub, commit, small, name):
    result = sunpy_magsr.superresolve(small, model=name)
    assert result.meta["magsrrev"] == commit


@pytest.mark.usefixtures("pinned")
def test_the_catalogue_is_in_the_table(hub, commit):
    table = sunpy_magsr.list_models()
    row = table[list(table["name"]).index("remote")]
    assert (row["kind"], row["revision"], row["where"]) == ("regression", commit, "team/magsr@v1")
    assert row["size"] > 0.1


@pytest.mark.usefixtures("pinned")
def test_a_revision_that_moved_is_refused(hub, commit):
    moved = hub.commit("team/magsr", "v1", hub.files("team/magsr", "v1") | {"README.md": b"new"}, "moved")
    with pytest.raises(
        ValueError, match=f"must be commit {commit} of team/magsr, and its revision 'v1' has moved to {moved}"
    ):
        load_backend("remote")


def test_another_hash_is_refused(hub, pinned):
    """Of a file that a Hub, a mirror or a disk has changed under the same commit."""
    text = pinned.read_text()
    digest = next(line.split('"')[3] for line in text.splitlines() if line.startswith('"network/config.json'))
    pinned.write_text(text.replace(digest, "0" * 64))
    with pytest.raises(ValueError, match=f"must have network/config.json with SHA-256 {'0' * 64}, got {digest}"):
        load_backend("remote")


@pytest.mark.parametrize("text", ["[remote]\nid = 'team/magsr'\n", "remote = 1\n", "no toml"])
def test_a_catalogue_that_is_none(tmp_path, monkeypatch, text):
    path = tmp_path / "catalogue.toml"
    path.write_text(text)
    monkeypatch.setenv(CATALOGUE_VARIABLE, str(path))
    with pytest.raises(ValueError, match=r"a catalogue's entry must have id|must name a TOML file"):
        load_backend("remote")


def test_commands(hub, commit, capsys):
    """Kinds of errors become one line and an exit code, and the entry for a catalogue is printed."""
    from sunpy_magsr.cli.train import main as train

    assert train(["pin", "team/magsr@v1", "--name", "remote"]) == 0
    assert f'commit = "{commit}"' in capsys.readouterr().out
    assert train(["pin", "team/magsr", "--name", "remote"]) == 2
    capsys.readouterr()
    assert main(["models", "team/nothing"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("magsr: error: model 'team/nothing@main' was not found on http://127.0.0.1:")
    assert error.count("\n") == 1


def broken(tmp_path, name, content):
    """A folder of the model with one file replaced."""
    import shutil

    folder = shutil.copytree(bundled_folder("default"), tmp_path / "model")
    path = folder / name
    if callable(content):
        path.write_bytes(content(path))
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), **content}))
    return folder


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("denoiser/config.json", {"channels": 10**9}, "1000000000 is greater than the maximum of 2048"),
        ("denoiser/config.json", {"condition_blocks": 0}, "0 is less than the minimum of 1"),
        ("denoiser/config.json", {"channels": 2048}, "must have the tensors of its config.json"),
        (
            "denoiser/config.json",
            {"_class_name": "UNet2DModel"},
            "denoiser of a model must be one of MagnetogramDenoiser",
        ),
        ("autoencoder/config.json", {"field_scale": 0}, "of field_scale it says"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 10**9}, "of num_train_timesteps it says"),
        (
            "scheduler/scheduler_config.json",
            {"_class_name": "DiffusionPipeline"},
            "scheduler of a model must be one of",
        ),
        ("scheduler/scheduler_config.json", {"beta_schedule": "none"}, "must make a DDIMScheduler, and does not"),
        ("card.json", {"factor": 10**6}, "of factor it says"),
        ("card.json", {"steps": -1}, "of steps it says"),
        ("card.json", {"name": "two\nlines"}, "of name it says"),
        ("card.json", {"noise": {"los": 1e300, "radial": 1}}, "of noise.los it says"),
        ("card.json", {"adapters": {"MDI": "other/repository"}}, "of adapters.MDI it says"),
        ("card.json", {"license": "x" * 10**7}, "must have at most 1048576 bytes"),
        ("card.json", lambda _: b'{"name": NaN, "kind": "diffusion"}', "must be JSON with finite numbers"),
        ("card.json", lambda _: b'{"noise": 1e999}', "must be JSON with finite numbers"),
        ("card.json", lambda _: b"[" * 10**5, "must be JSON with finite numbers"),
        ("card.json", lambda _: b"[]", "must be a JSON object, got list"),
        ("card.json", lambda _: b"\xff", "must be JSON with finite numbers"),
        ("adapters/mdi/adapter/denoiser/adapter_config.json", {"r": 10**6}, "of r it says"),
        (
            "adapters/mdi/adapter/denoiser/adapter_config.json",
            {"target_modules": "(a+)+$"},
            "of target_modules it says",
        ),
        ("adapters/mdi/adapter/denoiser/adapter_config.json", {"peft_type": "X"}, "of peft_type it says"),
    ],
)
def test_what_a_folder_must_not_ask_for(small, tmp_path, name, content, message):
    folder = broken(tmp_path, name, content)
    with pytest.raises(ValueError, match=message):
        sunpy_magsr.superresolve(small, model=folder)


WEIGHTS = "denoiser/diffusion_pytorch_model.safetensors"


def with_digest(folder):
    """The card made to agree with the weights, as an attacker would."""
    from sunpy_magsr.store.components import weights_digest

    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "sha256": weights_digest(folder), "adapters": {}}))
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda path: (2**60).to_bytes(8, "little") + path.read_bytes()[8:],
            "must have a header of at most 4194304 bytes",
        ),
        (lambda path: path.read_bytes()[:1000], "must be a safetensors file"),
        (lambda path: path.read_bytes()[:4], "must be a safetensors file"),
        (lambda path: b"\x80\x04K\x01." + path.read_bytes(), "must (be a safetensors file|have a header)"),
    ],
)
def test_damaged_weights_are_refused(small, tmp_path, change, message):
    folder = with_digest(broken(tmp_path, WEIGHTS, change))
    with pytest.raises(ValueError, match=message):
        sunpy_magsr.superresolve(small, model=folder)


def test_no_other_format_is_read(small, tmp_path):
    """In the place of weights that are missing, `diffusers` would read a pickle."""
    folder = broken(tmp_path, WEIGHTS, lambda path: path.read_bytes())
    (folder / WEIGHTS).rename(folder / "denoiser" / "diffusion_pytorch_model.bin")
    with pytest.raises(ValueError, match=f"model must have the weights {WEIGHTS}, .* no other format is read"):
        sunpy_magsr.superresolve(small, model=with_digest(folder))


@pytest.mark.parametrize("name", [WEIGHTS, "card.json", "denoiser/config.json"])
def test_a_link_out_of_the_folder_is_refused(small, tmp_path, name):
    folder = broken(tmp_path, WEIGHTS, lambda path: path.read_bytes())
    (folder / name).replace(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"{name} of a model must lie in its folder"):
        sunpy_magsr.superresolve(small, model=folder)


def test_the_bundled_cards_are_within_bounds():
    for name in ("default", "ddpm", "enhance", "ldm", "progressive"):
        assert ModelCard.read(bundled_folder(name)).name == name
