"""The numbers of one model from the record of ``magsr evaluate``."""

import json
from pathlib import Path

from sunpy_magsr.validation.report import ROWS

__all__ = ["measured"]


def measured(evaluation, *, card):
    """
    What an evaluation found for a model.

    Parameters
    ----------
    evaluation : `str` or `pathlib.Path`
        Output folder of ``magsr evaluate``.
    card : `~sunpy_magsr.catalog.ModelCard`
        Of the model as it is loaded.

    Returns
    -------
    `dict`
        For ``validation`` of the card: on what and how it was evaluated, and each number with its bootstrap interval.

    Raises
    ------
    ValueError
        If the folder is none of an evaluation, or it did not evaluate these weights with as many steps.
    """
    path = Path(evaluation) / "evaluation.json"
    try:
        record = json.loads(path.read_text())
        models, settings = record["models"], record["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"evaluation must be an output folder of magsr evaluate, got {evaluation}."
        raise ValueError(msg) from error
    found = [name for name, facts in models.items() if (facts["sha256"], facts["steps"]) == (card.sha256, card.steps)]
    if not found:
        got = "; ".join(
            f"{name}: {facts['steps']} steps, {facts['sha256'] or 'none'}" for name, facts in models.items()
        )
        msg = f"evaluation must hold a model of {card.steps} steps with weights of SHA-256 {card.sha256}, got {got}."
        raise ValueError(msg)
    numbers = record["pooled"][found[0]]
    rows = {label: _cell(numbers[key], decimals) for key, label, decimals in ROWS if key in numbers}
    return {
        "regions": ", ".join(record["files"]),
        "version": record["versions"]["sunpy_magsr"],
        "samples": settings["n_samples"],
        "seed": settings["seed"],
        **{label: cell for label, cell in rows.items() if cell},
    }


def _cell(number, decimals):
    """The mean with its interval, where there is one; empty where there is no mean."""
    mean, low, high = (
        "" if number[part] is None else f"{number[part]:.{decimals}f}" for part in ("mean", "low", "high")
    )
    return f"{mean} [{low}, {high}]" if mean and low else mean
