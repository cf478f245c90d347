"""Worker processes: on this machine, of a scheduler that runs already, or of a cluster that Dask starts."""

from __future__ import annotations

import contextlib
import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from sunpy_magsr.archive.plan import Cluster

__all__ = ["workers_of"]

# Dask has glibc give memory back to the system at once, so that a frame's arrays are paged in again and again: 33 s a full
# disk against 22 s with these, which give back blocks of a GiB only.
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": 2**31, "MALLOC_MMAP_THRESHOLD_": 2**30}
# What Dask watches its processes with: by default every 10 to 500 ms, which takes a tenth of a core beside two workers, and
# what the profile keeps takes 100 MiB and more after some frames.
_WATCH = {
    "worker.profile.interval": "1s",
    "worker.memory.monitor-interval": "1s",
    "admin.tick.interval": "1s",
    "admin.system-monitor.interval": "5s",
}


@contextlib.contextmanager
def workers_of(cluster: Cluster) -> Iterator[tuple[Client, int]]:
    """
    Connect to the workers of a plan, and end the workers that were started for it when the block ends.

    Parameters
    ----------
    cluster : `~sunpy_magsr.archive.plan.Cluster`
        The part of the plan that describes the workers.

    Yields
    ------
    client : `distributed.Client`
        The client that hands work to the workers.
    threads : `int`
        The threads of PyTorch in each task; 0 if a task leaves them as they are.

    Raises
    ------
    ImportError
        If Dask's distributed scheduler or the class of the cluster is not installed.
    ConnectionError
        If no scheduler answers at the address.
    ValueError
        If ``kind`` is not the name of a class, or ``memory`` is not a size.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        msg = f"an archive needs `pip install sunpy-magsr[dask]` ({error})."
        raise ImportError(msg) from error
    if cluster.scheduler:
        try:
            client = Client(cluster.scheduler)
        except OSError as error:
            msg = f"cluster.scheduler must be the address of a running scheduler, and none answers at {cluster.scheduler}."
            raise ConnectionError(msg) from error
        with client:
            yield client, cluster.threads
        return
    if cluster.kind:
        with _class_of(cluster.kind)() as started, Client(started) as client:
            if cluster.workers:
                started.scale(cluster.workers)
            yield client, cluster.threads
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = cluster.workers or max(1, cores // 2)
    threads = cluster.threads or max(1, cores // workers)
    own = {"dashboard_address": "127.0.0.1:8787", **_memory_limit(cluster.memory)}
    environment = {**_MALLOC, **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)}
    # Whoever hands out the frames counts the workers that each has ended. A worker that is started again may take long on a
    # busy machine; by default Dask gives it up after 15 s, and a run whose workers were all given up waited for ever.
    settings = {"scheduler.allowed-failures": 0, "nanny.pre-spawn-environ": environment, **_WATCH}
    settings |= {"deploy.lost-worker-timeout": "1 hour"}
    with (
        dask.config.set({f"distributed.{name}": value for name, value in settings.items()}),
        LocalCluster(n_workers=workers, threads_per_worker=1, **own) as local,
        Client(local) as client,
    ):
        yield client, threads


def _memory_limit(text):
    """The memory limit of each worker. By default none is given, and Dask gives each an equal share of the memory."""
    from dask.utils import parse_bytes

    if text == "auto":
        return {}
    try:
        limit = parse_bytes(text)
    except (ValueError, KeyError):
        limit = -1
    if limit <= 0:
        msg = f"cluster.memory must be 'auto' or a size such as '4 GiB', got {text!r}."
        raise ValueError(msg)
    return {"memory_limit": limit}


def _class_of(name):
    module, _, kind = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), kind)
    except ValueError as error:
        msg = f"cluster.kind must be a class such as 'dask_jobqueue.SLURMCluster', got {name!r}."
        raise ValueError(msg) from error
    except AttributeError as error:
        msg = f"cluster.kind must be a class of {module}, which has no {kind!r}."
        raise ValueError(msg) from error
