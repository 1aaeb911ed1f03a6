"""The tables against Python's own knowledge of Unicode, and the foldings letter by letter."""

import subprocess
import sys
import unicodedata

import numpy as np
import pytest

from curate.kernels import unicode as tables
from curate.kernels.unicode import BASE, CLASS, FOLD, SCRIPT, SCRIPTS
from tests.generate import unicode_tables


def has(character: str, bit: int) -> bool:
    return bool(CLASS[ord(character)] & bit)


def test_tables_cover_every_code_point_and_cannot_be_written() -> None:
    for table, dtype in (
        (CLASS, np.uint16),
        (SCRIPT, np.uint8),
        (FOLD, np.uint32),
        (BASE, np.uint32),
    ):
        assert table.shape == (0x110000,)
        assert table.dtype == dtype
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1


@pytest.mark.skipif(
    unicodedata.unidata_version < tables.VERSION, reason="this Python knows an older Unicode"
)
def test_classes_agree_with_python() -> None:
    wrong = []
    for code in np.flatnonzero(CLASS).tolist():
        character = chr(code)
        category = unicodedata.category(character)
        expected = (
            tables.LETTER * character.isalpha()
            | tables.DIGIT * (category == "Nd")
            | tables.MARK * (category[0] == "M")
            | tables.SPACE * character.isspace()
            | tables.PUNCTUATION * (category[0] in "PS")
            | tables.CONTROL * (category == "Cf" or (category == "Cc" and character not in "\t\n"))
            | tables.NEWLINE * (character == "\n")
        )
        others = tables.UNSPACED | tables.UPPER | tables.TERMINAL
        if CLASS[code] & ~np.uint16(others) != expected:
            wrong.append(f"U+{code:04X}")
    # Later Unicode versions correct a handful of categories of old code points.
    assert len(wrong) <= (0 if unicodedata.unidata_version == tables.VERSION else 40), wrong


@pytest.mark.skipif(
    unicodedata.unidata_version != tables.VERSION, reason="this Python knows another Unicode"
)
def test_the_generator_reproduces_the_committed_tables() -> None:
    with np.load(tables.PATH) as stored:
        generated = unicode_tables.tables()
        assert set(stored) == set(generated)
        for name, array in generated.items():
            assert stored[name].dtype == array.dtype
            np.testing.assert_array_equal(stored[name], array, err_msg=name)


def test_python_spaces_are_all_there() -> None:
    spaces = {c for c in range(0x110000) if chr(c).isspace()}
    assert set(np.flatnonzero(CLASS & tables.SPACE).tolist()) == spaces


@pytest.mark.parametrize("character", "漢々〇あアーｱกກក၁"[:10])
def test_code_points_that_are_words(character: str) -> None:
    assert has(character, tables.UNSPACED)


@pytest.mark.parametrize("character", "aя한عहܐ1。、กิ"[:9])
def test_code_points_that_are_not_words(character: str) -> None:
    assert not has(character, tables.UNSPACED)


@pytest.mark.parametrize("character", ".?!。！？؟۔।።։")
def test_ends_of_sentences(character: str) -> None:
    assert has(character, tables.TERMINAL)


@pytest.mark.parametrize("character", ",;:،؛、…»”")
def test_not_ends_of_sentences(character: str) -> None:
    assert not has(character, tables.TERMINAL)


@pytest.mark.parametrize(
    ("character", "script"),
    [
        *zip("aéıəＡ", ["Latn"] * 5),
        *zip("яқӘ", ["Cyrl"] * 3),
        ("ب", "Arab"),
        ("한", "Hang"),
        ("あ", "Hira"),
        ("ア", "Kana"),
        ("ー", "Kana"),
        ("漢", "Hani"),
        ("ก", "Thai"),
        ("1", "Zyyy"),
    ],
)
def test_scripts(character: str, script: str) -> None:
    assert SCRIPTS[SCRIPT[ord(character)]] == script


@pytest.mark.parametrize(
    ("before", "fold", "base"),
    [
        ("I", "i", "i"),
        ("ı", "i", "i"),
        ("İ", "i", "i"),
        ("É", "é", "e"),
        ("Ş", "ş", "s"),
        ("Ώ", "ώ", "ω"),
        ("Ё", "ё", "е"),
        ("Й", "й", "й"),
        ("Қ", "қ", "қ"),
        ("が", "が", "が"),
        ("한", "한", "한"),
        ("أ", "أ", "أ"),
        ("ß", "ß", "ß"),
        ("7", "7", "7"),
    ],
)
def test_foldings(before: str, fold: str, base: str) -> None:
    assert chr(FOLD[ord(before)]) == fold
    assert chr(BASE[ord(before)]) == base


def test_foldings_are_projections() -> None:
    assert (FOLD[FOLD] == FOLD).all()
    assert (BASE[BASE] == BASE).all()
    assert (BASE[FOLD] == BASE).all()


def test_loading_needs_neither_numba_nor_regex() -> None:
    code = (
        "import curate.kernels.unicode, sys;"
        "print([m for m in ('numba', 'regex') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
