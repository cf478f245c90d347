"""A model folder made of a finished run, with its card, readme and check."""

import dataclasses
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map
from huggingface_hub import ModelCardData
from safetensors.torch import load_file, save_file

from sunpy_magsr._files import whole_file, whole_folder
from sunpy_magsr.data import sample_map
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.inference.superresolution import superresolve
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.store.card import ADAPTERS, ModelCard
from sunpy_magsr.store.components import PARTS, weights_digest
from sunpy_magsr.training.stages.finetune import BASE
from sunpy_magsr.training.stages.scoring import finished
from sunpy_magsr.validation.report import ROWS

#: The file in a model folder.
CHECK = "check.npz"
#: Largest difference in Gauss. Above rounding: the bundled models differ by up to 0.004 G between two implementations of
#: the convolutions. A twentieth of the noise of MDI (10 G a pixel and more): no result of use depends on it.
TOLERANCE = 0.5
_CORNERS = (208, 96), (239, 127)


def load_exported(folder):
    """Load a model folder as it is, without the adapter that its card has for an instrument."""
    card = ModelCard.read(folder)
    if card.kind == "adapter":
        return load_backend(f"{card.base or Path(folder).parents[1]}+{folder}")
    return load_backend(Path(folder))


def write_check(folder):
    """Store what a model makes of 32 x 32 pixels of the bundled sample with seed 0."""
    bottom_left, top_right = _CORNERS
    small = sample_map().submap(bottom_left * u.pix, top_right=top_right * u.pix)
    low, header = small.data.astype(np.float32), json.dumps(dict(small.meta))
    high = _answer(folder, low, header)
    with whole_file(Path(folder) / CHECK) as stream:
        np.savez_compressed(stream, low=low, high=high, header=header)


def departure(folder):
    """Largest difference between the stored answer of a model folder and what it gives now."""
    path = Path(folder) / CHECK
    if not path.is_file():
        msg = f"folder must be an exported model with a {CHECK}, got {folder}."
        raise ValueError(msg)
    with np.load(path) as stored:
        answer = _answer(folder, stored["low"], stored["header"].item())
        return float(np.abs(answer - stored["high"]).max())


