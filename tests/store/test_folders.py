"""Model folders: what they may hold, what is read of them, and how often."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import sunpy_magsr
from sunpy_magsr.models.autoencoder import PixelCodec
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.store import ModelCard
from sunpy_magsr.store.card import adapted_card, bundled_folder, bundled_folders
from sunpy_magsr.store.components import load_codec, load_network, weights_digest

WEIGHTS = "denoiser/diffusion_pytorch_model.safetensors"
CONFIG, SCHEDULER = "denoiser/config.json", "scheduler/scheduler_config.json"
ADAPTER = "adapters/mdi/adapter/denoiser/adapter_config.json"


@pytest.fixture
def model(tmp_path):
    """A copy of the default model."""
    return shutil.copytree(bundled_folder("default"), tmp_path / "model")


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_every_bundled_model_is_small_and_has_the_weights_and_facts_of_its_card():
    for name, folder in bundled_folders().items():
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 30e6
        card = ModelCard.read(folder)
        assert card.name == name
        assert card.sha256 == weights_digest(folder)
        for fact in ("training", "validation", "limits", "instruments", "plate_scale_range", "halo", "license"):
            assert getattr(card, fact), fact


def test_list_models():
    table = sunpy_magsr.list_models()
    assert table["name"][0] == "default"
    assert "bicubic" in table["name"]
    assert 1 < table["size"][0] < 30


def test_a_folder_is_a_model(small, tmp_path):
    local = tmp_path / "copy"
    local.symlink_to(bundled_folder("default"))
    result = sunpy_magsr.superresolve(small, model=local)
    assert np.array_equal(result.data, sunpy_magsr.superresolve(small).data, equal_nan=True)


def test_folder_without_a_card(tmp_path):
    with pytest.raises(ValueError, match=r"model must be a folder with a card\.json, got"):
        load_backend(tmp_path)


def test_a_card_is_read_back(tmp_path):
    card = ModelCard(name="mdi", kind="adapter", base="default", base_sha256="1" * 64, psf_fwhm=0.9, sha256="2" * 64)
    card.write(tmp_path)
    assert ModelCard.read(tmp_path, where="built in") == card


def test_a_card_with_an_adapter_keeps_the_network_of_the_base():
    folder = bundled_folder("default")
    base, adapter = ModelCard.read(folder), ModelCard.read(folder / "adapters" / "mdi")
    card = adapted_card(base, adapter)
    assert (card.name, card.kind, card.noise, card.base_sha256) == ("default+mdi", base.kind, base.noise, base.sha256)
    assert (card.consistency, card.psf_fwhm, card.adapters) == (adapter.consistency, adapter.psf_fwhm, {})


def test_a_pixel_codec_is_found_again(tmp_path):
    PixelCodec(factor=2, field_scale=100.0).save_config(tmp_path / "autoencoder")
    codec = load_codec(tmp_path)
    assert isinstance(codec, PixelCodec)
    assert codec.config.field_scale == 100.0
    assert codec.latent_channels == 4


def test_a_model_is_loaded_and_hashed_once(model, monkeypatch):
    """Until a file of it changes."""
    hashed = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: hashed.append(path.name) or original(path))
    first = load_backend(model)
    count = len(hashed)
    assert load_backend(model) is first
    assert len(hashed) == count
    change(model / "card.json", summary="another")
    assert load_backend(model).card.summary == "another"
    assert len(hashed) == count
    (model / WEIGHTS).touch()
    load_backend(model)
    assert len(hashed) == 2 * count


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (CONFIG, {"channels": 10**9}, "1000000000 is greater than the maximum of 2048"),
        (CONFIG, {"condition_blocks": 0}, "condition_blocks: 0 is less than the minimum of 1"),
        (CONFIG, {"channels": 2048}, "must have the tensors of its config.json"),
        (CONFIG, {"_class_name": "UNet2DModel"}, "denoiser of a model must be one of MagnetogramDenoiser"),
        (SCHEDULER, {"num_train_timesteps": 10**9}, "this version: num_train_timesteps: "),
        (
            SCHEDULER,
            {"_class_name": "DiffusionPipeline"},
            "this version: _class_name: 'DiffusionPipeline' is not one of",
        ),
        (SCHEDULER, {"beta_schedule": "none"}, "must make a DDIMScheduler, and does not"),
        ("card.json", {"steps": 0}, "this version: steps: 0 is less than the minimum of 1"),
        ("card.json", {"noise": {"los": 1}}, "this version: noise: 'radial' is a required property"),
        ("card.json", {"colour": "red"}, "'colour' was unexpected"),
        ("card.json", {"name": "two\nlines"}, "this version: name: "),
        ("card.json", {"adapters": {"MDI": "other/repository"}}, "this version: adapters.MDI: "),
        ("card.json", {"license": "x" * 10**7}, "must have at most 1048576 bytes"),
        (ADAPTER, {"target_modules": "(a+)+$"}, "this version: target_modules: "),
        (ADAPTER, {"peft_type": "X"}, "this version: peft_type: "),
    ],
)
def test_what_a_folder_must_not_ask_for(small, model, name, values, message):
    change(model / name, **values)
    with pytest.raises(ValueError, match=message):
        sunpy_magsr.superresolve(small, model=model)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"name": NaN, "kind": "diffusion"}', "must be JSON with finite numbers"),
        (b'{"noise": 1e999}', "must be JSON with finite numbers"),
        (b"[" * 10**5, "must be JSON with finite numbers"),
        (b"\xff", "must be JSON with finite numbers"),
        (b"[]", "must be a JSON object, got list"),
    ],
)
def test_a_card_that_is_none(model, content, message):
    (model / "card.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_backend(model)


def agree(model):
    """Make the card agree with the weights, as an attacker would."""
    change(model / "card.json", sha256=weights_digest(model), adapters={})
    return model


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: (2**60).to_bytes(8, "little") + content[8:],
        lambda content: content[:1000],
        lambda content: content[:4],
        lambda content: b"\x80\x04K\x01." + content,
    ],
)
def test_damaged_weights_are_refused(model, damage):
    (model / WEIGHTS).write_bytes(damage((model / WEIGHTS).read_bytes()))
    with pytest.raises(ValueError, match="must be a safetensors file"):
        load_backend(agree(model))


def test_weights_that_are_not_those_of_the_card_are_refused(model):
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-1] + b"\x01")
    with pytest.raises(ValueError, match="model 'default' has weights with SHA-256"):
        load_backend(model)


def test_no_other_format_is_read(model):
    """In the place of weights that are missing, `diffusers` would read a pickle."""
    (model / WEIGHTS).rename(model / "denoiser" / "diffusion_pytorch_model.bin")
    with pytest.raises(ValueError, match=f"model must have the weights {WEIGHTS}, .* no other format is read"):
        load_backend(agree(model))


@pytest.mark.parametrize("name", [WEIGHTS, "card.json"])
def test_a_link_out_of_the_folder_is_refused(model, tmp_path, name):
    (model / name).replace(tmp_path / "elsewhere")
    (model / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"{name} of a model must lie in its folder"):
        load_backend(model)


def test_a_network_of_another_class_is_refused(tmp_path):
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "config.json").write_text('{"_class_name": "Other"}')
    with pytest.raises(ValueError, match="network of a model must be one of Enhance, Progressive, got 'Other'"):
        load_network(tmp_path)
