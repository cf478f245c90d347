"""
==================================
Telling real features from texture
==================================

A super-resolved magnetogram may have all the small-scale power of the Sun and still show nothing that is there. This
example asks which of its features are at the right place, where the truth is known.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.offsetbox import AnchoredText
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

import sunpy_magsr
from sunpy_magsr.data import sample_map, sample_truth
from sunpy_magsr.instrument import degrade
from sunpy_magsr.metrics import feature_split
from sunpy_magsr.spectral import (
    coherence,
    effective_resolution,
    plot_coherence,
    plot_spectra,
    power_spectrum,
    small_features,
)

##############################################################################
# The input is the synthetic truth at 0.5 arcsec/pix, averaged over 4 x 4 pixels. It has neither blur nor noise, so the
# model is used without its adapter for MDI.

truth = sample_truth()[0][400:800, 500:1000].astype(np.float32)
window = sample_map().submap([125, 100] * u.pix, top_right=[249, 199] * u.pix)
mdi = sunpy.map.Map(degrade(truth), window.meta)

##############################################################################
# One sample, the mean of eight, and interpolation.

options = {"plate_scale": None, "bad_pixels": "keep"}  # there are no cosmic rays in this input
ensemble = sunpy_magsr.superresolve_ensemble(mdi, model="ldm-res", n_samples=8, seed=1, **options)
fields = {
    "bicubic": sunpy_magsr.superresolve(mdi, model="bicubic", **options),
    "one sample": ensemble.sample(0),
    "mean of 8": ensemble.mean(),
}

##############################################################################
# Power says how much structure there is at each scale, coherence how much of it is where the truth has it. The model
# learned the power of the Sun, which below 2 arcsec is more than the synthetic field has. Below 4 arcsec, where the
# input ends, the coherence of the sample falls as fast as that of interpolation. The mean is coherent a little further.

scale = {"plate_scale": u.Quantity(fields["bicubic"].scale), "segment": 64 * u.arcsec}
spectra = {name: power_spectrum(smap, segment=64 * u.arcsec) for name, smap in fields.items()}
coherences = {name: coherence(smap, truth, **scale) for name, smap in fields.items()}

fig = plt.figure(figsize=(13, 5), layout="constrained")
plot_spectra(spectra, truth=power_spectrum(truth, **scale), axes=fig.add_subplot(121))
plot_coherence(coherences, axes=fig.add_subplot(122))
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** Power spectra, and coherence with the truth, of a synthetic magnetogram; bands are one standard
# deviation. Between the dotted lines and to the right of them the model added the power of the sample.
#
# The same in numbers: where the coherence falls below one half, and whether there is anything real below 2 arcsec.

for name, smap in fields.items():
    resolution = effective_resolution(coherences[name])
    small = small_features(smap, truth, **scale)
    print(
        f"{name:>10}: coherent down to {resolution:.2f}; below 2 arcsec {small.power_ratio:.2f} of the power, "
        f"coherence {small.coherence:.2f}: {small.verdict}"
    )

##############################################################################
# Feature by feature: detail in both truth and sample is an improvement on interpolation, detail in the truth only an
# omission, detail in the sample only a hallucination. A feature stands out by more than five times the noise, here 10
# G.

known = fields["bicubic"].data
split = feature_split(fields["one sample"], truth, known, noise=10 * u.G)
print(f"improved {split.improvement:.0%}, omitted {split.omission:.0%}, hallucinated {split.hallucination:.0%}")

fig = plt.figure(figsize=(13, 3.8), layout="constrained")
detail = (slice(120, 280), slice(150, 350))
pictures = {"One sample": fields["one sample"].data, "Truth": truth}
for number, (title, field) in enumerate(pictures.items(), 1):
    ax = fig.add_subplot(1, 3, number)
    image = ax.imshow(field[detail], origin="lower", cmap="gray", vmin=-600, vmax=600)
    ax.set(title=title, xticks=[], yticks=[])
    ax.add_artist(AnchoredSizeBar(ax.transData, 20 / window.scale[0].value * 4, "20 arcsec", "lower left", pad=0.4))
fig.axes[0].add_artist(AnchoredText("N ↑", "upper left"))
fig.colorbar(image, ax=fig.axes, label="line-of-sight field [G]", shrink=0.7)
ax = fig.add_subplot(1, 3, 3)
names = ["nothing", "improved", "omitted", "hallucinated"]
colors = ListedColormap(["white", "#009E73", "#0072B2", "#D55E00"])
image = ax.imshow(split.labels[detail], origin="lower", cmap=colors, norm=BoundaryNorm(np.arange(5) - 0.5, 4))
ax.set(title="What became of the features", xticks=[], yticks=[])
fig.colorbar(image, ax=ax, ticks=range(4), shrink=0.7).set_ticklabels(names)
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** A part of the sample, the same part of the synthetic truth, and the verdict on every feature; solar
# north is up. The sample shows the network at the right places, as the input does. The model added most of its single
# grains.
