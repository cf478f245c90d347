"""
==============
Making a movie
==============

The model adds structure that comes from random numbers. In a movie these must rotate with the Sun, or the added grains
stand still while the Sun moves past them. This example makes a sequence, finds its structure in later frames, and
shows the movie.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from astropy.visualization import ImageNormalize
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from synthetic_sun import STEP, Errors, make_twins, synthetic_surface

import sunpy_magsr

##############################################################################
# Eight frames of a synthetic Sun, half an hour apart, as an MDI four times as far away would see it: they are no
# observation. This Sun rotates and does not change otherwise.
# (``synthetic_sun.py`` lies beside the scripts of this gallery.)

CADENCE = 30 * u.min
surface = synthetic_surface(1, step=4 * STEP)
frames = []
for number in range(8):
    errors = Errors(delay=(number * CADENCE).to_value(u.s))
    twins = make_twins(surface, "2010-06-01T00:00:00", errors=errors, farther=4, rolls=(0.0, 0.0))
    disk = sunpy.map.Map(twins.mdi.astype(np.float32), twins.mdi_header)
    frames.append(disk.submap([80, 110] * u.pix, top_right=[175, 173] * u.pix))

##############################################################################
# A sequence is super-resolved frame by frame. The random numbers rotate with the Sun, at the rate of each latitude, and
# are renewed after an hour on average, the lifetime of HMI's own field between 4 and 2 arcsec. Here they live forever,
# as the field of this Sun does.

finer = sunpy_magsr.superresolve_sequence(sunpy.map.MapSequence(frames), noise_lifetime=np.inf * u.h, plate_scale=None)
fixed = [sunpy_magsr.superresolve(frame, plate_scale=None) for frame in frames]

##############################################################################
# How much of the finest structure is found again two hours later, and where? The Sun moves to the right by about a
# pixel of the input an hour. Random numbers on the detector leave structure at the same place, 0; those that rotate do
# not.


def detail(smap):
    """What the model has added to its input's pixels."""
    field = np.nan_to_num(smap.data)
    rows, columns = field.shape
    means = field.reshape(rows // 4, 4, columns // 4, 4).mean(axis=(1, 3))
    return field - np.kron(means, np.ones((4, 4)))


def correlation(one, other, shift):
    """Of one field with the other, which is shifted back."""
    return np.corrcoef(one[:, 40:-40].ravel(), np.roll(other, -shift, axis=1)[:, 40:-40].ravel())[0, 1]


shifts = np.arange(-12, 21)
quiet = slice(0, 60)  # rows
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for name, sequence in {"on the detector": fixed, "rotating with the Sun": list(finer)}.items():
    fields = [detail(smap)[quiet] for smap in sequence]
    found = [np.mean([correlation(a, b, shift) for a, b in zip(fields, fields[4:], strict=False)]) for shift in shifts]
    ax.plot(shifts, found, label=f"random numbers {name}")
ax.set(xlabel="shift in two hours (pixels of the result)", ylabel="correlation of added detail")
ax.legend()
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** Correlation of the structure that the model has added to one frame with that of the frame two hours
# later, shifted back by so many pixels of 0.5 arcsec. Blue: the random numbers stay on the detector, and a part of the
# structure stays with them. Orange: the numbers rotate with the Sun. Nothing here was observed.
#
# The movie. `sunpy_magsr.io.write_movie` writes it as MP4 or GIF, and so does ``magsr movie`` from files.

for smap in finer:
    smap.plot_settings["norm"] = ImageNormalize(vmin=-300, vmax=300)
fig = plt.figure(figsize=(8, 5.6))
ax = fig.add_subplot(projection=finer[0])
animation = finer.plot(axes=ax, interval=250)
fig.colorbar(ax.images[0], label="line-of-sight field [G]", shrink=0.8)
ax.add_artist(AnchoredSizeBar(ax.transData, 20 / finer[0].scale[0].value, "20 arcsec", "lower right", pad=0.4))
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The movie.** Eight samples of a synthetic Sun, half an hour apart, over 190 arcsec near disk center; solar north is
# up. No frame is an observation. What is larger than about 4 arcsec comes from the input; the model added the rest,
# which moves with the Sun.
