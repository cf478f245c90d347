"""What is learned from noised data samples the distribution of the data, whatever is predicted."""

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from sunpy_magsr import superresolve
from sunpy_magsr.cli.train import main
from sunpy_magsr.instrument import degrade
from sunpy_magsr.training.stages.stage import add_noise, make_sampler, make_scheduler

from .magnetograms import write_patch

MEAN, SIGMA = 0.7, 0.4
STEPS = 20
CONFIG = """
output = "run"
[data]
root = "fits"
validation_harps = [2]
[diffusion]
prediction = "flow"
codec = "pixel"
steps = 4
patch = 32
batch_size = 2
validation_samples = 2
validation_steps = 2
model = { channels = 16, condition_blocks = 1, denoiser_blocks = 1 }
"""
CARD = """
name = "flowing"
kind = "diffusion"
steps = 3
noise = { los = 3.0, radial = 16.0 }
"""


def sampled(predict, scheduler, *, count=20_000, steps=STEPS):
    """Samples of one number from a network's predictions."""
    state = torch.randn(count, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    scheduler.set_timesteps(steps)
    for timestep in scheduler.timesteps:
        state = scheduler.step(predict(state, timestep), timestep, state).prev_sample
    return state


def flow_of_gaussian(noisy, timestep):
    """The mean of noise less data at one time, for data with a mean of MEAN and a deviation of SIGMA."""
    time = timestep.float() / 1000
    variance = (1 - time) ** 2 * SIGMA**2 + time**2
    return -MEAN + (time - (1 - time) * SIGMA**2) / variance * (noisy - (1 - time) * MEAN)


@pytest.mark.parametrize("scheduler", [make_sampler("flow"), FlowMatchEulerDiscreteScheduler()])
def test_the_exact_flow_samples_the_distribution(scheduler):
    found = sampled(flow_of_gaussian, scheduler, steps=100)
    assert found.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert found.std().item() == pytest.approx(SIGMA, rel=0.03)


def test_the_sampler_of_flows_needs_few_steps():
    found = sampled(flow_of_gaussian, make_sampler("flow"), steps=8)
    assert found.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert found.std().item() == pytest.approx(SIGMA, rel=0.05)


def test_the_flow_is_along_straight_lines():
    clean = torch.randn(500, 2, 3, 3, generator=torch.Generator().manual_seed(1))
    noisy, timestep, wanted = add_noise(clean, torch.Generator().manual_seed(2), scheduler=make_scheduler("flow"))
    assert not timestep.is_floating_point()
    assert timestep.min() >= 0
    assert 950 < timestep.max() <= 999
    time = (timestep[:, None, None, None] + 0.5) / 1000
    assert (noisy - time * wanted).sub(clean).abs().max() < 0.0005 * wanted.abs().max() + 1e-5


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon", "flow"])
def test_what_is_learned_samples_the_distribution(prediction):
    """A straight line is fitted to the noised data of each hundredth of the time, which is exact for a Gaussian."""
    generator = torch.Generator().manual_seed(3)
    clean = MEAN + SIGMA * torch.randn(400_000, 1, 1, 1, generator=generator)
    noisy, timestep, wanted = add_noise(clean, generator, scheduler=make_scheduler(prediction))
    lines = []
    for part in range(100):
        chosen = timestep // 10 == part
        lines.append(np.polyfit(noisy[chosen].flatten().numpy(), wanted[chosen].flatten().numpy(), 1))

    def predict(state, time):
        slope, offset = (float(number) for number in lines[int(time) // 10])
        return slope * state + offset

    found = sampled(predict, make_sampler(prediction, largest=4.0), steps=100)
    assert found.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert found.std().item() == pytest.approx(SIGMA, rel=0.08)


def test_the_sampler_survives_its_folder(tmp_path):
    make_sampler("flow").save_pretrained(tmp_path)
    loaded = UniPCMultistepScheduler.from_pretrained(tmp_path)
    assert torch.equal(sampled(flow_of_gaussian, loaded), sampled(flow_of_gaussian, make_sampler("flow")))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.slow
def test_from_magnetograms_to_a_model_of_flows(tmp_path, truth, small):
    write_patch(tmp_path / "fits", truth[300:500, 600:800], harp=1, date="20110215_000000")
    write_patch(tmp_path / "fits", truth[700:900, 600:800], harp=2, date="20110225_000000")
    (tmp_path / "flow.toml").write_text(CONFIG)
    (tmp_path / "card.toml").write_text(CARD)
    config = str(tmp_path / "flow.toml")
    assert main(["prepare", config]) == 0
    assert main(["diffusion", config]) == 0
    assert main(["export", config, "--card", str(tmp_path / "card.toml"), "-o", str(tmp_path / "model")]) == 0
    result = superresolve(small, model=tmp_path / "model", plate_scale=None)
    assert degrade(result.data) == pytest.approx(small.data, abs=0.1)
    folder = tmp_path / "run" / "checkpoints" / "diffusion"
    assert "rmse_mean" in (folder / "validation.csv").read_text().splitlines()[0]
    assert (folder / "pictures" / "step-00000004.png").is_file()


def test_unknown_prediction():
    with pytest.raises(ValueError, match="prediction must be 'v_prediction', 'epsilon' or 'flow', got 'velocity'"):
        make_scheduler("velocity")
