"""The degradation operator on tensors, twin of `sunpy_magsr.forward_model.degrade`."""

import numpy as np
import torch
import torch.nn.functional as F

from sunpy_magsr.forward_model.psf import sampling_kernel

__all__ = ["degrade"]


def degrade(field, *, factor=4, psf_fwhm=None, offset=None, gain=1.0, noise=None, generator=None):
    """
    Low-resolution images of fields, each with a blur, an offset and a noise of its own.

    Parameters
    ----------
    field : `torch.Tensor`
        Gauss, ``[N, 1, H, W]``.
    factor : `int`
        Pixels along one output pixel.
    psf_fwhm : sequence of `float`, optional
        Width of each point-spread function in the field's pixels, ``N``; none by default.
    offset : `numpy.ndarray`, optional
        Shifts of the low-resolution grid along y and x in the field's pixels, ``[N, 2]``; none by default.
    gain : `float` or `torch.Tensor`
        What the instrument reads for 1 G; broadcast with the field.
    noise : `torch.Tensor`, optional
        Standard deviation in Gauss, broadcast with the result; none by default.
    generator : `torch.Generator`, optional
        Of the noise.

    Returns
    -------
    `torch.Tensor`
        ``[N, 1, H / factor, W / factor]``.
    """
    count = len(field)
    widths = np.zeros(count) if psf_fwhm is None else np.asarray(psf_fwhm, dtype=float)
    shifts = np.zeros((count, 2)) if offset is None else np.asarray(offset, dtype=float)
    reach = (len(sampling_kernel(widths.max(), factor=factor, offset=np.abs(shifts).max())) - factor) // 2
    low = (gain * field).transpose(0, 1)  # [1, N, H, W]
    for axis in (0, 1):
        kernels = [
            sampling_kernel(width, factor=factor, offset=shift[axis], reach=reach)
            for width, shift in zip(widths, shifts, strict=True)
        ]
        weight = torch.from_numpy(np.stack(kernels)).to(low)
        along = (slice(None), None, slice(None), None) if axis == 0 else (slice(None), None, None, slice(None))
        padding = (0, 0, reach, reach) if axis == 0 else (reach, reach, 0, 0)
        stride = (factor, 1) if axis == 0 else (1, factor)
        low = F.conv2d(F.pad(low, padding, mode="replicate"), weight[along], stride=stride, groups=count)
    low = low.transpose(0, 1)
    if noise is None:
        return low
    return low + noise * torch.randn(low.shape, generator=generator).to(low)
