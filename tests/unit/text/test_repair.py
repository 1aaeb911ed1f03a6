import gzip
import json
import os
import re
import tarfile
import unicodedata
from collections import Counter
from pathlib import Path

import ftfy
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.stages.repair import Repair
from curate.text import mojibake, mojibake_scan
from curate.text.misreadings import mend
from curate.text.repair import MISREAD_ROUNDS, ROUNDS, repair, separate
from tests.examples import examples

DATA = os.environ.get("CURATE_SHARED_DATA")
CASES = json.loads((Path(__file__).parent / "cases" / "repair.json").read_text(encoding="utf-8"))

OPTIONS = ftfy.TextFixerConfig(
    explain=False,
    uncurl_quotes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    fix_line_breaks=False,
    normalization="NFC",
)
REMOVED = re.compile("[" + re.escape("".join(map(chr, mojibake_scan.removed()))) + "]")


def twin(text):
    """Repair, as slow and as obvious as it can be; ``mend`` has tests of its own."""
    for _ in range(1 + MISREAD_ROUNDS):
        text = one_pass(in_its_page(text))
        if in_its_page(text) == text:
            break
    return text


def in_its_page(text):
    return mend(pa.array([text], pa.large_string()))[0][0].as_py()


def one_pass(text):
    text = separate(text)
    for _ in range(ROUNDS):
        before = text
        text = ftfy.fix_text(mojibake.cut_mark_runs(text), OPTIONS)
        text = unicodedata.normalize("NFC", mojibake.cut_mark_runs(text))
        text = REMOVED.sub("", text)
        text = re.sub("\r\n|\r|\f", "\n", text)
        text = re.sub("[ \t]+\n", "\n", text).rstrip(" \t\n")
        text = re.sub("\n{4,}", "\n\n\n", text).lstrip("\n")
        if text == before:
            break
    return text


def repaired(*texts):
    return repair(pa.array(texts, pa.large_string()))[0].to_pylist()


def agree(texts):
    for text, ours in zip(texts, repaired(*texts), strict=True):
        assert ours == twin(text), ascii(text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["label"])
def test_case(case):
    assert repaired(case["input"]) == [case["expected"]]
    assert repaired(case["expected"]) == [case["expected"]]


CLEAN = st.sampled_from(
    ["é", "ñoño", "Привет", "Қазақ тілі", "日本語", "“so”", "it’s", "😀", "&amp;", "&lt;",
     "&eacute;", "العربية", "naïve",
     "한국어", "—", "€5", "\n", " ", "\xa0", "<b>", "ışığ", "e\u0301", "\r\n", "\t\n", "\x93",
     "\ufeff", "\x1b[0m"]
)  # fmt: skip
ENCODINGS = st.sampled_from(ftfy.chardata.CHARMAP_ENCODINGS)


@st.composite
def misread(draw):
    """Text that was read in the wrong encoding up to three times, and cut and joined between."""
    text = " ".join(draw(st.lists(CLEAN, max_size=6)))
    for _ in range(draw(st.integers(0, 3))):
        try:
            text = text.encode().decode(draw(ENCODINGS))
        except UnicodeDecodeError:
            continue
        cut = draw(st.integers(0, len(text)))
        text = draw(
            st.sampled_from(
                [text, text[cut:], text[:cut] + "漢" + text[cut:], text.replace("\xa0", " ")]
            )
        )
    return text


@examples(400)
@given(st.lists(misread(), max_size=4))
def test_equals_ftfy_on_misread_text(texts):
    agree(texts)


NOISE = [chr(code) for code in range(0x100)] + sorted(
    {char for char in ftfy.badness.BADNESS_RE.pattern if ord(char) > 127}
    | set(" \n\t\r&;#<aZ\u0301\u0316\u200d\ufffe漢")
)


@examples(300)
@given(
    st.lists(
        st.one_of(st.text(st.sampled_from(NOISE), max_size=50), st.text(max_size=50)), max_size=4
    )
)
def test_equals_ftfy_on_noise_and_settles(texts):
    agree(texts)
    once = repaired(*texts)
    assert repaired(*once) == once


def test_spaces_at_the_end_may_be_what_ftfy_stumbled_over():
    text = "naÃƒé   "
    assert twin(text) == "naÃé"
    assert repaired(text) == ["naÃé"]


def test_a_control_before_mojibake_goes_before_the_spaces_do():
    text = "\x00Â \nit"
    assert repaired(text) == [twin(text)] == ["\xa0\nit"]


