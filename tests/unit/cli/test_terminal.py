"""Crawled text is printed without controls; tables stay aligned; progress fits its output."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from curate.cli import tables, terminal

HOSTILE = {
    "colour": "\x1b[31mred",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "return": "safe\rEVIL",
    "8-bit control": "\x9b31m",
    "override": "\u202etxt.exe",
    "isolate": "\u2066a\u2069",
    "mark": "\u200f",
    "separator": "a\u2028b",
    "tag": "\U000e0041",
    "half": "\ud800",
    "delete": "\x7f",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_controls_of_a_terminal_are_replaced(text):
    assert not terminal._CONTROLS.search(terminal.printable(text))
    assert "\ufffd" in terminal.printable(text)
    encoded = terminal.as_json({"text": text})
    assert not terminal._CONTROLS.search(encoded)
    assert json.loads(encoded) == {"text": text}


@pytest.mark.parametrize(
    "text", ["Қазақ тілі", "می\u200cخواهم", "ភាសា\u200bខ្មែរ", "日本語 👩\u200d🚀", "a\nb\tc"]
)
def test_characters_of_languages_are_kept(text):
    assert terminal.printable(text) == text


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_json_for_machines_loses_nothing(value):
    assert json.loads(terminal.as_json(value)) == value


def test_tables_count_wide_characters_as_two():
    lines: list[str] = []
    rows = [("湖边晚报", 5), ("kk", 12345), ("a\nb", 1)]
    terminal.table(("name", "n"), rows, lines.append)
    assert lines[1] == "湖边晚报      5"
    assert lines[2] == "kk        12345"
    assert lines[3] == "a b           1"
    assert len({cell_len(line) for line in lines}) == 1


def test_figures_with_units_are_aligned_right():
    lines: list[str] = []
    terminal.table(("a", "b"), [("1.2 kB", "x"), ("100 B", "longer")], lines.append)
    assert lines == ["     a  b", "1.2 kB  x", " 100 B  longer"]


ROWS = [
    ("main", "kazakh", 19084, 18900, 18852, "0.3750", "0.3742", "0.988"),
    ("main", "a_group_with_a_very_long_name_of_its_own", 4 * 10**12, 6300, 6254, "-", "0.1", "0.3"),
]
HEADER = (
    "phase",
    "group",
    "available tokens",
    "asked",
    "got",
    "share asked",
    "share got",
    "epochs",
)


def test_a_table_fits_the_terminal_and_no_number_is_cut():
    shown = tables.lines(HEADER, ROWS, 80)
    assert max(map(cell_len, shown)) == 80
    assert [line.split() for line in shown[:2]] == [
        ["available", "share", "share"],
        ["phase", "group", "tokens", "asked", "got", "asked", "got", "epochs"],
    ]
    assert shown[-1].split()[-7:] == ["4.00", "T", "6300", "6254", "-", "0.1", "0.3"]
    assert "…" in shown[-1]
    narrow = tables.lines(HEADER, ROWS, 20)
    assert narrow[-1].split()[-7:] == shown[-1].split()[-7:]


def test_a_last_text_is_folded_and_other_texts_are_cut():
    reason = "fails: captions, menus and error pages; a character counts as a word"
    rows = [("too_few_words", 18, "50", reason), ("too_many_words", 18, "", "")]
    header = ("rule", "measured", "from", "")
    shown = tables.lines(header, rows, 60)
    assert max(map(cell_len, shown)) <= 60
    assert " ".join(line[32:] for line in shown[1:4]) == reason
    assert shown[2].startswith(" " * 32)
    assert shown[-1].split() == ["too_many_words", "18"]
    assert "too_few_words" not in tables.lines(header, rows, 50)[1]  # narrower: names are cut


def test_long_lines_of_chinese_are_folded_to_the_width():
    text = "kept: 市は来年の春、路面電車の路線に新しい停留所を一つ設けると発表した。 path/to/a/file"
    lines = terminal.folded(text, 30).split("\n")
    assert max(map(cell_len, lines)) <= 30
    assert "".join(line.strip() for line in lines) == text.replace(" path", "path")


def test_markdown_is_itself_in_a_pipe_and_fits_a_terminal(capsys, monkeypatch):
    text = "# Title\n\n| group | tokens |\n| --- | ---: |\n| `kk` | 12\x1b[31m |\n"
    terminal.print_markdown(text)
    assert capsys.readouterr().out == text.replace("\x1b", "\ufffd") + "\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    terminal.print_markdown(text)
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)  # colours of the terminal
    assert "|" not in out and "kk" in out and "\ufffd[31m" in out
    assert max(map(cell_len, out.splitlines())) <= 40


def test_a_table_in_a_pipe_has_all_of_every_text():
    assert "a_group_with_a_very_long_name_of_its_own" in tables.lines(HEADER, ROWS)[-1]


@given(st.text(), st.integers(3, 40))
def test_a_cut_text_fits_and_keeps_both_ends(text, width):
    short = tables.cut(text, width)
    assert cell_len(short) <= width or cell_len(text) <= width
    assert short == text or "…" in short


def test_a_log_has_a_line_per_stage_and_one_now_and_then(capsys):
    clock = iter([0.0, 1.0, 40.0, 41.0, 100.0, 101.0, 103.0]).__next__
    lines = terminal.Lines(clock)
    lines.start("reading\x1b", 10, 4)
    for share in (0.1, 0.2, 0.3):
        lines.advance(share, 80.0)
    lines.finish()
    for step in ("bands", "verify"):
        lines.start(f"fuzzy_dedup: {step}", 3, 0)
        lines.finish()
    lines.close()
    assert capsys.readouterr().err == (
        "reading\ufffd: 6 of 10 tasks; all: 20%, 1 min 20 s left\n"
        "reading\ufffd: 10 tasks, 4 done before, 1 min 40 s\n"
        "fuzzy_dedup: 6 tasks, 2.0 s\n"
    )


def test_bars_show_the_whole_and_the_stage_at_hand(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    bars = terminal.Bars()
    bars.start("reading\x1b[1m", 2, 0)
    bars.advance(0.25, 90.0)
    bars.start("fuzzy_dedup: bands", 4, 1)
    bars.advance(0.5, 61.0)
    bars.finish()
    bars.close()
    shown = capsys.readouterr().err
    assert "\x1b[1m\ufffd" not in shown
    assert "fuzzy_dedup" in shown
    assert "bands 2 of 4" in shown
    assert "1 min 1 s left" in shown
    assert "50%" in shown
