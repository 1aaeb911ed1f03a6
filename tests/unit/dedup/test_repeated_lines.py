"""Repeated lines: against plain Python, however the corpus is cut; which document keeps a line."""

import re
import unicodedata
from collections import Counter, defaultdict

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.dedup.cuts import text_hash, without
from curate.dedup.repeated_lines import units
from curate.errors import InternalError, RecipeError
from curate.protocol.in_memory import apply, resolve
from curate.stages.line_dedup import LineDedup
from tests.examples import examples

MENU = "Home | About us | Contact the editors"
NOTICE = "This site uses cookies to work well."


def corpus(texts, **columns):
    rows = [{"id": f"web/a#{n}", "source": "web", "text": text} for n, text in enumerate(texts)]
    table = schema.documents(rows)
    for name, values in columns.items():
        at = table.column_names.index(name) if name in table.column_names else None
        values = pa.array(values, schema.column_type(name))
        table = (
            table.append_column(name, values) if at is None else table.set_column(at, name, values)
        )
    return table


def texts_after(table, **options):
    out = apply(LineDedup(**options), table)
    return out.column("text").to_pylist(), out.column("dropped_by").to_pylist()


def looks(line):
    return re.sub(r"\d+", "0", " ".join(line.lower().split()))


def width(line):
    """Visible characters; of the ones that are as wide as two, each for two."""
    return sum(
        1 + (unicodedata.east_asian_width(character) == "W")
        for character in looks(line).replace(" ", "")
    )


def brute_force(texts, min_documents, min_characters, keep_first):
    """Which lines of which document go, by the definition."""
    carriers = defaultdict(set)
    for number, text in enumerate(texts):
        for line in text.split("\n"):
            if width(line) >= min_characters:
                carriers[looks(line)].add(number)
    common = {line for line, found in carriers.items() if len(found) >= min_documents}

    def order(number):
        return -len(texts[number].encode()), f"web/a#{number}"

    first = {line: min(carriers[line], key=order) for line in common} if keep_first else {}
    after = []
    for number, text in enumerate(texts):
        kept = [
            (looks(line) in common and first.get(looks(line)) != number)
            for line in text.split("\n")
        ]
        if not any(kept):
            after.append((text, None))
            continue
        left = "\n".join(line for line, cut in zip(text.split("\n"), kept, strict=True) if not cut)
        left = left.strip("\n")
        after.append((left, None) if left.strip() else (text, "line_dedup:nothing_left"))
    return after


LINES = st.sampled_from(
    [
        "the river",
        "The  River",
        "city 12",
        "city 7",
        "ай",
        "Ай",
        "",
        " ",
        "x",
        "東京都",
        "ホーム",
        "홈",
        "ไทย",
    ]
)
TEXTS = st.lists(st.lists(LINES, max_size=5).map("\n".join), max_size=9)


@examples(150)
@given(
    texts=TEXTS,
    at_least=st.integers(2, 4),
    characters=st.integers(1, 7),
    first=st.booleans(),
    shards=st.integers(1, 3),
    partitions=st.integers(1, 4),
)
def test_cuts_what_the_twin_cuts(texts, at_least, characters, first, shards, partitions):
    stage = LineDedup(min_documents=at_least, min_characters=characters, keep_first=first)
    table = corpus(texts)
    found = resolve(stage, table, shards=shards, partitions=partitions)["decisions"]
    out = stage.apply(table, found, Counter())
    after = list(
        zip(out.column("text").to_pylist(), out.column("dropped_by").to_pylist(), strict=True)
    )
    assert after == brute_force(texts, at_least, characters, first)


def test_the_first_in_keeper_order_keeps_the_line():
    texts = [f"{MENU}\nShort.", f"{MENU}\nA longer text about the river.", f"{NOTICE}\nNo menu."]
    assert texts_after(corpus(texts), min_documents=2)[0] == ["Short.", texts[1], texts[2]]
    everywhere = texts_after(corpus(texts), min_documents=2, keep_first=False)[0]
    assert everywhere == ["Short.", "A longer text about the river.", texts[2]]
    dates = [pa.scalar(n, pa.timestamp("us", "UTC")) for n in (1, 2, 3)]
    oldest = corpus(texts, date=[date.as_py() for date in dates])
    assert texts_after(oldest, min_documents=2, keep="oldest")[0][0] == texts[0]


