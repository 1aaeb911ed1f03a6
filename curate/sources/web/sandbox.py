"""Run extraction in a child process that may hang, crash or eat memory without harm.

Markup of strangers goes through native parsers here, and a parser that crashes or never ends takes its
process with it. One child per worker process gets pages over a pipe and answers in order. It lives
until its owner does, unless a page kills it: then that page is lost, by name, and a new child takes
the next one.

- Limits: address space (RLIMIT_AS), CPU time per page (ITIMER_PROF, whose default action ends the
  process even inside native code, where a Python signal handler would wait), and wall time, three
  times as long, enforced by the parent with SIGKILL. CPU time decides first, so that a busy
  machine does not change the answer.
- No orphan: at the end of the pipe the child exits, and one that spins instead runs out of CPU time.
  (PR_SET_PDEATHSIG would fire when the *thread* that started the child ends; pools end threads.)
- Frames are lengths and bytes, never pickle: nothing that a page makes of the child runs in the parent.
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
from typing import NamedTuple

from curate.errors import ResourceError
from curate.sources.web.html import Page, PageText

_ASK = struct.Struct("<?II")  # markup, lengths of charset and body
_ANSWER = struct.Struct("<IIII")  # replaced, lengths of reason, encoding/by, text
_READY = b"ready"
_KEPT = ("LD_LIBRARY_PATH", "PYTHONHOME")  # what an interpreter may need to start at all
_LIFETIME = 50_000  # pages until a child is replaced, against slow leaks
_START_SECONDS = 120.0
_PIPE = 1 << 20
_MAX_ANSWER = 1 << 30  # no page that fits into the child gives more


class Limits(NamedTuple):
    """What one page may cost. Wall time is three times the CPU time."""

    cpu_seconds: float = 10.0
    memory_bytes: int = 2 << 30


DEFAULT_LIMITS = Limits()


class Sandbox:
    """One child process that turns pages into text. Safe to share between threads."""

    def __init__(
        self, extractor: str, main_content: bool = True, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._order = {
            "path": sys.path,
            "extractor": extractor,
            "main_content": main_content,
            "cpu_seconds": limits.cpu_seconds,
            "memory_bytes": limits.memory_bytes,
        }
        self._wall_seconds = 3 * limits.cpu_seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._served = 0
        self._owner = os.getpid()

    def texts(self, pages: Sequence[Page]) -> list[PageText]:
        """Extract each page's text, in order. A page that takes the child down twice is lost.

        The second chance keeps the answer the same when something else killed the child (the
        out-of-memory killer, an operator); a page that ran out of time gets none.
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
        """End the child. The next page starts another one."""
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
        if self._child and (self._child.poll() is not None or self._served >= _LIFETIME):
            self.close()
        if self._child:
            return self._child
        # Next to no environment: nothing that a page makes of the child finds a credential there.
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, json.dumps(self._order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={key: os.environ[key] for key in _KEPT if key in os.environ},
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the parent, who then closes the pipe
        )
        self._child, self._served = child, 0
        assert child.stdin and child.stdout
        for pipe in (child.stdin, child.stdout):
            os.set_blocking(pipe.fileno(), False)
            # Fewer switches between the two, where the system allows it.
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
        if self._receive(child, bytearray(), len(_READY), _START_SECONDS) != _READY:
            self.close()
            raise ResourceError(
                "the extraction process does not start",
                hint="its error stands above; memory below 2 GiB of address space is one cause",
            )
        return child

    def _receive(
        self, child: subprocess.Popen[bytes], buffer: bytearray, length: int, seconds: float
    ) -> bytes:
        assert child.stdout
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while len(buffer) < length:
                if not selector.select(max(0.0, end - time.monotonic())):
                    return b""
                part = child.stdout.read(length - len(buffer))
                if not part:
                    return b""
                buffer += part
        return bytes(buffer)

    def _exchange(self, pages: Sequence[Page], answers: list[PageText]) -> str | None:
        """Send pages and collect answers until all are there; else say what ended the child."""
        child = self._start()
        assert child.stdin and child.stdout
        asked = memoryview(b"".join(_packed(page) for page in pages))
        wanted = len(answers) + len(pages)
        buffer = bytearray()
        end = time.monotonic() + self._wall_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            selector.register(child.stdin, selectors.EVENT_WRITE)
            while len(answers) < wanted:
                ready = selector.select(max(0.0, end - time.monotonic()))
                if not ready or time.monotonic() > end:
                    return "extract_timeout"
                for key, _ in ready:
                    if key.fileobj is child.stdin:
                        try:
                            asked = asked[os.write(key.fd, asked[: 1 << 16]) :]
                        except BlockingIOError:
                            continue
                        except BrokenPipeError:
                            asked = asked[:0]
                        if not asked:
                            selector.unregister(child.stdin)
                        continue
                    part = os.read(key.fd, 1 << 20)
                    if not part:
                        return self._cause(child)
                    buffer += part
                    got = _unpacked(buffer, answers)
                    if got is None:
                        return "extract_crash"
                    if got:
                        self._served += got
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
    return _ASK.pack(page.markup, len(charset), len(page.body)) + charset + page.body


