"""The options of a plan: their translation into arguments of the package, and the values that are allowed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import astropy.units as u

from sunpy_magsr import consistency
from sunpy_magsr.backends.registry import model_card, model_folders
from sunpy_magsr.io import check_precision
from sunpy_magsr.options import check_bad_pixels, check_noise_lifetime, check_options, check_plate_scale, told_blur
from sunpy_magsr.prep.products import COMPONENTS

if TYPE_CHECKING:
    from sunpy_magsr.archive.plan import Plan

__all__ = ["check_plan", "model_identity", "options_of", "precision_of", "quantity"]

_NONE = "none"


def options_of(settings: dict[str, Any]) -> dict[str, Any]:
    """
    Translate the settings of a plan into arguments of `sunpy_magsr.superresolve`.

    Parameters
    ----------
    settings : `dict`
        What `sunpy_magsr.archive.plan.Plan.settings` returns.

    Returns
    -------
    `dict`
        The arguments by name.

    Raises
    ------
    ValueError
        If a text is not a quantity with the right unit.
    """
    model = settings["model"]
    native, lifetime, width = model["plate_scale"] == "native", model["noise_lifetime"], model["psf_fwhm"]
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
        "independent": model["independent"],
        "psf_fwhm": None if width == _NONE else quantity("model.psf_fwhm", width, u.arcsec),
    }


def precision_of(settings: dict[str, Any]) -> u.Quantity | None:
    """
    Find the step to which the values in the files of a plan are rounded.

    Parameters
    ----------
    settings : `dict`
        The settings of the plan, as for `options_of`.

    Returns
    -------
    `~astropy.units.Quantity` or `None`
        The step, a magnetic field; `None` if nothing is rounded.

    Raises
    ------
    ValueError
        If the text is not a quantity with the right unit.
    """
    text = settings["output"]["precision"]
    return None if text == _NONE else quantity("output.precision", text, u.G)


def quantity(name: str, text: str, unit: u.UnitBase) -> u.Quantity:
    """
    Read a quantity that a plan gives as text.

    Parameters
    ----------
    name : `str`
        The key in the plan, for the message.
    text : `str`
        The text, such as ``"0.5 G"``.
    unit : `~astropy.units.UnitBase`
        A unit to which that of the quantity must be convertible.

    Returns
    -------
    `~astropy.units.Quantity`
        The quantity in the unit of the text.

    Raises
    ------
    ValueError
        If the text is not a number with such a unit.
    """
    try:
        value = u.Quantity(text)
    except (TypeError, ValueError):
        value = None
    if value is None or not value.isscalar or not value.unit.is_equivalent(unit):
        msg = f"{name} must be a number with a unit like {unit}, got {text!r}."
        raise ValueError(msg)
    return value


def model_identity(name: str) -> str:
    """
    Compute a digest that changes when a model or one of its adapters changes.

    It is the SHA-256 of their cards, which hold the SHA-256 of the weights.

    Parameters
    ----------
    name : `str`
        The model, as for `sunpy_magsr.superresolve`.

    Returns
    -------
    `str`
        The digest in hexadecimal digits, or ``"bicubic"`` for interpolation, which has no files.
    """
    digest = hashlib.sha256()
    if name == model_card(name).name == "bicubic":
        return name
    for folder in model_folders(name):
        for path in sorted(folder.rglob("card.json")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def check_plan(plan: Plan) -> None:
    """
    Check the values of a plan, before any frame is opened.

    Parameters
    ----------
    plan : `~sunpy_magsr.archive.plan.Plan`
        The plan.

    Raises
    ------
    ValueError
        If a value is not allowed. The message names the key, what is allowed and what the plan says.
    """
    options, card = plan.options(), model_card(plan.model.name)
    check_options(n_samples=plan.model.n_samples, seed=plan.model.seed, steps=options["steps"], batch_size=None)
    check_plate_scale(options["plate_scale"])
    check_bad_pixels(plan.model.bad_pixels)
    check_precision(precision_of(plan.settings()))
    consistency.check(options["consistency"], card)
    _check_lifetime(options["noise_lifetime"], card)
    if options["psf_fwhm"] is not None:
        told_blur(options["psf_fwhm"])
    if plan.model.calibrate not in ("", "hmi"):
        msg = f"model.calibrate must be '' or 'hmi', got {plan.model.calibrate!r}."
        raise ValueError(msg)
    if plan.input.component not in ("", *COMPONENTS):
        msg = f"input.component must be '' or one of {', '.join(COMPONENTS)}, got {plan.input.component!r}."
        raise ValueError(msg)
    if plan.model.n_samples > 1 and card.is_deterministic:
        msg = f"model.n_samples must be 1 for the deterministic model {plan.model.name!r}, got {plan.model.n_samples}."
        raise ValueError(msg)
    _check_output(plan.output, plan.model.n_samples)
    _check_cluster(plan.cluster)


def _check_output(output, n_samples):
    if not 0 <= output.samples <= n_samples:
        msg = f"output.samples must be 0 to model.n_samples = {n_samples}, got {output.samples}."
        raise ValueError(msg)
    if not all(isinstance(q, int | float) and 0 <= q <= 1 for q in output.quantiles):
        msg = f"output.quantiles must be from 0 to 1, got {output.quantiles}."
        raise ValueError(msg)
    several = n_samples > 1 and (output.mean or output.quantiles or output.ensemble)
    if not output.samples and not several:
        msg = (
            "output must keep samples, or of several samples the mean, quantiles or the ensemble, got nothing of these."
        )
        raise ValueError(msg)


def _check_cluster(cluster):
    if cluster.scheduler and cluster.kind:
        msg = f"cluster must have a scheduler or a kind, got both: {cluster.scheduler} and {cluster.kind}."
        raise ValueError(msg)
    for key in ("workers", "threads", "batch_size"):
        if getattr(cluster, key) < 0:
            msg = f"cluster.{key} must be 0 or more, got {getattr(cluster, key)}."
            raise ValueError(msg)
    if cluster.attempts < 1:
        msg = f"cluster.attempts must be 1 or more, got {cluster.attempts}."
        raise ValueError(msg)


def _check_lifetime(value, card):
    try:
        check_noise_lifetime(value, card)
    except ValueError as error:
        msg = f"model.{error} In a plan, 'none' stands for None."
        raise ValueError(msg) from error
