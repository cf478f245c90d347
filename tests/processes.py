"""Commands in processes of their own, forked from one that has imported what they import: a start takes no seconds."""

import multiprocessing
import os
import time

# Windows cannot fork: there a start takes its seconds
_METHODS = multiprocessing.get_all_start_methods()
SERVER = multiprocessing.get_context("forkserver" if "forkserver" in _METHODS else "spawn")
SERVER.set_forkserver_preload(
    [
        "diffusers",
        "distributed",
        "peft",
        "reproject",
        "sunpy.map",
        "sunpy_magsr.store.components",
        "sunpy_magsr.training",
    ]
)

CHILD = """
import importlib, os, sys
import torch
for number, path in streams.items():
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
torch.set_num_threads(1)
sys.exit(importlib.import_module(module).main(arguments))
"""


def start(module, *arguments, out=os.devnull, err=os.devnull, limit=None):
    """
    Start ``main`` of a module, and return the process.

    What it prints is appended to the files ``out`` and ``err``; files of more than ``limit`` bytes it cannot write.
    """
    names = {
        "module": module,
        "arguments": [str(argument) for argument in arguments],
        "streams": {1: str(out), 2: str(err)},
        "limit": limit,
    }
    process = SERVER.Process(target=exec, args=(CHILD, names))
    process.start()
    return process


def first_line(path, process):
    """What the process has printed up to the end of the first line, as soon as it has; else all that it printed."""
    while True:
        is_over = not process.is_alive()
        text = path.read_text() if path.exists() else ""
        if is_over or "\n" in text:
            return text.split("\n")[0]
        time.sleep(0.005)
