"""What a stage of training is, and the schedule of diffusion."""

import abc
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UniPCMultistepScheduler

from sunpy_magsr.training.data.samplers import samplers_of
from sunpy_magsr.training.loop import run_stage

__all__ = ["Stage", "add_noise", "make_sampler", "make_scheduler", "sample_patches", "solve"]


def make_scheduler(prediction="v_prediction"):
    """
    Make the schedule of the noise that a denoiser is trained on.

    Parameters
    ----------
    prediction : {"v_prediction", "epsilon", "flow"}
        What the network predicts. ``"v_prediction"``: the velocity, on the cosine schedule, with steps spaced from the end
        (Salimans & Ho 2022, arXiv:2202.00512). ``"epsilon"``: the noise, on the linear schedule (Ho et al. 2020,
        arXiv:2006.11239, and Palette, Saharia et al. 2022, :doi:`10.1145/3528233.3530757`). ``"flow"``: flow matching, the
        velocity along straight lines from the target to the noise (Lipman et al. 2023, arXiv:2210.02747, and Liu et al.
        2023, arXiv:2209.03003).

    Returns
    -------
    `diffusers.SchedulerMixin`
        The scheduler. It holds the configuration that a sampler needs and, except for flow matching, adds the noise.

    Raises
    ------
    ValueError
        For another prediction.
    """
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

    Parameters
    ----------
    prediction : {"v_prediction", "epsilon", "flow"}
        As for `make_scheduler`.
    largest : `float`
        Largest absolute value of what is diffused, in units of its scale.

    Returns
    -------
    `diffusers.SchedulerMixin`
        The solver.
    """
    config = make_scheduler(prediction).config
    if prediction == "epsilon":
        limits = {"clip_sample": True, "clip_sample_range": largest}
        return DDIMScheduler.from_config(config, timestep_spacing="trailing", **limits)
    return UniPCMultistepScheduler.from_config(config)


def add_noise(clean, generator, *, scheduler):
    """
    Add noise of random strength to a batch, and compute what the network shall predict of it.

    Parameters
    ----------
    clean : `torch.Tensor`
        What is diffused, ``[N, c, h, w]``.
    generator : `torch.Generator`
        The source of times and noise.
    scheduler : `diffusers.SchedulerMixin`
        From `make_scheduler`.

    Returns
    -------
    noisy : `torch.Tensor`
        Clean values and noise mixed, ``[N, c, h, w]``.
    timestep : `torch.Tensor`
        The time of each, which says how strong the noise is: integers 0 to 999, ``[N]``.
    wanted : `torch.Tensor`
        What the network shall predict: velocity, noise or flow, ``[N, c, h, w]``.
    """
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
    """
    Turn noise step by step into a sample of what is diffused.

    Parameters
    ----------
    model : `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        The network.
    features : `torch.Tensor`
        What it makes of the input in its ``condition``, ``[N, C, h / 2, w / 2]``.
    shape : `tuple` of `int`
        Shape of the result, ``[N, c, h, w]``.
    scheduler : `diffusers.SchedulerMixin`
        The solver, from `make_sampler`.
    steps : `int`
        Number of its steps.
    generator : `torch.Generator`
        The source of the noise.

    Returns
    -------
    `torch.Tensor`
        The sample, in units of its scale.
    """
    state = _random(torch.randn, shape, generator).to(features)
    scheduler = type(scheduler).from_config(scheduler.config)
    scheduler.set_timesteps(steps)
    for timestep in scheduler.timesteps:
        predicted = model(state, timestep.to(state.device).expand(len(state)), features)
        state = scheduler.step(predicted, timestep, state).prev_sample
    return state


def sample_patches(model, low, noise, *, codec, scheduler, steps, generator, members=1):
    """
    Draw samples of patches that are small enough to need no tiles, so that gradients flow back through them.

    Parameters
    ----------
    model : `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        The network.
    low : `torch.Tensor`
        The fields that samples are drawn for, Gauss ``[N, 1, h, w]``.
    noise : `torch.Tensor`
        Noise of the magnetogram that each is from, Gauss ``[N]``.
    codec : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder` or `~sunpy_magsr.models.autoencoder.PixelCodec`
        What turns fields into latents and back.
    scheduler, steps, generator
        As for `solve`.
    members : `int`
        Samples of each patch.

    Returns
    -------
    `torch.Tensor`
        Gauss, ``[members, N, 1, factor h, factor w]``.
    """
    features, mean, log_sigma = model.condition(low, noise)
    base = mean + codec.encode_low(low) if model.config.residual else mean
    low, features, base, log_sigma = (torch.cat([part] * members) for part in (low, features, base, log_sigma))
    state = solve(model, features, base.shape, scheduler=scheduler, steps=steps, generator=generator)
    return codec.decode(base + log_sigma.exp() * state, low).unflatten(0, (members, -1))


class Stage(abc.ABC):
    """
    One stage of training, ready to run.

    A stage of your own names its ``section`` and its ``result``, makes ``model`` in its ``__init__``, and says what the
    three abstract methods do.
    Optimizer, schedule, checkpoints, log and validation are those of `~sunpy_magsr.training.loop.run_stage`.

    Parameters
    ----------
    config : `~sunpy_magsr.training.config.TrainingConfig`
        The whole run.
    drawn_with : `~sunpy_magsr.training.config.StageConfig`, optional
        Options that the patches are drawn with; those of the stage's section by default.

    Attributes
    ----------
    options : `~sunpy_magsr.training.config.StageConfig`
        The stage's section of the configuration.
    model : `torch.nn.Module`
        All that is trained; set by the subclass.
    sampler, validation : `~sunpy_magsr.training.data.samplers.PatchSampler`
        Batches to train on, and those that are set aside (`None` if there are none).

    Raises
    ------
    ValueError
        If the section or the store of training data does not allow the stage.
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
        Compute the loss of one batch.

        Parameters
        ----------
        high : `torch.Tensor`
            High-resolution fields, Gauss ``[N, 1, H, W]``.
        given : `torch.Tensor`
            What the sampler says beside them: the noise of each, Gauss ``[N]``, or what the network is given.
        generator : `torch.Generator`
            The source of all random numbers of this batch.

        Returns
        -------
        loss : `torch.Tensor`
            A scalar.
        numbers : `dict`
            Named parts of it, as floats, for the log.
        """

    @abc.abstractmethod
    def draw(self, high, given, n_samples):
        """
        Draw samples for the validation.

        Parameters
        ----------
        high, given : `torch.Tensor`
            As for `loss`.
        n_samples : `int`
            Samples of each patch.

        Returns
        -------
        samples : `torch.Tensor`
            Gauss ``[n_samples, N, 1, H, W]``; a stage without random numbers may give one.
        low : `torch.Tensor`
            The low-resolution fields that they were made of, Gauss ``[N, 1, h, w]``.
        """

    @abc.abstractmethod
    def save(self):
        """Save the trained modules, which are on the CPU then, under ``output``."""

    def train(self, *, progress=True):
        """
        Train, going on from the last checkpoint if there is one, and save the result.

        Parameters
        ----------
        progress : `bool`
            Whether to show a progress bar on a terminal.

        Returns
        -------
        `pathlib.Path`
            The folder of the result, ``output / result``.
        """
        if run_stage(self, progress=progress):
            self.model.cpu()
            self.save()
        return self.output / self.result
