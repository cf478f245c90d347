"""
Speed of the data pipeline beside that of the diffusion training step of the default recipe, in patches a second.

    python benchmarks/pipeline.py [--data FOLDER | --store FOLDER] [--steps 8] [--device cpu]

Prepares the store of a folder of magnetograms unless one is given. Exits with 1 if the pipeline is not at least five
times as fast as training.
"""

import argparse
import csv
import os
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from sunpy_magsr.training.config import load_config
from sunpy_magsr.training.data.prepare import prepare_store
from sunpy_magsr.training.data.samplers import samplers_of
from sunpy_magsr.training.stages.diffusion import DiffusionStage

DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data"))
RECIPE = files("sunpy_magsr.training") / "recipes" / "default.toml"
TARGET = 5
BATCHES = 100


def pipeline_speed(config):
    """Patches a second of the sampler alone."""
    sampler, _ = samplers_of(config, config.diffusion)
    sampler.batch(0, config.diffusion.batch_size)
    began = time.perf_counter()
    for number in range(BATCHES):
        sampler.batch(number, config.diffusion.batch_size)
    return BATCHES * config.diffusion.batch_size / (time.perf_counter() - began)


def training_speed(config):
    """Patches a second of the steps after the first, from the log of a run with the bundled autoencoder."""
    DiffusionStage(config).train(progress=False)
    with (Path(config.output) / "checkpoints" / "diffusion" / "log.csv").open(newline="") as stream:
        seconds = [float(row["seconds"]) for row in csv.DictReader(stream)]
    return (len(seconds) - 1) * config.diffusion.batch_size / (seconds[-1] - seconds[0])


def main():
    """Print both speeds and their ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA / "hmi" / "train")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(RECIPE, [f"output={folder}", f"device={options.device}", f"data.root={options.data}"])
        stage = config.diffusion
        stage.codec, stage.steps, stage.log_every = "default", options.steps, 1
        if options.store:
            config.data.store = str(options.store)
        else:
            began = time.perf_counter()
            store = prepare_store(config)
            size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
            print(f"prepare: {time.perf_counter() - began:.0f} s, {size / 1e6:.0f} MB")
        print(f"patches of {stage.patch} x {stage.patch} pixels in batches of {stage.batch_size}")
        pipeline, training = pipeline_speed(config), training_speed(config)
    print(f"data pipeline alone: {pipeline:.0f} patches/s")
    print(f"training step:       {training:.1f} patches/s on {options.device}")
    print(f"ratio: {pipeline / training:.0f}, target at least {TARGET}")
    return 0 if pipeline >= TARGET * training else 1


if __name__ == "__main__":
    sys.exit(main())
