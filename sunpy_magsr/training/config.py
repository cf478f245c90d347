"""Configuration of a training run: dataclasses filled from one TOML file and ``--set key=value``."""

import dataclasses
from pathlib import Path

from sunpy_magsr.configuration import apply_override, build, read_toml
from sunpy_magsr.prep.quality import ALLOWED_QUALITY, LARGEST_MISSVALS
from sunpy_magsr.training.stages.options import (
    AutoencoderConfig,
    DiffusionConfig,
    FinetuneConfig,
    RegressionConfig,
    ScoringConfig,
    StageConfig,
)

__all__ = [
    "AutoencoderConfig",
    "CalibrateConfig",
    "DataConfig",
    "DiffusionConfig",
    "FinetuneConfig",
    "RegressionConfig",
    "ScoringConfig",
    "StageConfig",
    "TrainingConfig",
    "load_config",
]


@dataclasses.dataclass
class DataConfig:
    """
    Where the magnetograms are, which of them are kept, and how patches are drawn from them.

    Parameters
    ----------
    root, pattern : `str`
        Folder of high-resolution FITS files, and the names of those in it that are read.
    pairs : `str`
        Folder of low-resolution FITS files whose partners in time are in ``root``; empty if there are no true pairs.
    pairs_only : `bool`
        Whether only the true pairs go into the store.
    store : `str`
        Folder that ``magsr-train prepare`` makes and all stages read; ``patches`` in ``output`` if it is empty.
    components : `list` of `str`
        Components of the field to keep (``los``, ``Br`` and so on).
    component_weights : `list` of `float`
        How often patches of each component are drawn, relative to the others.
    allowed_quality : `int`
        Bits of the QUALITY card that a file may have: 0x200 is set in all of MDI's, 0x10400 in every second HMI frame of
        some series.
    max_missvals : `int`
        Largest value of the MISSVALS card, in pixels.
    least_mu : `float`
        Smallest cosine of the heliocentric angle of pixels that are kept; 0.342 is 70 degrees.
    least_mu_heliographic : `float`
        The same for maps on a heliographic grid (CEA), whose projection blurs them toward the limb; the larger of the two
        applies to them.
    helioprojective_share : `float`
        Share of the patches that are drawn from maps on the pixels of a detector; the others are drawn from heliographic
        maps. With 0, the areas decide.
    patch : `int`
        Side in pixels of the windows that are kept.
    max_missing : `float`
        Largest share of a window that may be missing.
    strong_field : `float`
        Field in Gauss above which a pixel counts as a strong one.
    strong_share : `float`
        Share of the patches that are centered near a strong pixel.
    strength_range : `list` of `float`
        Lowest and highest factor by which a patch and its noise are multiplied, at random.
    noise_range : `list` of `float`
        Lowest and highest noise in Gauss that a patch shall have after that; any if it is empty.
    validation_harps, validation_dates, test_dates : `list`
        Numbers of HARPs, or first and last dates of spans, that are set aside for validation and for tests; see
        `~sunpy_magsr.training.data.splits.split_fields`. Data of the ``test_dates`` never go into the store.
    least_gap_days : `float`
        Least time in days between data that are set aside and those that are trained on.
    drop_gap : `bool`
        Whether data too near in time to those set aside are left out; if not, they are an error.
    """

    root: str = "data"
    pattern: str = "*.fits"
    pairs: str = ""
    pairs_only: bool = False
    store: str = ""
    components: list = dataclasses.field(default_factory=lambda: ["los"])
    component_weights: list = dataclasses.field(default_factory=lambda: [1.0])
    allowed_quality: int = ALLOWED_QUALITY
    max_missvals: int = LARGEST_MISSVALS
    least_mu: float = 0.342
    least_mu_heliographic: float = 0.342
    helioprojective_share: float = 0.0
    patch: int = 256
    max_missing: float = 0.5
    strong_field: float = 200.0
    strong_share: float = 0.5
    strength_range: list = dataclasses.field(default_factory=lambda: [1.0, 1.0])
    noise_range: list = dataclasses.field(default_factory=list)
    validation_harps: list = dataclasses.field(default_factory=list)
    validation_dates: list = dataclasses.field(default_factory=list)
    test_dates: list = dataclasses.field(default_factory=list)
    least_gap_days: float = 3.0
    drop_gap: bool = False


