"""Fidelity: the profiles llm_jp and llm_jp_strict against hojichar's filters, document by document.

The oracle repeats what llm-jp-corpus v1 does to its corpus ja_cc (scripts/filters.py and
filter_data.py) in plain Python around hojichar's classes; its rewrites are loops over letters.
"""

import json
import os
import re
import zlib
from collections import Counter
from pathlib import Path
from urllib.parse import urlparse

import pytest
import regex
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from curate import schema
from curate.plan import registry
from curate.recipe import locate, profile
from curate.recipe.profile import Profiles
from curate.text.rewrites import HEADINGS, empty_brackets, end_sections, japanese_lines
from tests.examples import examples

hojichar = pytest.importorskip("hojichar")
from hojichar import Document  # noqa: E402
from hojichar.filters import document_filters as filters  # noqa: E402

DATA = os.environ.get("CURATE_SHARED_DATA")
SAMPLES = Path(__file__).parents[2] / "sample_data"
DICT = Path(hojichar.__file__).parent / "dict"
DOMAINS = [
    "biz", "cc", "com", "info", "jp", "me", "net", "org", "site", "tokyo", "tv", "work", "xyz",
]  # fmt: skip
LISTS = ("adult", "discrimination", "violence")
WORDS = {
    name: filters.NgWordsFilterJa(DICT / f"{name}_keywords_ja.txt", ignore_confused=True)
    for name in LISTS
}


def accepts(filter, text):
    return not filter.apply(Document(text)).is_rejected


def oracle(url, text, strict):
    """Return the first rule of llm-jp-corpus that a document fails; None for one that is kept."""
    if url is not None and url.startswith("https://ja.wikipedia.org/"):
        return "url_filter:refused_address"
    try:
        host = urlparse(url or "").hostname
    except ValueError:
        host = None
    if host is None:  # llm-jp-corpus stops here with an error
        return "url_filter:no_host"
    if host.split(".")[-1] not in DOMAINS:
        return "url_filter:top_level_domain"
    if text.strip() == "":
        return "judge:empty"
    if not accepts(filters.AcceptJapanese(), text):
        return "judge:no_kana_at_start"
    if not accepts(filters.DiscardAds(max_allowed_num=10), text):
        return "judge:too_many_ads"
    for name in LISTS:
        if len(WORDS[name].keyword_pat.findall(text)) > (2 if strict else 3):
            return f"judge:{name}"
    if not accepts(
        filters.DiscardRareKuten(max_average_sentence_length=80 if strict else 250), text
    ):
        return "judge:too_few_full_stops"
    data = text.encode()
    if not (0.375 if strict else 0.30) <= len(zlib.compress(data, level=9)) / len(data) <= 0.70:
        return "judge:compresses_oddly"
    return None if lines_of_japanese(text).strip() else "rewrite:nothing_left"


def lines_of_japanese(text):
    """Repeat extract_japanese_text, letter by letter."""
    out = []
    for line in text.split("\n"):
        if not any(
            c == "ー" or regex.match(r"[\p{Script=Hiragana}\p{Script=Katakana}]", c) for c in line
        ):
            continue
        at, left = 0, ""
        while at < len(line):
            start = next((s for s in ("http://", "https://") if line.startswith(s, at)), None)
            if start and at + len(start) < len(line) and in_address(line[at + len(start)]):
                at += len(start)
                while at < len(line) and in_address(line[at]):
                    at += 1
            else:
                left += line[at]
                at += 1
        at, kept = 0, ""
        while at < len(left):
            end = at
            while end < len(left) and left[end] < "\x80":
                end += 1
            kept += left[at:end] if end - at < 100 else ""
            kept += left[end : end + 1]
            at = end + 1
        out.append(kept)
    return "".join(out)


def in_address(char):
    return char in "/:%#$&?()~.=+-" or regex.match(r"\w", char) is not None


PROFILES = {
    name: profile.load_profile(name, locate.profile_text) for name in ("llm_jp", "llm_jp_strict")
}


