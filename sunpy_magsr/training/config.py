"""The configuration of a training run: one TOML file."""

import dataclasses
from pathlib import Path

from sunpy_magsr._options import apply_override, build, read_toml
from sunpy_magsr.maps.header import ALLOWED_QUALITY, LARGEST_MISSVALS


@dataclasses.dataclass
class StageConfig:
    """
    Options that all stages have: batches, schedule, optimizer and bookkeeping.

    Parameters
    ----------
    patch : `int`
        Side of the square patches in high-resolution pixels.
    batch_size : `int`
        Patches of one step.
    steps : `int`
        Steps of the whole stage.
    learning_rate, weight_decay : `float`
        Largest learning rate and weight decay of the optimizer, AdamW.
    schedule : {"cosine", "constant"}
        How the learning rate continues after its rise: down to 0 along a cosine, or on the same level.
    warmup : `int`
        Steps over which the learning rate rises linearly from 0.
    clip : `float`
        Largest norm of the gradient; a longer one is shortened to it.
    ema_decay : `float`
        Decay of the moving average of the weights, which is what is validated and saved.
    checkpoint_every, validate_every, log_every : `int`
        Steps between checkpoints, validations and lines of the log.
    validation_samples : `int`
        Samples of each of a few patches that a validation draws and scores; with 0 only the losses are computed.
    workers : `int`
        Processes that make batches ahead of the steps; with 0 the training process makes them itself.
    compile : `bool`
        Whether to compile the blocks of the denoiser (`torch.nn.Module.compile`), which pays on a GPU.
    seed : `int`
        Seed of patches, first weights and noise.
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
    """
    Options of the autoencoder stage, beside those of `StageConfig`.

    Parameters
    ----------
    kl_weight, gauss_weight : `float`
        Weights of the loss; see ``autoencoder_loss``.
    model : `dict`
        Arguments of ``MagnetogramAutoencoder``.
    """

    steps: int = 3000
    kl_weight: float = 1e-5
    gauss_weight: float = 0.1
    model: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class DiffusionConfig(StageConfig):
    """
    Options of the diffusion stage, beside those of `StageConfig`.

    Parameters
    ----------
    codec : `str`
        What turns fields into latents: ``"trained"`` (the autoencoder of this run), ``"pixel"`` (nothing; the field itself
        is diffused), or the name or folder of a model whose autoencoder is taken.
    residual : `bool`
        Whether the latent's residual is diffused, rather than the latent.
    whitened : `bool`
        Whether the residual is diffused in units of a mean and a width that the network predicts first.
    prediction : {"v_prediction", "epsilon", "flow"}
        What the network predicts; see ``make_scheduler``.
    validation_steps : `int`
        Steps of the sampler in validation.
    model : `dict`
        Arguments of ``MagnetogramDenoiser``.
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
    Options of the one stage of a deterministic rival, beside those of `StageConfig`.

    Parameters
    ----------
    network : {"Enhance", "Progressive", ""}
        The network; empty if the rival is a diffusion model.
    squared_weight, adversarial_weight : `float`
        Weights of the loss; see ``regression_loss``.
    model : `dict`
        Arguments of the network.
    """

    network: str = ""
    squared_weight: float = 1.0
    adversarial_weight: float = 0.0
    model: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class ScoringConfig(StageConfig):
    """
    Options of the scoring stage, which follows the diffusion stage, beside those of `StageConfig`.

    Parameters
    ----------
    sampling_steps : `int`
        Steps of the sampler that is trained.
    members : `int`
        Samples of each patch that are scored, at least 2.
    squared_weight : `float`
        Weight of the squared error of the samples' mean, 1 / Gauss.
    start : `str`
        A model folder, such as ``scored`` of another run, to start from instead of this run's earlier stages.
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
    Options of the adapter stage, beside those of `StageConfig`.

    Parameters
    ----------
    base : `str`
        Name or folder of the model that the adapter is for, or ``"trained"`` for that of this run.
    start : `str`
        The folder ``adapter`` of another run, or the name of one of the base's adapters, to go on from.
    components : `list` of `str`
        Components of the field in the store to train on, all equally often; those of ``data`` if it is empty.
    rank : `int`
        Rank of the adapter of the denoiser.
    targets, whole : `list` of `str`
        Names of the layers that get an adapter, and of those that are trained as a whole; see
        ``attach_adapter``.
    decoder_rank : `int`
        Rank of the decoder's adapter; 0 leaves the decoder as it is.
    low_weight : `float`
        With ``members`` of 0, weight of the low-resolution field in the loss.
    members : `int`
        With 0, the loss is that of the diffusion stage; with 2 to 4, that of the scoring stage, of so many samples of
        each patch, for a base that was trained so.
    pairs : {"simulated", "observed"}
        Whether the low-resolution fields are made of the high-resolution ones, or are the partners in the store
        (``data.pairs``).
    scale : {"hmi", "input"}
        Whose scale the truth of observed pairs is on: HMI's, or, by the measured gain of each pair, that of the
        low-resolution partner.
    noise, relative_error, psf_fwhm : `list` of `float`
        What the instrument does to simulated fields, each as the lowest and the highest of a range: its noise in Gauss,
        the relative error of its reading, and the width of its point-spread function in arcsec.
    psf_fwhm_spread : `float`
        Standard deviation in arcsec by which the width that the network is told is off.
    told_wrong : `float`
        Share of the patches for which it is off, and the network is told that it may be; the others are told the true one.
    gain : `list` of `float`
        Range of factors (HMI over MDI) by which simulated fields are divided.
    resampled : `list` of `float`
        Shares of the simulated fields that are interpolated afterwards with nearest neighbors, bilinearly and bicubically.
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
        ``split_fields``. Data of the ``test_dates`` never go into the store.
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
    autoencoder : `~sunpy_magsr.training.AutoencoderConfig`
        The first stage.
    diffusion : `~sunpy_magsr.training.DiffusionConfig`
        The second stage.
    scoring : `~sunpy_magsr.training.ScoringConfig`
        The third stage.
    regression : `~sunpy_magsr.training.RegressionConfig`
        The one stage of a deterministic rival.
    finetune : `~sunpy_magsr.training.FinetuneConfig`
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
