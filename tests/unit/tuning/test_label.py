"""The labelling of a file: answers by pipe and in a real terminal, saved one by one."""

import io
import json
import os
import pty
import select
import sys
from pathlib import Path

import pytest

from curate.errors import RecipeError, RefusedError
from curate.tuning.labelling import Session
from tests.unit.cli.commands import curate

ROWS = [
    {"id": "a", "text": "first text", "lang": "eng_Latn", "more": {"kept": [1, 2]}},
    {"id": "b", "text": "second \x1b[31mred\u202e text"},
    {"id": "c", "text": "خط\u200cها از راست به چپ است"},
    {"id": "d", "text": "line\n" * 40 + "the end"},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "labels.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    return file


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def answers(path: Path) -> list:
    return [row.get("label") or row.get("skipped") for row in rows(path)]


def type_in(monkeypatch: pytest.MonkeyPatch, path: Path, keys: str, *options: str) -> str:
    monkeypatch.setattr(sys, "stdin", io.StringIO(keys))
    result = curate("label", str(path), *options)
    assert result.code == 0, result.err
    return result.out


def test_answers_by_pipe_are_saved_and_resumed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = type_in(monkeypatch, path, "y\nr too red\nn\nq\n")
    assert answers(path) == ["good", "bad", None, None]
    assert rows(path)[1] == ROWS[1] | {"reason": "too red", "label": "bad"}
    assert rows(path)[0] == ROWS[0] | {"label": "good"}
    assert "next: curate evaluate" in out
    out = type_in(monkeypatch, path, "s\nb\nr\nnot sure\ns\n1\n")
    assert "3 of 4, 2 open" in out and "second" not in out
    assert answers(path) == ["good", "bad", True, "good"]
    assert rows(path)[2]["reason"] == "not sure"
    assert "1 of 4" not in type_in(monkeypatch, path, "n\n")  # nothing is left to ask
    type_in(monkeypatch, path, "0\ns\ny\n", "--again")
    assert answers(path) == ["bad", "bad", "good", "good"]
    assert "skipped" not in rows(path)[2]


def test_the_input_may_end_at_any_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    type_in(monkeypatch, path, "")
    assert path.read_bytes() == before
    type_in(monkeypatch, path, "x\n\nm\ny")
    assert answers(path) == ["good", None, None, None]


def test_text_is_shown_safely_and_in_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = type_in(monkeypatch, path, "y\ny\ny\nm\nm\nq\n")
    assert "second \ufffd[31mred\ufffd text" in out
    assert "\x1b" not in out and "\u202e" not in out
    assert ROWS[2]["text"] in out
    shown = out.partition("4 of 4")[2]
    assert "… 87 more characters (m shows more)" in shown
    assert shown.count("line\n") == 40 and "the end" in shown
    assert "(this is the whole text)" in shown


def test_a_save_that_fails_leaves_the_file_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    session = Session(str(path))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Exception, match="cannot be saved: No space left"):
        session.answer("good")
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["labels.jsonl"]


def test_a_file_that_another_program_changed_is_not_overwritten(path: Path) -> None:
    session = Session(str(path))
    session.answer("good")
    path.write_text(path.read_text("utf-8") + json.dumps({"text": "new"}) + "\n", "utf-8")
    changed = path.read_bytes()
    with pytest.raises(RefusedError, match="another program changed"):
        session.answer("bad")
    assert path.read_bytes() == changed


def test_links_and_modes_stay_and_other_lines_keep_their_bytes(path: Path) -> None:
    odd = b'{"text":  "odd spaces",\t"n": 1.0e2}'
    path.write_bytes(odd + b"\n" + b'{"text": "next", "h": "\\ud800"}\n')
    path.chmod(0o600)
    link = path.with_name("link.jsonl")
    link.symlink_to(path)
    session = Session(str(link))
    session.skip()
    session.back()
    session.at = 1
    session.answer("bad")
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    first, second = path.read_bytes().splitlines()
    assert json.loads(first) == json.loads(odd) | {"skipped": True}
    assert json.loads(second) == {"text": "next", "h": "\ud800", "label": "bad"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file of labels is empty"),
        (b"no json\n", "line 1"),
        (b'{"text": "a"}\n[1]\n', "line 2"),
        (b'{"body": "a"}\n', "no text in the field 'text'"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "compressed"),
        (b"[" * 100_000, "this is none"),
    ],
)
def test_what_is_no_label_file_is_one_sentence(path: Path, content: bytes, said: str) -> None:
    path.write_bytes(content)
    with pytest.raises(RecipeError) as raised:
        Session(str(path))
    assert said in str(raised.value)


def test_keys_in_a_real_terminal(path: Path) -> None:
    """Keys need no Enter, arrows are no answers, a reason is a line, and the mode comes back."""
    import termios

    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "curate", "label", str(path)])
    seen = ""

    def until(text: str) -> None:
        nonlocal seen
        while text not in seen:
            ready = select.select([terminal], [], [], 60)[0]
            assert ready, f"{text!r} does not come after {seen!r}"
            seen += os.read(terminal, 4096).decode("utf-8", "replace")
        seen = seen.partition(text)[2]

    usual = termios.tcgetattr(terminal)
    for keys, then in (
        ("", "1 of 4, 4 open"),
        ("\x1b[B\x1bOnY", "2 of 4, 3 open"),
        ("r", "reason, then Enter"),
        ("қызыл мәтін\n", "q quit"),
        ("n", "3 of 4, 2 open"),
        ("b", "2 of 4"),
        ("s", "3 of 4"),
        ("\x04", "1 good, 1 bad, 0 skipped, 2 open"),
    ):
        os.write(terminal, keys.encode())
        until(then)
        if " of 4" in then:
            until("q quit")
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert termios.tcgetattr(terminal)[3] == usual[3]
    os.close(terminal)
    assert answers(path) == ["good", "bad", None, None]
    assert rows(path)[1]["reason"] == "қызыл мәтін"
