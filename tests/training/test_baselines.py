"""The rivals: networks, training by one command, and models that come out of it."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import sunpy_magsr
from sunpy_magsr.cli.train import main
from sunpy_magsr.instrument import degrade
from sunpy_magsr.models.autoencoder import PixelCodec
from sunpy_magsr.models.regression import Critic, Enhance, Progressive
from sunpy_magsr.store.components import load_codec, load_network
from sunpy_magsr.training.stages.baseline import regression_loss
from sunpy_magsr.training.stages.stage import make_sampler

from .magnetograms import write_patch

CONFIG = """
output = "run"
[data]
root = "fits"
[{stage}]
steps = 4
patch = 32
batch_size = 2
warmup = 1
checkpoint_every = 2
log_every = 1
{more}
"""
SMALL = "model = { channels = 8, blocks = 1 }"
TINY = "model = { channels = 16, condition_blocks = 1, denoiser_blocks = 1 }"
RIVALS = {
    "enhance": ("regression", f'network = "Enhance"\n{SMALL}'),
    "progressive": ("regression", f'network = "Progressive"\n{SMALL}'),
    "adversarial": ("regression", f'network = "Progressive"\nadversarial_weight = 0.01\n{SMALL}'),
    "ddpm": (
        "diffusion",
        f'codec = "pixel"\nprediction = "epsilon"\nresidual = false\nwhitened = false\n{TINY}',
    ),
    "ldm": ("diffusion", f'codec = "default"\nresidual = false\nwhitened = false\n{TINY}'),
}


LAST = {"enhance": "detail.weight", "progressive": "fine.detail.weight", "adversarial": "fine.detail.weight"}


def project(folder, truth, rival):
    stage, more = RIVALS[rival]
    for number in range(2):
        write_patch(folder / "fits", truth[200 + 300 * number : 400 + 300 * number, 600:800], harp=number + 1)
    (folder / "train.toml").write_text(CONFIG.format(stage=stage, more=more))
    card = f'name = "{rival}"\nkind = "{stage}"\n'
    card += "steps = 2\nnoise = { los = 3.0, radial = 16.0 }\n" if stage == "diffusion" else ""
    (folder / "card.toml").write_text(card)
    assert main(["prepare", str(folder / "train.toml")]) == 0
    return str(folder / "train.toml")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "rival", [pytest.param(name, marks=[] if name in {"adversarial", "ddpm"} else pytest.mark.slow) for name in RIVALS]
)
@pytest.mark.slow
def test_one_command_trains_a_rival(rival, tmp_path, truth, small):
    config = project(tmp_path, truth, rival)
    assert main(["baseline", config]) == 0
    log = next((tmp_path / "run" / "checkpoints").glob("*/log.csv")).read_text().splitlines()
    assert len(log) == 1 + 4
    weights = load_file(next((tmp_path / "run").glob("[dn]e*/*.safetensors")))
    last = weights["velocity.weight" if "velocity.weight" in weights else LAST[rival]]
    assert last.abs().max() > 0, "starts from zero"
    model = tmp_path / "model"
    assert main(["export", config, "--card", str(tmp_path / "card.toml"), "--half", "-o", str(model)]) == 0
    assert not any("_name_or_path" in path.read_text() for path in model.glob("*/config.json"))
    result = sunpy_magsr.superresolve(small, model=model, plate_scale=None)
    assert degrade(result.data) == pytest.approx(small.data, abs=0.1)
    assert result.meta["magsrmod"] == rival


@pytest.mark.parametrize("network", [Enhance(), Progressive()])
def test_an_untrained_network_interpolates(network, small):
    low = torch.from_numpy(small.data.astype(np.float32))[None, None]
    with torch.no_grad():
        high = network(low)
    assert high.shape[-2:] == (4 * low.shape[-2], 4 * low.shape[-1])
    assert np.corrcoef(degrade(high[0, 0].numpy()).ravel(), small.data.ravel())[0, 1] > 0.99


def test_pixel_codec_loses_nothing(rng):
    codec = PixelCodec()
    field = torch.from_numpy(rng.normal(0, 500, (2, 1, 32, 32)).astype(np.float32))
    latent, _ = codec.encode(field)
    assert latent.shape == (2, 16, 8, 8)
    assert torch.allclose(codec.decode(latent, field[..., :8, :8]), field, rtol=1e-4, atol=1e-2)


def test_pixel_codec_is_found_again(tmp_path):
    PixelCodec(factor=2, field_scale=100.0).save_config(tmp_path / "autoencoder")
    codec = load_codec(tmp_path)
    assert isinstance(codec, PixelCodec)
    assert codec.config.field_scale == 100.0
    assert codec.latent_channels == 4


def test_the_critic_learns_and_the_network_is_pushed_the_other_way(rng):
    """The gradient of the made patch is the reversed and weighted one of the critic's own loss."""
    critic = Critic(channels=4)
    made = torch.from_numpy(rng.normal(0, 50, (2, 1, 16, 16)).astype(np.float32)).requires_grad_()
    real = torch.from_numpy(rng.normal(0, 50, (2, 1, 16, 16)).astype(np.float32))
    gradients = []
    for weight in (-1.0, 0.5):  # a reversal by -1 is none
        made.grad = None
        critic(made, real, weight=weight).backward()
        gradients.append(made.grad.clone())
    assert torch.allclose(gradients[1], -0.5 * gradients[0])
    assert all(parameter.grad.abs().sum() > 0 for parameter in critic.parameters())


def test_regression_loss_of_a_perfect_network_is_zero(rng):
    high = torch.from_numpy(rng.normal(0, 50, (2, 1, 16, 16)).astype(np.float32))

    class Perfect(torch.nn.Module):
        config = Enhance().config

        def forward(self, _):
            return high

    loss, numbers = regression_loss(torch.nn.ModuleDict({"network": Perfect()}), high)
    assert loss.item() == 0
    assert numbers["rmse_gauss"] == 0


def test_wrong_names_are_refused(tmp_path, truth, capsys):
    config = project(tmp_path, truth, "enhance")
    assert main(["baseline", config, "--set", "regression.network=Upscale"]) == 2
    assert "regression.network must be one of Enhance, Progressive, got 'Upscale'" in capsys.readouterr().err
    assert main(["baseline", config, "--set", "regression.network=", "--set", "diffusion.codec=none"]) == 2
    assert "diffusion.codec must be 'pixel'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="prediction must be 'v_prediction', 'epsilon' or 'flow', got 'x'"):
        make_sampler("x")
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "config.json").write_text('{"_class_name": "Other"}')
    with pytest.raises(ValueError, match="network of a model must be one of Enhance, Progressive, got 'Other'"):
        load_network(tmp_path)
