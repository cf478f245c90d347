"""Recipes of runs with networks of a few channels, and batches of two small patches."""

_STAGE = """
steps = 3
patch = 32
batch_size = 2
warmup = 1
checkpoint_every = 2
log_every = 1
validation_samples = 0
"""
_NETWORKS = {
    "autoencoder": "latent_channels = 4, encoder_channels = 8, decoder_channels = 8, encoder_blocks = 1, decoder_blocks = 1",
    "diffusion": "channels = 16, condition_blocks = 1, denoiser_blocks = 1",
}

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


def recipe(data="", **stages):
    """The TOML of a run on the folder ``fits``; each stage with what it says beside what all of them do."""
    text = f'output = "run"\n[data]\nroot = "fits"\n{data}\n'
    for name, own in {"autoencoder": "", "diffusion": "", **stages}.items():
        said = [line.split("=")[0].strip() for line in own.splitlines()]
        shared = [line for line in _STAGE.splitlines() if line.split("=")[0].strip() not in said]
        network = f"model = {{ {_NETWORKS[name]} }}" if name in _NETWORKS else ""
        text += "\n".join([f"[{name}]", *shared, own, network, ""])
    return text
