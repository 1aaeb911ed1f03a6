"""Extraction, and the process that isolates it."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from curate.errors import RecipeError, ResourceError
from curate.sources.web import sandbox as sandbox_module
from curate.sources.web.html import (
    MOST_NESTED,
    MOST_TAGS,
    Extraction,
    Page,
    PageText,
    check_extractor,
    page_text,
)
from curate.sources.web.sandbox import PageLimits, Sandbox

#: An extractor that runs in the sandbox.
NATIVE = Extraction("resiliparse")

ARTICLE = """<!doctype html><html><head><title>Тақырып</title><style>p{{}}</style></head><body>
<nav><a href="/">Басты бет</a> <a href="/b">Байланыс</a></nav>
<article><h1>Мақала</h1>
<p>Бірінші абзац: мұнда адам оқитын сөйлемдер тұр, олар жеткілікті ұзын болуы керек.</p>
<p>Екінші абзац: {more}</p></article>
<script>alert("no")</script><img alt="сурет"><footer>© 2024</footer></body></html>"""


def article(more: str = "тағы да сөйлемдер, тағы да ойлар, тағы да нүктелер.") -> Page:
    return Page(ARTICLE.format(more=more).encode())


def children() -> set[int]:
    """Return the process ids whose parent is this process."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid():
                found.add(int(folder.name))
    return found


class TestText:
    def test_paragraphs_are_lines_and_the_rest_is_removed(self) -> None:
        found = page_text(article())
        lines = [line for line in found.text.split("\n") if line]
        assert lines[:2] == [
            "Мақала",
            "Бірінші абзац: мұнда адам оқитын сөйлемдер тұр, олар жеткілікті ұзын болуы керек.",
        ]
        assert "alert" not in found.text
        assert "Басты" not in found.text
        assert "сурет" not in found.text
        assert (found.encoding, found.reason) == ("utf-8", "")

    def test_the_whole_page_as_an_option(self) -> None:
        assert "Басты бет" in page_text(article(), Extraction(main_content=False)).text

    def test_trafilatura(self) -> None:
        found = page_text(article("сөйлем. " * 60), Extraction("trafilatura"))
        assert "Бірінші абзац" in found.text
        assert "Басты" not in found.text

    def test_plain_text_is_left_alone(self) -> None:
        found = page_text(Page(b" a < b, <p> stays\n\nyes ", markup=False))
        assert found.text == "a < b, <p> stays\n\nyes"

    @pytest.mark.parametrize(
        ("body", "reason"), [(b"", "no_text"), (b"<p> </p>", "no_text"), (bytes(99), "binary")]
    )
    def test_nothing_has_a_reason(self, body: bytes, reason: str) -> None:
        assert page_text(Page(body)).reason == reason

    def test_a_page_has_a_budget_of_tags(self) -> None:
        most = Page(b"<b>" + b"<" * (MOST_TAGS - 1) + b" words of a page")
        assert page_text(most).reason != "too_many_tags"
        assert page_text(Page(b"<" + most.body)).reason == "too_many_tags"
        assert page_text(Page(b"<" + most.body, markup=False)).reason == ""

    @pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
    def test_a_page_has_a_budget_of_open_elements_in_native_code(self, extractor: str) -> None:
        pytest.importorskip(extractor)
        how = Extraction(extractor)
        fits = b"<div>" * MOST_NESTED + b"words" + b"</div>" * MOST_NESTED
        assert page_text(Page(fits), how).reason != "too_nested"
        assert page_text(Page(b"<div>" + fits), how).reason == "too_nested"
        assert page_text(Page(b"<div>" + fits)).text == "words"
        flat = b"<p>a<br>" * 5_000 + b"<ul>" + b"<li>a" * 5_000 + b"</ul>"
        assert page_text(Page(flat), how).reason != "too_nested"

    def test_an_unknown_extractor_names_the_nearest(self) -> None:
        with pytest.raises(RecipeError, match="did you mean 'resiliparse'"):
            check_extractor("resilparse")


