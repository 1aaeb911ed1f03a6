import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from ftfy.badness import BADNESS_RE
from hypothesis import example, given
from hypothesis import strategies as st

from curate.text import mojibake_scan
from tests.examples import examples

REMOVED = frozenset(mojibake_scan.removed())
SUSPECTS = ["Ã©", "&amp;", "\x1b[1m", "e\u0301", "\u0315\u0316", "â€™", " \n", *"\x07\x7f\ufeff\r"]
#: Characters that ftfy's pattern speaks of, and some that it does not.
SPELT = sorted({char for char in BADNESS_RE.pattern if ord(char) > 127})
LETTERS = st.one_of(
    st.sampled_from(SPELT),
    st.sampled_from([chr(code) for code in range(0x100)]),
    st.sampled_from(list("aZ .\n&;#<ёқ漢ガ한\u3000\u2028\U0001f600\U0001d15e")),
    st.characters(exclude_categories=["Cs"]),
)


def flags(*texts):
    return mojibake_scan.scan(pa.array(texts, pa.large_string())).texts.tolist()


def test_clean_texts_have_no_flags():
    assert (
        flags("", "plain", "naïve “café” — ½ €5", "Қазақ тілі ғой", "日本語。", "a\n\n\nb", "안녕")
        == [0] * 7
    )


@pytest.mark.parametrize("suspect", SUSPECTS)
@pytest.mark.parametrize("around", ["", "a", "ы"])
def test_no_place_hides_a_suspect(suspect, around):
    # The scan takes ASCII in blocks of 64 and of 8: put the suspect at every place of some blocks.
    for before in (*range(20), *range(60, 84), *range(126, 138)):
        for after in (0, 1, 7, 8, 9, 63, 64, 65, 73):
            text = around * before + suspect + around * after
            assert flags(text)[0], (before, after)


def test_lines_are_told_apart():
    found = mojibake_scan.scan(pa.array(["one\ntwÃ©\nthree", "", "é e\u0301\n"], pa.large_string()))
    assert found.lines.tolist() == [
        [0, 4, 11, mojibake_scan.FIX_MOJIBAKE],
        [2, 0, 7, mojibake_scan.NORMALIZE],
    ]
    assert found.texts.tolist() == [
        mojibake_scan.FIX_MOJIBAKE,
        0,
        mojibake_scan.NORMALIZE | mojibake_scan.TIDY,
    ]


def test_more_flagged_lines_than_fit_at_first():
    found = mojibake_scan.scan(pa.array(["Ã©\n" * 3000, "x"], pa.large_string()))
    assert len(found.lines) == 3000
    assert found.lines[-1].tolist() == [0, 2999 * 5, 3000 * 5, mojibake_scan.FIX_MOJIBAKE]


def test_a_slice_is_read_from_its_offset():
    whole = pa.array(["Ã©", "fine", "â€™", "fine"], pa.large_string())
    assert mojibake_scan.scan(whole.slice(1)).texts.tolist() == [0, 1, 0]
    assert mojibake_scan.scan(whole.slice(4)).texts.tolist() == []


def test_a_longer_line_than_ftfy_takes_is_flagged():
    assert flags("a" * (mojibake_scan.LONGEST_LINE + 1), "a" * mojibake_scan.LONGEST_LINE) == [
        mojibake_scan.FIX_MOJIBAKE,
        0,
    ]


def test_the_automaton_is_the_pattern_on_every_triple_of_classes():
    # One character of each class represents it; the longer alternatives are in the next test.
    entry = mojibake_scan.tables().entry & 255
    sample = [
        chr(int(np.flatnonzero(entry[:0xD800] == kind)[-1])) for kind in np.unique(entry[:0xD800])
    ]
    sample = [char for char in sample if char != "&"]
    for first in sample:
        texts = [first + second + third for second in sample for third in sample]
        flagged = (
            mojibake_scan.scan(pa.array(texts, pa.large_string())).texts
            & mojibake_scan.FIX_MOJIBAKE
        )
        bad = np.array([BADNESS_RE.search(text) is not None for text in _by_line(texts)])
        controls = np.array([not REMOVED.isdisjoint(map(ord, text)) for text in texts])
        assert np.array_equal(flagged > 0, bad | controls), first


