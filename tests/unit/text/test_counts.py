"""Counts against slow twins, column by column; what datatrove counts too is in its oracle test."""

import math
import re
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.kernels import unicode
from curate.signals.columns import PAGES, TextCounts
from curate.text.counts import REPETITION, VARIETY
from curate.text.line_counts import LINES
from curate.text.words import PUBLISHED_SYMBOLS, words
from tests.examples import examples

ALL_OF_WORDS = (*REPETITION, *VARIETY)


def column(texts: list[str | None]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


def one(text: str, **lists: list[str]) -> dict[str, int]:
    counted = TextCounts(column([text]), lists, wanted=ALL_OF_WORDS)
    # A model of pages measures signals itself, so it needs what measures them.
    return {name: int(counted[name][0]) for name in counted if name != PAGES}


def in_script(character: str, script: str) -> bool:
    return unicode.SCRIPTS[unicode.SCRIPT[ord(character)]] == script


def slow_lines(text: str) -> dict[str, int]:
    lines = text.removesuffix("\n").split("\n") if text else []
    lines = [line.removesuffix("\r") for line in lines]
    full = [line for line in lines if line.strip()]
    filled = [line for line in lines if line]
    seen: Counter[str] = Counter()
    repeated = [line for line in filled if seen[line] or seen.update([line])]
    paragraphs = re.split(r"\n{2,}", text.strip())
    counted: Counter[str] = Counter()
    again = [part for part in paragraphs if counted[part] or counted.update([part])]

    def ends(line: str) -> bool:
        return bool(int(unicode.CLASS[ord(line[-1])]) & unicode.TERMINAL)

    def holds_end(line: str) -> bool:
        line = line.strip()
        worded = False
        for i, character in enumerate(line):
            if not int(unicode.CLASS[ord(character)]) & unicode.TERMINAL:
                worded |= character >= "A"
                continue
            if ord(character) >= 0x80:
                return True
            after = line[i + 1] if i + 1 < len(line) else " "
            closed = after.isspace() or unicodedata.category(after)[0] in "PS"
            if worded and closed:
                return True
        return False

    return {
        "lines": len(lines),
        "bullet_lines": sum(line.strip().startswith(("•", "-")) for line in lines),
        "ellipsis_lines": sum(line.strip().endswith(("...", "…")) for line in lines),
        "full_lines": len(full),
        "terminal_lines": sum(ends(line) for line in full),
        "short_lines": sum(len(line) <= 30 for line in full),
        "filled_lines": len(filled),
        "repeated_filled_lines": len(repeated),
        "repeated_filled_line_chars": sum(map(len, repeated)),
        "repeated_full_line_chars": sum(len(line) for line in repeated if line.strip()),
        "paragraphs": len(paragraphs),
        "repeated_paragraphs": len(again),
        "repeated_paragraph_chars": sum(map(len, again)),
        "longest_line_chars": max(map(len, filled), default=0),
        "full_line_chars": sum(map(len, full)),
        "sentence_line_chars": sum(len(line) for line in full if holds_end(line)),
        "list_mark_lines": sum(line.strip()[0] in "•‣▶◀◦■□▪▫–" for line in full),
    }


def slow_characters(text: str) -> dict[str, int]:
    return {
        "letters": sum(c.isalpha() for c in text),
        "digits": sum(unicodedata.category(c) == "Nd" for c in text),
        "punctuation": sum(unicodedata.category(c)[0] in "PS" for c in text),
        "spaces": sum(c.isspace() for c in text),
        "upper_case": sum(c.isupper() for c in text),
        "replacement_characters": text.count("\ufffd"),
        "hiragana_letters": sum(c.isalpha() and in_script(c, "Hira") for c in text),
        "letters_of_scripts": sum(
            c.isalpha() and (in_script(c, "Cyrl") or in_script(c, "Hani")) for c in text
        ),
        "han_letters": sum(c.isalpha() and in_script(c, "Hani") for c in text),
        "latin_letters": sum(c.isalpha() and in_script(c, "Latn") for c in text),
        "main_script_letters": max(
            sum(c.isalpha() and in_script(c, script) for c in text)
            for script in ("Latn", "Cyrl", "Hani", "Hira", "Hang")
        ),
    }


def slow_letter_runs(text: str, alphabet: str) -> tuple[int, int, int]:
    """Return the runs of letters, those of two scripts, and the letters outside the alphabet."""
    runs: list[set[str]] = []
    inside = False
    for c in text:
        if unicodedata.category(c).startswith("M"):
            continue  # belongs to the character before it
        if not c.isalpha():
            inside = False
            continue
        if not inside:
            runs.append(set())
        inside = True
        if (script := unicode.SCRIPTS[unicode.SCRIPT[ord(c)]]) in ("Latn", "Cyrl") and c != "μ":
            runs[-1].add(script)
    own = {unicode.SCRIPT[ord(c)] for c in alphabet}
    outside = [c for c in text if c.isalpha() and unicode.SCRIPT[ord(c)] in own]
    mixed = sum(len(scripts) > 1 for scripts in runs)
    return len(runs), mixed, sum(c.lower() not in alphabet for c in outside)


def slow_variety(text: str) -> dict[str, int]:
    plain = [w for w in words(text) if any(c not in PUBLISHED_SYMBOLS for c in w)]
    known = Counter(plain)
    return {
        "plain_words": len(plain),
        "distinct_words": len(known),
        "word_information": sum(round(c * math.log(c) * 1e6) for c in known.values()),
        "all_caps_words": sum(
            w.upper() == w
            and any(c.isalpha() for c in w)
            and all(c.isupper() for c in w if c.isalpha())
            for w in words(text)
        ),
    }


def slow_repetition(text: str) -> dict[str, int]:
    spelled = words(text)
    expected = {}
    for n in range(2, 11):
        grams = [tuple(spelled[i : i + n]) for i in range(len(spelled) - n + 1)]
        if n <= 4:
            top = Counter(grams).most_common(1)
            chars = len(" ".join(top[0][0])) * top[0][1] if top else -1
            expected[f"top_{n}gram_chars"] = chars
            continue
        seen, chars, i = set(), 0, 0
        while i < len(grams):
            if grams[i] in seen:
                chars += sum(map(len, grams[i]))
                i += n
            else:
                seen.add(grams[i])
                i += 1
        expected[f"repeated_{n}gram_chars"] = chars
    return expected


PIECES = st.sampled_from(
    [
        *"aBЯя漢あ한1.!?-•…#{},\"') \t\r–■",
        "\n",
        "\n",
        "\n\n",
        "...",
        " ",
        "да",
        "сөз",
        "x.",
        "1.",
        "。",
        "\ufffd",
    ]
)
TEXT = st.lists(PIECES, max_size=60).map("".join)


@examples(200)
@given(TEXT)
def test_lines_and_characters_are_those_of_the_slow_twin(text: str) -> None:
    counted = one(text, scripts=["Cyrl", "Hani"])
    expected = slow_lines(text) | slow_characters(text)
    assert {name: counted[name] for name in expected} == expected
    assert counted["n_bytes"] == len(text.encode())
    assert counted["n_chars"] == len(text)
    assert counted["newlines"] == text.count("\n")
    assert counted["hash_marks"] == text.count("#")
    assert counted["curly_brackets"] == text.count("{")
    assert counted["closing_brackets"] == text.count("}")
    assert counted["ellipses"] == text.count("...") + text.count("…")


@examples(200)
@given(
    st.lists(
        st.sampled_from(
            [
                *"azAZ09 \n.~@[`{/:жЖé東\u0301\x7f\x00\t",
                "wordy",
                "row of iж",
                "abcdefgh",
                "a.CD\x7f f\n",
            ]
        )
    ).map("".join),
    st.sampled_from(["", "abcdefghijklmnoprstuvyz", "абвг"]),
)
@example("row of iж", "")
def test_characters_and_runs_of_letters_are_those_of_the_slow_twin(
    text: str, alphabet: str
) -> None:
    counted = one(text, alphabet=[*alphabet], scripts=["Cyrl", "Hani"])
    expected = slow_characters(text)
    assert {name: counted[name] for name in expected} == expected
    runs, mixed, outside = slow_letter_runs(text, alphabet)
    assert (counted["letter_runs"], counted["mixed_letter_runs"]) == (runs, mixed)
    assert counted.get("letters_outside_alphabet", 0) == outside


@examples(200)
@given(st.lists(st.sampled_from(["a", "A", "BC", "d", "Ю", "1A", "É-B", ".", "漢"]), max_size=80))
def test_variety_is_that_of_the_slow_twin(spelled: list[str]) -> None:
    text = " ".join(spelled)
    counted = one(text)
    expected = slow_variety(text)
    assert {name: counted[name] for name in expected} == expected


@pytest.mark.parametrize("before", [0, 1, *range(120, 132), 250])
def test_what_is_rare_is_found_across_blocks(before: int) -> None:
    for rare in ("...", "....", "......", "…", "Lorem ipsum", "LOREM IPSUMlorem ipsum"):
        text = "a" * before + rare + "b" * 140 + rare
        counted = one(text)
        assert counted["ellipses"] == text.count("...") + text.count("…")
        assert counted["lorem_ipsums"] == text.lower().count("lorem ipsum")


@examples(200)
@given(st.lists(st.sampled_from(["a", "b", "cc", "."]), max_size=80).map(" ".join))
def test_repetition_is_that_of_the_slow_twin(text: str) -> None:
    counted = one(text)
    expected = slow_repetition(text)
    assert {name: counted[name] for name in expected} == expected


@pytest.mark.parametrize("seed", range(12))
def test_repetition_of_characters_is_that_of_the_slow_twin(seed: int) -> None:
    # Characters as words, few and many: pairs share places, and triples repeat by chance.
    chance = np.random.default_rng(seed)
    known = "".join(map(chr, range(0x3042, 0x3042 + 5 + 20 * seed))) + "、。漢"
    text = "".join(known[i % len(known)] for i in chance.zipf(1.2, 200 + 100 * seed))
    counted = one(text)
    expected = slow_repetition(text)
    assert {name: counted[name] for name in expected} == expected


def test_of_pairs_above_255_the_most_frequent_is_found() -> None:
    # The first pair is not the most frequent one, and the slots of the table cannot show it.
    text = "a b " * 300 + "cc dd " * 400
    counted = one(text)
    assert counted["top_2gram_chars"] == 400 * len("cc dd")
    assert {name: counted[name] for name in slow_repetition(text)} == slow_repetition(text)


def test_repetition_of_a_long_document_and_after_it() -> None:
    chance = np.random.default_rng(7)
    long = " ".join(f"w{i}" for i in chance.zipf(1.3, 30_000) % 5000)
    texts = ["a b a b a b", long, "a b a b a b", long[::-1]]
    counted = TextCounts(column(texts), wanted=ALL_OF_WORDS)
    for i, text in enumerate(texts):
        expected = slow_repetition(text)
        assert {name: int(counted[name][i]) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("no end", 1),
        ("One. Two! Three?", 3),
        ("One.Two", 1),
        ("e.g. this", 2),  # abbreviations count, as the card says
        ("3.14 is pi. Yes.", 2),
        ('He said: "Go." Then he went.', 2),
        ("Title\nText one. Text two.", 3),
        ("一句。两句！三句", 3),
        ("... . !", 0),
        ("Бір. Екі.\n\nҮш.", 3),
        ("一。\n二\n三。四", 4),
        ("Go.) Then", 2),
        ("Go.)Then", 1),
        ("He said . . . yes. No", 3),
    ],
)
def test_sentences(text: str, expected: int) -> None:
    assert one(text)["sentences"] == expected