def test_a_menu_is_as_long_in_every_script():
    menus = [
        "ホーム | 会社概要 | 利用規約",
        "홈 | 회사소개 | 개인정보처리방침",
        "Home | About us | Our terms",
    ]
    for menu in menus:
        assert texts_after(corpus([f"{menu}\n{n}." for n in "ab"]), min_documents=2)[0][1] == "b."
    short = ["利用規約", "개인정보", "Terms", "เงื่อนไขการใช้"]
    for line in short:
        texts = [f"{line}\n{n}." for n in "ab"]
        assert texts_after(corpus(texts), min_documents=2)[0] == texts


def test_a_line_counts_once_in_a_document():
    texts = [f"{MENU}\n{MENU}\n{MENU}\nOne.", "Two."]
    assert texts_after(corpus(texts), min_documents=2)[0] == texts


def test_documents_are_counted_within_their_language_or_source():
    texts = [f"{MENU}\n{n} rivers." for n in "abcd"]
    table = corpus(texts, lang=["eng_Latn", "eng_Latn", "deu_Latn", "fra_Latn"])
    options = {"min_documents": 2, "keep_first": False}
    assert texts_after(table, per="lang", **options)[0] == ["a rivers.", "b rivers.", *texts[2:]]
    assert texts_after(table, **options)[0] == [f"{n} rivers." for n in "abcd"]


def test_a_document_that_would_lose_too_much_is_dropped_whole():
    texts = [
        f"{MENU}\nA text that is longer than its menu, which stays with it.",
        f"{MENU}\nShort.",
    ]
    out = apply(LineDedup(min_documents=2, max_cut=0.5), corpus(texts))
    assert out.column("dropped_by").to_pylist() == [None, "line_dedup:mostly_repeated"]
    assert out.column("dropped_value")[1].as_py() == pytest.approx(1 - 6 / len(texts[1]))
    assert out.column("text").to_pylist() == texts


def test_paragraphs_are_compared_whole():
    repeated = "All rights\nare reserved here."
    texts = [f"{repeated}\n\nThe river {n}.\n\n{repeated}" for n in "ab"]
    options = {"unit": "paragraph", "min_documents": 2, "keep_first": False}
    assert texts_after(corpus(texts), **options)[0] == ["The river a.", "The river b."]


def test_what_was_measured_on_the_text_before_is_null_and_the_cut_is_written_down():
    table = corpus([f"{MENU}\nOne.", "Two."], n_tokens=[9, 2])
    table = table.append_column("signal_words", pa.array([9, 2]))
    stage = LineDedup(min_documents=2)
    found = resolve(stage, corpus([f"{MENU}\nOne.", f"{MENU}\nLonger than that."]))["decisions"]
    tally = Counter()
    out = stage.apply(table, found, tally)
    assert out.column("signal_words").to_pylist() == [None, 2]
    assert out.column("n_tokens").to_pylist() == [None, 2]
    assert out.column("cuts")[0].as_py() == [
        {"stage": "line_dedup", "start": 0, "end": len(MENU) + 1}
    ]
    assert tally == {"cut:documents": 1, "cut:lines": 1, "cut:bytes": len(MENU) + 1}


def test_nothing_is_cut_twice():
    stage, table = LineDedup(min_documents=2), corpus([f"{MENU}\nOne.", f"{MENU}\nA longer one."])
    found = resolve(stage, table)["decisions"]
    once = stage.apply(table, found, Counter())
    with pytest.raises(InternalError, match="not the one"):
        stage.apply(once, found, Counter())


def test_conversations_are_neither_cut_nor_counted():
    turns = [{"role": "user", "content": MENU, "name": None, "tool_calls": None}]
    table = corpus([MENU, MENU + "\nA page."], messages=[turns, None])
    assert texts_after(table, min_documents=2)[0] == [MENU, MENU + "\nA page."]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_documents": 1}, "min_documents"),
        ({"max_cut": 0}, "max_cut"),
        ({"keep": "best"}, "keeper"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(RecipeError, match=message):
        LineDedup(**options)


def test_a_million_identical_lines_and_one_of_a_million_characters():
    texts = [f"{MENU}\n" * 1_000_000 + "The end.", "я" * 1_000_000, f"{MENU}\nShort."]
    after, _ = texts_after(corpus(texts), min_documents=2)
    assert after == [texts[0], texts[1], "Short."]
    assert texts_after(corpus(texts), min_documents=2, keep_first=False)[0][0] == "The end."


def test_units_are_lines_without_their_ends():
    found = units(pa.array(["a\nbc\n\nd", None, ""], pa.large_string()), "line")
    assert found.span.tolist() == [[0, 1], [2, 4], [5, 5], [6, 7]]
    assert found.document.tolist() == [0, 0, 0, 0]
    assert without("a\nbc\n\nd", [(2, 5)]) == "a\n\nd"
    assert text_hash("a") != text_hash("b")
