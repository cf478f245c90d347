"""
===========================================
Carrying uncertainty into what you measure
===========================================

This example draws an ensemble, tests its intervals, asks which scales and which flux elements are real, and takes the
members through a potential-field extrapolation.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from matplotlib.offsetbox import AnchoredText
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

import sunpy_magsr
from sunpy_magsr.data import sample_map, sample_truth
from sunpy_magsr.uncertainty import flux_elements, real_scale_map

##############################################################################
# The synthetic magnetogram of the package has a truth to compare with. It is no observation: for coverage on real data,
# see :ref:`uncertainty`.

mdi = sample_map().submap([170, 60] * u.pix, top_right=[289, 159] * u.pix)
truth = sample_truth()[0][4 * 60 : 4 * 160, 4 * 170 : 4 * 290]
ensemble = sunpy_magsr.superresolve_ensemble(mdi, n_samples=8, seed=42, plate_scale=None)
print(ensemble)

##############################################################################
# The 90 % interval is a pair of Maps. It should contain the truth in 90 of 100 pixels.

low, high = ensemble.interval(0.9)
inside = (truth >= low.data) & (truth <= high.data)
strong = np.abs(ensemble.mean().data) > 100
print(f"inside: {inside.mean():.0%} of all pixels, {inside[strong].mean():.0%} of those above 100 G")

##############################################################################
# The spread follows the field and varies from pixel to pixel. For an input without noise, such as block-averaged HMI,
# it also shows the lattice of the input's pixels: the mean inside a pixel is known, so its corners are less certain
# than its center. Averaging the variance over two input pixels removes both.

fig, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
window = (slice(160, 240), slice(200, 280))
spread, smooth = ensemble.std(), ensemble.std(smoothing=4 * u.arcsec)
for ax, data, title in (
    (axes[0], ensemble.mean().data, "Mean"),
    (axes[1], spread.data, "Standard deviation"),
    (axes[2], smooth.data, "Averaged over 4 arcsec"),
):
    style = (
        {"cmap": "gray", "vmin": -1000, "vmax": 1000} if title == "Mean" else {"cmap": "magma", "vmin": 0, "vmax": 400}
    )
    image = ax.imshow(data[window], origin="lower", interpolation="nearest", **style)
    ax.set(title=title, xticks=[], yticks=[])
    fig.colorbar(image, ax=ax, label=f"{'field' if title == 'Mean' else 'spread'} [G]", shrink=0.8)
    ax.add_artist(AnchoredSizeBar(ax.transData, 10 / spread.scale[0].value, "10 arcsec", "lower right", pad=0.4))
axes[0].add_artist(AnchoredText("N ↑", "upper left"))
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** Mean and spread of eight samples in 40 arcsec beside a sunspot; solar north is up. The magnetogram is
# synthetic.
#
# Below which wavelength do the members no longer agree? The map gives it for the neighborhood of each pixel.

scale = real_scale_map(ensemble)
fig, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
image = ax.imshow(scale.data, origin="lower", cmap="viridis")
ax.add_artist(AnchoredSizeBar(ax.transData, 40 / spread.scale[0].value, "40 arcsec", "lower right", pad=0.4))
ax.add_artist(AnchoredText("N ↑", "upper left"))
ax.contour(np.abs(ensemble.mean().data), levels=[300], colors="white", linewidths=0.5)
ax.set(title="Shortest wavelength on which members agree", xticks=[], yticks=[])
fig.colorbar(image, ax=ax, label="wavelength [arcsec]")
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** Color: the wavelength below which the samples do not agree, so that the model added what they show,
# estimated from the samples alone. White: where the mean is above 300 G. Solar north is up.
#
# Which flux elements are there? The catalogue has the probability with which each was found in the members. Circles are
# elements of the mean that at least nine of ten members have; crosses are those of one member that no other has.

elements = flux_elements(ensemble, truth=truth)
of_one = flux_elements(ensemble, number=0, truth=truth)
sure = elements[(elements["detection"] >= 0.9) & (elements["outcome"] != "omitted")]
alone = of_one[(of_one["detection"] == 0) & (of_one["outcome"] != "omitted")]
for name, found in (("nine of ten members", sure), ("one member alone", alone)):
    print(f"{len(found)} elements of {name}, {np.mean(found['outcome'] == 'improved'):.0%} of them in the truth")
fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained", sharex=True, sharey=True)
for ax, data, title in ((axes[0], ensemble.sample(0).data, "Sample 0"), (axes[1], truth, "Truth")):
    image = ax.imshow(data, origin="lower", cmap="gray", vmin=-1000, vmax=1000, interpolation="nearest")
    ax.plot(sure["x"], sure["y"], "o", color="C0", markerfacecolor="none", label="sure")
    ax.plot(alone["x"], alone["y"], "x", color="C1", label="in sample 0 alone")
    ax.set(title=title, xticks=[], yticks=[], xlim=(340, 460), ylim=(60, 180))
    ax.add_artist(AnchoredSizeBar(ax.transData, 10 / spread.scale[0].value, "10 arcsec", "lower right", pad=0.4))
axes[0].add_artist(AnchoredText("N ↑", "upper right"))
fig.colorbar(image, ax=axes, label="line-of-sight field [G]", shrink=0.8)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** The model added what is finer than the input in the sample, and the truth is synthetic; solar north
# is up. Nearly all elements that the samples agree on are in the truth, and nearly none of those that only one sample
# has.
#
# A potential field above the cutout, on a plane with periodic sides: each wave falls off with height as
# :math:`e^{-kz}`. Any function of a Map can take the place of this one.


def field_above(smap, height=2 * u.Mm):
    """Mean unsigned vertical field at a height."""
    pixel = (smap.scale[0] * u.pix).to_value(u.rad) * smap.observer_coordinate.radius.to_value(u.Mm)
    frequencies = (2 * np.pi * np.fft.fftfreq(size, pixel) for size in smap.data.shape)
    wavenumber = np.hypot(*np.meshgrid(*frequencies, indexing="ij"))
    waves = np.fft.fft2(np.nan_to_num(smap.data)) * np.exp(-wavenumber * height.to_value(u.Mm))
    return np.abs(np.fft.ifft2(waves).real).mean() * smap.unit


true_map = sunpy.map.Map(truth, spread.meta)
for height in (0 * u.Mm, 2 * u.Mm, 10 * u.Mm):
    value, low, high = ensemble.propagate(lambda smap, height=height: field_above(smap, height))
    true_value = field_above(true_map, height)
    print(f"{height:4.0f}: {value:.1f}, 90 % interval from {low:.1f} to {high:.1f}, truth {true_value:.1f}")

##############################################################################
# 2 and 10 Mm up the intervals contain the truth, and the structure below 2 arcsec no longer matters. At 0 Mm the truth
# is 2 % higher: an interval contains the differences between samples, not the errors that all of them share. For the
# ready-made quantities the intervals have calibrated factors as well.

for name in ("strong_flux", "inversion_line_length"):
    value, low, high = ensemble.propagate(name)
    print(f"{name}: {value:.4g}, from {low:.4g} to {high:.4g}")
