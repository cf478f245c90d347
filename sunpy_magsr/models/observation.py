"""Simulated MDI frames as users have them: blurred, noisy, and often rotated or shifted by a resampling afterwards."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from sunpy_magsr.forward_model.psf import sampling_kernel

__all__ = ["RESAMPLINGS", "observe"]

#: Interpolations of `observe`; the first leaves the instrument's own pixels.
RESAMPLINGS = ("none", "nearest", "bilinear", "bicubic")
_AROUND = 10  # pixels of the instrument around those that are looked for: a turned grid reaches farther at its corners
_HIGH_PASS = (1.0, -2.0, 1.0)
_GAIN = 6.0  # of the second differences along both axes for white noise


def observe(high, *, margin, factor=4, psf_fwhm, noise, relative_error, resampling, angle, shift, generator):
    r"""
    Simulate how an instrument sees high-resolution fields, and how its image is resampled afterwards.

    The instrument sees :math:`d = \langle P * B \rangle (1 + \epsilon) + n` on its own pixels, as in
    `~sunpy_magsr.models.degradation.degrade`, with white noise *n* and a white relative error :math:`\epsilon` of the
    response. Its pixels may be rotated and shifted against those of the result. The values of the result are then
    interpolated between them, as `sunpy.map.GenericMap.rotate` or `reproject` do it. The fields are given in the frame
    of the result: the resampling loses information, but it does not move the Sun.

    Parameters
    ----------
    high : `torch.Tensor`
        The fields in Gauss, ``[N, 1, H, W]``, with a margin.
    margin : `int`
        The width of the margin in pixels, a multiple of ``factor``. The result does not cover it.
    factor : `int`
        The number of pixels of the fields along one low-resolution pixel. Defaults to 4.
    psf_fwhm : `numpy.ndarray`
        The width (FWHM) of each Gaussian point-spread function in pixels of the fields, ``[N]``. A function is cut off
        beyond the margin.
    noise : `numpy.ndarray`
        The standard deviation of the noise in Gauss, ``[N]``.
    relative_error : `numpy.ndarray`
        The standard deviation of the error of the response, as a fraction of the reading, ``[N]``.
    resampling : `numpy.ndarray`
        The number of the interpolation in `RESAMPLINGS`, ``[N]``. With 0, ``angle`` and ``shift`` have no effect.
    angle : `numpy.ndarray`
        The angle of the grid of the instrument against that of the result, in radians, ``[N]``.
    shift : `numpy.ndarray`
        The shift of the grid of the instrument against that of the result, in low-resolution pixels along y and x,
        ``[N, 2]``.
    generator : `torch.Generator`
        The generator of the random numbers of the noise.

    Returns
    -------
    low : `torch.Tensor`
        The low-resolution fields in Gauss, ``[N, 1, h, w]`` with ``h = (H - 2 margin) / factor``.
    visible : `torch.Tensor`
        The noise in Gauss, ``[N]``, that `~sunpy_magsr.forward_model.local_noise` would find in the result where the
        field is weak. Interpolation removes the short wavelengths at which that function looks, so that it finds less.
    """
    height, width = ((side - 2 * margin) // factor for side in high.shape[2:])
    smooth, reach = _smoothed(high, psf_fwhm, factor, margin)
    turned = [(0.0 if kind == 0 else one) for kind, one in zip(resampling, angle, strict=True)]
    moved = np.where(np.asarray(resampling)[:, None] == 0, 0.0, shift)
    cos, sin = (torch.tensor([function(one) for one in turned])[:, None, None] for function in (math.cos, math.sin))
    dy, dx = (torch.from_numpy(moved[:, axis].astype(np.float32))[:, None, None] for axis in (0, 1))
    middle = [(side - 1) / 2 for side in (height, width)]

    # pixels of the instrument, counted on its own grid, and where they lie in the field
    y, x = torch.meshgrid(
        *(torch.arange(-_AROUND, side + _AROUND, dtype=torch.float32) for side in (height, width)), indexing="ij"
    )
    v, u = y - middle[0] - dy, x - middle[1] - dx
    place = [
        margin - reach + factor * (middle[0] + cos * v + sin * u),
        margin - reach + factor * (middle[1] - sin * v + cos * u),
    ]
    seen = _sampled(smooth, place, "bilinear")
    level, share = (
        torch.from_numpy(np.asarray(one, np.float32))[:, None, None, None] for one in (noise, relative_error)
    )
    own = level * torch.randn(seen.shape, generator=generator)
    seen = seen * (1 + share * torch.randn(seen.shape, generator=generator)) + own

    # pixels of the result on the instrument's grid
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in (height, width)), indexing="ij")
    v, u = y - middle[0], x - middle[1]
    place = [_AROUND + middle[0] + cos * v - sin * u + dy, _AROUND + middle[1] + sin * v + cos * u + dx]
    low, left = seen.new_empty(len(high), 1, height, width), seen.new_empty(len(high), 1, height, width)
    for number, kind in enumerate(RESAMPLINGS):
        chosen = torch.from_numpy(np.flatnonzero(np.asarray(resampling) == number))
        if len(chosen):
            at = [one[chosen] for one in place]
            for target, source in ((low, seen), (left, own)):
                target[chosen] = _sampled(source[chosen], at, "nearest" if kind == "none" else kind)
    return low, _visible(left)


def _smoothed(high, psf_fwhm, factor, margin):
    """Means over pixels at every place where one may lie, ``[N, 1, H', W']``, and how far the first lies inside."""
    count = len(high)
    reach = margin - factor
    kernels = [sampling_kernel(one, factor=factor, reach=reach) for one in psf_fwhm]
    weight = torch.from_numpy(np.stack(kernels)).to(high)
    field = high.transpose(0, 1)
    for along in ((slice(None), None, slice(None), None), (slice(None), None, None, slice(None))):
        field = F.conv2d(field, weight[along], groups=count)
    return field.transpose(0, 1), reach


def _sampled(field, place, mode):
    """Values at places ``[N, h, w]`` along y and x in pixels; those beyond the edge are the edge's."""
    scale = [2 / (side - 1) for side in field.shape[2:]]
    grid = torch.stack([scale[1] * place[1] - 1, scale[0] * place[0] - 1], dim=-1).expand(len(field), -1, -1, -1)
    return F.grid_sample(field, grid, mode=mode, padding_mode="border", align_corners=True)


def _visible(noise):
    """What the local estimate makes of noise ``[N, 1, h, w]``."""
    kernel = torch.tensor(_HIGH_PASS)
    found = F.conv2d(noise, torch.outer(kernel, kernel)[None, None])
    return found.abs().mean((1, 2, 3)) * math.sqrt(math.pi / 2) / _GAIN