def ours(rows, strict):
    """Return the verdict and the text of each row after the stages of the recipe."""
    name = "llm_jp_strict" if strict else "llm_jp"
    table = schema.documents(
        {"id": f"x/{i}", "source": "ja_cc", "url": url, "text": text}
        for i, (url, text) in enumerate(rows)
    )
    table = table.append_column("lang", [["jpn_Jpan"] * len(table)]) if len(table) else table
    for stage in ("url_filter", "measure", "judge", "rewrite"):
        given = {"profiles": Profiles(PROFILES, always=name), "name": stage}
        table = registry.build("stage", stage, {}, given=given).apply(table, Counter())
    return list(
        zip(table.column("dropped_by").to_pylist(), table.column("text").to_pylist(), strict=True)
    )


def compare(rows):
    """Compare curate with the oracle; return the count of each verdict."""
    seen = Counter()
    for strict in (False, True):
        for (url, text), (verdict, left) in zip(rows, ours(rows, strict), strict=True):
            expected = oracle(url, text, strict)
            assert verdict == expected, (strict, url, text[:200])
            if verdict is None:
                assert left == lines_of_japanese(text)
            seen[verdict] += 1
    return seen


def test_the_samples_reach_every_rule():
    lines = (SAMPLES / "recipes" / "crawl-ja.jsonl").read_text().splitlines()
    seen = compare([(row["url"], row["text"]) for row in map(json.loads, lines)])
    assert set(seen) == {
        None,
        *(f"url_filter:{rule}" for rule in ("refused_address", "no_host", "top_level_domain")),
        *(f"judge:{rule}" for rule in PROFILES["llm_jp"].rules),
        "rewrite:nothing_left",
    }


def test_all_sample_texts_in_all_languages():
    texts = [path.read_text() for path in sorted((SAMPLES / "texts").glob("*/*.txt"))]
    texts += [path.read_text() for path in sorted((SAMPLES / "parts" / "junk").glob("*.txt"))]
    compare([("https://a.example.jp/b", text) for text in texts])


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_real_texts():
    import gzip

    texts = []
    for path in sorted(Path(DATA, "text").glob("*.jsonl.gz")):
        if path.name.startswith(("ja-", "zh-cmrc", "ko-", "en-lee")):
            with gzip.open(path, "rt") as file:
                texts += [json.loads(line)["text"] for line in file]
    japanese = [text for text in texts if re.search("[ぁ-ん]", text)]
    # Paragraphs are short: several in a row are as long as pages, and reach the later rules.
    texts += ["\n".join(japanese[i : i + 5]) for i in range(0, len(japanese), 5)]
    seen = compare([("https://a.example.jp/b", text) for text in texts])
    assert seen[None] > 100, seen


def words_of(name):
    return [
        w.strip() for w in (DICT / f"{name}_keywords_ja.txt").read_text().split("\n") if w.strip()
    ]