def test_words_of_lists() -> None:
    counted = one("the cat and The dog and the bird", stop_words=["the", "and", "or"])
    assert counted["stop_words_used"] == 4
    assert counted["stop_words_distinct"] == 2
    with pytest.raises(RecipeError, match="'of the' in the list stop_words is 2 words"):
        one("x", stop_words=["of the"])
    with pytest.raises(RecipeError, match="no script 'Cyrillic'"):
        one("x", scripts=["Cyrillic"])


def test_many_stop_words_are_all_found() -> None:
    chance = [f"слово{i}" for i in range(500)]
    counted = one(" ".join(chance), stop_words=chance)
    assert (counted["stop_words_used"], counted["stop_words_distinct"]) == (500, 500)


def test_counts_without_lists_lack_what_needs_them() -> None:
    counted = TextCounts(column(["a"]))
    assert "stop_words_used" not in counted
    assert "letters_of_scripts" not in counted
    with pytest.raises(KeyError):
        counted["letters_of_scripts"]


def test_names_are_one_per_column() -> None:
    names = [*TextCounts(column([]), {"stop_words": ["a"], "scripts": ["Latn"]})]
    assert len(names) == len(set(names))
    assert set(LINES) < set(names)


@examples(50)
@given(st.lists(TEXT | st.none(), max_size=6), st.integers(0, 6))
def test_documents_do_not_touch_each_other(texts: list[str | None], cut: int) -> None:
    lists = {"stop_words": ["да", "a"], "scripts": ["Cyrl"]}
    whole = TextCounts(column(texts), lists, wanted=ALL_OF_WORDS)
    parts = [
        TextCounts(column(texts)[s], lists, wanted=ALL_OF_WORDS)
        for s in (slice(cut), slice(cut, None))
    ]
    for name in set(whole) - {PAGES}:
        together = np.concatenate([part[name] for part in parts])
        assert whole[name].tolist() == together.tolist(), name


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300000,
        "a " * 150000,
        "-" * 300000,
        "\n" * 300000,
        "lo" * 150000,
        "." * 300000,
        "漢" * 100000,
        "́" * 100000,
        "1." * 150000,
        "' " * 150000,
        "\u200b" * 100000,
        "ab\n" * 100000,
    ],
    ids=lambda text: repr(text[:3]),
)
def test_floods_are_counted_like_small_texts(text: str) -> None:
    counted = one(text)
    expected = slow_lines(text)
    assert {name: counted[name] for name in expected} == expected
    assert counted["ellipses"] == text.count("...")
    assert counted["words"] == len(words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lorem ipsum dolor", 1),
        ("x LOREM IPSUM, lorem  ipsum", 1),
        ("lorem ipsu", 0),
        ("llorem ipsum", 1),
        ("lo", 0),
        ("lorem\nipsum", 0),
        ("lorem ipsumlorem ipsum", 2),
    ],
)
def test_lorem_ipsum(text: str, expected: int) -> None:
    assert one(text)["lorem_ipsums"] == expected