def test_a_letter_may_look_bad_once_it_is_composed():
    texts = ["e\u0301Â ", "&#194\u037e \nx"]
    assert repaired(*texts) == [twin(text) for text in texts] == ["é\xa0", "\xa0\nx"]


def test_what_stood_between_a_letter_and_its_mark_hides_nothing():
    # Nothing but our own tidying removes a noncharacter; the letter must then be composed.
    assert repaired("e\ufdd0\u0301 e\u0301") == ["é é"]


def test_normalizing_twice_is_normalizing_once():
    for code in (*range(0xD800), *range(0xE000, 0x20000)):
        if unicodedata.decomposition(chr(code))[:1] not in ("", "<"):
            for text in (chr(code), "a" + chr(code) * 40, chr(code) * 20 + "\u0301" * 20):
                once = mojibake.normalize(text)
                assert mojibake.normalize(once) == once, hex(code)
    flood = "a" + "\u0344" * 20 + " Ã©"
    assert repaired(flood, "a" + "\u0344" * 20) == [twin(flood), "ä" + "\u0301\u0308" * 15]


@pytest.mark.parametrize("other", ["\x00", "\r\n", "\r", "\ufdd0", "é"])
def test_tidying_finds_what_stands_anywhere_among_plain_letters(other):
    texts = [
        "x" * before + other + "y" * after + "\nz"
        for before in (*range(1, 20), *range(60, 84), *range(126, 138))
        for after in (1, 7, 8, 9, 63, 64, 65, 73)
    ]
    kept = {"\r\n": "\n", "\r": "\n", "é": "é"}.get(other, "")
    assert repaired(*(text + "\x00" for text in texts)) == [
        text.replace(other, kept) for text in texts
    ]


def test_clean_arrays_come_back_as_they_are():
    clean = pa.array(["Таза мәтін.", "", "two\nlines"], pa.large_string())
    done, tally = repair(clean)
    assert done is clean and not tally


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("бір\x0bекі", "бір\nекі"),
        ("one\x1ctwo\x1dthree\x1efour", "one\ntwo\nthree\nfour"),
        ("ad\x1fsoyad", "ad soyad"),
        ("第一行\x0c第二行", "第一行\n第二行"),
        ("first line\x85second line\x85third", "first line\nsecond line\nthird"),
        ("Wait\x85 what\x85no", "Wait… what…no"),
        ("\x93Wait\x85no\x94", "“Wait…no”"),
        ("Die Po\x02\r\nlitik", "Die Po\u00ad\nlitik"),
        ("Die Po\ufffe\nlitik", "Die Po\u00ad\nlitik"),
        ("5\ufffe\n6 \x02x", "5\n6 x"),
        (" \x1f\x0b", ""),
        ("Name\x07Age\x07\x07Айна\x077 \x07", "Name Age Айна 7"),
        ("a picture\ufffchere, 写真\ufffcです \ufffc", "a picture here, 写真です"),
        ("N\bNA\bAM\bME\bE\n_\bo_\bn_\be\b", "NAME\none"),
        ("It\x19s \x1chers\x1d \x13 don\x19t", "It’s “hers” – don’t"),
        ("She said \x1cyes, we can.\x1d Then", "She said “yes, we can.” Then"),
        ("one\x19 two\x1c\x1d three", "one two\n\n three"),
        (
            "\x1b[1;31mred\x1b[0m\x1b(B \x1b]0;a shell\x07ls\x1b[?25l \x1b]2;x\x1b\\\x1b=end",
            "red ls end",
        ),
    ],
)
def test_controls_between_words_separate_them(text, expected):
    assert repaired(text, "clean") == [expected, "clean"]
    done, tally = repair(pa.array([text, "Ã©", text], pa.large_string()))
    assert done.to_pylist() == [expected, "é", expected]
    assert tally["repair:changed"] == 3


def test_nulls_slices_and_neighbours():
    whole = pa.array(["skipped", "Ã©", None, "ok", "a \n", "Â© x"], pa.large_string())
    done, tally = repair(whole.slice(1, 4))
    assert done.to_pylist() == ["é", None, "ok", "a"]
    assert tally == {"repair:changed": 2, "repair:letters": 1, "repair:spacing": 1}
    assert repair(pa.array([], pa.large_string()))[0].to_pylist() == []
    assert repair(pa.array([None], pa.large_string()))[0].to_pylist() == [None]


