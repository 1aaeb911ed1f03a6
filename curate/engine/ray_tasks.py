"""The engine for everything else: one Ray task = one task of ours. The only file that imports ray.

Ray schedules, retries and spreads; it stores nothing of value. Tasks are pure functions that commit
files, so a retry after a lost worker finds the commit or does the work again, with the same answer.
"""

from __future__ import annotations

import os
import subprocess
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants

from curate.engine.commit import Finished, Task, execute
from curate.errors import CurateError, ResourceError

#: How often Ray runs a task again whose worker died. Our own errors are never retried.
RETRIES = 3

#: Tasks submitted ahead, per CPU: enough to hide scheduling, few enough to stop quickly.
AHEAD = 3


class RayTasks:
    """Runs tasks on a Ray cluster: a local one of ``workers`` CPUs, or the one at ``address``."""

    name = "ray"

    def __init__(self, *, workers: int | None = None, address: str | None = None) -> None:
        # Ray retries a task that ran out of memory for ever by default: one huge document would
        # be a livelock.
        os.environ.setdefault("RAY_task_oom_retries", "2")
        # Jobs travel within the calls. An object in Ray's store would, once the raylet is lost, end
        # this process from within Ray before it could say what happened.
        os.environ.setdefault("RAY_max_direct_call_object_size", str(4 << 20))
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self._mine = not ray.is_initialized()
        self._reaper = _reaper() if self._mine and not address else None
        if self._mine:
            options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
            if address:
                options["address"] = address
            else:
                # A cluster of one machine talks to itself: Ray's servers then listen on loopback
                # alone. (The option _node_ip_address does not do it: Ray resolves it back.)
                ray_constants.ENABLE_RAY_CLUSTER = False
                options |= {
                    "num_cpus": workers or os.cpu_count(),
                    "include_dashboard": False,
                    "object_store_memory": 128 << 20,
                }
            try:
                ray.init(**options)
            except (ConnectionError, RuntimeError, OSError) as error:
                self.close()
                raise ResourceError(
                    f"Ray did not start: {error}", where=address or "local"
                ) from error
        self._cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._workers = min(workers or self._cpus, self._cpus)
        self._remote = ray.remote(_execute).options(
            num_cpus=1, max_retries=RETRIES, retry_exceptions=False, scheduling_strategy="SPREAD"
        )

    def run(self, address: str, tasks: Sequence[Task]) -> Iterator[Finished]:
        """Keep a bounded number of tasks in flight until all are committed."""
        jobs: dict[int, bytes] = {}
        waiting = deque(tasks)
        flying: dict[Any, Task] = {}
        try:
            while waiting or flying:
                while waiting and len(flying) < self._workers * AHEAD:
                    task = waiting.popleft()
                    if id(task.job) not in jobs:
                        jobs[id(task.job)] = zlib.compress(ray.cloudpickle.dumps(task.job), 1)
                    reference = self._remote.remote(
                        address, replace(task, job=_NOTHING), jobs[id(task.job)]
                    )
                    flying[reference] = task
                ready, _ = ray.wait(list(flying), num_returns=1)
                for reference in ready:
                    task = flying.pop(reference)
                    yield _result(reference, task)
        except ray.exceptions.RayTaskError:
            raise  # our own code failed; Ray only carries the news
        except ray.exceptions.RayError as error:
            raise ResourceError(
                f"Ray failed ({type(error).__name__})",
                hint="run the same command again: it resumes",
            ) from error
        finally:
            with suppress(ray.exceptions.RayError, ConnectionError):
                for reference in flying:
                    ray.cancel(reference, force=True)

    def close(self) -> None:
        """Stop the local cluster if this engine started it."""
        if self._mine and ray.is_initialized():
            ray.shutdown()
        if self._reaper is not None:
            self._reaper.communicate(b"done\n")
            self._reaper = None


#: Waits until its input ends, which a kill of the driver brings about too. Then, in the process group
#: $1, ends the agents that no raylet owns any more: once after a word of farewell, else for half a minute,
#: for a driver killed while Ray starts leaves a raylet that may yet start some.
_REAP = """read said
again=30; [ "$said" ] && again=1
group=$1
while [ $again -gt 0 ]; do
  for at in /proc/[0-9]*; do
    read -r line 2>/dev/null <$at/stat || continue
    set -- ${line##*) }
    [ "$3" = "$group" ] || continue
    parent=$2
    case "$(tr -d '\\0' 2>/dev/null <$at/cmdline)" in ray::*Agent*)
      case "$(tr -d '\\0' 2>/dev/null </proc/$parent/cmdline)" in *raylet/raylet*) ;;
        *) kill -9 ${at#/proc/};; esac;; esac
  done
  again=$((again - 1)); [ $again -gt 0 ] && sleep 1
done"""


def _reaper() -> subprocess.Popen[bytes] | None:
    """Start a shell that ends Ray's agents when this process is gone, however and whenever it ended.

    The kernel ends the raylet with its driver, and workers end with the raylet; the agents, which
    the raylet starts, were seen to live on for minutes.
    """
    if not Path("/proc/self/stat").exists():
        return None  # a system on which Ray runs for development only
    return subprocess.Popen(
        ["/bin/sh", "-c", _REAP, "sh", str(os.getpgrp())],
        stdin=subprocess.PIPE,
        start_new_session=True,  # an interrupt of the terminal is not for it
    )


_NOTHING: Any = None


def _execute(address: str, task: Task, job: bytes) -> Finished:
    return execute(address, replace(task, job=_unpacked(job)))


@lru_cache(maxsize=2)
def _unpacked(job: bytes) -> Any:
    return ray.cloudpickle.loads(zlib.decompress(job))


def _result(reference: Any, task: Task) -> Finished:
    try:
        finished: Finished = ray.get(reference)
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
            hint="run the same command again: it resumes; with less memory per node, lower shards.input_bytes",
        ) from None
