"""Work off a plan."""

import contextlib
import logging
import uuid
import warnings
from pathlib import Path

from tqdm import tqdm

from sunpy_magsr.archive.cluster import workers_of
from sunpy_magsr.archive.frame import work_on_frame
from sunpy_magsr.archive.ledger import Ledger

__all__ = ["run_plan"]


def run_plan(plan, *, retry=False, progress=True, say=None, work=work_on_frame):
    """
    Do all frames of a plan that are not done yet.

    What is done stays done, whatever ends the process; the next run goes on. A frame that fails does so alone.

    Parameters
    ----------
    plan : `~sunpy_magsr.archive.plan.Plan`
        What to do.
    retry : `bool`
        Whether to try again what failed. Defaults to `False`.
    progress : `bool`
        Whether to show a progress bar on a terminal.
    say : callable, optional
        Told in a line where the work can be watched, and each frame that fails.
    work : callable
        From a task to the columns of the ledger; see `~sunpy_magsr.archive.frame.work_on_frame`.

    Returns
    -------
    `dict` of `int`
        Frames by state.

    Raises
    ------
    RuntimeError
        If another process works on the same plan.
        Or if the workers cannot do the work at all, as without this package.
    ImportError, ConnectionError
        See `~sunpy_magsr.archive.cluster.workers_of`; also if the scheduler goes away.
    """
    say = say or (lambda _line: None)
    frames, settings = plan.frames(), plan.settings()
    with _only_one(plan.ledger), Ledger(plan.ledger) as ledger:
        ledger.enter(frames, settings["digest"], folder=Path(plan.output.folder), retry=retry)
        todo = ledger.pending()
        if todo:
            with _quiet(), workers_of(plan.cluster) as (client, threads):
                say(f"{len(todo)} of {len(frames)} frames to do; dashboard: {client.dashboard_link}")
                machine = {"device": plan.cluster.device, "batch_size": plan.cluster.batch_size, "threads": threads}
                common = {"folder": plan.output.folder, "settings": settings, "machine": machine}
                tasks = ({"name": name, "path": str(frames[name]), "known": sha, **common} for name, sha in todo)
                bar = tqdm(
                    total=len(frames), initial=len(frames) - len(todo), unit="frame", disable=None if progress else True
                )
                with bar:
                    for record in _worked_off(client, tasks, ledger, work, attempts=plan.cluster.attempts):
                        ledger.finish(record, settings["digest"])
                        if record["state"] == "failed":
                            say(f"{record['name']}: {record['reason']}")
                        bar.update()
        return ledger.counts()


def _worked_off(client, tasks, ledger, work, *, attempts):
    """
    Yield the records of all tasks.

    No more are handed out than workers can do at once: what waits at a worker that ends would be blamed for it.
    """
    from distributed import KilledWorker, as_completed

    client.wait_for_workers(1)
    queue, given, running = iter(tasks), {}, as_completed()
    # one group for the scheduler to remember, of this run alone
    group = f"superresolve-{uuid.uuid4().hex}"

    def give(task, tries=1):
        future = client.submit(work, task, pure=False, key=(group, task["name"], ledger.start(task["name"])))
        given[future] = (task, tries)
        running.add(future)

    def refill():
        workers = max(1, sum(client.nthreads().values()))
        while len(given) < workers:
            task = next(queue, None)
            if task is None:
                return
            give(task)

    refill()
    for future in running:
        task, tries = given.pop(future)
        if future.status == "cancelled":
            msg = "the scheduler is gone; run the same command again to go on."
            raise ConnectionError(msg)
        error = future.exception() if future.status == "error" else None
        if error is not None and not isinstance(error, KilledWorker):
            msg = f"the workers must have this package and read the same files, and say {type(error).__name__}: {error}"
            raise RuntimeError(msg) from error
        if future.status == "finished":
            yield future.result()
        elif tries < attempts:
            give(task, tries + 1)
        else:
            why = f"ended its worker {attempts} times, as too little memory does ({type(error).__name__}: {error})."
            yield {"name": task["name"], "state": "failed", "reason": " ".join(why.split())}
        future.release()
        refill()


@contextlib.contextmanager
def _only_one(path):
    """Let one process at a time work on a ledger; the lock of one that was killed is free."""
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        msg = f"an archive needs `pip install sunpy-magsr[dask]` ({error})."
        raise ImportError(msg) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        msg = f"another process works on the plan whose ledger is {path}."
        raise RuntimeError(msg) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _quiet():
    """Keep what Dask says of workers that end, and of a port that is taken, from the terminal."""
    names = ("distributed", "distributed.nanny", "distributed.scheduler", "distributed.worker", "distributed.core")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Port .* is already in use")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
