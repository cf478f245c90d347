"""
========================================================
Training a small model and its adapter for real MDI data
========================================================

This example goes from FITS files to a model folder that `sunpy_magsr.superresolve` loads, with the commands that made
the bundled model. It takes a minute, and the model is only good for showing the way; the developer guide explains each
stage.
"""

import tempfile
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import sunpy.map
from astropy.table import Table
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

import sunpy_magsr
from sunpy_magsr import metrics
from sunpy_magsr.cli.train import main
from sunpy_magsr.data import sample_map, sample_truth
from sunpy_magsr.inference.header import finer_header

##############################################################################
# Training needs high-resolution magnetograms: HMI full disks, cutouts or SHARP patches in a folder. Here two pieces of
# the synthetic field that comes with the package stand for them. Such files carry no date or region, which a split into
# training and validation data would need.

folder = Path(tempfile.mkdtemp())
truth, _ = sample_truth()
fine = sunpy.map.Map(truth, finer_header(sample_map(), (4, 4), (0, 0), truth.shape))
(folder / "hmi").mkdir()
for number, left in enumerate((200, 680)):
    piece = fine.submap([left, 200] * u.pix, top_right=[left + 439, 699] * u.pix)
    piece.save(folder / "hmi" / f"piece_{number}.fits")

##############################################################################
# One TOML file describes all stages. The adapter is trained on pairs that a model of MDI simulates: its blur, its
# pixels and its noise. With ``pairs = "observed"`` it would be observed pairs of MDI and HMI.

(folder / "train.toml").write_text("""
output = "run"
[data]
root = "hmi"
[autoencoder]
steps = 150
patch = 64
batch_size = 4
ema_decay = 0.95
model = { latent_channels = 6, encoder_channels = 24, encoder_blocks = 1, decoder_channels = 24, decoder_blocks = 1 }
[diffusion]
steps = 150
patch = 64
batch_size = 4
ema_decay = 0.95
model = { channels = 48, condition_blocks = 2, denoiser_blocks = 2 }
[finetune]
base = "trained"
steps = 100
patch = 64
batch_size = 4
ema_decay = 0.95
rank = 4
""")
(folder / "card.toml").write_text("""
name = "small"
kind = "diffusion"
steps = 6
noise = { los = 3.0, radial = 16.0 }
[adapter]
name = "mdi"
instruments = ["MDI"]
consistency = "noise"
psf_fwhm = 0.9
""")

##############################################################################
# In a shell this is ``magsr-train prepare train.toml`` and so on. ``prepare`` makes a store of patches of the files,
# and a stage that was killed resumes from its last checkpoint when the same command is given again.

for stage in ("prepare", "autoencoder", "diffusion", "finetune"):
    main([stage, str(folder / "train.toml")])
main(["export", str(folder / "train.toml"), "--card", str(folder / "card.toml"), "-o", str(folder / "small")])

##############################################################################
# Each stage keeps a log.

fig, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
names = {"rmse_gauss": "error of the decoded field [G]", "denoising": "loss of the denoiser"}
columns = {"autoencoder": "rmse_gauss", "diffusion": "denoising", "finetune": "denoising"}
for ax, (stage, column) in zip(axes, columns.items(), strict=True):
    log = Table.read(folder / "run" / "checkpoints" / stage / "log.csv")
    ax.plot(log["step"], log[column])
    ax.set(title=stage, xlabel="step", ylabel=names[column])
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** What was measured while the three stages were trained on the synthetic field. A loss has no unit. So
# few steps show little but chance; look at these curves for a training of hours.
#
# The folder is a model: for an MDI map it takes the adapter, for others it does not. Beside it is the result of the
# bundled model for the same map, after 1800 steps instead of 150, and 5900 of scoring.

mdi = sample_map().submap([180, 90] * u.pix, top_right=[239, 139] * u.pix)
results = {
    "Input": mdi,
    "150 steps": sunpy_magsr.superresolve(mdi, model=folder / "small", plate_scale=None),
    "Bundled model": sunpy_magsr.superresolve(mdi, plate_scale=None),
}
fig = plt.figure(figsize=(12, 4), layout="constrained")
for number, (title, smap) in enumerate(results.items(), 1):
    ax = fig.add_subplot(1, 3, number, projection=smap)
    image = ax.imshow(smap.data, interpolation="nearest", cmap="gray", vmin=-600, vmax=600)
    ax.set_title(f"{title} ({smap.meta.get('magsrmod', 'MDI-like')})")
    ax.set(xlabel="Solar X [arcsec]", ylabel="Solar Y [arcsec]")
    ax.coords[0].set_ticks(spacing=40 * u.arcsec)
    ax.add_artist(AnchoredSizeBar(ax.transData, 20 / smap.scale[0].value, "20 arcsec", "lower right", pad=0.4))
fig.colorbar(image, ax=fig.axes, label="line-of-sight field [G]", shrink=0.8)
fig.suptitle("Synthetic data, not an observation")
plt.show()

##############################################################################
# **The picture.** The synthetic input, with the blur and noise of MDI, and the results of the two models; solar north
# is up. After 150 steps the model keeps much of the noise and adds little structure.
#
# The structure below 2 arcsec in both is plausible, not measured. Both should agree with the input at MDI's resolution:
# the misfit over the noise, squared, should be about 1.

for title in ("150 steps", "Bundled model"):
    agreement = metrics.forward_agreement(results[title], mdi)
    print(f"{title}: {agreement.quiet:.2f} in quiet Sun, {agreement.active:.2f} in active regions")