def check_folder(folder):
    """Load a model folder in a process of its own and compare with the stored answer."""
    command = [sys.executable, "-P", "-m", "sunpy_magsr.training", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # nosec B603
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        msg = f"the model folder does not pass its check: {reason}"
        raise RuntimeError(msg)


def _answer(folder, low, header):
    """Field of seed 0 in Gauss on the fine grid; on the CPU, where convolutions are not rounded to fewer bits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MagsrUserWarning)  # the model may be trained on another instrument
        smap = sunpy.map.Map(low, json.loads(header))
        return superresolve(smap, model=load_exported(folder), plate_scale=None, device="cpu").data


if __name__ == "__main__":
    difference = departure(sys.argv[1])
    if not difference <= TOLERANCE:
        sys.exit(f"its answer differs from the stored one by {difference:.3g} G, more than {TOLERANCE} G.")


def measured(evaluation, *, card):
    """What an evaluation found for a model."""
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


_TAGS = ["solar-physics", "magnetogram", "super-resolution", "sunpy"]
_FACTS = (
    *("kind", "base", "revision", "license", "factor", "steps", "halo", "instruments", "plate_scale_range"),
    *("consistency", "calibration"),
)
_TEXT = """---
{front}
---

# {name}

{summary}

What lies below the resolution of the input is the output of a model: plausible, not measured.

## How to load it

```python
import sunpy.map
import sunpy_magsr

mdi = sunpy.map.Map("mdi.fits")
hr = sunpy_magsr.superresolve(mdi, model="{model}")
```

where `org/name` stands for the id of this repository, of one revision of it (`org/name@revision`), or a local folder.

## Facts

{facts}

## Training

{training}

## Validation

{validation}

## Limits, and what it must not be used for

{limits}

## Check

`check.npz` holds a small input and what this model makes of it with seed 0.
`python -m sunpy_magsr.training FOLDER` says when a copy of this folder gives another answer.

## License

The weights are under {license}.

## Citation

Cite the paper whose method this builds on, and state the model's name and revision:

Ramunno, F. P., et al. 2025, "Enhancing image resolution of solar magnetograms: A latent diffusion model approach",
Astronomy & Astrophysics, 698, A140, [doi:10.1051/0004-6361/202453205](https://doi.org/10.1051/0004-6361/202453205)
"""


def readme(card):
    """Say in Markdown what a card says."""
    front = ModelCardData(
        license=card.license.lower(), library_name="sunpy_magsr", pipeline_tag="image-to-image", tags=_TAGS
    )
    model = f"{card.base}+org/name" if card.base else "org/name"
    facts = {name: getattr(card, name) for name in _FACTS} | {"weights (SHA-256)": card.sha256}
    return _TEXT.format(
        front=front.to_yaml(),
        name=card.name,
        summary=card.summary,
        model=model,
        facts=_table(facts),
        training=_table(card.training),
        validation=_table(card.validation),
        limits="\n".join(f"- {limit}" for limit in card.limits) or "None are stated.",
        license=card.license,
    )


def _table(facts):
    """Names and values that say something, as rows."""
    rows = [
        f"| {_words(name.replace('_', ' '))} | {_words(value)} |"
        for name, value in facts.items()
        if value not in ("", [], {})
    ]
    return "\n".join(["| | |", "|---|---|", *rows]) if rows else "Nothing is stated."


def _words(value):
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return str(value).replace("|", "\\|")


def export_model(run, destination, *, card, half=False, evaluation=None):
    """
    Put the parts of a finished run, a card and a stored answer into one folder, and load it in another process.

    Parameters
    ----------
    run : `str` or `pathlib.Path`
        Output folder of the run, with ``autoencoder``, ``denoiser`` and ``scheduler``, or ``network``, or ``adapter``.
    destination : `str` or `pathlib.Path`
        The model folder; a model folder that is there is replaced as a whole.
    card : `dict`
        Facts for the `~sunpy_magsr.store.ModelCard`; the digest of the weights is added, and for an adapter what it
        was trained on. Facts of a diffusion model may hold those of an ``adapter`` of the same run, which is then put
        into the folder, for input of its instruments.
    half : `bool`
        Whether to store the weights in half precision; they are computed with in float32 all the same.
    evaluation : `str` or `pathlib.Path`, optional
        Output folder of ``magsr evaluate`` for these weights; its numbers replace those of the card.

    Returns
    -------
    `pathlib.Path`
        The model folder.

    Raises
    ------
    ValueError
        If a part is missing, the card is wrong, ``destination`` is a folder that is no model, or ``evaluation`` is of
        other weights.
    RuntimeError
        If the folder does not give its stored answer again; what was at ``destination`` stays.
    """
    run, destination = Path(run).resolve(), Path(destination).resolve()
    if destination.exists() and not (destination / "card.json").is_file():
        msg = f"destination must be a new folder or a model folder, got {destination}."
        raise ValueError(msg)
    card, adapter = _cards(card, run)
    with whole_folder(destination) as model:
        card = _fill(model, run, card, half)
        if adapter is not None:
            folder = model / ADAPTERS / adapter.name
            _fill(folder, run, dataclasses.replace(adapter, base_sha256=card.sha256), half)
            _finish(folder)
        if evaluation is not None:
            validation = measured(evaluation, card=load_exported(model).card)
            dataclasses.replace(card, validation=validation).write(model)
        _finish(model)
    return destination


def _cards(facts, run):
    """The card of a model and that of the adapter in it, or `None`; what the run says of an adapter's base is in it."""
    facts = dict(facts)
    own = facts.pop("adapter", None)
    card, adapter = ModelCard.of(facts), None
    if card.kind not in PARTS:
        msg = f"card must have a kind of {', '.join(PARTS)}, got {card.kind!r}."
        raise ValueError(msg)
    if own is not None:
        adapter = ModelCard.of({**own, "kind": "adapter"})
        card = dataclasses.replace(card, adapters=dict.fromkeys(adapter.instruments, adapter.name))
    for part in (*PARTS[card.kind], *(PARTS["adapter"] if adapter else ())):
        if not finished(run, part).is_dir():
            msg = f"run must hold a finished {part}, and {run} does not; train that stage first."
            raise ValueError(msg)
    if card.kind == "adapter":
        card = dataclasses.replace(card, **json.loads((run / "adapter" / BASE).read_text()))
    return card, adapter


def _fill(folder, run, card, half):
    """Copy the parts of a model and write its card with their digest, which is returned."""
    for part in PARTS[card.kind]:
        shutil.copytree(finished(run, part), folder / part, ignore=shutil.ignore_patterns("README.md", BASE))
    _tidy(folder, half)
    card = dataclasses.replace(card, sha256=weights_digest(folder))
    card.write(folder)
    return card


def _finish(folder):
    """Describe a model for people, store its answer, and see whether another process gives the same."""
    (folder / "README.md").write_text(readme(ModelCard.read(folder)))
    write_check(folder)
    check_folder(folder)


def _tidy(model, half):
    """Make weights readable for all, halve them if asked, and forget where they came from."""
    for path in model.rglob("*.safetensors"):
        if half:
            save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path, {"format": "pt"})
        path.chmod(0o644)  # safetensors writes files that only their owner can read
    for path in model.rglob("*config.json"):
        config = json.loads(path.read_text())
        for name in ("_name_or_path", "base_model_name_or_path"):
            config.pop(name, None)  # where the part was loaded from on the machine that trained
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