def _unpacked(buffer: bytearray, answers: list[PageText]) -> int | None:
    """Move the complete answers from the buffer to the list; give how many, None for nonsense."""
    at = got = 0
    while len(buffer) - at >= _ANSWER.size:
        replaced, *lengths = _ANSWER.unpack_from(buffer, at)
        size = _ANSWER.size + sum(lengths)
        if size > _MAX_ANSWER:
            return None
        if len(buffer) - at < size:
            break
        fields = []
        place = at + _ANSWER.size
        for length in lengths:
            fields.append(bytes(buffer[place : place + length]).decode("utf-8", "replace"))
            place += length
        reason, how, text = fields
        encoding, _, by = how.partition("/")
        answers.append(PageText(text, encoding, by, replaced, reason))
        at += size
        got += 1
    del buffer[:at]
    return got


@lru_cache(maxsize=8)
def _sandbox(owner: int, extractor: str, main_content: bool, limits: Limits) -> Sandbox:
    return Sandbox(extractor, main_content, limits)


def shared_sandbox(extractor: str, main_content: bool, limits: Limits = DEFAULT_LIMITS) -> Sandbox:
    """Give this process's sandbox for these options; a forked process gets one of its own."""
    return _sandbox(os.getpid(), extractor, main_content, limits)


# --- inside the child ----------------------------------------------------------------------------

_BOOT = """
import json, sys
order = json.loads(sys.argv[1])
sys.path[:] = order["path"]
from curate.sources.web.sandbox import serve
serve(order)
"""


def serve(order: dict[str, object]) -> None:
    """Answer pages from standard input until it ends. Runs in the child only."""
    import resource

    from curate.sources.web.html import page_text

    memory = int(str(order["memory_bytes"]))
    seconds = float(str(order["cpu_seconds"]))
    extractor, main_content = str(order["extractor"]), bool(order["main_content"])
    with contextlib.suppress(ValueError, OSError):  # not every system has this limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")
    source, sink = os.fdopen(0, "rb", 1 << 20), os.fdopen(os.dup(1), "wb", 1 << 16)
    os.dup2(2, 1)  # a library that prints must not write into the answers
    page_text(Page(b"<p>x</p>"), extractor, main_content)
    sink.write(_READY)
    sink.flush()
    while len(asked := source.read(_ASK.size)) == _ASK.size:
        markup, charset_length, body_length = _ASK.unpack(asked)
        charset = source.read(charset_length).decode("ascii", "ignore")
        body = source.read(body_length)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            answer = page_text(Page(body, markup, charset), extractor, main_content)
        except Exception as error:
            answer = PageText(f"{type(error).__name__}: {error}"[:1000], reason="extract_error")
        signal.setitimer(signal.ITIMER_PROF, 0)
        fields = [
            field.encode("utf-8", "replace")
            for field in (answer.reason, f"{answer.encoding}/{answer.by}", answer.text)
        ]
        sink.write(_ANSWER.pack(answer.replaced, *map(len, fields)))
        for field in fields:
            sink.write(field)
        sink.flush()
