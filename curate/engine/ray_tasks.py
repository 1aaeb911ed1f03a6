"""The engine on Ray: one Ray task runs one task of a plan. The only file that imports ray.

Ray schedules, retries and spreads tasks; it stores nothing of value. Tasks are pure functions that
commit files, so a retry after a lost worker finds the commit or repeats the work, equally.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray._private.authentication.authentication_token_setup import (
    maybe_enable_token_auth_if_token_available,
)
from ray._private.node import Node
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from curate.engine import agent_reaper
from curate.engine.commit import Finished, Job, Task, execute
from curate.errors import CurateError, ResourceError
from curate.logging_setup import LOGGER, route_to_root
from curate.plan.fingerprint import code_digest
from curate.storage.store import open_store

#: How often Ray runs a task again after its worker died. Errors of curate are never retried.
RETRIES = 3

#: Tasks submitted ahead, per CPU: enough to hide scheduling, few enough to stop quickly.
AHEAD = 3

#: Seconds between two looks at the cluster while no task ends, and between two lines that say that
#: it has no CPU.
LOOK, LINES = 5.0, 10.0

#: Seconds after which a head that does not answer is lost. One that restarts, as on Kubernetes with
#: a store behind it, is back before.
HEAD_ANSWERS = 15.0

#: Seconds for a task on each node, before the work begins.
PROBE = 15.0


class RayTasks:
    """Runs tasks on a Ray cluster: a local one of ``workers`` CPUs, or the one at ``address``."""

    name = "ray"

    def __init__(
        self,
        *,
        workers: int | None = None,
        address: str | None = None,
        wait: float | None = None,
        memory: int = 0,
    ) -> None:
        """Start or join a cluster.

        ``wait`` bounds the seconds for which it may have no CPU; ``memory`` is what a task needs,
        in bytes: a node runs no more tasks at a time than have room.
        """
        # By default Ray retries a task that ran out of memory without end: one huge document would
        # be a livelock.
        os.environ.setdefault("RAY_task_oom_retries", "2")
        # Jobs are sent within the calls. With an object in Ray's store, Ray would end this process
        # once the raylet is lost, before it could report what happened.
        os.environ.setdefault("RAY_max_direct_call_object_size", str(4 << 20))
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self._head: _Head | None = None
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
                options |= {
                    "num_cpus": workers or os.cpu_count(),
                    "include_dashboard": False,
                    "object_store_memory": 128 << 20,
                }
            # For a cluster of one machine, Ray's servers then listen on loopback only. (The option
            # _node_ip_address does not achieve this: Ray resolves it back.)
            clusters = ray_constants.ENABLE_RAY_CLUSTER
            ray_constants.ENABLE_RAY_CLUSTER = clusters and bool(address)
            try:
                with nullcontext() if address else _few_processes():
                    ray.init(**options)
            except Exception as error:  # plain ones too, where its processes die early
                self.close()
                reason = str(error).strip().partition("\n")[0]
                what = "no Ray cluster answers" if address else "Ray did not start"
                raise ResourceError(
                    f"{what}: {reason}", where=address or "local", hint=_REMEDY if address else None
                ) from error
            finally:
                ray_constants.ENABLE_RAY_CLUSTER = clusters
        route_to_root("ray")
        self._workers, self._wait = workers, wait
        self._capacity = _Capacity(wait, memory)
        self._head = None if address is None else _Head(ray.get_runtime_context().gcs_address)
        self._probed = False

    def run(self, address: str, job: Job, tasks: Iterable[Task]) -> Iterator[Finished]:
        """Keep a bounded number of tasks in flight until all are committed."""
        waiting = iter(tasks)
        in_flight: dict[Any, Task] = {}
        if not self._probed and self._head is not None:
            _probe_nodes(address)
            self._probed = True
        # The job is a constant of a function, which Ray sends to each worker once; so a task's own
        # arguments are its names, however large the job and however many tasks there are.
        remote = ray.remote(
            num_cpus=1, max_retries=RETRIES, retry_exceptions=False, scheduling_strategy="SPREAD"
        )(_runner(address, job, LOGGER.getEffectiveLevel()))
        try:
            while True:
                cpus = self._capacity.cpus()  # now: a cluster may grow and shrink
                ahead = AHEAD * max(1, min(self._workers or cpus, cpus))
                for task in islice(waiting, max(0, ahead - len(in_flight))):
                    declared = remote.options(memory=self._capacity.memory)
                    in_flight[declared.remote(task)] = task
                if not in_flight:
                    return
                ready, _ = ray.wait(list(in_flight), num_returns=1, timeout=LOOK)
                if self._head is not None:
                    self._head.check()
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
            if self._head is None or not self._head.lost:
                with suppress(ray.exceptions.RayError, ConnectionError):
                    for reference in in_flight:
                        ray.cancel(reference, force=True)

    def close(self) -> None:
        """Stop the local cluster if this engine started it, or leave the one that it joined."""
        if self._head is not None:
            self._head.leave()
        if self._head is not None and self._head.lost:
            atexit.unregister(ray.shutdown)  # without its head Ray would wait for minutes
        elif self._owns_cluster and ray.is_initialized():
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
    _authenticate(address)


def _authenticate(address: str) -> None:
    """Turn token authentication on where the cluster wants it and a token is at hand.

    A process in that mode cannot join a cluster without it, so the cluster is asked first.
    """
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    try:
        GcsClient(address=address)
    except ray.exceptions.AuthenticationError:
        try:
            if not maybe_enable_token_auth_if_token_available(warn_if_disabled=False):
                raise
            GcsClient(address=address)
        except (ray.exceptions.AuthenticationError, RuntimeError):
            raise ResourceError(
                "the Ray cluster wants a token, and there is none here or another one",
                where=address,
                hint="set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH;"
                " ~/.ray/auth_token on the head has it)",
            ) from None
    except (ray.exceptions.RayError, ConnectionError, RuntimeError):
        return  # ray.init says what is wrong


class _Capacity:
    """The CPUs of the cluster, read again while it works; lines where it has none."""

    def __init__(self, wait: float | None, memory: int) -> None:
        self._wait = wait
        self._needed = self.memory = memory  #: of a task; never more than a node has
        self._warned = False
        self._cpus = 0
        self._read = float("-inf")
        self._none_since: float | None = None
        self._line = 0.0

    def cpus(self) -> int:
        """Return the number of CPUs, at most `LOOK` seconds old.

        Raise ResourceError if there was none for as long as the user wants to wait.
        """
        now = time.monotonic()
        if now - self._read >= LOOK:
            self._read, self._cpus = now, int(ray.cluster_resources().get("CPU", 0))
            self._fit()
            self._watch(now)
        return self._cpus

    def _fit(self) -> None:
        """Declare no more memory than the largest node has, or no node would ever run a task."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        largest = max((int(n.get("memory", 0)) for n in nodes if n.get("CPU")), default=0)
        self.memory = min(self._needed, largest) if largest else self._needed
        if self.memory < self._needed and not self._warned:
            self._warned = True
            LOGGER.warning(
                "a task may need %.2f GB of memory, and the largest node has %.2f GB for tasks:"
                " it runs them one at a time; a smaller shards.output_bytes needs less",
                self._needed / 1e9,
                largest / 1e9,
            )

    def _watch(self, now: float) -> None:
        if self._cpus:
            self._none_since = None
            return
        if self._none_since is None:
            self._none_since, self._line = now, float("-inf")
        waited = now - self._none_since
        if self._wait is not None and waited >= self._wait:
            raise ResourceError(
                f"the Ray cluster had no CPU for {waited:.0f} s (--wait {self._wait:g})",
                hint="add a node with CPUs (ray start --address=HEAD:PORT), then run the same"
                " command again: it resumes",
            )
        if now - self._line >= LINES:
            self._line = now
            LOGGER.warning(
                "waiting for CPUs for %.0f s: the Ray cluster has none (nodes: %d); work begins"
                " when a node with CPUs joins (--wait SECONDS bounds this)",
                waited,
                sum(node["Alive"] for node in ray.nodes()),
            )


