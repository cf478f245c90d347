"""
================================================
Super-resolving a magnetogram with uncertainties
================================================

This example takes a Michelson Doppler Imager (MDI) magnetogram at 2 arcsec/pix to 0.5 arcsec/pix, and asks how much of
what appears can be believed.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

import sunpy_magsr
from sunpy_magsr import metrics
from sunpy_magsr.data import sample_map, sample_truth

##############################################################################
# The package comes with a synthetic magnetogram, made of flux tubes, two active regions, MDI's blur and its noise. It
# is no observation, but its truth is known. Any MDI file works the same: ``sunpy.map.Map(file)``.

mdi = sample_map()
window = {"bottom_left": [170, 60] * u.pix, "top_right": [289, 159] * u.pix}
mdi = mdi.submap(window["bottom_left"], top_right=window["top_right"])

##############################################################################
# Eight samples of what the Sun may have looked like, on the grid that is exactly four times finer. The same seed always
# gives the same samples.

ensemble = sunpy_magsr.superresolve_ensemble(mdi, n_samples=8, seed=42, plate_scale=None)
sample, mean, spread = ensemble.sample(0), ensemble.mean(), ensemble.std()

fig = plt.figure(figsize=(11, 9), layout="constrained")
for number, (smap, title) in enumerate(
    [(mdi, "MDI-like input"), (sample, "One sample"), (mean, "Mean of 8 samples"), (spread, "Standard deviation")], 1
):
    ax = fig.add_subplot(2, 2, number, projection=smap)
    style = {"cmap": "magma", "vmin": 0, "vmax": 150} if smap is spread else {"cmap": "gray", "vmin": -800, "vmax": 800}
    image = ax.imshow(smap.data, interpolation="nearest", **style)
    ax.set(title=title, xlabel="Solar X [arcsec]", ylabel="Solar Y [arcsec]")
    fig.colorbar(image, ax=ax, label=f"{'spread' if smap is spread else 'line-of-sight field'} [G]", shrink=0.8)
    ax.add_artist(AnchoredSizeBar(ax.transData, 20 / smap.scale[0].value, "20 arcsec", "lower right", pad=0.4))
plt.show()

##############################################################################
# **The picture.** The input stands for a measurement of MDI; it was computed from a made-up field. The sample and the
# mean are the model's: what they have on scales that MDI resolves comes from the input, and the finer structure was
# made up. Solar north is up.
#
# The structure below 2 arcsec in the sample is plausible, not measured: the standard deviation shows where another
# sample would differ. What MDI would have seen of the sample agrees with the input within MDI's noise, which is not
# taken for the Sun: the mean square of the difference over the noise is about 1.

agreement = metrics.forward_agreement(sample, mdi)
print(f"noise {agreement.noise:.1f}; {agreement.quiet:.2f} in quiet Sun, {agreement.active:.2f} in active regions")

##############################################################################
# Any measurement can be carried through the ensemble, here the unsigned flux density above 100 G.


def unsigned_flux_density(smap):
    """Mean unsigned field of the pixels above 100 G."""
    field = np.abs(smap.data)
    return np.where(field > 100, field, 0).mean() * smap.unit


value, lowest, highest = ensemble.propagate(unsigned_flux_density)
truth = np.abs(sample_truth()[0][4 * 60 : 4 * 160, 4 * 170 : 4 * 290])
print(f"input: {unsigned_flux_density(mdi):.2f}")
print(f"super-resolved: {value:.2f}, 90 % interval from {lowest:.2f} to {highest:.2f}")
print(f"truth: {np.where(truth > 100, truth, 0).mean():.2f} G")

##############################################################################
# The samples are nearer to the truth than the input is. But the interval does not hold the truth, which is 4 % higher:
# it says how much the samples differ, and not what is wrong in all of them. This made-up frame is blurred more than MDI
# mostly was, and its flux tubes are not quite those of the Sun that the model has learned.
