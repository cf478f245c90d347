"""The forward model on PyTorch tensors; `sunpy_magsr.forward_model.degrade` does the same on NumPy arrays."""

import numpy as np
import torch
import torch.nn.functional as F

from sunpy_magsr.forward_model.psf import sampling_kernel

__all__ = ["degrade"]


def degrade(field, *, factor=4, psf_fwhm=None, offset=None, gain=1.0, noise=None, generator=None):
    """
    Simulate what an instrument sees of fields, each with its own blur, shift and noise.

    Parameters
    ----------
    field : `torch.Tensor`
        The high-resolution fields in Gauss, ``[N, 1, H, W]``.
    factor : `int`
        The number of pixels of the field along one pixel of the instrument. Defaults to 4.
    psf_fwhm : sequence of `float`, optional
        The width (FWHM) of each point-spread function in pixels of the field, ``[N]``. By default there is no blur.
    offset : `numpy.ndarray`, optional
        The shift of each low-resolution grid along y and x in pixels of the field, ``[N, 2]``. By default there is
        none.
    gain : `float` or `torch.Tensor`
        The reading of the instrument for a field of 1 G; a tensor is broadcast with the fields. Defaults to 1.
    noise : `torch.Tensor`, optional
        The standard deviation of the noise in Gauss, broadcast with the result. By default there is no noise.
    generator : `torch.Generator`, optional
        The generator of the random numbers of the noise. Defaults to PyTorch's own.

    Returns
    -------
    `torch.Tensor`
        The low-resolution fields in Gauss, ``[N, 1, H / factor, W / factor]``.
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
