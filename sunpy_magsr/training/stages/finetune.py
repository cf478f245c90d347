"""Fine-tuning: an adapter that makes of a model one for another instrument."""

import dataclasses
import json
from pathlib import Path

import torch
from torch import nn

from sunpy_magsr._files import whole_file
from sunpy_magsr._options import check_range
from sunpy_magsr.models.autoencoder import block_mean
from sunpy_magsr.sampling.registry import model_folder
from sunpy_magsr.store.adapters import attach_adapter, attach_decoder_adapter, load_adapters, widen
from sunpy_magsr.store.card import ModelCard, adapter_folders
from sunpy_magsr.store.components import load_components
from sunpy_magsr.training.data.pairs import MARGIN, PairSampler
from sunpy_magsr.training.stages.autoencoder import reconstruction_loss
from sunpy_magsr.training.stages.scoring import part_folder, score_of
from sunpy_magsr.training.stages.stage import Stage, add_noise, check_parts, make_scheduler, solve

#: In the folder of a trained adapter, what it was trained on.
BASE = "base.json"
_ALLOWED = {"pairs": ("simulated", "observed"), "scale": ("hmi", "input"), "members": (0, 2, 3, 4)}


def adapter_loss(model, high, given, generator, *, scheduler, low_weight=1.0):
    r"""
    Compute the loss of a denoiser that is given a noisy and blurred field, and draws the clean one and the residual.

    With the block mean :math:`L` of the high-resolution field and the encoder :math:`E`, it draws two things together:
    the latent's residual :math:`E(\mathrm{hr}) - E(\mathrm{up}(L))`, and the asinh of :math:`L` less that of the given
    field. See ``diffusion_loss`` for the rest.
    """
    denoiser, codec = model["denoiser"], model["codec"]
    low, noise, blur = given.split([1, 1, 2], dim=1)
    clean_low = block_mean(high, codec.config.factor)
    with torch.no_grad():
        latent = codec.encode(high)[0]
        target = denoiser.join(latent - codec.encode_low(clean_low), clean_low, low)
    features, mean, log_sigma = denoiser.condition(low, noise, blur)
    standardized = (target - mean) * (-log_sigma).exp()
    noisy, timestep, wanted = add_noise(standardized.detach().clamp(-30, 30), generator, scheduler=scheduler)
    weight = torch.ones(target.shape[1], device=target.device)
    weight[-1] = low_weight
    weight = (weight / weight.mean())[:, None, None]
    denoising = (weight * (denoiser(noisy, timestep, features) - wanted).square()).mean()
    likelihood = (weight * (0.5 * standardized.square() + log_sigma)).mean()
    numbers = {"denoising": denoising.item(), "likelihood": likelihood.item()}
    loss = denoising + likelihood
    if any(parameter.requires_grad for parameter in codec.parameters()):
        reconstruction, found = reconstruction_loss(codec, codec.decode(latent, clean_low), high)
        loss, numbers = loss + reconstruction, numbers | found
    return loss, numbers


def draw_adapted(model, given, *, solver, steps, generator, members=1):
    """Draw samples of patches with an adapted model, so that gradients flow back through them."""
    denoiser, codec = model["denoiser"], model["codec"]
    low, noise, blur = given.split([1, 1, 2], dim=1)
    parts = (low, *denoiser.condition(low, noise, blur))
    low, features, mean, log_sigma = (torch.cat([part] * members) for part in parts)
    state = solve(denoiser, features, mean.shape, scheduler=solver, steps=steps, generator=generator)
    residual, clean = denoiser.split(mean + log_sigma.exp() * state, low)
    high = codec.decode(residual + codec.encode_low(clean), clean, exact=False)
    return high.unflatten(0, (members, -1))