class _Head:
    """Watches the head of a cluster that this process joined, in a thread.

    Calls of Ray wait for a lost head without end, and after a minute Ray ends the process in its
    own words. So where the main thread is in such a call, the watch reports and ends the process.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._ended = threading.Event()
        self.lost = False
        threading.Thread(target=self._watch, name="head", daemon=True).start()

    def check(self) -> None:
        """Raise ResourceError if the head is lost."""
        if self.lost:
            self._ended.set()
            raise self._error()

    def leave(self) -> None:
        """End the watch."""
        self._ended.set()

    def _error(self) -> ResourceError:
        return ResourceError(
            f"the head of the Ray cluster was lost: no answer for {HEAD_ANSWERS:g} s",
            where=self._address,
            hint="start the cluster again, then run the same command again: it resumes",
        )

    def _watch(self) -> None:
        silent_since: float | None = None
        while not self._ended.wait(LOOK / 2):
            if self._answers():
                silent_since = None
                continue
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since >= HEAD_ANSWERS:
                self.lost = True
                if not self._ended.wait(LOOK + 2):
                    sys.stderr.write(f"curate: {self._error()}\n")
                    sys.stderr.flush()
                    os._exit(ResourceError.exit_code)
                return

    def _answers(self) -> bool:
        host, _, port = self._address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK).close()
        except OSError:
            return False
        return True


def _probe_nodes(address: str) -> None:
    """Run a task on each node, where there are several; raise ResourceError where one would fail.

    It checks that the node has this code and these packages, reads what this process wrote to the
    output, and writes what this process reads.
    """
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if len(nodes) < 2:
        return
    store, mine = open_store(address), code_digest()
    name = f"work/probe/{uuid.uuid4().hex}"
    store.replace(name, b"probe")

    def probe(node: str) -> str:
        try:
            from curate.plan.fingerprint import code_digest
            from curate.storage.store import open_store
        except ImportError as error:
            return f"has no curate, or an old one ({error})"
        if code_digest() != mine:
            return "has another version of curate, or of a package that it uses"
        try:
            there = open_store(address)
            if there.read(name) != b"probe":
                return "reads other bytes from the output than were written"
            there.replace(f"{name}-{node}", b"")
        except FileNotFoundError:
            return "does not see the output"
        except Exception as error:
            return f"cannot use the output ({type(error).__name__}: {error})"
        return ""

    remote = ray.remote(probe)
    answers = {
        remote.options(
            num_cpus=0,
            max_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote(node): node
        for node in nodes
    }
    try:
        ready, late = ray.wait(list(answers), num_returns=len(answers), timeout=PROBE)
        for reference in ready:
            node = answers[reference]
            try:
                problem = ray.get(reference)
            except ray.exceptions.RayError as error:
                problem = f"could not run a task ({type(error).__name__})"
            if not problem and store.size(f"{name}-{node}") is None:
                problem = "writes to another folder than this process: the output is not shared"
            if problem:
                raise ResourceError(
                    f"node {nodes[node]} {problem}",
                    where=address,
                    hint="all nodes need the same curate and packages, and an --output that all of"
                    " them share: a shared file system, or an object store",
                )
        if late:
            names = ", ".join(sorted({nodes[answers[reference]] for reference in late}))
            LOGGER.warning("no answer from node %s within %g s", names, PROBE)
    finally:
        with suppress(OSError, CurateError):
            store.remove("work/probe")


#: What a Ray of one machine and one run would start in vain, for a third of the CPU time that its
#: start takes: the autoscaler, the web server, and what sends logs of workers to the driver.
_UNUSED = ("start_monitor", "start_api_server", "start_log_monitor")


@contextmanager
def _few_processes() -> Iterator[None]:
    """Let Ray start without what is not used; there is no option for it."""
    used = {name: getattr(Node, name) for name in _UNUSED if hasattr(Node, name)}
    try:
        for name in used:
            setattr(Node, name, lambda *_, **__: None)
        yield
    finally:
        for name, method in used.items():
            setattr(Node, name, method)


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
        gc.set_threshold(100_000, 20, 20)  # as in the process of a command: it is ours
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
            " lower shards.output_bytes",
        ) from None
