"""Models from a Hub: what comes is what was asked for, or the error says of what kind it is."""

import warnings

import numpy as np
import pytest
from huggingface_hub import constants

import sunpy_magsr
from sunpy_magsr.cli.main import main
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.sampling import load_backend, model_card
from sunpy_magsr.store import hub as module
from sunpy_magsr.store.card import bundled_folder

from .hub_server import local_hub

MODEL = "enhance"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    module._warn_unpinned.cache_clear()
    with local_hub(monkeypatch, tmp_path / "cache") as hub:
        hub.publish("team/magsr", bundled_folder(MODEL), branches=("main", "v1"))
        yield hub


@pytest.fixture
def commit(hub):
    return hub.branches["team/magsr"]["v1"]


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
    added = dict.fromkeys(("network/model.bin", "network/model.py", "adapters/../../../card.json"), b"{}")
    name = hub.commit("team/magsr", "main", hub.files("team/magsr") | added, "more")
    load_backend(f"team/magsr@{name}")
    found = {path.suffix for path in (tmp_path / "cache").rglob("snapshots/*/**/*") if path.is_file()}
    assert found == {".json", ".safetensors"}
    assert not any(method == "GET" and ".." in path for method, path in hub.log)


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

    monkeypatch.setattr(module, "snapshot_download", full)
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
    name = f"team/magsr@{commit}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match=r"offline mode \(HF_HUB_OFFLINE\) forbids to fetch it"):
        load_backend(name)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    load_backend(name)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.log.clear()
    assert load_backend(name).card.name == MODEL
    assert hub.log == []


def test_the_command_says_it_on_one_line(hub, capsys):
    assert main(["models", "team/nothing"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("magsr: error: model 'team/nothing@main' was not found on http://127.0.0.1:")
    assert error.count("\n") == 1
