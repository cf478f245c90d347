"""
Files are whole or absent: kills at random moments, full disks, Ctrl-C, and two processes on one folder.

    python benchmarks/crashes.py [--kills 100] [--disks 20]

Each time, every result that is there must be whole and the same as that of an undisturbed run, results that were done must
not be done again, and the same command must end what is left. Prints what was torn or lost, and exits with 1 if anything
was. A full disk is a small file system of its own where this process may mount one, and a limit on the size of files
elsewhere.
"""

import argparse
import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

import sunpy_magsr  # noqa: F401
from sunpy_magsr.data import sample_map

FILES = 6
SIDE = 64
COMMAND = [sys.executable, "-c", "import sys; from sunpy_magsr.cli.main import main; sys.exit(main())", "superresolve"]
MEBIBYTE = 2**20


def write_inputs(folder):
    """Cutouts of the sample, as files."""
    sample = sample_map()
    paths = []
    for number in range(FILES):
        data = sample.data[100 : 100 + SIDE, 20 * number : 20 * number + SIDE]
        header = {**sample.meta, "crpix1": sample.meta["crpix1"] - 20 * number, "crpix2": sample.meta["crpix2"] - 100}
        paths.append(folder / f"{number}.fits")
        fits.writeto(
            paths[-1], data, fits.Header({key: value for key, value in header.items() if key != "keycomments"})
        )
    return paths


def start(inputs, output, **options):
    """The command, begun."""
    model = ["--model", "bicubic", "--plate-scale", "native"]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMMAND, *map(str, inputs), "-o", str(output), *model], **pipes, **options)


def results(folder):
    """Contents of the results by name; damaged ones raise."""
    return {path.name: fits.getdata(path) for path in sorted(folder.glob("*.magsr.fits"))}


def check(output, reference, *, whole):
    """What is torn or lost among the results."""
    try:
        found = results(output)
    except (OSError, TypeError) as error:
        return [f"torn: {error}"]
    wrong = [
        f"torn: {name}" for name, data in found.items() if not np.array_equal(data, reference[name], equal_nan=True)
    ]
    return wrong + [f"lost: {name}" for name in reference if whole and name not in found]


def kills(number, inputs, reference, signals, seconds):
    """Kill the command at random moments, then let it end."""
    wrong = []
    for _ in range(number):
        with tempfile.TemporaryDirectory() as place:
            output = Path(place)
            process = start(inputs, output)
            time.sleep(random.uniform(0.6, 1.05) * seconds)
            process.send_signal(random.choice(signals))
            process.communicate()
            wrong += check(output, reference, whole=False)
            if signal.SIGKILL not in signals and list(output.glob(".*.partial")):
                wrong.append("left behind: a partial file")
            done = {path: path.stat().st_mtime_ns for path in output.glob("*.magsr.fits")}
            if start(inputs, output).wait() != 0:
                wrong.append("the same command did not end what was left")
            wrong += check(output, reference, whole=True)
            wrong += [f"lost: {path.name} was done again" for path, at in done.items() if path.stat().st_mtime_ns != at]
    return wrong


@contextlib.contextmanager
def small_disk(size):
    """A folder with little room, and options for the processes that write there."""
    with tempfile.TemporaryDirectory() as place:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
        try:
            mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            mounted = False
        if mounted:
            try:
                yield Path(place), {}
            finally:
                subprocess.run(["umount", place], check=True)
        else:
            limit = size // FILES
            yield Path(place), {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))}


def disks(number, inputs, reference):
    """Write onto disks that become full."""
    wrong = []
    for _ in range(number):
        with small_disk(random.randrange(MEBIBYTE // 8, MEBIBYTE // 2)) as (output, options):
            process = start(inputs, output, **options)
            said = process.communicate()[1]
            found = {path.name for path in output.glob("*.magsr.fits")}
            missing = [path for path in inputs if f"{path.stem}.magsr.fits" not in found]
            wrong += check(output, reference, whole=False)
            wrong += [f"not named: {path}" for path in missing if f"magsr: {path}: " not in said]
            if process.returncode != (1 if missing else 0) or "Traceback" in said:
                wrong.append(
                    f"exit code {process.returncode} with {len(missing)} of {len(inputs)} missing: {said[-200:]}"
                )
            if list(output.glob(".*.partial")):
                wrong.append("left behind: a partial file")
    return wrong


def pairs_of_processes(number, inputs, reference):
    """Two processes on one folder."""
    wrong = []
    for _ in range(number):
        with tempfile.TemporaryDirectory() as place:
            both = [start(inputs, Path(place)) for _ in range(2)]
            codes = [process.wait() for process in both]
            wrong += [] if codes == [0, 0] else [f"exit codes {codes}"]
            wrong += check(Path(place), reference, whole=True)
    return wrong


def main():
    """Run all and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--disks", type=int, default=20)
    options = parser.parse_args()
    random.seed(0)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        inputs = write_inputs(folder)
        begun = time.perf_counter()
        start(inputs, folder / "out").wait()
        seconds = time.perf_counter() - begun
        reference = results(folder / "out")
        interrupts = max(1, options.kills // 10)
        found = {
            f"{options.kills} kills": kills(options.kills, inputs, reference, [signal.SIGKILL], seconds),
            f"{interrupts} interrupts": kills(interrupts, inputs, reference, [signal.SIGINT, signal.SIGTERM], seconds),
            f"{options.disks} full disks": disks(options.disks, inputs, reference),
            f"{interrupts} pairs of processes": pairs_of_processes(interrupts, inputs, reference),
        }
    for what, wrong in found.items():
        print(f"{what:24} {len(wrong)} torn, lost or not said", *wrong, sep="\n    ")
    return int(any(found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
