"""Run extraction in a child process that may hang, crash or exhaust memory without harm.

Untrusted markup is parsed by native code here, and a parser that crashes or never ends takes its
process with it. One child per worker process receives pages over a pipe and answers in order. It
lives as long as its owner, unless a page kills it: then that page is reported as lost, and a new
child takes the next one.

- Limits: address space (RLIMIT_AS), CPU time per page (ITIMER_PROF, whose default action ends the
  process even inside native code, where a Python signal handler would wait), and wall time, three
  times as long, enforced by the parent with SIGKILL. CPU time decides first, so that a busy
  machine does not change the answer.
- No network and no writing, where the system can do it without privileges: see confinement.py.
- No orphan: at the end of the pipe the child exits, and one that spins exceeds its CPU time.
  (PR_SET_PDEATHSIG would fire when the *thread* that started the child ends; pools end threads.)
- Frames are lengths and bytes, never pickle: even a child that a page controls cannot run code in
  the parent.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from curate.errors import ResourceError
from curate.sources.web.html import Extraction, Page, PageText, page_text

REQUEST = struct.Struct("<?II")  # markup, lengths of charset and body
ANSWER = struct.Struct("<IIII")  # replaced, lengths of reason, encoding/by, text
READY = b"ready"
#: The program of the child: a file instead of ``-m``, because it first sets the path that finds
#: this package, with next to no environment and without the current folder (``-P``).
_CHILD = Path(__file__).with_name("sandbox_child.py")
_ENVIRONMENT = ("LD_LIBRARY_PATH", "PYTHONHOME")  # what an interpreter may need to start
_LIFETIME = 50_000  # pages until a child is replaced, against slow leaks
_START_SECONDS = 120.0
_PIPE = 1 << 20
#: A page that is decoded by all kernels that decode: not ASCII, and in a code page.
_OF_ALL_KERNELS = Page("Сәлем, әлем! Это простой текст. ".encode("cp1251", "replace"), markup=False)
_MAX_ANSWER = 1 << 30  # the text of a page that fits into the child is shorter


class PageLimits(NamedTuple):
    """What one page may cost. Wall time is three times the CPU time."""

    cpu_seconds: float = 10.0
    memory_bytes: int = 2 << 30


DEFAULT_LIMITS = PageLimits()


class Sandbox:
    """One child process that turns pages into text. Safe to share between threads."""

    def __init__(self, how: Extraction, limits: PageLimits = DEFAULT_LIMITS) -> None:
        self._options = {
            "path": sys.path,
            "how": how,
            "cpu_seconds": limits.cpu_seconds,
            "memory_bytes": limits.memory_bytes,
        }
        self._wall_seconds = 3 * limits.cpu_seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._answered = 0
        self._owner = os.getpid()

    def texts(self, pages: Sequence[Page]) -> list[PageText]:
        """Extract each page's text, in order. A page that ends the child twice is lost.

        The second attempt keeps the answer the same when something else killed the child (the
        out-of-memory killer, an operator); a page that exceeded its time has none.
        """
        with self._lock:
            answers: list[PageText] = []
            crashed = False
            while len(answers) < len(pages):
                before = len(answers)
                reason = self._exchange(pages[before:], answers)
                if reason is None:
                    break
                self.close()
                crashed = crashed and len(answers) == before
                if reason == "extract_timeout" or crashed:
                    answers.append(PageText("", reason=reason))
                    crashed = False
                else:
                    crashed = True
            return answers

    def close(self) -> None:
        """End the child. The next page starts another."""
        child, self._child = self._child, None
        if child is None or self._owner != os.getpid():  # a fork must not end its parent's child
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def __del__(self) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child and (self._child.poll() is not None or self._answered >= _LIFETIME):
            self.close()
        # A child that something kills before it is ready is started once more.
        child = self._child or self._spawn() or self._spawn()
        if child is None:
            raise ResourceError(
                "the extraction process does not start",
                hint="its error stands above; memory below 2 GiB of address space is one cause",
            )
        return child

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        """Start a child and wait until it is ready; None where it ends before."""
        page_text(_OF_ALL_KERNELS)  # compiled once, and stored: the child cannot store them
        # Next to no environment: a child that a page controls finds no credential there.
        child = subprocess.Popen(
            [sys.executable, "-P", str(_CHILD), json.dumps(self._options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={key: os.environ[key] for key in _ENVIRONMENT if key in os.environ},
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the parent, which then closes the pipe
        )
        self._child, self._answered = child, 0
        assert child.stdin and child.stdout
        for pipe in (child.stdin, child.stdout):
            os.set_blocking(pipe.fileno(), False)
            # A larger pipe means fewer switches between the two, where the system allows it.
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
        if self._is_ready(child):
            return child
        self.close()
        return None

    @staticmethod
    def _is_ready(child: subprocess.Popen[bytes]) -> bool:
        """Wait for the child's first bytes; return whether they are READY."""
        assert child.stdout
        received = b""
        end = time.monotonic() + _START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while len(received) < len(READY):
                if not selector.select(max(0.0, end - time.monotonic())):
                    return False
                part = child.stdout.read(len(READY) - len(received))
                if not part:
                    return False
                received += part
        return received == READY

    def _exchange(self, pages: Sequence[Page], answers: list[PageText]) -> str | None:
        """Send pages and collect answers; return what ended the child before the last, or None."""
        child = self._start()
        assert child.stdin and child.stdout
        unsent = memoryview(b"".join(_packed(page) for page in pages))
        expected = len(answers) + len(pages)
        buffer = bytearray()
        end = time.monotonic() + self._wall_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            selector.register(child.stdin, selectors.EVENT_WRITE)
            while len(answers) < expected:
                ready = selector.select(max(0.0, end - time.monotonic()))
                if not ready or time.monotonic() > end:
                    return "extract_timeout"
                for key, _ in ready:
                    if key.fileobj is child.stdin:
                        try:
                            unsent = unsent[os.write(key.fd, unsent[: 1 << 16]) :]
                        except BlockingIOError:
                            continue
                        except BrokenPipeError:
                            unsent = unsent[:0]
                        if not unsent:
                            selector.unregister(child.stdin)
                        continue
                    part = os.read(key.fd, 1 << 20)
                    if not part:
                        return self._cause(child)
                    buffer += part
                    count = _unpack(buffer, answers)
                    if count is None:
                        return "extract_crash"
                    if count:
                        self._answered += count
                        end = time.monotonic() + self._wall_seconds
        return None

    @staticmethod
    def _cause(child: subprocess.Popen[bytes]) -> str:
        try:
            code = child.wait(5)
        except subprocess.TimeoutExpired:
            return "extract_crash"
        return "extract_timeout" if code == -signal.SIGPROF else "extract_crash"