PHRASES = st.one_of(*(st.sampled_from(words_of(name)) for name in (*LISTS, "advertisement")))
SIGNS = (
    "。", "。\n", "\n", "\r\n", "\x85", "\u2028", "\x1c", "\u3000", " ", "\t",
    "ー", "ァ", "ヴ", "ヶ", "ｱ", "ゝ",
)  # fmt: skip
STRETCHES = (
    "http://", "https://", "https://a.b/c?d=e", "http://ＡＢ", "x" * 99, "a b" * 40, "漢字",
    "1" * 100,
)  # fmt: skip
PIECES = st.one_of(
    PHRASES,
    st.sampled_from(SIGNS),
    st.sampled_from(STRETCHES),
    st.text("あいんのはをァンカーヴ漢字、。abc\n", max_size=60),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
#: Anything; a repeated piece; prose with words of the lists, so that it reaches the later rules.
PAGES = st.one_of(
    st.lists(PIECES, max_size=40).map("".join),
    st.tuples(st.lists(PIECES, min_size=1, max_size=6).map("".join), st.integers(2, 40)).map(
        lambda page: page[0] * page[1]
    ),
    st.tuples(
        st.sampled_from(
            [path.read_text() for path in sorted((SAMPLES / "texts" / "jpn_Jpan").glob("*.txt"))]
        ),
        st.lists(PHRASES, max_size=2),
        st.integers(0, 12),
        st.lists(PIECES, max_size=3),
        st.sampled_from(["", "。", "ー", "ア", "\n"]),
    ).map(lambda page: page[0] + page[4].join(page[1] * page[2] + page[3])),
)
HOSTS = (
    "https://a.jp/", "HTTPS://A.COM:80/x", "http://[::1]/", "http://[x", "//b.net", "a.jp",
    "https://ja.wikipedia.org/x", "https://ja.wikipedia.org", "http://a.jp./", "http://u@h.xyz",
    "http://", "http://:80/",
)  # fmt: skip
ADDRESSES = st.one_of(st.none(), st.sampled_from(HOSTS), st.text("htps:/.[]@jpcom", max_size=20))


def test_verdicts_change_where_the_oracles_do():
    prose = (SAMPLES / "texts" / "jpn_Jpan" / "03-tamagoyaki.txt").read_text()
    pages = [
        prose + "\n".join([word] * n)
        for name in LISTS
        for word in words_of(name)[:4]
        for n in range(1, 6)
    ]
    pages += [prose + word * n for word in words_of("advertisement")[:4] for n in range(9, 13)]
    # One full stop in 79 to 81 and in 249 to 251 characters, and two in twice as many.
    for mean in (80, 250):
        pages += ["あ" * (mean + more - 1) + "。" for more in (-1, 0, 1)]
        pages += ["あ" * (2 * mean + more - 2) + "。。" for more in (-1, 0, 1)]
    pages += ["あ" + "漢" * 48 + "あ", "漢" * 49 + "あ", "漢" * 50 + "あ"]
    # From half a text to five copies of it: compression from 0.75 to 0.2.
    for copies in (1, 2, 3, 5):
        pages += [prose[:end] * copies for end in (*range(40, 70), *range(70, len(prose), 3))]
    seen = compare([("https://a.example.jp/b", page) for page in pages])
    assert all(
        seen[f"judge:{name}"] > 3
        for name in (*LISTS, "too_many_ads", "too_few_full_stops", "compresses_oddly")
    ), seen


@examples(80, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.tuples(ADDRESSES, PAGES), max_size=6),
    pages=st.lists(PAGES, min_size=1, max_size=6),
)
def test_hostile_texts(rows, pages):
    compare([*rows, *(("https://a.example.jp/b", page) for page in pages)])


@examples(100)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_the_lines_that_are_kept(text):
    assert japanese_lines(text) == lines_of_japanese(text)
    assert japanese_lines(text, join="\n").replace("\n", "") == lines_of_japanese(text)


# --- rewrites of encyclopedias -------------------------------------------------------------------


@examples(150)
@given(st.text("（）(),，、;； \n\tあa\u3000", max_size=60))
def test_brackets_as_the_published_patterns_clean_them(text):
    expected = text
    for pattern, left in (
        (r"（[\s,，、;；]*", "（"),
        (r"[\s,，、;；]*）", "）"),
        (r"（\s*）", ""),
        (r"\([\s,;]*", "("),
        (r"[\s,;]*\)", ")"),
        (r"\s?\(\s*\)", ""),
    ):
        expected = regex.sub(pattern, left, expected)
    assert empty_brackets(text) == expected


@examples(150)
@given(
    st.lists(
        st.sampled_from([*HEADINGS, "\n", " ", "\u3000", "x", "本文。", "\r"]), max_size=14
    ).map("".join)
)
def test_sections_end_at_the_first_line_that_is_a_heading(text):
    expected, lines = text, text.split("\n")
    for i, line in enumerate(lines[1:-1], 1):
        if any(line == h + line[len(h) :] and not line[len(h) :].strip() for h in HEADINGS):
            expected = "\n".join(lines[:i])
            break
    assert end_sections(text) == expected


def test_hostile_brackets_take_linear_time():
    # Quadratic patterns would take hours on a million spaces.
    assert empty_brackets("(" + " " * 1_000_000 + "x") == "(x"
    assert empty_brackets("x" + " ," * 1_000_000) == "x" + " ," * 1_000_000
