"""The engine on Ray: one Ray task runs one task of a plan. The only file that imports ray.

Ray schedules, retries and spreads tasks; it stores nothing of value. Tasks are pure functions that
commit files, so a retry after a lost worker finds the commit or repeats the work, equally.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants

from curate.engine import agent_reaper
from curate.engine.commit import Finished, Job, Task, execute
from curate.errors import CurateError, ResourceError
from curate.logging_setup import LOGGER, route_to_root

#: How often Ray runs a task again after its worker died. Errors of curate are never retried.
RETRIES = 3

#: Tasks submitted ahead, per CPU: enough to hide scheduling, few enough to stop quickly.
AHEAD = 3


class RayTasks:
    """Runs tasks on a Ray cluster: a local one of ``workers`` CPUs, or the one at ``address``."""

    name = "ray"

    def __init__(self, *, workers: int | None = None, address: str | None = None) -> None:
        # By default Ray retries a task that ran out of memory without end: one huge document would
        # be a livelock.
        os.environ.setdefault("RAY_task_oom_retries", "2")
        # Jobs are sent within the calls. With an object in Ray's store, Ray would end this process
        # once the raylet is lost, before it could report what happened.
        os.environ.setdefault("RAY_max_direct_call_object_size", str(4 << 20))
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self._owns_cluster = not ray.is_initialized()
        self._reaper = _start_reaper() if self._owns_cluster and not address else None
        if self._owns_cluster:
            options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
            if address:
                _check_reachable(address)
                options["address"] = address
            else:
                # Without an address Ray would look for a cluster by itself, in RAY_ADDRESS and in
                # what else runs on this machine, and refuse num_cpus where it finds one.
                options["address"] = "local"
                # For a cluster of one machine, Ray's servers then listen on loopback only.
                # (The option _node_ip_address does not achieve this: Ray resolves it back.)
                ray_constants.ENABLE_RAY_CLUSTER = False
                options |= {
                    "num_cpus": workers or os.cpu_count(),
                    "include_dashboard": False,
                    "object_store_memory": 128 << 20,
                }
            try:
                ray.init(**options)
            except (ConnectionError, RuntimeError, OSError, ValueError, ImportError) as error:
                self.close()
                reason = str(error).strip().partition("\n")[0]
                what = "no Ray cluster answers" if address else "Ray did not start"
                raise ResourceError(
                    f"{what}: {reason}", where=address or "local", hint=_REMEDY if address else None
                ) from error
        route_to_root("ray")
        self._cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._workers = min(workers or self._cpus, self._cpus)

    def run(self, address: str, job: Job, tasks: Iterable[Task]) -> Iterator[Finished]:
        """Keep a bounded number of tasks in flight until all are committed."""
        waiting = iter(tasks)
        in_flight: dict[Any, Task] = {}
        # The job is a constant of a function, which Ray sends to each worker once; so a task's own
        # arguments are its names, however large the job and however many tasks there are.
        remote = ray.remote(_runner(address, job, LOGGER.getEffectiveLevel())).options(
            num_cpus=1, max_retries=RETRIES, retry_exceptions=False, scheduling_strategy="SPREAD"
        )
        try:
            while True:
                for task in islice(waiting, self._workers * AHEAD - len(in_flight)):
                    in_flight[remote.remote(task)] = task
                if not in_flight:
                    return
                ready, _ = ray.wait(list(in_flight), num_returns=1)
                for reference in ready:
                    task = in_flight.pop(reference)
                    yield _result(reference, task)
        except ray.exceptions.RayTaskError:
            raise  # the task itself failed; Ray only delivers the error
        except ray.exceptions.RayError as error:
            raise ResourceError(
                f"Ray failed ({type(error).__name__})",
                hint="run the same command again: it resumes",
            ) from error
        finally:
            with suppress(ray.exceptions.RayError, ConnectionError):
                for reference in in_flight:
                    ray.cancel(reference, force=True)

    def close(self) -> None:
        """Stop the local cluster if this engine started it."""
        if self._owns_cluster and ray.is_initialized():
            ray.shutdown()
        if self._reaper is not None:
            self._reaper.communicate(b"done\n")
            self._reaper = None


#: What to do where no cluster answers.
_REMEDY = (
    "start one there, or name another with --address (else RAY_ADDRESS is used); --address local"
    " is a Ray of its own, --engine in-process is none"
)
#: The first bytes of an HTTP/2 connection: its preface, and an empty frame of settings (type 4).
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
#: Seconds to wait for the port of a cluster; Ray itself would try for minutes.
_ANSWER = 10.0


def _check_reachable(address: str) -> None:
    """Raise ResourceError if no one listens at ``host:port``; other addresses are left to Ray."""
    host, colon, port = address.rpartition(":")
    if not (colon and port.isdecimal() and "/" not in host):
        if "://" in address:
            raise ResourceError(
                "this is no address of a Ray cluster, which is HOST:PORT or auto",
                where=address,
                hint=_REMEDY,
            )
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER) as connection:
            if os.environ.get("RAY_USE_TLS", "0") == "0":
                # Ray speaks gRPC, so the answer to an HTTP/2 greeting is a frame of settings.
                connection.sendall(_GREETING)
                if connection.recv(9)[3:4] != _GREETING[-6:-5]:
                    raise OSError("what listens there is no Ray cluster")
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ResourceError(
            f"no Ray cluster answers: {reason}", where=address, hint=_REMEDY
        ) from None


def _start_reaper() -> subprocess.Popen[bytes] | None:
    """Start the process that ends Ray's agents after this one has ended."""
    if not Path("/proc/self/stat").exists():
        return None  # a system on which Ray runs for development only
    return subprocess.Popen(
        [sys.executable, "-I", "-S", agent_reaper.__file__, str(os.getpgrp())],
        stdin=subprocess.PIPE,
        start_new_session=True,  # so that an interrupt of the terminal does not reach it
    )


def _runner(address: str, job: Job, level: int) -> Callable[[Task], Finished]:
    """Return the function that a worker calls with each task of a job."""

    def run_task(task: Task) -> Finished:
        LOGGER.setLevel(level)
        logging.captureWarnings(True)
        return execute(address, job, task)

    return run_task


def _result(reference: Any, task: Task) -> Finished:
    try:
        finished: Finished = ray.get(reference)
        for record in finished.log:
            record.emit()
        return finished
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, CurateError):
            raise cause from None
        raise
    except ray.exceptions.LocalRayletDiedError:
        raise ResourceError(
            "Ray's own process on this machine was lost (killed, or the machine ran out of memory)",
            where=f"{task.segment} task {task.index}",
            hint="run the same command again: it resumes; fewer --workers need less memory",
        ) from None
    except (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.RaySystemError,
    ) as error:
        raise ResourceError(
            f"a worker was lost {RETRIES + 1} times on the same task ({type(error).__name__})",
            where=f"{task.segment} task {task.index}",
            hint="run the same command again: it resumes; with less memory per node,"
            " lower shards.input_bytes",
        ) from None
