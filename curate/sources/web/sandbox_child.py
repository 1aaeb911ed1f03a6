"""The program of the sandbox's child process; see sandbox.py, which starts it."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from typing import Any


def serve(options: dict[str, Any]) -> None:
    """Answer pages from standard input until it ends."""
    from curate.sources.web.confinement import confine, write_no_more

    nowhere = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")
    confine()  # before libraries start threads

    from curate.sources.web.html import Extraction, Page, PageText, page_text
    from curate.sources.web.sandbox import ANSWER, READY, REQUEST

    memory = int(str(options["memory_bytes"]))
    seconds = float(str(options["cpu_seconds"]))
    how = Extraction(*options["how"])
    with contextlib.suppress(ValueError, OSError):  # not every system has this limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    source, sink = os.fdopen(0, "rb", 1 << 20), os.fdopen(os.dup(1), "wb", 1 << 16)
    os.dup2(2, 1)  # a library that prints must not write into the answers
    page_text(Page(b"<p>x</p>"), how)
    write_no_more(nowhere)
    sink.write(READY)
    sink.flush()
    while len(request := source.read(REQUEST.size)) == REQUEST.size:
        markup, charset_length, body_length = REQUEST.unpack(request)
        charset = source.read(charset_length).decode("ascii", "ignore")
        body = source.read(body_length)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            answer = page_text(Page(body, markup, charset), how)
        except Exception as error:
            answer = PageText(f"{type(error).__name__}: {error}"[:1000], reason="extract_error")
        signal.setitimer(signal.ITIMER_PROF, 0)
        fields = [
            field.encode("utf-8", "replace")
            for field in (answer.reason, f"{answer.encoding}/{answer.by}", answer.text)
        ]
        sink.write(ANSWER.pack(answer.replaced, *map(len, fields)))
        for field in fields:
            sink.write(field)
        sink.flush()


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    sys.path[:] = arguments["path"]
    serve(arguments)
