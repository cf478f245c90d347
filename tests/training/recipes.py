"""A recipe of a run with networks of a few channels, and batches of two small patches."""

_STAGE = """
steps = 3
patch = 32
batch_size = 2
warmup = 1
checkpoint_every = 2
log_every = 1
validation_samples = 0
"""
_STAGES = {
    "autoencoder": "model = { latent_channels = 4, encoder_channels = 8, decoder_channels = 8, encoder_blocks = 1, decoder_blocks = 1 }",
    "diffusion": "model = { channels = 16, condition_blocks = 1, denoiser_blocks = 1 }",
    "scoring": "",
    "regression": "",
    "finetune": 'base = "trained"\nrank = 2\ndecoder_rank = 1',
}
#: On the folder ``fits``.
RECIPE = 'output = "run"\n[data]\nroot = "fits"\nstore = "store"\n' + "".join(
    f"[{name}]{_STAGE}{more}\n" for name, more in _STAGES.items()
)
#: What ``magsr-train export`` is told of a model, and of one with an adapter.
CARD = """
name = "tiny"
kind = "diffusion"
steps = 2
noise = { los = 3.0, radial = 16.0 }
"""
CARD_WITH_ADAPTER = f"""{CARD}
[adapter]
name = "mdi"
instruments = ["MDI"]
consistency = "noise"
psf_fwhm = 0.9
"""
