"""What the stages learn: schedules of noise that lead to the distribution of the data, and losses."""

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from sunpy_magsr.instrument import degrade
from sunpy_magsr.models.autoencoder import PixelCodec
from sunpy_magsr.models.regression import Critic, Enhance, Progressive
from sunpy_magsr.training.stages.baseline import regression_loss
from sunpy_magsr.training.stages.stage import add_noise, make_sampler, make_scheduler

MEAN, SIGMA = 0.7, 0.4
STEPS = 20


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
