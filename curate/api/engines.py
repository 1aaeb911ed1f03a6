"""Where the work of a run is done: in this process, on a Ray of its own, or on a cluster."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from curate.engine.base import Engine
from curate.errors import RecipeError, nearest, without_secrets

ENGINES = ("auto", "ray", "in-process")

#: Seconds that a Ray of its own takes to start and to load kernels in its workers.
RAY_COSTS = 6.0


class Choice(NamedTuple):
    """An engine, how many tasks it runs on this machine at a time, and why it was taken."""

    name: str
    tasks_here: int  #: 0 where a cluster has its own limits
    reason: str


def check_engine(name: str, address: str | None) -> None:
    """Raise RecipeError for an unknown engine, and for ``ray://`` or a password in an address."""
    if name not in ENGINES:
        raise RecipeError(f"no engine '{name}'", hint=nearest(name, ENGINES))
    cluster = cluster_of(address)
    if name != "in-process" and cluster and re.search("[@?#]", cluster):
        raise RecipeError(
            "the address of a Ray cluster is HOST:PORT or auto, without user, password and query",
            where="--address" if address else "RAY_ADDRESS",
            hint="its token is in RAY_AUTH_TOKEN",
        )
    if name != "in-process" and cluster and cluster.startswith("ray://"):
        raise RecipeError(
            "ray:// drives a cluster from outside, and a lost connection would end the run",
            where="--address" if address else "RAY_ADDRESS",
            hint="ray job submit -- curate run RECIPE --address auto --output DIR",
        )


def cluster_of(address: str | None) -> str | None:
    """Return the address of the Ray cluster to use: what is given, else RAY_ADDRESS.

    None and ``local`` mean a Ray of its own on this machine, even if another runs here.
    """
    cluster = address or os.environ.get("RAY_ADDRESS", "").strip()
    return None if cluster in ("", "local") else cluster


def choose(name: str, core_seconds: float, workers: int | None, address: str | None) -> Choice:
    """Return the engine that is asked for; for ``auto``, the one that is probably faster.

    That is Ray where a cluster or a number of workers is named, or where its workers save more of
    the estimated time than its start costs. The answer of a run does not depend on it.
    """
    check_engine(name, address)
    cluster, cpus = cluster_of(address), workers or os.cpu_count() or 1
    if name != "in-process" and cluster:
        given = "--address" if address else "RAY_ADDRESS"
        return Choice("ray", 0, f"Ray at {without_secrets(cluster)} ({given})")
    here = f"a Ray of its own here, {cpus} {'worker' if cpus == 1 else 'workers'}"
    if name == "ray" or (name == "auto" and (workers or 1) > 1):
        return Choice("ray", cpus, here)
    if name == "in-process":
        unused = "; --workers is for Ray" if (workers or 1) > 1 else ""
        return Choice("in-process", 1, f"in-process{unused}")
    if core_seconds * (1 - 1 / cpus) > RAY_COSTS:
        return Choice("ray", cpus, f"{here}, for about {core_seconds:.0f} core-seconds of work")
    return Choice(
        "in-process", 1, f"in-process: with about {core_seconds:.0f} s of work Ray costs more"
    )


def start(
    choice: Choice,
    workers: int | None,
    address: str | None,
    wait: float | None = None,
    memory: int = 0,
) -> Engine:
    """Start an engine for tasks of ``memory`` bytes. Raise ResourceError if no cluster answers."""
    if choice.name == "in-process":
        from curate.engine.in_process import InProcess

        return InProcess()
    from curate.engine.ray_tasks import RayTasks

    return RayTasks(workers=workers, address=cluster_of(address), wait=wait, memory=memory)
