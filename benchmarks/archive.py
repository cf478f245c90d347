"""
``magsr archive`` against plain processes, against kills, and for 70,000 frames.

    python benchmarks/archive.py [--frames 200] [--farther 2] [--workers 2] [--folder FOLDER] [--only cluster,killed]
    python benchmarks/archive.py --simulate 70000 [--members 8] [--cpu SECONDS] [--gpu SECONDS]

The first super-resolves synthetic full disks (as many pixels as MDI's with ``--farther 1``) in as many separate processes as
there are workers, in ``magsr archive run``, and in the same while workers are killed 20 times and the scheduler, which is
in the process of the command, 3 times, at random. It prints the throughput of the second over that of the first, the
memory of the workers from frame 20 to the last, what the bookkeeping takes of the time, and whether all files of the third
are there and equal to those of the second. The second hands out frames that take no time, and says what a plan of that
size takes with the rates given. Both exit with 1 if a number is not as promised.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import psutil

sys.path.append(str(Path(__file__).parents[1] / "examples"))

FACTS = {"throughput": 0.9, "bookkeeping": 0.03, "memory": 1.1, "simulated": 0.01, "query": 1.0}
WORKER_KILLS, SCHEDULER_KILLS = 20, 3
PLAN = """
[input]
folder = "frames"
[output]
folder = "{output}"
[cluster]
workers = {workers}
threads = 1
attempts = 10
"""
COMMAND = [
    sys.executable,
    "-c",
    "import sys; from sunpy_magsr.cli.main import main; sys.exit(main())",
    "archive",
    "run",
]


def make_frames(folder, count, farther):
    """Write full disks of one synthetic Sun, each with noise of its own, 96 minutes apart."""
    import astropy.units as u
    from astropy.time import Time
    from synthetic_sun import STEP, make_twins, synthetic_surface

    from sunpy_magsr.maps.fits import write_compressed

    if len(list(folder.glob("*.fits"))) == count:
        return
    surface = synthetic_surface(1, step=farther * STEP)
    twins = make_twins(surface, "2010-06-01T00:00:00", farther=farther, rolls=(0.0, 0.0))
    for number in range(count):
        date = Time("2010-06-01T00:00:00", scale="tai") + number * 96 * u.min
        noise = np.random.default_rng((1, number)).normal(0, 3, twins.mdi.shape)
        stamp = date.strftime("%Y.%m.%d_%H:%M:%S_TAI")
        header = {**twins.mdi_header, "t_obs": stamp, "t_rec": stamp, "date-obs": date.utc.isot}
        write_compressed(twins.mdi + noise, header, folder / f"disk_{number:04d}.fits")


def write_plan(folder, output, workers):
    """The plan of a run."""
    path = folder / f"{output}.toml"
    path.write_text(PLAN.format(output=output, workers=workers))
    return path


def plain(job):
    """One of the separate processes: its frames one by one."""
    plan_path, names = job
    import torch

    from sunpy_magsr.archive.frame import work_on_frame
    from sunpy_magsr.archive.plan import load_plan

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    plan = load_plan(plan_path)
    frames, common = plan.frames(), {"plan": plan, "known": "", "threads": 1}
    for name in names:
        record = work_on_frame({"name": name, "path": str(frames[name]), **common})
        assert record["state"] == "done", record


def alone(pool, folder, frames, workers):
    """Seconds of separate processes."""
    path = write_plan(folder, "alone", workers)
    parts = [(path, frames[number::workers]) for number in range(workers)]
    started = time.perf_counter()
    pool.map(plain, parts, chunksize=1)
    return time.perf_counter() - started


def cluster(folder, workers):
    """Seconds of ``magsr archive run``."""
    path = write_plan(folder, "cluster", workers)
    started = time.perf_counter()
    subprocess.run([*COMMAND, path], check=True)
    return time.perf_counter() - started


def killed(folder, workers, seconds):
    """The same, killed at random while it lasts; returns how often the workers and the scheduler were killed."""
    path, rng = write_plan(folder, "killed", workers), random.Random(1)
    kills, begun = {"worker": 0, "scheduler": 0}, time.perf_counter()
    moments = sorted(rng.uniform(0.03, 0.85) * seconds for _ in range(WORKER_KILLS + SCHEDULER_KILLS))
    kinds = ["worker"] * WORKER_KILLS + ["scheduler"] * SCHEDULER_KILLS
    rng.shuffle(kinds)
    process = None
    for moment, kind in zip(moments, kinds, strict=True):
        while process is None or workers_of(process) == []:
            if process is None or process.poll() is not None:
                process = subprocess.Popen([*COMMAND, path], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            time.sleep(0.2)
        time.sleep(max(0, begun + moment - time.perf_counter()))
        victim = process.pid if kind == "scheduler" else rng.choice(workers_of(process) or [process.pid])
        os.kill(victim, signal.SIGKILL)
        kills["scheduler" if victim == process.pid else "worker"] += 1
        if victim == process.pid:
            process.wait()
    if process.wait() != 0:
        subprocess.run([*COMMAND, path], check=True, stderr=subprocess.DEVNULL)
    return kills


def workers_of(process):
    """Processes of the workers that a command has started and that are up."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        return [
            child.pid for child in children if "spawn_main" in " ".join(child.cmdline()) and child.cpu_times().user > 1
        ]
    except psutil.Error:
        return []


