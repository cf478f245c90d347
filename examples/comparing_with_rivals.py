"""
======================================
Comparing the model with its baselines
======================================

Several methods super-resolve magnetograms. This example runs those that come with the package on one input whose truth
is known, and shows why no single number says which of them is best.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from astropy.table import Table
from matplotlib.offsetbox import AnchoredText
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

import sunpy_magsr
from sunpy_magsr import metrics, spectral
from sunpy_magsr.data import sample_map, sample_truth
from sunpy_magsr.instrument import degrade

##############################################################################
# The truth is a part of the synthetic field of the package at 0.5 arcsec/pix: spots and flux tubes that a formula has
# placed. No model was trained on it, and it is not quite like the Sun from which they have learned. The input is the
# truth averaged over 4 x 4 pixels, without noise. All models were trained on such inputs (:doc:`/validation`).

truth = sample_truth()[0][300:556, 700:1020].astype(np.float32)
window = sample_map().submap([175, 75] * u.pix, top_right=[254, 138] * u.pix)
low = sunpy.map.Map(degrade(truth), window.meta)

##############################################################################
# Interpolation and the two regression networks give one answer; the diffusion models give any number, here eight.
# ``ldm-res`` is ``default`` without its adapter for MDI: this input has neither the noise nor the blur of MDI.

options = {"plate_scale": None, "bad_pixels": "keep"}
found = {name: [sunpy_magsr.superresolve(low, model=name, **options)] for name in ("bicubic", "enhance", "progressive")}
for name in ("ddpm", "ldm", "ldm-res"):
    found[name] = sunpy_magsr.superresolve_ensemble(low, model=name, n_samples=8, **options)
one = {name: next(iter(members)) for name, members in found.items()}
best = one | {name: found[name].mean() for name in ("ddpm", "ldm", "ldm-res")}

pictures = {name: smap.data for name, smap in one.items()}
pictures = {"input": low.data.repeat(4, axis=0).repeat(4, axis=1), **pictures, "truth": truth}
fig, axes = plt.subplots(2, 4, figsize=(12, 6), layout="constrained")
for ax, (name, field) in zip(axes.flat, pictures.items(), strict=True):
    image = ax.imshow(field[70:170, 90:210], origin="lower", cmap="gray", vmin=-800, vmax=800, interpolation="nearest")
    ax.set(title=name, xticks=[], yticks=[])
    ax.add_artist(AnchoredSizeBar(ax.transData, 10 / window.scale[0].value * 4, "10 arcsec", "lower right", pad=0.4))
axes[0, 0].add_artist(AnchoredText("N ↑", "upper right"))
fig.colorbar(image, ax=axes, label="line-of-sight field [G]", shrink=0.6)
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** A part of the input, one answer of each method, and the truth, which is synthetic; solar north is up.
# Interpolation and the regression networks are smooth. The three diffusion models add grains, at places where the truth
# has other grains. ``ddpm`` has wrong single pixels (speckle) in strong field; ``ldm-res`` has a few traces of the
# pixels of the input.
#
# Now in numbers. RMSE is the error of a pixel, of one answer and of the mean of all. CRPS is the error of the whole
# ensemble, and the mean absolute error where there is one answer only. Power is that of one answer over that of the
# truth, between two wavelengths. Coherence, of the mean, says how much structure is where the truth has it.

segment = 64 * u.arcsec
truth_options = {"plate_scale": u.Quantity(low.scale) / 4, "segment": segment}
true_power = spectral.power_spectrum(truth, **truth_options)
powers = {name: spectral.power_spectrum(smap, segment=segment) for name, smap in one.items()}
coherences = {name: spectral.coherence(smap, truth, **truth_options) for name, smap in best.items()}

table = Table({"model": list(found)})
table["RMSE of one [G]"] = [metrics.rmse(smap, truth).value for smap in one.values()]
table["RMSE of mean [G]"] = [metrics.rmse(smap, truth).value for smap in best.values()]
table["CRPS [G]"] = [metrics.crps(members, truth).value for members in found.values()]
table["power at 8-4 arcsec"] = [(power.band(8, 4) / true_power.band(8, 4)).value for power in powers.values()]
table["power at 4-2 arcsec"] = [(power.band(4, 2) / true_power.band(4, 2)).value for power in powers.values()]
table["coherence at 4-2 arcsec"] = [coherence.band(4, 2) for coherence in coherences.values()]
table.round(2)
table.pprint(max_width=-1)

##############################################################################
# The regression networks have the smallest error of a pixel, as they were trained for it. They have less than half of
# the power between 4 and 2 arcsec: every spectrum and every flux of small elements measured on them is too low. The
# diffusion models have the power, and a single sample a larger error, because its grains are at other places. Their
# CRPS is lower, because it counts the whole distribution. For all methods the coherence between 4 and 2 arcsec is low:
# the input does not determine this structure.
#
# This field cannot decide which of the diffusion models is best. Here ``ldm`` is a little ahead of ``ldm-res``; in four
# active regions of HMI, which trained neither of them, it is the other way round for CRPS (:doc:`/validation`). ``magsr
# evaluate --data folder -o evaluation`` makes this comparison with magnetograms of your own.

fig = plt.figure(figsize=(8, 5), layout="constrained")
spectral.plot_spectra(powers, truth=true_power, axes=fig.add_subplot())
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** Power spectra of one answer of each method and of the synthetic truth; bands are one standard
# deviation. Below 2 arcsec the diffusion models have far more power than this truth: they have learned the power of the
# Sun, and the synthetic flux tubes are too smooth.
#
# For the field at a place use the mean of an ensemble, or a regression network; for the amount of structure, samples;
# for an interval, an ensemble.