class TestSandbox:
    def test_the_same_as_in_process_and_in_order(self) -> None:
        pages = [article(str(number)) for number in range(70)]
        pages[9] = Page(bytes(99))
        pages[20] = Page("только текст".encode("cp1251"), markup=False, charset="windows-1251")
        pages[30] = Page(b"<p>" + b"word " * 400_000)
        sandbox = Sandbox(NATIVE)
        try:
            assert sandbox.texts(pages) == [page_text(page, NATIVE) for page in pages]
            assert sandbox.texts([]) == []
        finally:
            sandbox.close()

    def test_a_page_that_never_ends_is_lost_alone(self) -> None:
        sandbox = Sandbox(NATIVE, limits=PageLimits(cpu_seconds=0.5))
        tarpit = Page(b"<a " + b"".join(b"a%d " % number for number in range(100_000)) + b">x</a>")
        try:
            first, lost, last = sandbox.texts([article(), tarpit, article()])
        finally:
            sandbox.close()
        assert lost == PageText("", reason="extract_timeout")
        assert first == last == page_text(article(), NATIVE)

    def test_a_page_that_takes_all_memory_is_lost_alone(self) -> None:
        sandbox = Sandbox(NATIVE, limits=PageLimits(memory_bytes=400 << 20))
        big = Page(b"<p>a" * 2_000_000)
        try:
            first, lost, last = sandbox.texts([article(), big, article()])
        finally:
            sandbox.close()
        assert lost.reason in ("extract_crash", "extract_error")
        assert first == last == page_text(article(), NATIVE)

    def test_a_killed_child_is_replaced_and_nothing_is_lost(self) -> None:
        sandbox = Sandbox(NATIVE)
        try:
            before = children()
            sandbox.texts([article()])
            (child,) = children() - before
            os.kill(child, signal.SIGKILL)
            assert sandbox.texts([article()] * 3) == [page_text(article(), NATIVE)] * 3
        finally:
            sandbox.close()
        assert children() <= before

    @pytest.mark.parametrize("times", [1, 2])
    def test_a_child_killed_at_its_start_is_started_once_more(
        self, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = tmp_path / "child.py"
        script.write_text(
            "import os, pathlib, runpy\n"
            f"kills = pathlib.Path({str(tmp_path / 'kills')!r})\n"
            "count = len(kills.read_text()) if kills.exists() else 0\n"
            "kills.write_text('x' * (count + 1))\n"
            f"if count < {times}:\n    os.kill(os.getpid(), 9)\n"
            f"runpy.run_path({str(sandbox_module._CHILD)!r}, run_name='__main__')\n"
        )
        monkeypatch.setattr(sandbox_module, "_CHILD", script)
        sandbox = Sandbox(NATIVE)
        try:
            if times == 2:
                with pytest.raises(ResourceError, match="does not start"):
                    sandbox.texts([article()])
            else:
                assert sandbox.texts([article()]) == [page_text(article(), NATIVE)]
        finally:
            sandbox.close()

    def test_a_child_killed_at_work_gets_its_page_again(self) -> None:
        sandbox = Sandbox(NATIVE)
        before = children()
        sandbox.texts([article()])
        (child,) = children() - before
        os.kill(child, signal.SIGSTOP)
        killer = threading.Timer(0.1, os.kill, (child, signal.SIGKILL))
        killer.start()
        try:
            assert sandbox.texts([article()] * 3) == [page_text(article(), NATIVE)] * 3
        finally:
            killer.join()
            sandbox.close()

    def test_threads_share_one(self) -> None:
        sandbox = Sandbox(NATIVE)
        answers: dict[int, list[PageText]] = {}

        def extract(number: int) -> None:
            answers[number] = sandbox.texts([article(f"{number} {i}") for i in range(20)])

        threads = [threading.Thread(target=extract, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sandbox.close()
        for number in range(4):
            assert answers[number] == [
                page_text(article(f"{number} {i}"), NATIVE) for i in range(20)
            ]

    def test_no_orphan_when_the_owner_is_killed(self) -> None:
        code = (
            "from curate.sources.web.sandbox import Sandbox\n"
            "from curate.sources.web.html import Extraction, Page\n"
            "import os, signal\n"
            "box = Sandbox(Extraction('resiliparse'))\n"
            "box.texts([Page(b'<p>x')])\n"
            "print(box._child.pid, flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        child = int(done.stdout)
        end = time.monotonic() + 20
        while Path(f"/proc/{child}").exists() and time.monotonic() < end:
            if ") Z" in Path(f"/proc/{child}/stat").read_text():
                break  # ended; its new parent has not waited for it yet
            os.sched_yield()
        assert not Path(f"/proc/{child}").exists() or time.monotonic() < end

    def test_the_child_has_no_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
        sandbox = Sandbox(NATIVE)
        before = children()
        sandbox.texts([article()])
        (child,) = children() - before
        environment = Path(f"/proc/{child}/environ").read_bytes()
        sandbox.close()
        assert b"canary" not in environment

    @pytest.mark.skipif(sys.platform != "linux", reason="limits of others are read on Linux alone")
    def test_the_child_grows_no_file_and_opens_few(self) -> None:
        sandbox = Sandbox(NATIVE)
        before = children()
        sandbox.texts([article()])
        (child,) = children() - before
        limits = (
            resource.prlimit(child, resource.RLIMIT_FSIZE),
            resource.prlimit(child, resource.RLIMIT_NOFILE),
        )
        sandbox.close()
        assert limits == ((0, 0), (64, 64))

    def test_what_is_given_up_is_refused(self, tmp_path: Path) -> None:
        kept = tmp_path / "kept"
        kept.write_text("as it was")
        code = (
            "import json, os, socket, sys\n"
            "from curate.sources.web.confinement import confine\n"
            "given_up, path = confine(), sys.argv[1]\n"
            "def refused(do):\n"
            "    try: do()\n"
            "    except OSError: return True\n"
            "    return False\n"
            "server = socket.socket()\n"
            "udp = socket.socket(type=socket.SOCK_DGRAM)\n"
            "print(json.dumps([given_up,\n"
            "    refused(lambda: server.connect(('127.0.0.1', int(sys.argv[2])))),\n"
            "    refused(lambda: udp.sendto(b'x', ('127.0.0.1', 9))),\n"
            "    refused(lambda: open(path, 'w')), refused(lambda: os.unlink(path)),\n"
            "    refused(lambda: os.mkdir(path + '2')), open(path).read()]))\n"
        )
        with socket.create_server(("127.0.0.1", 0)) as server:
            arguments = [sys.executable, "-c", code, str(kept), str(server.getsockname()[1])]
            done = subprocess.run(arguments, capture_output=True, check=True)
        given_up, tcp, udp, *writing, read = json.loads(done.stdout)
        if "network" in given_up:
            assert (tcp, udp) == (True, True)
        if "writing" in given_up:
            assert writing == [True] * 3
            assert read == "as it was"
        else:
            pytest.skip("this system has no Landlock")