def contents(folder):
    """Bytes of the results by name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.magsr.fits"))}


def instant(task):
    """A frame that takes no time."""
    return {"name": task["name"], "state": "done", "outputs": "[]", "seconds": 0.0, "memory": 0.0, "date": "2010-06-01"}


def bookkeeping(folder, count, workers):
    """Seconds of a frame that takes no time, of entering all, and of the slowest query."""
    from sunpy_magsr.archive.ledger import Ledger
    from sunpy_magsr.archive.plan import load_plan
    from sunpy_magsr.archive.report import status_lines
    from sunpy_magsr.archive.run import run_plan

    (folder / "frames").mkdir(exist_ok=True)
    for number in range(count):
        (folder / "frames" / f"disk_{number:06d}.fits").touch()
    plan = load_plan(write_plan(folder, "instant", workers))
    started = time.perf_counter()
    counts = run_plan(plan, progress=False, work=instant)
    whole = time.perf_counter() - started
    assert counts["done"] == count, counts
    started = time.perf_counter()
    run_plan(plan, progress=False, work=instant)
    again = time.perf_counter() - started
    queries = {}
    with Ledger(plan.ledger, read_only=True) as ledger:
        for name, query in {
            "status": lambda: status_lines(ledger),
            "counts": ledger.counts,
            "reasons": ledger.reasons,
            "pending": ledger.pending,
        }.items():
            started = time.perf_counter()
            query()
            queries[name] = time.perf_counter() - started
    return whole, again, queries


def say(label, value, limit, *, is_most=True, failed):
    """Print a number and note if it is not as promised."""
    good = value <= limit if is_most else value >= limit
    failed.extend([] if good else [label])
    print(
        f"{label:60s} {value:10.4f}  ({'at most' if is_most else 'at least'} {limit:g}){'' if good else '  MISSED'}",
        flush=True,
    )


def simulate(options, failed):
    """A plan of many frames, with the arithmetic left out."""
    with tempfile.TemporaryDirectory() as name:
        whole, again, queries = bookkeeping(Path(name), options.simulate, options.workers)
    each = whole / options.simulate
    print(
        f"{options.simulate} frames entered, handed out and noted in {whole:.0f} s ({1000 * each:.1f} ms each); nothing to do: {again:.1f} s"
    )
    say("slowest query of the ledger (s)", max(queries.values()), FACTS["query"], failed=failed)
    for kind, seconds in (("core of a CPU", options.cpu), ("GPU", options.gpu)):
        if not seconds:
            continue
        hours = seconds * options.simulate / 3600
        print(
            f"one {kind}: {seconds:g} s a frame of {options.members} members, {hours:.0f} hours = {hours / 24:.1f} days"
        )
        if kind.startswith("core"):
            for cores in (64, 256, 1024):
                print(f"  {cores} cores ({cores // 64} nodes of 64): {hours / cores:.1f} hours")
        # one process hands out all frames, so that its time counts against that of all workers together
        busiest = 1024 if kind.startswith("core") else 8
        say(
            f"bookkeeping with {busiest} workers of that kind, share of the time",
            each * busiest / seconds,
            1.0,
            failed=failed,
        )
        say("bookkeeping, share of the work", each / seconds, FACTS["simulated"], failed=failed)


def measure(options, folder, failed):
    """The three runs."""
    from sunpy_magsr.archive.ledger import Ledger

    (folder / "frames").mkdir(parents=True, exist_ok=True)
    make_frames(folder / "frames", options.frames, options.farther)
    frames, seconds = sorted(path.name for path in (folder / "frames").glob("*.fits")), {}
    only = options.only.split(",")
    times = folder / "times.json"
    if times.is_file():
        seconds = json.loads(times.read_text())
    if "cluster" in only:  # between the halves of what it is compared with, as a machine is not as fast at all times
        half = len(frames) // 2
        with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
            seconds["alone"] = [alone(pool, folder, frames[:half], options.workers)]
            seconds["cluster"] = cluster(folder, options.workers)
            seconds["alone"].append(alone(pool, folder, frames[half:], options.workers))
        print(
            f"{options.workers} processes: {seconds['alone'][0]:.0f} and {seconds['alone'][1]:.0f} s for half of the frames"
        )
        print(f"cluster of {options.workers} workers: {seconds['cluster']:.0f} s", flush=True)
        times.write_text(json.dumps(seconds))
    with Ledger(folder / "cluster" / "ledger.sqlite", read_only=True) as ledger:
        table = ledger.table()
    table.sort("finished")
    if "cluster" in only:
        ratio = sum(seconds["alone"]) / seconds["cluster"]
        say("throughput over that of separate processes", ratio, FACTS["throughput"], is_most=False, failed=failed)
        equal = contents(folder / "alone") == contents(folder / "cluster")
        say("files equal to theirs", float(equal), 1.0, is_most=False, failed=failed)
    early = min(20, len(table) // 2)
    memory = np.array(table["memory"])
    print(f"memory of a worker (MiB): {memory[:early].max():.0f} at frame {early}, {memory.max():.0f} at the last")
    say(
        "memory at the last frame over that at frame 20",
        memory.max() / memory[:early].max(),
        FACTS["memory"],
        failed=failed,
    )
    with tempfile.TemporaryDirectory() as name:
        few, _, _ = bookkeeping(Path(name), 50, options.workers)
    with tempfile.TemporaryDirectory() as name:
        many, _, _ = bookkeeping(Path(name), 1050, options.workers)
    each = (many - few) / 1000
    print(
        f"a frame that takes no time: {1000 * each:.1f} ms; one of these: {np.mean(table['seconds']):.2f} s of a worker"
    )
    say("bookkeeping, share of the work", each / np.mean(table["seconds"]), FACTS["bookkeeping"], failed=failed)
    if "killed" in only:
        kills = killed(folder, options.workers, seconds["cluster"])
        print(f"killed: workers {kills['worker']} times, the command with its scheduler {kills['scheduler']} times")
        found, whole = contents(folder / "killed"), contents(folder / "cluster")
        say("files that are there", len(found), options.frames, is_most=False, failed=failed)
        say(
            "files that differ from those of the undisturbed run",
            sum(found[name] != whole[name] for name in whole),
            0,
            failed=failed,
        )


def main():
    """Print the numbers; see above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--farther", type=int, default=2, help="1 for disks as large as MDI's, 2 for half as large")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default="cluster,killed")
    parser.add_argument("--simulate", type=int, metavar="FRAMES")
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--cpu", type=float, metavar="SECONDS", help="of one core for a frame of that many members")
    parser.add_argument("--gpu", type=float, metavar="SECONDS")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    failed = []
    if options.simulate:
        simulate(options, failed)
    elif options.folder:
        measure(options, options.folder.absolute(), failed)
    else:
        with tempfile.TemporaryDirectory() as name:
            measure(options, Path(name), failed)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
