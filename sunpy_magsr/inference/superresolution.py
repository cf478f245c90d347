"""The front door: a Map in, a super-resolved Map or an ensemble out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import astropy.units as u
from sunpy.map import MapSequence

from sunpy_magsr.inference.job import Job
from sunpy_magsr.inference.settings import Settings
from sunpy_magsr.sampling.noise import NOISE_LIFETIME
from sunpy_magsr.uncertainty.ensemble import Ensemble
from sunpy_magsr.uncertainty.members import Moments, keep_members

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sunpy.map import GenericMap

    from sunpy_magsr.sampling.backends import Backend


_PLATE_SCALE = 0.5 * u.arcsec / u.pix


def superresolve(
    smap: GenericMap,
    *,
    model: str | Path | Backend = "default",
    n_samples: int = 1,
    seed: int = 0,
    plate_scale: u.Quantity | None = _PLATE_SCALE,
    steps: int | None = None,
    consistency: Literal["exact", "noise"] | None = None,
    calibrate: Literal["hmi"] | None = None,
    psf_fwhm: u.Quantity | None = None,
    bad_pixels: Literal["mask", "keep"] = "mask",
    component: Literal["los", "br", "bp", "bt"] | None = None,
    noise_lifetime: u.Quantity | None = None,
    independent: bool = False,
    device: str | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> GenericMap:
    """
    Super-resolve a magnetogram.

    A diffusion model adds structure that is finer than the input's pixels. That structure is plausible, not measured.
    What was measured is kept. For HMI data that were averaged down, the mean of the result over each input pixel is
    exactly the input (on the grid that is four times finer, ``plate_scale=None``). For MDI data, whose noise must not be
    taken for the Sun, the result is such that MDI would have seen the input in it, within the noise.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        Line-of-sight or radial magnetogram with a celestial WCS: full disk or cutout of at least 16 x 16 pixels,
        any rotation, NaN anywhere. It is not changed.
    model : `str`, `pathlib.Path` or loaded model
        A name from `sunpy_magsr.list_models`, a model folder, or a Hub id ``"org/name"`` or ``"org/name@revision"``,
        each with an adapter after a plus sign (``"default+mdi"``). Defaults to the bundled latent diffusion model with
        residuals, which takes its adapter ``mdi`` for MDI maps; ``"ldm-res"`` is the same without an adapter.
    n_samples : `int`
        With 1, the result is one sample of the posterior. With more it is the mean of that many, and their standard
        deviation is the map's ``uncertainty``. Defaults to 1.
    seed : `int`
        Seed of the random numbers that the samples are made of. The same seed gives the same answer, whatever the tiling,
        batch size or number of threads. The random numbers belong to places on the detector, so a cutout gives what the
        whole frame gives there. The result is the first member of `superresolve_ensemble` with the same seed. Each member
        has random numbers of its own, so member 1 of seed 0 is not the result of seed 1. Defaults to 0.
    plate_scale : `~astropy.units.Quantity` or `None`
        Plate scale of the output. Defaults to 0.5 arcsec/pix; `None` gives a grid exactly four times finer than the input's.
        Maps in heliographic coordinates (CEA), whose pixels are in degrees, always get the grid four times finer.
    steps : `int`, optional
        Number of steps in which a sample is drawn. By default the number that the model was made for; some models are good
        for that number only, and you are warned about any other.
    consistency : {"exact", "noise", None}
        How the result agrees with the input. With ``"exact"``, its mean over each input pixel is the input, which is right
        where the noise is negligible. With ``"noise"``, the instrument would have seen the input in it, within its noise;
        this needs a model that knows the noise. By default what the model was made for.
    calibrate : {"hmi", None}
        Whose scale the field strength is on. `None` leaves the scale of the input's instrument. ``"hmi"`` puts an MDI result
        on HMI's, unless the model has done so already: it is multiplied by 0.655 in weak field and by up to 0.75 in strong
        field (`~sunpy_magsr.instrument.hmi_per_mdi`). That factor is uncertain, so each member of an ensemble gets one
        of its own (``to_hmi``).
    psf_fwhm : `~astropy.units.Quantity`, optional
        Full width at half maximum of the instrument's point-spread function relative to HMI's, without the averaging over
        its pixel, if you know it: an angle of 0 to 5 arcsec, or two, the width and its standard error. By default it is
        measured on an MDI frame (`~sunpy_magsr.instrument.frame_blur`); a cutout has less to measure it on, so it gives
        its frame's answer only if it is given the frame's width and error, ``[hr.meta["magsrpsf"], hr.meta["magsrpse"]] *
        u.arcsec``. For other maps the model expects the width that its card gives.
    bad_pixels : {"mask", "keep"}
        What to do with hits of cosmic rays, dead or constant pixels and saturated umbrae
        (`~sunpy_magsr.instrument.find_bad_pixels`): ``"mask"`` treats them as missing and warns, ``"keep"`` takes them
        for measurements. Defaults to ``"mask"``.
    component : {"los", "br", "bp", "bt", None}
        Component of the field that the map shows: along the line of sight, radial, or a transverse one. It is needed where
        the header does not say it, as in files of HMI's vector series without ``DRMS_ID``; the map is then taken for the
        line of sight, with a warning.
    noise_lifetime : `~astropy.units.Quantity`, optional
        For frames of one sequence: the time for which structure that is made up stays with its place on the Sun, such as
        ``1 * u.hour`` (see `superresolve_sequence`). With 0 it is made up anew in each frame, with infinity it stays for
        ever. By default it belongs to the pixels of the detector, past which the Sun rotates.
    independent : `bool`
        With more than one sample, they are antithetic pairs by default: every second one is drawn from the negative of the
        noise of the one before. Each is a sample like any other, but the errors of partners partly cancel in the mean, which
        is about as good as that of twice as many independent samples (measured: 1.6 to 4 times, depending on the field).
        Standard deviation and intervals take it into account. `True` draws independent samples; models of the published
        architecture always do. Defaults to `False`.
    device : `str`, optional
        A torch device, such as ``"cpu"`` or ``"cuda"``. By default CUDA where there is one, else the CPU.
    batch_size : `int`, optional
        Number of tiles that are computed at once. It changes speed and memory, not the result.
    progress : `bool`
        Whether to show a progress bar. Defaults to `False`.

    Returns
    -------
    `sunpy.map.GenericMap`
        A Map of the input's class: float32 Gauss, NaN (and masked) off the disk and where the input was NaN, with its WCS on
        the finer grid, and with ``MAGSR*`` cards and HISTORY that say that this is a model's output. Its ``uncertainty`` is
        not kept by ``submap``, ``rotate``, ``reproject_to`` and arithmetic of sunpy; take what you need of it first. Write
        it with `sunpy_magsr.io.write_fits`, as ``Map.save`` keeps neither uncertainty nor mask.

    Raises
    ------
    TypeError
        If ``smap`` is not a Map.
    ValueError
        If it has no unit of magnetic field, is no magnetogram, was super-resolved before, is too small, all NaN or not
        2-D, if its header does not say where its pixels are, or when and from where they were observed, if an option is out
        of range, or if the result does not fit into memory.
    OSError
        If a model cannot be fetched from its Hub: `FileNotFoundError`, `PermissionError` or `ConnectionError`.

    Warns
    -----
    ``MagsrUserWarning``
        If the plate scale, instrument or component is one the model was not trained on or is not known, or pixels are bad,
        infinite or stronger than any field.

    Notes
    -----
    The method is that of Ramunno et al. 2025 (:doi:`10.1051/0004-6361/202453205`). How the noise of MDI is
    estimated and what the instrument would have seen: `sunpy_magsr.instrument`.

    Examples
    --------
    >>> import sunpy_magsr
    >>> from sunpy_magsr.data import sample_map
    >>> mdi = sample_map().submap([100, 100] * u.pix, top_right=[131, 131] * u.pix)
    >>> sunpy_magsr.superresolve(mdi, plate_scale=None).data.shape
    (128, 128)
    """
    settings = Settings(
        n_samples=n_samples,
        seed=seed,
        plate_scale=plate_scale,
        steps=steps,
        consistency=consistency,
        calibrate=calibrate,
        psf_fwhm=psf_fwhm,
        bad_pixels=bad_pixels,
        component=component,
        noise_lifetime=noise_lifetime,
        independent=independent,
        device=device,
        batch_size=batch_size,
        progress=progress,
    )
    job = Job.open(smap, model, settings)
    if n_samples == 1:
        return job.output.map(next(iter(job.fields())), "sample")
    moments = Moments(is_paired=job.settings.is_paired)
    for field in job.fields():
        moments.add(field)
    return job.output.map(moments.mean, "mean", std=moments.std)


def superresolve_ensemble(
    smap: GenericMap,
    *,
    model: str | Path | Backend = "default",
    n_samples: int = 8,
    store: str | Path | None = None,
    **options: Any,
) -> Ensemble:
    """
    Draw an ensemble of super-resolved magnetograms and keep every member.

    Parameters
    ----------
    smap, model : see `superresolve`
        The magnetogram and the model.
    n_samples : `int`
        Number of members, at least 2. Defaults to 8. Each member of a full disk takes 64 MiB.
    store : `str` or `pathlib.Path`, optional
        A new file (``.npy``) to keep the members in, mapped to memory, so that any number of them fits.
    **options
        All other options of `superresolve`, with the same defaults.

    Returns
    -------
    `~sunpy_magsr.uncertainty.Ensemble`
        Its methods give Maps.

    Raises
    ------
    TypeError, ValueError
        As for `superresolve`, and if ``n_samples`` is 1.
    FileExistsError
        If ``store`` is there.
    """
    if n_samples == 1:
        msg = "n_samples must be at least 2 for an ensemble, got 1."
        raise ValueError(msg)
    settings = Settings(n_samples=n_samples, **options)
    job = Job.open(smap, model, settings, kept=n_samples if store is None else 1)
    members, moments = keep_members(job.fields(), n_samples, store=store, is_paired=job.settings.is_paired)
    return Ensemble(members, job.output.map, job.facts(), moments=moments)


def superresolve_sequence(
    maps: Iterable[GenericMap], *, noise_lifetime: u.Quantity | None = NOISE_LIFETIME, **options: Any
) -> MapSequence:
    """
    Super-resolve the frames of a sequence, with small structure that moves and changes as the Sun's own does.

    If the random numbers belonged to the detector's pixels, structure that is made up would stand still while the Sun
    rotates past it. If they were new in each frame, it would flicker. Here they rotate with the Sun, each latitude at its
    own rate, and two frames a time t apart share ``exp(-t / noise_lifetime)`` of them
    (``SolarNoise``). Each frame alone is a sample like any other, whatever frames are beside it.

    In HMI's own data, structure between 4 and 2 arcsec has a correlation of 0.11 after 2 hours and of less than 0.01 after
    6 hours. So most details of a movie in MDI's cadence, a frame in 96 minutes, change from frame to frame, as they should.

    Parameters
    ----------
    maps : `sunpy.map.MapSequence` or iterable of `sunpy.map.GenericMap`
        Frames that `superresolve` takes, in any order.
    noise_lifetime : `~astropy.units.Quantity` or `None`
        See `superresolve`. Defaults to one hour, which was measured on HMI.
    **options
        All other options of `superresolve`.

    Returns
    -------
    `sunpy.map.MapSequence`
        The results in the order of the frames. Each full disk takes 64 MiB; use ``magsr archive`` for long sequences.

    Raises
    ------
    ValueError, TypeError
        As `superresolve`.

    Examples
    --------
    >>> import astropy.units as u
    >>> import sunpy.map
    >>> import sunpy_magsr
    >>> from sunpy_magsr.data import sample_map
    >>> frame = sample_map().submap([100, 100] * u.pix, top_right=[131, 131] * u.pix)
    >>> finer = sunpy_magsr.superresolve_sequence(sunpy.map.MapSequence(frame), plate_scale=None)
    >>> finer[0].data.shape
    (128, 128)
    """
    return MapSequence([superresolve(smap, noise_lifetime=noise_lifetime, **options) for smap in maps])