@dataclasses.dataclass
class CalibrateConfig:
    """
    Options of ``magsr-train calibrate``, which fits the factors of a model's intervals.

    Parameters
    ----------
    model : `str`
        Name or folder of the model, with an adapter after a plus sign; the factors are written into its card.
    data : `str`
        Folder of high-resolution magnetograms (FITS) that did not train it. They are averaged over blocks or, for a model
        that knows MDI's noise, made into MDI frames.
    component : `str`
        The component of the field to take.
    dates : `list` of `float`
        Decimal years as of when the input is taken to be: HMI had more noise before 2016.
    n_samples, seed : `int`
        Number of samples of each frame, and their seed.
    device : `str`
        Where they are computed; by default as for `sunpy_magsr.superresolve`.
    levels : `list` of `float`
        Levels of the intervals.
    edges : `dict`
        Edges of the strata; see `~sunpy_magsr.uncertainty.Calibration`. ``"inf"`` stands for no limit.
    noise, psf_fwhm : `list` of `float`
        Noise in Gauss and width of the point-spread function in pixels of the MDI frames, each with each.
    hmi_per_mdi, response_error : `float`
        Their gain, and the relative error of their reading.
    cutouts : `list` of `int`
        Sides in pixels of the windows whose flux, area and other totals are calibrated.
    description : `str`
        What the data are, for the card.
    """

    model: str = "default"
    data: str = "validation"
    component: str = "los"
    dates: list = dataclasses.field(default_factory=lambda: [2011.0, 2021.0])
    n_samples: int = 8
    seed: int = 5
    device: str = ""
    levels: list = dataclasses.field(default_factory=lambda: [0.5, 0.68, 0.9, 0.95])
    edges: dict = dataclasses.field(default_factory=dict)
    noise: list = dataclasses.field(default_factory=lambda: [5.0, 12.0, 22.5])
    psf_fwhm: list = dataclasses.field(default_factory=lambda: [0.7, 1.1, 1.5])
    hmi_per_mdi: float = 0.69
    response_error: float = 0.05
    cutouts: list = dataclasses.field(default_factory=lambda: [16, 32])
    description: str = ""


@dataclasses.dataclass
class TrainingConfig:
    """
    Configuration of a whole run.

    Parameters
    ----------
    output : `str`
        Folder of everything that the run writes.
    device : `str`
        A torch device, such as ``"cpu"`` or ``"cuda"``.
    data : `DataConfig`
        The section on the data. The sections below are those of the stages.
    autoencoder : `~sunpy_magsr.training.stages.options.AutoencoderConfig`
        The first stage.
    diffusion : `~sunpy_magsr.training.stages.options.DiffusionConfig`
        The second stage.
    scoring : `~sunpy_magsr.training.stages.options.ScoringConfig`
        The third stage.
    regression : `~sunpy_magsr.training.stages.options.RegressionConfig`
        The one stage of a deterministic rival.
    finetune : `~sunpy_magsr.training.stages.options.FinetuneConfig`
        Fine-tuning for another instrument.
    calibrate : `CalibrateConfig`
        Calibration of a model's intervals.
    """

    output: str = "run"
    device: str = "cpu"
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    autoencoder: AutoencoderConfig = dataclasses.field(default_factory=AutoencoderConfig)
    diffusion: DiffusionConfig = dataclasses.field(default_factory=DiffusionConfig)
    scoring: ScoringConfig = dataclasses.field(default_factory=ScoringConfig)
    regression: RegressionConfig = dataclasses.field(default_factory=RegressionConfig)
    finetune: FinetuneConfig = dataclasses.field(default_factory=FinetuneConfig)
    calibrate: CalibrateConfig = dataclasses.field(default_factory=CalibrateConfig)


def load_config(path, overrides=()):
    """
    Read a training configuration.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The TOML file. Paths in it (``output`` and those of ``data``) are relative to its folder.
    overrides : sequence of `str`
        ``"section.key=value"``, the value in TOML syntax (a bare word is a string). Paths are relative to the
        working directory.

    Returns
    -------
    `TrainingConfig`
        The configuration, with defaults where the file says nothing.

    Raises
    ------
    ValueError
        For an unknown key, a value of the wrong type, or a file that is not TOML.
    """
    path = Path(path)
    tree = read_toml(path)
    data = tree.get("data")
    relative = ((tree, "output"), (data, "root"), (data, "pairs"), (data, "store"), (tree.get("calibrate"), "data"))
    for section, key in relative:
        if isinstance(section, dict) and isinstance(section.get(key), str) and section[key]:
            section[key] = str(path.parent / Path(section[key]).expanduser())
    for override in overrides:
        apply_override(tree, override)
    return build(TrainingConfig, tree, what="the training configuration")
