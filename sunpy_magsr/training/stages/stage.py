"""What a stage of training is, and the schedule of diffusion."""

import abc
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UniPCMultistepScheduler

from sunpy_magsr.training.data.samplers import samplers_of
from sunpy_magsr.training.loop import run_stage


def make_scheduler(prediction="v_prediction"):
    """Make the schedule of the noise that a denoiser is trained on."""
    if prediction == "flow":
        return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    if prediction == "epsilon":
        return DDIMScheduler(beta_schedule="linear", prediction_type="epsilon", clip_sample=False)
    if prediction != "v_prediction":
        msg = f"prediction must be 'v_prediction', 'epsilon' or 'flow', got {prediction!r}."
        raise ValueError(msg)
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def make_sampler(prediction="v_prediction", *, largest=1.0):
    """
    Make the solver that draws samples, on the schedule of training.

    It is UniPC of order 2 (Zhao et al. 2023, arXiv:2302.04867). Where the network predicts the noise it is DDIM (Song et al.
    2021, arXiv:2010.02502), with the predicted field kept within its range as in Palette: without that, an error of the
    first steps is magnified more than a hundred times.
    """
    config = make_scheduler(prediction).config
    if prediction == "epsilon":
        limits = {"clip_sample": True, "clip_sample_range": largest}
        return DDIMScheduler.from_config(config, timestep_spacing="trailing", **limits)
    return UniPCMultistepScheduler.from_config(config)


def add_noise(clean, generator, *, scheduler):
    """Add noise of random strength to a batch, and compute what the network shall predict of it."""
    count, kind = scheduler.config.num_train_timesteps, scheduler.config.prediction_type
    if kind == "flow_prediction":
        time = _random(torch.rand, (len(clean),), generator).to(clean)
        epsilon = _random(torch.randn, clean.shape, generator).to(clean)
        # As in the sampler, the network is told the integer part.
        return clean.lerp(epsilon, time[:, None, None, None]), (count * time).long(), epsilon - clean
    timestep = torch.randint(0, count, (len(clean),), generator=generator, device=generator.device).to(clean.device)
    epsilon = _random(torch.randn, clean.shape, generator).to(clean)
    wanted = scheduler.get_velocity(clean, epsilon, timestep) if kind == "v_prediction" else epsilon
    return scheduler.add_noise(clean, epsilon, timestep), timestep, wanted


def _random(draw, shape, generator):
    """Random numbers made where their generator is."""
    return draw(shape, generator=generator, device=generator.device)


def solve(model, features, shape, *, scheduler, steps, generator):
    """Turn noise step by step into a sample of what is diffused."""
    state = _random(torch.randn, shape, generator).to(features)
    scheduler = type(scheduler).from_config(scheduler.config)
    scheduler.set_timesteps(steps)
    for timestep in scheduler.timesteps:
        predicted = model(state, timestep.to(state.device).expand(len(state)), features)
        state = scheduler.step(predicted, timestep, state).prev_sample
    return state


def sample_patches(model, low, noise, *, codec, scheduler, steps, generator, members=1):
    """Draw samples of patches that are small enough to need no tiles, so that gradients flow back through them."""
    features, mean, log_sigma = model.condition(low, noise)
    base = mean + codec.encode_low(low) if model.config.residual else mean
    low, features, base, log_sigma = (torch.cat([part] * members) for part in (low, features, base, log_sigma))
    state = solve(model, features, base.shape, scheduler=scheduler, steps=steps, generator=generator)
    return codec.decode(base + log_sigma.exp() * state, low).unflatten(0, (members, -1))


def check_parts(folder, parts, what):
    """Raise if a folder lacks one of the parts of a model."""
    for part in parts:
        if not (Path(folder) / part).is_dir():
            msg = f"{what}, and {folder} has no {part}."
            raise ValueError(msg)


class Stage(abc.ABC):
    """
    One stage of training, ready to run.

    A stage of your own names its ``section`` and its ``result``, makes ``model`` in its ``__init__``, and says what the
    three abstract methods do. Optimizer, schedule, checkpoints, log and validation are those of ``run_stage``.
    """

    #: Section of the configuration, and folder of the checkpoints.
    section = ""
    #: Folder of the result, below ``output``.
    result = ""
    model = None

    def __init__(self, config, drawn_with=None):
        self.options = getattr(config, self.section)
        self.device, self.output = config.device, Path(config.output)
        self.sampler, self.validation = samplers_of(config, drawn_with or self.options)

    @property
    def folder(self):
        """Where log and checkpoints are."""
        return self.output / "checkpoints" / self.section

    @abc.abstractmethod
    def loss(self, high, given, generator):
        """
        Compute the loss of one batch, and a `dict` of its parts as floats for the log.

        ``high`` is the high-resolution fields, Gauss ``[N, 1, H, W]``, and ``given`` what the sampler says beside them: the
        noise of each, Gauss ``[N]``, or what the network is given.
        """

    @abc.abstractmethod
    def draw(self, high, given, n_samples):
        """
        Draw samples for the validation, Gauss ``[n_samples, N, 1, H, W]``, and give the low-resolution fields as well.

        ``high`` and ``given`` are as for `loss`. A stage without random numbers gives one sample.
        """

    @abc.abstractmethod
    def save(self):
        """Save the trained modules, which are on the CPU then, under ``output``."""

    def train(self, *, progress=True):
        """Train, going on from the last checkpoint if there is one, and save the result, whose folder is returned."""
        if run_stage(self, progress=progress):
            self.model.cpu()
            self.save()
        return self.output / self.result