class FinetuneStage(Stage):
    """Train an adapter and save it under ``output/adapter``; see ``Stage``."""

    section = "finetune"
    result = "adapter"

    def __init__(self, config):
        options = config.finetune
        _check(options)
        self.base, folder, self.steps = _base(config)
        codec, denoiser, self.solver = load_components(folder)
        wide = widen(denoiser)
        if options.components:
            chosen = {"components": options.components, "component_weights": [1.0] * len(options.components)}
            config = dataclasses.replace(config, data=dataclasses.replace(config.data, **chosen))
        super().__init__(config, drawn_with=dataclasses.replace(options, patch=options.patch + 2 * MARGIN))
        self.sampler, self.validation = (one and PairSampler(one, options) for one in (self.sampler, self.validation))
        torch.manual_seed(options.seed)
        adapted = attach_adapter(wide, rank=options.rank, targets=options.targets, whole=options.whole)
        decoder = attach_decoder_adapter(codec, rank=options.decoder_rank)
        self.model = nn.ModuleDict({"denoiser": adapted, "codec": decoder})
        if options.start:
            own = adapter_folders(folder).get(options.start)
            try:
                load_adapters(Path(options.start) if own is None else own / "adapter", self.model)
            except ValueError as error:
                wanted = "an adapter with the rank, decoder_rank, targets and whole of this section"
                msg = f"finetune.start must be {wanted}, got {options.start}: {error}"
                raise ValueError(msg) from error
        self.scheduler = make_scheduler(self.solver.config.prediction_type)
        if options.members:
            self.model["score"] = score_of(self.sampler, factor=codec.config.factor)

    def _samples(self, given, generator, members):
        options = {"solver": self.solver, "steps": self.steps}
        return draw_adapted(self.model, given, generator=generator, members=members, **options)

    def loss(self, high, given, generator):
        """Compute the loss of the scoring stage if ``finetune.members`` says so, else `adapter_loss`."""
        if self.options.members:
            samples = self._samples(given, generator, self.options.members)
            return self.model["score"](samples, high, given[:, :1], generator)
        weight = self.options.low_weight
        return adapter_loss(self.model, high, given, generator, scheduler=self.scheduler, low_weight=weight)

    def draw(self, high, given, n_samples):
        """Draw samples as the model with its adapter does."""
        return self._samples(given, torch.Generator().manual_seed(0), n_samples), given[:, :1]

    def save(self):
        """Save the adapters of denoiser and decoder, and what they were trained on."""
        folder = self.output / self.result
        self.model["denoiser"].save_pretrained(folder / "denoiser")
        if self.options.decoder_rank:
            self.model["codec"].save_pretrained(folder / "decoder")
        with whole_file(folder / BASE) as stream:
            stream.write((json.dumps(self.base, indent=2) + "\n").encode())


def _check(options):
    """Raise for options that are not allowed."""
    for name, allowed in _ALLOWED.items():
        if getattr(options, name) not in allowed:
            msg = f"finetune.{name} must be one of {', '.join(map(repr, allowed))}, got {getattr(options, name)!r}."
            raise ValueError(msg)
    for name in ("noise", "gain", "relative_error", "psf_fwhm"):
        check_range(f"finetune.{name}", getattr(options, name), is_logarithmic=name in ("noise", "gain"))
    if len(options.resampled) != 3 or min(options.resampled) < 0 or sum(options.resampled) > 1:
        msg = f"finetune.resampled must be three shares of together at most 1, got {options.resampled!r}."
        raise ValueError(msg)


def _base(config):
    """Name and weights of the base, its folder, and its sampling steps."""
    name = config.finetune.base
    if name != "trained":
        folder, _ = model_folder(name)
        card = ModelCard.read(folder)
        if card.kind != "diffusion":
            msg = f"finetune.base must be a diffusion model, got {name!r} of kind {card.kind!r}."
            raise ValueError(msg)
        return {"base": name, "base_sha256": card.sha256}, folder, card.steps
    output = Path(config.output)
    folder = part_folder(output, "denoiser").parent
    what = "finetune.base must be a model, or 'trained' after `magsr-train diffusion`"
    check_parts(folder, ("autoencoder", "denoiser", "scheduler"), what)
    steps = config.diffusion.validation_steps if folder == output else config.scoring.sampling_steps
    return {"base": "", "base_sha256": ""}, folder, steps
