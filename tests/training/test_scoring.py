"""Scores of samples as a loss, and the stage that trains on them."""

import math

import pytest
import sunpy.map
import torch
from diffusers import DDIMScheduler

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.instrument import degrade
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.store.components import load_components
from sunpy_magsr.training.stages.scores import (
    SampleScore,
    band_amplitudes,
    bands_of,
    border_amplitudes,
    cosine_transform,
    fair_crps,
    fair_energy,
    place_amplitudes,
)

from .conftest import trainer
from .recipes import CARD_WITH_ADAPTER


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def smooth(noise):
    """Correlated fields of unit variance."""
    kernel = torch.tensor([1.0, 2, 1])
    kernel = (kernel[:, None] * kernel / 16)[None, None]
    return torch.nn.functional.conv2d(noise, kernel, padding=1) / (kernel**2).sum().sqrt()


@pytest.mark.parametrize("count", [2, 5])
def test_crps_of_perfect_samples_is_that_of_the_distribution(generator, count):
    """For a standard normal distribution, 1 / sqrt(pi), whatever the number of samples."""
    drawn = torch.randn(count + 1, 400_000, generator=generator)
    assert fair_crps(drawn[1:], drawn[0]).mean().item() == pytest.approx(1 / math.sqrt(math.pi), abs=4e-3)


def test_crps_is_least_for_the_right_spread(generator):
    drawn = torch.randn(3, 200_000, generator=generator)
    scores = [fair_crps(spread * drawn[1:], drawn[0]).mean() for spread in (0.7, 1.0, 1.4)]
    assert scores[1] < min(scores[0], scores[2])


def test_energy_score_sees_what_varies_together(generator):
    """Two numbers that are always equal: samples in which they are independent have the same CRPS, and a worse energy."""
    truth, *samples = torch.randn(3, 100_000, 1, 1, 1, generator=generator).expand(-1, -1, 2, -1, -1)
    independent = torch.randn(2, 100_000, 2, 1, 1, generator=generator)
    together = torch.stack(samples)
    assert fair_crps(independent, truth).mean().item() == pytest.approx(
        fair_crps(together, truth).mean().item(), abs=0.01
    )
    energy = fair_energy(together, truth)
    assert energy.shape == (100_000, 1, 1)
    assert energy.mean() < fair_energy(independent, truth).mean() - 0.02


def test_places_within_a_pixel_are_told_apart(generator):
    noise = torch.randn(2, 1, 128, 128, generator=generator)
    found = place_amplitudes(noise, 4).mean((0, 2, 3))
    assert found.shape == (16,)
    assert found.max() < 1.1 * found.min()
    dots = torch.zeros(1, 1, 64, 64)
    dots[..., 1::4, 2::4] = 10
    assert place_amplitudes(dots, 4).mean((0, 2, 3)).argmax() == 4 * 1 + 2


@pytest.mark.parametrize("side", [8, 16])
def test_bands_tell_directions_apart(side):
    bands = bands_of(side, "cpu")
    assert not (bands.sum(0) > 1).any()
    assert (bands.sum(1) > 0).all()
    wave = math.pi / 2 * (torch.arange(64) + 0.5)  # 4 pixels
    along, across = (wave.cos() * torch.ones(64, 1))[None, None], (wave.cos() * wave.cos()[:, None])[None, None]
    power = [(bands * cosine_transform(field, side).square().mean((0, 2, 3))).sum(1) for field in (along, across)]
    assert [int(of_band.argmax()) % 2 for of_band in power] == [0, 1]


def test_cosine_transform_keeps_power_and_tells_waves_apart(generator):
    field = torch.randn(2, 1, 24, 32, generator=generator)
    found = cosine_transform(field, 8)
    assert found.shape == (2, 64, 3, 4)
    assert found.square().sum().item() == pytest.approx(field.square().sum().item(), rel=1e-5)
    wave = torch.cos(math.pi / 8 * 3 * (torch.arange(32) + 0.5)).expand(1, 1, 32, 32)
    found = cosine_transform(wave, 8).abs().mean((0, 2, 3))
    assert found.argmax() == 3
    assert found[3] > 100 * found.sort().values[-2]