def _packed(page: Page) -> bytes:
    charset = page.charset.encode("ascii", "ignore")[:64]
    return REQUEST.pack(page.markup, len(charset), len(page.body)) + charset + page.body


def _unpack(buffer: bytearray, answers: list[PageText]) -> int | None:
    """Move the complete answers from the buffer to the list; return how many, None if invalid."""
    at = count = 0
    while len(buffer) - at >= ANSWER.size:
        replaced, *lengths = ANSWER.unpack_from(buffer, at)
        size = ANSWER.size + sum(lengths)
        if size > _MAX_ANSWER:
            return None
        if len(buffer) - at < size:
            break
        fields = []
        place = at + ANSWER.size
        for length in lengths:
            fields.append(bytes(buffer[place : place + length]).decode("utf-8", "replace"))
            place += length
        reason, how, text = fields
        encoding, _, by = how.partition("/")
        answers.append(PageText(text, encoding, by, replaced, reason))
        at += size
        count += 1
    del buffer[:at]
    return count


@lru_cache(maxsize=8)
def _sandbox(owner: int, how: Extraction, limits: PageLimits) -> Sandbox:
    return Sandbox(how, limits)


def page_texts(
    pages: Sequence[Page], how: Extraction, limits: PageLimits = DEFAULT_LIMITS
) -> list[PageText]:
    """Return each page's text, in order; extractors in native code run in this process's sandbox.

    A forked process has a sandbox of its own. Kernels of ours are linear in the page and need none.
    """
    if how.extractor == "curate":
        return [page_text(page, how) for page in pages]
    return _sandbox(os.getpid(), how, limits).texts(pages)
