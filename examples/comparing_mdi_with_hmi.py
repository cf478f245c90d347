"""
======================
Comparing MDI with HMI
======================

From May 2010 to April 2011 MDI and HMI observed the Sun together. A pair of that time shows what super-resolution of
MDI adds, and how much of it HMI has seen as well. This example brings HMI onto the pixels of the result, and compares
the two by eye, by their difference, by a scatter plot and by their spectra.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from matplotlib.offsetbox import AnchoredText
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from sunpy.coordinates import propagate_with_solar_surface
from sunpy.time import parse_time
from synthetic_sun import STEP, Errors, make_twins, synthetic_surface

import sunpy_magsr
from sunpy_magsr import spectral
from sunpy_magsr.instrument import degrade, measure_response

##############################################################################
# The package has no pair of observations, so this pair is synthetic: one Sun, seen by a twin of MDI and by a twin of
# HMI with their pixels, blur and noise. Both are four times as far away as the real ones, which makes small files. As
# in real files, the two are apart by 0.2 degrees, HMI is rolled by 180 degrees, and the pointing in the header of MDI
# is wrong by an arcsec. With a pair of your own this block is ``mdi, hmi = sunpy.map.Map(mdi_file),
# sunpy.map.Map(hmi_file)``, and only the corners of the cutout change below.
# (``synthetic_sun.py`` lies beside the scripts of this gallery.)

surface = synthetic_surface(3, step=4 * STEP, regions=1)
wrong = Errors(shift=(1.2, -0.8), delay=60.0)  # arcsec and seconds
twins = make_twins(surface, "2010-08-30T17:36:00", errors=wrong, farther=4)
mdi = sunpy.map.Map(twins.mdi.astype(np.float32), twins.mdi_header)
hmi = sunpy.map.Map(twins.hmi.astype(np.float32), twins.hmi_header)

##############################################################################
# First the time. For sunpy the date of an MDI map is the start of its exposure, and that of an HMI map is the middle,
# T_OBS. We take the middle for both. In 150 seconds the Sun rotates by nearly a pixel of HMI.

mdi.meta["date-obs"] = parse_time(mdi.meta["t_obs"]).utc.isot

##############################################################################
# Only HMI is interpolated, as the model does not expect an input that was. ``plate_scale=None`` keeps the grid exactly
# four times finer than that of MDI, and ``calibrate="hmi"`` puts the result on the scale of HMI.

cutout = mdi.submap([117, 133] * u.pix, top_right=[204, 212] * u.pix)
ensemble = sunpy_magsr.superresolve_ensemble(cutout, n_samples=8, calibrate="hmi", plate_scale=None)
mean, sample = ensemble.mean(), ensemble.sample(0)

##############################################################################
# Then the place. ``reproject_to`` follows the coordinates of the headers: the roll, the other place of the spacecraft,
# and, with ``propagate_with_solar_surface``, the rotation of the Sun between the two exposures. Cubic splines blur
# least, but a single NaN would spread over the whole image, so those off the disk are replaced by zeros.


def on_the_grid(smap):
    """The data of a Map in Gauss, on the pixels of the result."""
    with propagate_with_solar_surface():
        return sunpy.map.Map(np.nan_to_num(smap.data), smap.meta).reproject_to(mean.wcs, order="bicubic").data


by_headers = on_the_grid(hmi)

##############################################################################
# ``measure_response`` finds the error of the pointing: it fits the displacement, blur and gain of MDI relative to HMI.
# We move the coordinates of HMI by that shift and interpolate once more.

fine_pixel = mean.scale[0]
first = measure_response(cutout.data, by_headers, plate_scale=fine_pixel)
print(f"MDI is displaced by {first.shift[1]:.2f} along x and {first.shift[0]:.2f} along y")
shift = mdi.rotation_matrix @ first.shift[::-1]  # from the axes of the detector to west and north
truth = on_the_grid(hmi.shift_reference_coord(*shift))

found = measure_response(cutout.data, truth, plate_scale=fine_pixel)
print(f"blur {found.psf_fwhm:.2f}, gain {found.gain:.3f}, noise {found.noise:.1f}")
print(f"left to shift: {np.hypot(*found.shift):.2f}")


def scale_bar(ax, field):
    """20 arcsec, for fields on the pixels of MDI or of the result."""
    pixels = 20 * u.arcsec / fine_pixel * field.shape[0] / truth.shape[0]
    ax.add_artist(AnchoredSizeBar(ax.transData, pixels.value, "20 arcsec", "lower right", pad=0.4))


mdi_scaled = cutout.data / found.gain
panels = {"MDI / 1.43": mdi_scaled, "HMI": truth, "one sample": sample.data, "mean of 8 samples": mean.data}
fig = plt.figure(figsize=(11, 9), layout="constrained")
for number, (title, field) in enumerate(panels.items(), start=1):
    ax = fig.add_subplot(2, 2, number, projection=cutout if field is mdi_scaled else mean)
    image = ax.imshow(field, cmap="gray", vmin=-500, vmax=500, interpolation="nearest")
    ax.set(title=title, xlabel="Solar X [arcsec]", ylabel="Solar Y [arcsec]")
    scale_bar(ax, field)
fig.colorbar(image, ax=fig.axes, label="line-of-sight field on the scale of HMI [G]", shrink=0.5)
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** MDI and HMI are what the instruments would measure of a synthetic Sun. In the lower row the model has
# added what is finer than about 4 arcsec. One sample is as sharp as HMI, but its grains are not those of HMI. The mean
# keeps what the samples agree on. Solar north is up.
#
# The difference. With the blur, the pixels and the gain of MDI, HMI should agree with MDI except for the noise.

width = (found.psf_fwhm / (fine_pixel * u.pix)).to_value(u.one)


def seen_by_mdi(field):
    """A field with the blur and in the pixels of MDI."""
    return degrade(field, psf_fwhm=width)


differences = {
    "MDI − HMI seen by MDI, by the headers": (cutout.data - found.gain * seen_by_mdi(by_headers), 80),
    "MDI − HMI seen by MDI, shifted": (cutout.data - found.gain * seen_by_mdi(truth), 80),
    "mean of 8 samples − HMI": (mean.data - truth, 400),
}
fig, axes = plt.subplots(1, 3, figsize=(12, 4.6), layout="constrained")
for ax, (title, (field, limit)) in zip(axes, differences.items(), strict=True):
    image = ax.imshow(field, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    ax.set(title=title, xticks=[], yticks=[])
    scale_bar(ax, field)
    ax.add_artist(AnchoredText("N ↑", "upper right"))
    fig.colorbar(image, ax=ax, label="difference [G]", orientation="horizontal", shrink=0.8)
    print(f"{title}: {field.std():.0f} G rms")
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** Left, a wrong pointing of 1.4 arcsec looks like a large error, and would be blamed on the model. In
# the middle it is gone: the 11 G of noise of this MDI remain. An observed pair leaves about 10 % of the field as well,
# as the instruments do not respond alike. Right, the difference of the result: nearly all of it is structure finer than
# MDI sees.
#
# How often does the 90 % interval contain HMI?

low, high = ensemble.interval(0.9)
inside = (truth >= low.data) & (truth <= high.data)
print(f"{inside.mean():.0%} of all pixels, {inside[np.abs(mean.data) > 100].mean():.0%} of those above 100 G")

##############################################################################
# That is less often than it should be, because this synthetic Sun is not like the Sun that the model has learned: its
# grains are stronger, as the spectra will show, and its weak field is different. For observed pairs, see
# :ref:`uncertainty`.
#
# The scale. We plot pixel by pixel, with the blur of MDI on both sides: otherwise the blur alone lowers the slope.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained", sharex=True, sharey=True)
for ax, (name, field) in zip(
    axes, {"MDI": cutout.data, "mean of 8 samples": seen_by_mdi(mean.data)}.items(), strict=True
):
    slope, offset = np.polyfit(seen_by_mdi(truth).ravel(), field.ravel(), 1)
    ax.plot(seen_by_mdi(truth).ravel(), field.ravel(), ".", markersize=3)
    ax.axline((0, offset), slope=slope, color="C1", label=f"slope {slope:.2f}")
    ax.axline((0, 0), slope=1, color="black", linestyle=":", label="slope 1")
    ax.set(xlabel="HMI seen by MDI [G]", ylabel=f"{name} [G]")
    ax.legend(loc="upper left")
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** Each dot is a pixel of MDI. MDI's field strengths are 1.43 times HMI's, which is the gain that was
# put into this twin. The samples at MDI's resolution are on the scale of HMI within a per cent. ``calibrate="hmi"`` has
# a curve that was measured on observed pairs, between which the scale differs by 8 %; a pair of your own shows how far
# it is off.
#
# The spectra. Power says how much structure there is at each scale, and coherence how much of it is where HMI has it.

scaled = sunpy_magsr.superresolve(cutout, model="bicubic", calibrate="hmi", plate_scale=None)
segment = 64 * u.arcsec
hmi_options = {"plate_scale": u.Quantity(mean.scale), "segment": segment}
maps = {"MDI, interpolated": scaled, "one sample": sample, "mean of 8 samples": mean}
powers = {name: spectral.power_spectrum(smap, segment=segment) for name, smap in maps.items()}
powers["HMI"] = spectral.power_spectrum(truth, **hmi_options)
coherences = {name: spectral.coherence(smap, truth, **hmi_options) for name, smap in maps.items()}

fig = plt.figure(figsize=(12, 5), layout="constrained")
spectral.plot_spectra(powers, axes=fig.add_subplot(121))
spectral.plot_coherence(coherences, axes=fig.add_subplot(122)).set_ylabel("Coherence with HMI")
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** Power spectra and coherences of the synthetic pair; bands are one standard deviation. Below 4 arcsec
# interpolated MDI has lost nearly all power. The sample has about ten times as much, and still less than this HMI,
# whose grains are stronger than those that the model has learned. Below 3 arcsec its coherence is zero: the model added
# this structure. Above 8 arcsec all agree. If the coherence of your own pair is low even at 16 arcsec, look for a shift
# first.
