"""The options of the stages of training, which are sections of a run's configuration."""

import dataclasses

__all__ = ["AutoencoderConfig", "DiffusionConfig", "FinetuneConfig", "RegressionConfig", "ScoringConfig", "StageConfig"]


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
        Weights of the loss; see `~sunpy_magsr.training.stages.autoencoder.autoencoder_loss`.
    model : `dict`
        Arguments of `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder`.
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
        What the network predicts; see `~sunpy_magsr.training.stages.schedule.make_scheduler`.
    validation_steps : `int`
        Steps of the sampler in validation.
    model : `dict`
        Arguments of `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`.
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
        Weights of the loss; see `~sunpy_magsr.training.stages.baseline.regression_loss`.
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
        `~sunpy_magsr.models.lora.attach_adapter`.
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
