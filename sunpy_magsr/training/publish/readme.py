"""The model card for people."""

from huggingface_hub import ModelCardData

__all__ = ["readme"]

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
`python -m sunpy_magsr.training.check FOLDER` says when a copy of this folder gives another answer.

## License

The weights are under {license}.

## Citation

Cite the paper whose method this builds on, and state the model's name and revision:

Ramunno, F. P., et al. 2025, "Enhancing image resolution of solar magnetograms: A latent diffusion model approach",
Astronomy & Astrophysics, 698, A140, [doi:10.1051/0004-6361/202453205](https://doi.org/10.1051/0004-6361/202453205)
"""


def readme(card):
    """
    Say in Markdown what a card says.

    Parameters
    ----------
    card : `~sunpy_magsr.catalog.ModelCard`
        The card.

    Returns
    -------
    `str`
        Text of ``README.md``, with the front matter that a Hub reads.
    """
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
