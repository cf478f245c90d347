"""Configuration of a training run: dataclasses filled from one TOML file and ``--set key=value``."""

import dataclasses
from pathlib import Path

from sunpy_magsr.configuration import apply_override, build, read_toml
from sunpy_magsr.prep.quality import ALLOWED_QUALITY, LARGEST_MISSVALS

__all__ = [
    "AutoencoderConfig",
    "CalibrateConfig",
    "DataConfig",
    "DiffusionConfig",
    "FinetuneConfig",
    "RegressionConfig",
    "ScoringConfig",
    "TrainingConfig",
    "check_range",
    "load_config",
]


@dataclasses.dataclass
class DataConfig:
    """
    Where the magnetograms are, which of them are kept, and how patches are drawn from them.

    ``root`` and ``pairs`` are folders of FITS files, the second of low-resolution ones whose partners in time are in
    ``root`` (empty: no true pairs). ``store`` is the folder that ``magsr-train prepare`` makes of them and all stages
    read (empty: ``patches`` in ``output``). With ``pairs_only`` the true pairs alone are in it.

    Kept are files of the ``components`` whose QUALITY card has no bits but those of ``allowed_quality`` (0x200 is set
    in all of MDI's, 0x10400 in every second HMI frame of some series), whose MISSVALS card (pixels) is at most
    ``max_missvals``, and of these the pixels with a cosine of the heliocentric angle of at least ``least_mu`` (70
    degrees). A window of ``patch`` pixels a side is kept if at most the share ``max_missing`` of it is missing.

    A pixel above ``strong_field`` (Gauss) is a strong one, and the share ``strong_share`` of what is drawn is centered
    near one. A patch and its noise are multiplied by a factor drawn from ``strength_range``, of those that bring the noise
    into ``noise_range`` (Gauss; empty: any). ``validation_harps``, ``validation_dates`` and ``least_gap_days``: see
    `~sunpy_magsr.training.data.splits.split_fields`. What is of the ``test_dates`` is kept out of the store, and nothing in it
    may be as near in time to that as ``least_gap_days``. With ``drop_gap``, what is too near to dates that are set aside is
    left out; without it the data are refused.
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
class StageConfig:
    """
    What the stages share: batch, schedule, optimizer, bookkeeping.

    ``validation_samples`` of each of a few patches are drawn and scored every ``validate_every`` steps; with 0 only the
    losses are. ``workers`` are processes that make batches ahead of the steps; with 0 the training process makes them. With
    ``compile``, the blocks of the denoiser are compiled (`torch.nn.Module.compile`), which pays on a GPU.
    """

    patch: int = 192
    batch_size: int = 8
    steps: int = 1000
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup: int = 100
    weight_decay: float = 1e-2
    clip: float = 1.0
    ema_decay: float = 0.999
    checkpoint_every: int = 200
    validate_every: int = 200
    validation_samples: int = 4
    log_every: int = 20
    workers: int = 0
    compile: bool = False
    seed: int = 0


@dataclasses.dataclass
class AutoencoderConfig(StageConfig):
    """The autoencoder stage."""

    steps: int = 3000
    kl_weight: float = 1e-5
    gauss_weight: float = 0.1
    model: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class DiffusionConfig(StageConfig):
    """
    The diffusion stage.

    ``codec`` is ``"trained"`` (the autoencoder of this run), ``"pixel"`` (no latents), or the name or folder of a
    model whose autoencoder is taken. ``prediction`` is ``"v_prediction"``, ``"epsilon"`` or ``"flow"``; see
    `~sunpy_magsr.training.stages.diffusion.make_scheduler`. ``validation_steps`` are the sampler's in validation.
    """

    steps: int = 10000
    patch: int = 192
    codec: str = "trained"
    residual: bool = True
    whitened: bool = True
    prediction: str = "v_prediction"
    validation_steps: int = 8
    model: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class RegressionConfig(StageConfig):
    """
    The one stage of a deterministic rival.

    ``network`` is ``"Enhance"`` or ``"Progressive"``; empty if the rival is a diffusion model.
    """

    network: str = ""
    squared_weight: float = 1.0
    adversarial_weight: float = 0.0
    model: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class ScoringConfig(StageConfig):
    """
    The scoring stage, after the diffusion stage.

    ``sampling_steps`` are those of the sampler that is trained, ``members`` the samples of each patch that are scored,
    ``squared_weight`` the weight of the squared error of their mean (1 / Gauss). ``start`` is a model folder, such as
    ``scored`` of another run, to go on from in the place of this run's stages before.
    """

    steps: int = 3000
    patch: int = 160
    learning_rate: float = 5e-4
    sampling_steps: int = 2
    members: int = 2
    squared_weight: float = 1e-3
    start: str = ""


@dataclasses.dataclass
class FinetuneConfig(StageConfig):
    """
    The adapter stage.

    ``components`` are those of the store's that it is trained on, all alike; empty for those of ``data``.
    ``base`` is the name or folder of the model that the adapter is for, or ``"trained"`` for that of this run. ``rank``,
    ``targets`` and ``whole``: see `~sunpy_magsr.models.lora.attach_adapter`; ``decoder_rank`` of 0 leaves the decoder
    as it is. ``start`` is the folder ``adapter`` of another run, or the name of one of the base's, to go on from.

    ``pairs`` is ``"observed"`` (those of the store, see ``data.pairs``; their truth on HMI's ``scale``, ``"hmi"``, or by the
    measured gain of each pair on that of its low-resolution partner, ``"input"``) or ``"simulated"``: fields are divided by a
    factor from the range ``gain`` (HMI over MDI), and the ranges ``noise`` (Gauss), ``relative_error`` (of the reading)
    and ``psf_fwhm`` (arcsec) say what the instrument does to them. The shares ``resampled`` are interpolated afterwards:
    nearest neighbor, bilinear, bicubic. To the share ``told_wrong`` the network is told an expected width that is off
    by up to ``psf_fwhm_spread`` (arcsec, a standard deviation), and that it may be; to the others the true one.

    With ``members`` of 0 the loss is that of the diffusion stage, with ``low_weight`` for the low-resolution field; with
    more, that of the scoring stage, of so many samples of each patch, for a base that was trained so.
    """

    steps: int = 3000
    patch: int = 160
    weight_decay: float = 0.0
    base: str = "default"
    start: str = ""
    components: list = dataclasses.field(default_factory=list)
    rank: int = 16
    targets: list = dataclasses.field(default_factory=lambda: ["expand", "contract"])
    whole: list = dataclasses.field(
        default_factory=lambda: ["embed_low", "embed_noisy", "moments", "velocity", "spatial"]
    )
    decoder_rank: int = 0
    low_weight: float = 4.0
    members: int = 0
    pairs: str = "simulated"
    scale: str = "hmi"
    noise: list = dataclasses.field(default_factory=lambda: [5.0, 35.0])
    relative_error: list = dataclasses.field(default_factory=lambda: [0.0, 0.12])
    psf_fwhm: list = dataclasses.field(default_factory=lambda: [0.0, 4.0])
    psf_fwhm_spread: float = 1.0
    told_wrong: float = 0.75
    gain: list = dataclasses.field(default_factory=lambda: [0.6, 0.85])
    resampled: list = dataclasses.field(default_factory=lambda: [0.08, 0.16, 0.16])


@dataclasses.dataclass
class CalibrateConfig:
    """
    Calibration of a model's intervals.

    ``model`` is a name or folder, with an adapter after a plus sign, in whose card the factors are written. ``data`` is a
    folder of high-resolution magnetograms (FITS) that did not train it, of which those of ``component`` are taken; they
    are averaged over blocks, or for a model that knows MDI's noise made into MDI frames of each ``noise`` (Gauss) and
    ``psf_fwhm`` (pixels), with ``hmi_per_mdi`` and an error of ``response_error`` of the reading. ``dates`` (decimal years)
    say as of when: HMI had more noise before 2016. ``n_samples`` are drawn of each with ``seed`` on ``device``.

    ``levels`` and ``edges``: see `~sunpy_magsr.uncertainty.Calibration`; ``"inf"`` stands for no limit. ``cutouts`` are the
    sides of the windows (pixels) whose flux, area and so on are calibrated. ``description`` says in the card what the
    data are.
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
    """A whole run."""

    output: str = "run"
    device: str = "cpu"
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    autoencoder: AutoencoderConfig = dataclasses.field(default_factory=AutoencoderConfig)
    diffusion: DiffusionConfig = dataclasses.field(default_factory=DiffusionConfig)
    scoring: ScoringConfig = dataclasses.field(default_factory=ScoringConfig)
    regression: RegressionConfig = dataclasses.field(default_factory=RegressionConfig)
    finetune: FinetuneConfig = dataclasses.field(default_factory=FinetuneConfig)
    calibrate: CalibrateConfig = dataclasses.field(default_factory=CalibrateConfig)


def check_range(name, limits, *, is_logarithmic=False):
    """
    Raise unless a value is the lowest and the highest of a range.

    Parameters
    ----------
    name : `str`
        Of the setting, for the message.
    limits : `list`
        The value.
    is_logarithmic : `bool`
        Whether the lowest must be above 0 rather than 0 or more.

    Raises
    ------
    ValueError
        The message names the setting.
    """
    numbers = len(limits) == 2 and all(isinstance(one, int | float) for one in limits)
    if not numbers or limits[0] > limits[1] or limits[0] < 0 or (is_logarithmic and limits[0] == 0):
        least = "above 0" if is_logarithmic else "of 0 or more"
        msg = f"{name} must be the lowest and the highest of a range {least}, got {limits!r}."
        raise ValueError(msg)


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
