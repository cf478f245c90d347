"""The options of a plan: what they mean, and what is allowed."""

import hashlib

import astropy.units as u

from sunpy_magsr import consistency
from sunpy_magsr.backends.registry import model_card, model_folders
from sunpy_magsr.io import check_precision
from sunpy_magsr.options import check_bad_pixels, check_noise_lifetime, check_options, check_plate_scale
from sunpy_magsr.prep.products import COMPONENTS

__all__ = ["check_plan", "model_identity", "options_of", "precision_of", "quantity"]

_NONE = "none"


def options_of(settings):
    """The options of `sunpy_magsr.superresolve` in what `Plan.settings` gave."""
    model = settings["model"]
    native, lifetime = model["plate_scale"] == "native", model["noise_lifetime"]
    return {
        "model": model["name"],
        "n_samples": model["n_samples"],
        "seed": model["seed"],
        "plate_scale": None if native else quantity("model.plate_scale", model["plate_scale"], u.arcsec / u.pix),
        "steps": model["steps"] or None,
        "consistency": model["consistency"] or None,
        "calibrate": model["calibrate"] or None,
        "bad_pixels": model["bad_pixels"],
        "component": settings["component"] or None,
        "noise_lifetime": None if lifetime == _NONE else quantity("model.noise_lifetime", lifetime, u.s),
    }


def precision_of(settings):
    """Step of the rounding in what `Plan.settings` gave, or `None`."""
    text = settings["output"]["precision"]
    return None if text == _NONE else quantity("output.precision", text, u.G)


def quantity(name, text, unit):
    """A Quantity that a plan gives as text."""
    try:
        value = u.Quantity(text)
    except (TypeError, ValueError):
        value = None
    if value is None or not value.isscalar or not value.unit.is_equivalent(unit):
        msg = f"{name} must be a number with a unit like {unit}, got {text!r}."
        raise ValueError(msg)
    return value


def model_identity(name):
    """
    Digest of the cards of a model and of all its adapters, in which those of the weights are.

    Parameters
    ----------
    name : `str`
        As for `sunpy_magsr.superresolve`.

    Returns
    -------
    `str`
    """
    digest = hashlib.sha256()
    if name == model_card(name).name == "bicubic":
        return name
    for folder in model_folders(name):
        for path in sorted(folder.rglob("card.json")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def check_plan(plan):
    """
    Raise if a plan says what cannot be done, before any frame is opened.

    Parameters
    ----------
    plan : `~sunpy_magsr.archive.plan.Plan`
        What to do.

    Raises
    ------
    ValueError
        The message names the key, what is allowed and what came.
    """
    options, card = plan.options(), model_card(plan.model.name)
    check_options(n_samples=plan.model.n_samples, seed=plan.model.seed, steps=options["steps"], batch_size=None)
    check_plate_scale(options["plate_scale"])
    check_bad_pixels(plan.model.bad_pixels)
    check_precision(precision_of(plan.settings()))
    consistency.check(options["consistency"], card)
    _check_lifetime(options["noise_lifetime"], card)
    if plan.model.calibrate not in ("", "hmi"):
        msg = f"model.calibrate must be '' or 'hmi', got {plan.model.calibrate!r}."
        raise ValueError(msg)
    if plan.input.component not in ("", *COMPONENTS):
        msg = f"input.component must be '' or one of {', '.join(COMPONENTS)}, got {plan.input.component!r}."
        raise ValueError(msg)
    if plan.model.n_samples > 1 and card.is_deterministic:
        msg = f"model.n_samples must be 1 for the deterministic model {plan.model.name!r}, got {plan.model.n_samples}."
        raise ValueError(msg)
    if not 0 <= plan.output.samples <= plan.model.n_samples:
        msg = f"output.samples must be 0 to model.n_samples = {plan.model.n_samples}, got {plan.output.samples}."
        raise ValueError(msg)
    if not all(isinstance(q, int | float) and 0 <= q <= 1 for q in plan.output.quantiles):
        msg = f"output.quantiles must be from 0 to 1, got {plan.output.quantiles}."
        raise ValueError(msg)
    several = plan.model.n_samples > 1 and (plan.output.mean or plan.output.quantiles or plan.output.ensemble)
    if not plan.output.samples and not several:
        msg = (
            "output must keep samples, or of several samples the mean, quantiles or the ensemble, got nothing of these."
        )
        raise ValueError(msg)
    if plan.cluster.scheduler and plan.cluster.kind:
        msg = f"cluster must have a scheduler or a kind, got both: {plan.cluster.scheduler} and {plan.cluster.kind}."
        raise ValueError(msg)
    for key in ("workers", "threads", "batch_size"):
        if getattr(plan.cluster, key) < 0:
            msg = f"cluster.{key} must be 0 or more, got {getattr(plan.cluster, key)}."
            raise ValueError(msg)
    if plan.cluster.attempts < 1:
        msg = f"cluster.attempts must be 1 or more, got {plan.cluster.attempts}."
        raise ValueError(msg)


def _check_lifetime(value, card):
    try:
        check_noise_lifetime(value, card)
    except ValueError as error:
        msg = f"model.{error} In a plan, 'none' stands for None."
        raise ValueError(msg) from error
