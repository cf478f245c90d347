"""A model folder made of a finished run, with its card, readme and check, and its way to a Hub."""

import dataclasses
import json
import shutil
from importlib import resources
from pathlib import Path

from huggingface_hub import HfApi, ModelCardData
from huggingface_hub.utils import validate_repo_id
from safetensors.torch import load_file, save_file

from sunpy_magsr._files import whole_folder
from sunpy_magsr.exceptions import reason
from sunpy_magsr.store.card import ADAPTERS, ModelCard
from sunpy_magsr.store.components import PARTS, weights_digest
from sunpy_magsr.store.hub import LOADED
from sunpy_magsr.training.check import CHECK, check_folder, load_exported, write_check
from sunpy_magsr.training.stages.finetune import BASE
from sunpy_magsr.training.stages.scoring import part_folder
from sunpy_magsr.validation.report import ROWS

# Of a model folder, what a repository holds.
_FILES = [*LOADED, "README.md", CHECK, "*/README.md", f"*/{CHECK}"]
_TAGS = ["solar-physics", "magnetogram", "super-resolution", "sunpy"]
_FACTS = (
    *("kind", "base", "revision", "license", "factor", "steps", "halo", "instruments", "plate_scale_range"),
    *("consistency", "calibration"),
)


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
            validation = _read_scores(evaluation, load_exported(model).card)
            dataclasses.replace(card, validation=validation).write(model)
        _finish(model)
    return destination


def _cards(facts, run):
    """Make the card of a model and that of the adapter in it, or `None`, and check that the run has their parts."""
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
        if not part_folder(run, part).is_dir():
            msg = f"run must hold a finished {part}, and {run} does not; train that stage first."
            raise ValueError(msg)
    if card.kind == "adapter":
        card = dataclasses.replace(card, **json.loads((run / "adapter" / BASE).read_text()))
    return card, adapter


def _fill(folder, run, card, half):
    """Copy the parts of a model and write its card with their digest."""
    for part in PARTS[card.kind]:
        shutil.copytree(part_folder(run, part), folder / part, ignore=shutil.ignore_patterns("README.md", BASE))
    for path in folder.rglob("*.safetensors"):
        if half:
            save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path, {"format": "pt"})
        path.chmod(0o644)  # safetensors writes files that only their owner can read
    for path in folder.rglob("*config.json"):
        config = json.loads(path.read_text())
        for name in ("_name_or_path", "base_model_name_or_path"):
            config.pop(name, None)  # where the part was loaded from on the machine that trained
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    card = dataclasses.replace(card, sha256=weights_digest(folder))
    card.write(folder)
    return card


def _finish(folder):
    """Describe a model for people, store its answer, and see whether another process gives the same."""
    (folder / "README.md").write_text(readme(ModelCard.read(folder)))
    write_check(folder)
    check_folder(folder)


def _read_scores(evaluation, card):
    """Read what an evaluation found for the model of a card, whatever it was called there."""
    try:
        record = json.loads((Path(evaluation) / "evaluation.json").read_text())
        models, settings = record["models"], record["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"evaluation must be an output folder of magsr evaluate, got {evaluation}."
        raise ValueError(msg) from error
    found = [name for name, facts in models.items() if (facts["sha256"], facts["steps"]) == (card.sha256, card.steps)]
    if not found:
        got = [f"{name}: {facts['steps']} steps, {facts['sha256'] or 'none'}" for name, facts in models.items()]
        msg = f"evaluation must hold a model of {card.steps} steps with weights of SHA-256 {card.sha256}, got {'; '.join(got)}."
        raise ValueError(msg)
    numbers = record["pooled"][found[0]]
    rows = {label: _score_in_words(numbers[key], decimals) for key, label, decimals in ROWS if key in numbers}
    return {
        "regions": ", ".join(record["files"]),
        "version": record["versions"]["sunpy_magsr"],
        "samples": settings["n_samples"],
        "seed": settings["seed"],
        **{label: score for label, score in rows.items() if score},
    }


def _score_in_words(number, decimals):
    """Write a mean with its interval, where there is one; nothing where there is no mean."""
    mean, low, high = (
        number[part] if number[part] is None else f"{number[part]:.{decimals}f}" for part in ("mean", "low", "high")
    )
    return f"{mean} [{low}, {high}]" if mean and low else mean or ""


def readme(card):
    """Say in Markdown what a card says."""
    options = {"library_name": "sunpy_magsr", "pipeline_tag": "image-to-image", "tags": _TAGS}
    facts = {name: getattr(card, name) for name in _FACTS} | {"weights (SHA-256)": card.sha256}
    text = (resources.files("sunpy_magsr") / "training" / "recipes" / "model_readme.md").read_text(encoding="utf-8")
    return text.format(
        front=ModelCardData(license=card.license.lower(), **options).to_yaml(),
        card=card,
        model=f"{card.base}+org/name" if card.base else "org/name",
        facts=_table(facts),
        training=_table(card.training),
        validation=_table(card.validation),
        limits="\n".join(f"- {limit}" for limit in card.limits) or "None are stated.",
    )


def _table(facts):
    """Make a table of names and values, without values that say nothing."""
    said = {name.replace("_", " "): value for name, value in facts.items() if value not in ("", [], {})}
    rows = [f"| {_in_words(name)} | {_in_words(value)} |" for name, value in said.items()]
    return "\n".join(["| | |", "|---|---|", *rows]) if rows else "Nothing is stated."


def _in_words(value):
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_in_words(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_in_words, value))
    return str(value).replace("|", "\\|")


def push_model(folder, repo_id, *, revision=None, private=False):
    """
    Put a model folder into a repository of a Hub, replacing the model that was there.

    The Hub and the right to write are those of `huggingface_hub` (``HF_ENDPOINT``, ``HF_TOKEN``).
    """
    folder = Path(folder).resolve()
    if repo_id.count("/") != 1:
        msg = f"repo_id must be ORG/NAME, got {repo_id!r}."
        raise ValueError(msg)
    validate_repo_id(repo_id)
    card = ModelCard.read(folder)
    missing = [name for name in ("README.md", CHECK) if not (folder / name).is_file()]
    if missing:
        msg = f"folder must be an exported model, and {folder} has no {' and no '.join(missing)}; export it again."
        raise ValueError(msg)
    digest = weights_digest(folder)
    if digest != card.sha256:
        msg = f"folder must hold the weights of its card, SHA-256 {card.sha256 or 'none'}, got {digest}."
        raise ValueError(msg)
    check_folder(folder)
    hub = HfApi()
    try:
        hub.create_repo(repo_id, private=private or None, exist_ok=True)
        if revision:
            hub.create_branch(repo_id, branch=revision, exist_ok=True)
        message = f"{card.name} {card.revision}, SHA-256 {card.sha256}"
        options = {"allow_patterns": _FILES, "delete_patterns": _FILES, "commit_message": message}
        return hub.upload_folder(repo_id=repo_id, folder_path=folder, revision=revision, **options).commit_url
    except Exception as error:
        # the upload of a large file tells in its cause what went wrong
        cause = error.__cause__ if type(error) is RuntimeError and error.__cause__ else error
        msg = f"{repo_id} was not published: {reason(cause)}"
        raise RuntimeError(msg) from error
