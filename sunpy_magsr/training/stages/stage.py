"""What every stage of training is: data, modules, a loss, samples for validation, and what it saves."""

import abc
from pathlib import Path

from sunpy_magsr.training.data.samplers import samplers_of
from sunpy_magsr.training.run.loop import run_stage

__all__ = ["Stage"]


class Stage(abc.ABC):
    """
    One stage of training, ready to run.

    A stage of your own names its ``section`` and its ``result``, makes ``model`` in its ``__init__``, and says what the
    three abstract methods do.
    Optimizer, schedule, checkpoints, log and validation are those of `~sunpy_magsr.training.run.loop.run_stage`.

    Parameters
    ----------
    config : `~sunpy_magsr.training.config.TrainingConfig`
        The whole run.
    drawn_with : `~sunpy_magsr.training.config.StageConfig`, optional
        Options that the patches are drawn with; those of the stage's section by default.

    Attributes
    ----------
    options : `~sunpy_magsr.training.config.StageConfig`
        The stage's section of the configuration.
    model : `torch.nn.Module`
        All that is trained; set by the subclass.
    sampler, validation : `~sunpy_magsr.training.data.samplers.PatchSampler`
        Batches to train on, and those that are set aside (`None` if there are none).

    Raises
    ------
    ValueError
        If the section or the store of training data does not allow the stage.
    """

    #: Section of the configuration, and folder of the checkpoints.
    section = ""
    #: Folder of the result, below ``output``.
    result = ""
    model = None

    def __init__(self, config, drawn_with=None):
        self.options = getattr(config, self.section)
        self.device, self.output = config.device, Path(config.output)
        self.sampler, self.validation = samplers_of(config, drawn_with or self.options)

    @property
    def folder(self):
        """Where log and checkpoints are."""
        return self.output / "checkpoints" / self.section

    @abc.abstractmethod
    def loss(self, high, given, generator):
        """
        Compute the loss of one batch.

        Parameters
        ----------
        high : `torch.Tensor`
            High-resolution fields, Gauss ``[N, 1, H, W]``.
        given : `torch.Tensor`
            What the sampler says beside them: the noise of each, Gauss ``[N]``, or what the network is given.
        generator : `torch.Generator`
            The source of all random numbers of this batch.

        Returns
        -------
        loss : `torch.Tensor`
            A scalar.
        numbers : `dict`
            Named parts of it, as floats, for the log.
        """

    @abc.abstractmethod
    def draw(self, high, given, n_samples):
        """
        Draw samples for the validation.

        Parameters
        ----------
        high, given : `torch.Tensor`
            As for `loss`.
        n_samples : `int`
            Samples of each patch.

        Returns
        -------
        samples : `torch.Tensor`
            Gauss ``[n_samples, N, 1, H, W]``; a stage without random numbers may give one.
        low : `torch.Tensor`
            The low-resolution fields that they were made of, Gauss ``[N, 1, h, w]``.
        """

    @abc.abstractmethod
    def save(self):
        """Save the trained modules, which are on the CPU then, under ``output``."""

    def train(self, *, progress=True):
        """
        Train, going on from the last checkpoint if there is one, and save the result.

        Parameters
        ----------
        progress : `bool`
            Whether to show a progress bar on a terminal.

        Returns
        -------
        `pathlib.Path`
            The folder of the result, ``output / result``.
        """
        if run_stage(self, progress=progress):
            self.model.cpu()
            self.save()
        return self.output / self.result
