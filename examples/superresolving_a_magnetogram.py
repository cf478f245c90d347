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
from sunpy_magsr.data import mdi_cutout

##############################################################################
# The package comes with a cutout of the full disk that MDI observed on 2011 April 1. Any other MDI file works in the
# same way: ``sunpy.map.Map("file.fits")``.

mdi = mdi_cutout().submap([30, 120] * u.pix, top_right=[179, 239] * u.pix)

##############################################################################
# Eight samples of what the Sun may have looked like, on the grid that is exactly four times finer. The same seed always
# gives the same samples.

ensemble = sunpy_magsr.superresolve_ensemble(mdi, n_samples=8, seed=42, plate_scale=None)
sample, mean, spread = ensemble.sample(0), ensemble.mean(), ensemble.std()

fig = plt.figure(figsize=(11, 9), layout="constrained")
for number, (smap, title) in enumerate(
    [(mdi, "MDI, 2011-04-01"), (sample, "One sample"), (mean, "Mean of 8 samples"), (spread, "Standard deviation")], 1
):
    ax = fig.add_subplot(2, 2, number, projection=smap)
    style = {"cmap": "magma", "vmin": 0, "vmax": 150} if smap is spread else {"cmap": "gray", "vmin": -800, "vmax": 800}
    image = ax.imshow(smap.data, interpolation="nearest", **style)
    ax.set(title=title, xlabel="Solar X [arcsec]", ylabel="Solar Y [arcsec]")
    fig.colorbar(image, ax=ax, label=f"{'spread' if smap is spread else 'line-of-sight field'} [G]", shrink=0.8)
    ax.add_artist(AnchoredSizeBar(ax.transData, 20 / smap.scale[0].value, "20 arcsec", "lower right", pad=0.4))
plt.show()

##############################################################################
# **The picture.** The input is a measurement of MDI. The sample and the mean are output of the model: what they show on
# scales that MDI resolves comes from the input, and the model added the finer structure. Solar north is up.
#
# The structure below 2 arcsec in the sample is plausible, not measured. The sample, degraded to MDI's resolution,
# agrees with the input within the noise. The step that makes it agree is part of the method, so these numbers near 1
# show that it works; they are no proof of the small structure.

agreement = metrics.forward_agreement(sample, mdi)
print(f"noise {agreement.noise:.1f}; {agreement.quiet:.2f} in quiet Sun, {agreement.active:.2f} in active regions")

##############################################################################
# Any measurement can be carried through the ensemble, here the unsigned flux density above 100 G.


def unsigned_flux_density(smap):
    """Mean unsigned field of the pixels above 100 G."""
    field = np.abs(smap.data)
    return np.where(field > 100, field, 0).mean() * smap.unit


value, low, high = ensemble.propagate(unsigned_flux_density)
print(f"input: {unsigned_flux_density(mdi):.2f}")
print(f"super-resolved: {value:.2f}, 90 % interval from {low:.2f} to {high:.2f}")

##############################################################################
# The samples have more flux above 100 G than the input, in which small elements of opposite polarity cancel and weak
# ones stay below the threshold. The interval contains the differences between the samples. It does not contain errors
# that all samples share, such as the 8 % of the scale between MDI and HMI, and it is not calibrated.
