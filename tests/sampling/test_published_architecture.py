"""The published architecture, with random weights: a folder in its layout goes through the front door."""

import json

import astropy.units as u
import diffusers
import numpy as np
import pytest
import torch

import sunpy_magsr
from sunpy_magsr.store.card import ModelCard
from sunpy_magsr.store.components import weights_digest

TILE, OVERLAP = 64, 16


def published(folder, *, scheduler=diffusers.DDIMScheduler, **options):
    """A folder as the authors' code would save it, and a card."""
    torch.manual_seed(0)
    widths = {"block_out_channels": (8, 8, 16, 16), "layers_per_block": 1, "norm_num_groups": 4}
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    vae = diffusers.AutoencoderKL(in_channels=3, out_channels=3, latent_channels=4, **widths, **blocks)
    vae.save_pretrained(folder / "vae")
    kinds = {
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    }
    unet = diffusers.UNet2DModel(in_channels=8, out_channels=4, attention_head_dim=4, **widths, **kinds)
    unet.save_pretrained(folder / "unet")
    scheduler(beta_schedule="linear", num_train_timesteps=1000).save_pretrained(folder / "scheduler")
    settings = {"field_limit": 1000.0, "tile": TILE, "overlap": OVERLAP, **options}
    (folder / "published.json").write_text(json.dumps(settings))
    card = {"name": "published", "kind": "published", "steps": 2, "halo": TILE, "sha256": weights_digest(folder)}
    ModelCard.of(card).write(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return published(tmp_path_factory.mktemp("published"))


def test_it_is_a_model_like_any_other(small, model):
    ensemble = sunpy_magsr.superresolve_ensemble(small, model=model, n_samples=2, plate_scale=None)
    one, other = (ensemble.sample(number).data for number in (0, 1))
    rows, columns = small.data.shape
    assert one.shape == (4 * rows, 4 * columns)
    assert np.isfinite(one).all()
    assert np.abs(one - other).max() > 1
    for field in (one, other):
        means = field.reshape(rows, 4, columns, 4).mean(axis=(1, 3))
        assert means == pytest.approx(small.data, abs=0.1)
    assert ensemble.sample(0).meta["magsrmod"] == "published"


@pytest.mark.parametrize(
    "scheduler", [diffusers.DDIMScheduler, pytest.param(diffusers.DDPMScheduler, marks=pytest.mark.slow)]
)
@pytest.mark.slow
def test_tiles_lie_at_places_of_the_frame(sample, tmp_path, scheduler):
    """Where a cutout holds all of a tile, it has the answer of its frame."""
    model = published(tmp_path, scheduler=scheduler)
    wide = sample.submap([60, 60] * u.pix, top_right=[187, 187] * u.pix)
    frame = sunpy_magsr.superresolve(wide, model=model, plate_scale=None)
    cutout = wide.submap([10, 7] * u.pix, top_right=[127, 127] * u.pix)
    part = sunpy_magsr.superresolve(cutout, model=model, plate_scale=None).data
    whole = frame.data[4 * 7 :, 4 * 10 :]
    same = np.isclose(part, whole, atol=0.01)
    assert same.reshape(-1, 4, part.shape[1] // 4, 4).all(axis=(1, 3)).sum() > (TILE - 2 * OVERLAP) ** 2


def test_without_residuals_it_is_another_answer(small, model, tmp_path):
    plain = published(tmp_path, residual=False)
    fields = [sunpy_magsr.superresolve(small, model=one).data for one in (model, plain)]
    assert np.nanmax(np.abs(fields[0] - fields[1])) > 1


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("published.json", {"field_limit": -1}, "this version: field_limit: "),
        ("published.json", {"overlap": 32}, "tile of a published model must be larger than two overlaps"),
        ("unet/config.json", {"out_channels": 8}, "must have the tensors of its config.json"),
        ("vae/config.json", {"block_out_channels": [8, 8, 16, 100000]}, "is greater than the maximum of 2048"),
        ("vae/config.json", {"down_block_types": ["Nothing"] * 4}, "must make a AutoencoderKL, and does not"),
        ("vae/config.json", {"_class_name": "DiffusionPipeline"}, "vae of a model must be one of AutoencoderKL"),
        (
            "scheduler/scheduler_config.json",
            {"_class_name": "DiffusionPipeline"},
            "_class_name: .DiffusionPipeline. is not one of",
        ),
    ],
)
def test_what_is_out_of_bounds_is_refused(small, tmp_path, name, change, message):
    folder = published(tmp_path)
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        sunpy_magsr.superresolve(small, model=folder)