def test_the_answer_to_one_line_is_ftfys():
    for text in (
        "",
        "plain",
        "Ã ",
        "xÃ ",
        "\nÀ¢",
        "œ\n",
        "œa",
        "éÂ\u2009",
        "é“\U00020000",
        "é“\U0001f600",
    ):
        assert mojibake_scan.is_bad(text) == (BADNESS_RE.search(text) is not None), ascii(text)


def test_every_code_point_has_the_class_that_the_pattern_gives_it():
    entry = mojibake_scan.tables().entry & 255
    spelt = {ord(char) for char in BADNESS_RE.pattern} | set(range(0x180))
    ranges = {
        *range(0x391, 0x3AA),
        *range(0x3B1, 0x3CA),
        *range(0x401, 0x460),
        *range(0x2550, 0x256D),
    }
    seen = {}
    for code in set(range(0x180, 0x110000)) - spelt - ranges - set(range(0xD800, 0xE000)):
        char = chr(code)
        seen.setdefault((char.isspace(), char.isalnum()), set()).add(int(entry[code]))
    assert sorted(seen) == [(False, False), (False, True), (True, False)]
    assert [len(classes) for classes in seen.values()] == [1, 1, 1]
    assert len(set.union(*seen.values())) == 3


def _by_line(texts):
    # ftfy looks at one line at a time; a match across a newline does not count.
    for text in texts:
        lines = text.split("\n")
        lines[:-1] = [line + "\n" for line in lines[:-1]]
        yield next((line for line in lines if BADNESS_RE.search(line)), "")


@examples(300)
@given(st.text(LETTERS, max_size=60))
def test_what_is_not_flagged_is_neither_bad_nor_denormalized(text):
    assert mojibake_scan.is_bad(text) == (BADNESS_RE.search(text) is not None)
    found = flags(text)[0]
    if not found & mojibake_scan.FIX_MOJIBAKE:
        assert not any(BADNESS_RE.search(line) for line in re.split("(?<=\n)", text))
        assert "\x1b" not in text
    if not found & (mojibake_scan.FIX_MOJIBAKE | mojibake_scan.NORMALIZE):
        assert unicodedata.is_normalized("NFC", text)


def test_every_code_point_that_could_change_form_is_known():
    entry, combining = mojibake_scan.tables().entry, mojibake_scan.tables().combining
    for code in (*range(0xD800), *range(0xE000, 0x110000)):
        char = chr(code)
        assert combining[code] == unicodedata.combining(char), hex(code)
        if not unicodedata.is_normalized("NFC", char):
            assert flags(char)[0] & (mojibake_scan.NORMALIZE | mojibake_scan.FIX_MOJIBAKE), hex(
                code
            )
        decomposition = unicodedata.decomposition(char)
        if decomposition and decomposition[0] != "<" and " " in decomposition:
            assert entry[int(decomposition.split()[1], 16)] & mojibake_scan._COMPOSES, hex(code)


def test_a_newline_is_never_worse_than_the_space_that_stood_before_it():
    # Repair does not look again at texts that lost nothing but spaces at the ends of lines.
    tables = mojibake_scan.tables()
    newline, *spaces = (tables.entry[ord(char)] & 255 for char in "\n \t")
    for state in range(1, len(tables.step)):
        if tables.step[state, newline] == mojibake_scan._ACCEPT:
            assert all(tables.step[state, space] == mojibake_scan._ACCEPT for space in spaces)


def test_what_repair_removes():
    gone = set(mojibake_scan.removed())
    assert {0x00, 0x0B, 0x1B, 0x7F, 0x81, 0xFEFF, 0xFFFC, 0xFFFE, 0xFDD0, 0x10FFFF} <= gone
    assert not gone & {
        0x09,
        0x0A,
        0x0C,
        0x0D,
        0x20,
        0xA0,
        0xAD,
        0x200B,
        0x200D,
        0x2028,
        0xE000,
        0xFFFD,
        0xE0067,
    }
    assert len([code for code in gone if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code < 0xFDF0]) == 66


@examples(200)
@given(
    st.text(st.sampled_from("aé\u0301\u0316\u05b0\u0651\t\n\x0b\x7f\x85\ufeff\x1b"), max_size=80)
)
@example("\u0301" * 30 + "a" + "\u0316" * 30)
@example("a" + "\u0301\u0316" * 16)
def test_marks_and_controls_are_those_of_the_patterns(text):
    marks = re.search("[\u0301\u0316\u05b0\u0651]{31}", text)
    controls = re.search("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufeff]", text)
    assert mojibake_scan.marks_and_controls(text) == (bool(marks), bool(controls))