@pytest.mark.parametrize("shift", range(18))
def test_offsets_of_growing_and_shrinking_texts(shift):
    texts = [
        "x" * shift,
        "&hearts;" * 3,
        "ok",
        "é" * shift + "Ã©" * 9 + "\n" + "z" * shift,
        "тест\x00" * shift,
        "&ngE;",
    ]
    assert repaired(*texts) == [twin(text) for text in texts]


def test_a_line_longer_than_ftfy_takes():
    text = "a" * (mojibake_scan.LONGEST_LINE - 2) + " Ã© Ã©"
    assert repaired(text) == [ftfy.fix_text(text, OPTIONS)]


@pytest.mark.parametrize(
    "hostile",
    ["Ã" + "ƒ" * 4000, "Ã" + "Æ’" * 4000 + "x", "&" + "amp;" * 4000, "À\x80" * 4000,
     "Ä" + "‚„" * 4000, "â€" * 4000],
    ids=["chain", "nested chain", "entities", "nulls", "two chains", "lead bytes"],
)  # fmt: skip
def test_work_is_bounded_by_length(hostile, monkeypatch):
    looked_at = 0

    def counted(text):
        nonlocal looked_at
        looked_at += len(text)
        return bool(ftfy.badness.is_bad(text))

    monkeypatch.setattr(mojibake, "is_bad", counted)
    done, tally = repair(pa.array([hostile], pa.large_string()))
    assert looked_at <= (ROUNDS + 1) * (mojibake.PASSES + 1) * len(hostile)
    assert tally.get("repair:unsettled", 0) in (0, 1)
    assert len(done[0].as_py()) <= len(hostile)


def test_mark_floods_are_cut_before_they_are_sorted():
    flood = "a" + "\u0316\u0301" * 5000
    assert len(repaired(flood)[0]) <= 1 + mojibake_scan.MARK_RUN
    assert repaired("e" + "\u0301" * 30)[0] == "é" + "\u0301" * 29


def test_a_text_that_needs_more_rounds_is_counted():
    nested = "&am&#1&#1&#1&#1&#1&#129;29;29;29;29;29;p;"
    _, tally = repair(pa.array([nested], pa.large_string()))
    assert tally["repair:unsettled"] == 1


def test_stage_drops_the_empty_and_repairs_chat():
    rows = [
        {"id": "a#0", "source": "a", "text": "cafÃ©"},
        {"id": "a#1", "source": "a", "text": " \u00a0\u3000\n"},
        {"id": "a#2", "source": "a", "text": None},
        {"id": "a#3", "source": "a", "text": "cafÃ©", "dropped_by": "earlier:rule"},
        {
            "id": "a#4",
            "source": "a",
            "text": "stale",
            "messages": [{"role": "user", "content": "naÃ¯ve\r\n"}],
        },
    ]
    tally = Counter()
    table = Repair().apply(schema.documents(rows), tally)
    assert table.column("text").to_pylist()[0] == "café"
    assert table.column("text").to_pylist()[3:] == ["cafÃ©", "user: naïve"]
    assert table.column("messages").to_pylist()[4][0]["content"] == "naïve"
    assert table.column("dropped_by").to_pylist() == [
        None,
        "repair:empty_text",
        "repair:empty_text",
        "earlier:rule",
        None,
    ]
    assert tally["repair:changed"] == 2 + 1  # the blank one lost its newline


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_equals_ftfy_on_its_own_cases():
    with gzip.open(
        Path(DATA) / "encoding" / "ftfy-mojibake.dev.jsonl.gz", "rt", encoding="utf-8"
    ) as lines:
        agree([json.loads(line)["original"] for line in lines])


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_equals_ftfy_on_files_read_in_the_wrong_encoding():
    texts = []
    with tarfile.open(Path(DATA) / "encoding" / "charset-files.dev.tar.gz") as files:
        for number, file in enumerate(files):
            if file.isfile():
                data = files.extractfile(file).read(1500)
                encoding = ("latin-1", "utf-8", "cp1251", "cp1252")[number % 4]
                texts.append(data.decode(encoding, "ignore"))
    agree(texts)


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_equals_ftfy_on_real_text():
    texts = []
    for path in sorted((Path(DATA) / "text").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"][:1500] for _, line in zip(range(12), lines)]
    agree(texts)
    agree([text[:300].encode().decode("latin-1") for text in texts[::3]])