@pytest.mark.parametrize(("period", "band"), [(10, 0), (6, 1), (3.2, 2), (2.3, 3)])
def test_amplitude_of_a_wave_is_in_its_band(period, band):
    """However it is turned."""
    x, y = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="xy")
    for angle in (0, 0.5, math.pi / 4):
        wave = 50 * torch.cos(2 * math.pi / period * (x * math.cos(angle) + y * math.sin(angle)))[None, None]
        found = band_amplitudes(cosine_transform(wave, 16)).square().mean((0, 2, 3))
        assert found.argmax() // 2 == band


def test_amplitudes_of_white_noise_are_its_rms_in_each_band(generator):
    found = band_amplitudes(cosine_transform(7 * torch.randn(4, 1, 128, 128, generator=generator), 16))
    assert found.shape == (4, 8, 8, 8)
    assert found.square().mean((0, 2, 3)).sqrt().tolist() == pytest.approx([7] * 8, rel=0.1)


def test_steps_across_borders_are_told_from_others(generator):
    noise = 5 * torch.randn(3, 1, 128, 128, generator=generator)
    assert border_amplitudes(noise, 4).mean().item() == pytest.approx(5 * math.sqrt(2), rel=0.02)
    blocks = noise[..., ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert border_amplitudes(blocks, 4).mean().item() == pytest.approx(5 * math.sqrt(2), rel=0.05)
    assert border_amplitudes(blocks.roll((2, 2), (2, 3)), 4).max().item() == pytest.approx(0.1)
    across = border_amplitudes(blocks.roll(2, 3), 4).mean((0, 2))
    assert across[0] < 0.2
    assert across[1] > 5


def test_score_is_least_for_the_right_distribution(generator):
    """Pixels of the right variance are not enough: white noise instead of correlated noise scores worse."""
    noise = torch.randn(3, 8, 1, 64, 64, generator=generator)
    fields = 20 * torch.stack([smooth(one) for one in noise])
    score = SampleScore.measure([fields[0]])

    def value(samples):
        low = torch.zeros(8, 1, 16, 16)
        return SampleScore(score.scales)(samples, fields[0], low, torch.Generator().manual_seed(1))[0].item()

    right = value(fields[1:])
    assert right < value(20 * noise[1:])
    assert right < value(0.7 * fields[1:])
    assert right < value(1.4 * fields[1:])


def test_squared_error_is_that_of_the_mean_whatever_the_spread(generator):
    noise = torch.randn(2, 64, 1, 32, 32, generator=generator)
    truth = torch.zeros(64, 1, 32, 32)
    score = SampleScore.measure([noise[0]])
    low = torch.zeros(64, 1, 8, 8)
    found = [score(3 + spread * noise, truth, low, generator)[1]["squared"] for spread in (0.0, 1.0, 4.0)]
    assert found == pytest.approx([9, 9, 9], abs=0.3)


def test_moments_ask_for_the_spread_in_each_stratum(generator):
    """Samples that are too alike where the input is strong and too unlike where it is weak, though right on average."""
    noise = torch.randn(3, 8, 1, 64, 64, generator=generator)
    low = torch.zeros(8, 1, 16, 16)
    low[:4] = 500
    strong = torch.where(low > 0, 1.0, 0.0).repeat_interleave(4, 2).repeat_interleave(4, 3)
    found = []
    for factor in (1.0, 0.6, 1.6):
        change = torch.where(strong > 0, factor, 1 / factor)
        score = SampleScore.measure([20 * noise[0]])
        found.append(score(20 * noise[1:] * change, 20 * noise[0], low, generator)[1]["moments"])
    assert found[0] < 0.01
    assert min(found[1:]) > 0.1


def test_moments_push_a_spread_toward_the_right_one(generator):
    noise = torch.randn(3, 8, 1, 64, 64, generator=generator)
    for factor, sign in ((0.7, -1), (1.4, 1)):
        scale = torch.tensor(factor, requires_grad=True)
        score = SampleScore.measure([20 * noise[0]])
        score.moments(20 * scale * noise[1:], 20 * noise[0], torch.zeros(8, 1, 16, 16)).backward()
        assert sign * scale.grad > 0


@pytest.fixture(scope="module")
def scored(project, tmp_path_factory):
    """A run of all stages, and the model with an adapter that is made of it."""
    folder = tmp_path_factory.mktemp("scored")
    train = trainer(project, folder / "run")
    assert train("scoring", "scoring.steps=4", "scoring.learning_rate=1e-2") == 0
    assert train("finetune", "finetune.members=2") == 0
    (folder / "card.toml").write_text(f'fixed_steps = true\ninstruments = ["HMI"]\n{CARD_WITH_ADAPTER}')
    with pytest.MonkeyPatch.context() as patch:  # the check in another process is tested elsewhere
        patch.setattr("sunpy_magsr.training.publish.check_folder", lambda _: None)
        assert train("export", more=["--card", folder / "card.toml", "-o", folder / "model"]) == 0
    return folder


def test_decoder_and_denoiser_are_trained_and_the_encoder_is_not(scored):
    before, after = (load_components(scored / "run" / part)[:2] for part in ("", "scored"))
    changed = {
        f"{type(old).__name__}.{name}"
        for old, new in zip(before, after, strict=True)
        for (name, one), other in zip(old.named_parameters(), new.parameters(), strict=True)
        if not torch.equal(one, other)
    }
    assert not [name for name in changed if ".encoder." in name]
    for part in (".decoder.", ".stack.", ".reader."):
        assert [name for name in changed if part in name]


def test_export_takes_the_scored_parts_and_their_sampler(scored):
    trained, exported = (load_components(folder) for folder in (scored / "run" / "scored", scored / "model"))
    for one, other in zip(trained[1].parameters(), exported[1].parameters(), strict=True):
        assert torch.equal(one, other)
    assert isinstance(exported[2], DDIMScheduler)


def test_the_model_takes_its_adapter_for_its_instrument(scored, small):
    model = scored / "model"
    result = sunpy_magsr.superresolve(small, model=model, plate_scale=None)
    assert (result.meta["magsrmod"], result.meta["magsrstp"]) == ("tiny+mdi", 2)
    assert "consistency with the input: noise" in " ".join(str(result.meta["history"]).split())
    of_hmi = sunpy.map.Map(small.data, {**small.meta, "instrume": "HMI_SIDE1", "camera": "HMI"})
    plain = sunpy_magsr.superresolve(of_hmi, model=model, plate_scale=None)
    assert plain.meta["magsrmod"] == "tiny"
    assert degrade(plain.data) == pytest.approx(small.data, abs=0.1)
    with pytest.warns(MagsrUserWarning, match="'tiny.mdi' was trained for MDI, and this map is from HMI"):
        assert sunpy_magsr.superresolve(of_hmi, model=f"{model}+mdi").meta["magsrmod"] == "tiny+mdi"
    with pytest.raises(ValueError, match=r"adapter must be one of the model's \(mdi, a folder, or .*got 'hmi'"):
        load_backend(f"{model}+hmi")


def test_another_number_of_steps_is_warned_about(scored, small):
    with pytest.warns(MagsrUserWarning, match=r"trained to draw samples in 2 steps; what it draws in 3"):
        sunpy_magsr.superresolve(small, model=scored / "model", steps=3)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("output=nowhere", "output must hold the results of `magsr-train autoencoder` and `diffusion`"),
        ("scoring.start=nowhere", "scoring.start must be a model folder, and nowhere has no autoencoder"),
        ("scoring.members=1", "scoring.members must be at least 2, got 1."),
    ],
)
def test_wrong_usage(train, capsys, override, message):
    assert train("scoring", override) == 2
    assert message in capsys.readouterr().err
