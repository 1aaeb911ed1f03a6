"""Hypothesis strategies for Document tables: any size, any Unicode, nulls, chat, rows with
verdicts.
"""

import pyarrow as pa
from hypothesis import strategies as st

from curate import schema
from curate.protocol.chat import render

WORDS = st.sampled_from(
    [
        "the", "and", "of", "to", "be", "river",
        "bridge", "қала", "және", "бұл", "мектеп", "Ғылым", "қaлa",
        "город", "и", "в", "на", "река", "şehir",
        "ve", "bir", "İstanbul", "ılık", "مدينة", "في", "الكـــتاب",
        "ﻻ", "도시", "한국", "한", "東京", "は",
        "ｶﾞ", "北京", "的", "กรุงเทพ", "Ã©tÃ©", "â€™", "РџСЂРё",
        "a@b.org", "8.8.8.8", "http://x.y/z", "{", "|", "#",
        "...", "…", "•", "1", "2024", "\u200b", "\u00ad",
        "\u202e", "\ufeff", "e\u0301\u0301\u0301", "😀", "lorem ipsum", "javascript", "",
    ]
)  # fmt: skip
LINES = st.lists(WORDS, max_size=30).map(" ".join)
TEXTS = st.one_of(
    st.lists(LINES, max_size=6).map("\n".join),
    st.text(max_size=60),
    st.tuples(LINES, st.integers(1, 12)).map(lambda pair: (pair[0] + "\n") * pair[1]),
)
LANGS = st.sampled_from(
    [None, "und", "eng_Latn", "kaz_Cyrl", "rus_Cyrl", "tur_Latn", "arb_Arab", "kor_Hang",
     "jpn_Jpan", "cmn_Hans", "yor_Latn"]
)  # fmt: skip
CALLS = '[{"type":"function","function":{"name":"f","arguments":"{\\"қала\\":\\"a@b.org\\"}"}}]'
TOOLS = '[{"type":"function","function":{"name":"f","description":"қaлa  a@b.org"}}]'
TURNS = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "system"]),
            "content": st.one_of(st.none(), TEXTS),
            "reasoning_content": st.one_of(st.none(), st.none(), TEXTS),
            "name": st.none(),
            "tool_calls": st.sampled_from([None, CALLS]),
        }
    ),
    max_size=3,
)


@st.composite
def rows(draw, number):
    messages = draw(st.one_of(st.none(), st.none(), st.none(), TURNS))
    tools = draw(st.sampled_from([None, TOOLS])) if messages is not None else None
    dropped = draw(st.sampled_from([None, None, None, None, "earlier:rule"]))
    return {
        "id": f"web/{draw(st.sampled_from(['a.warc.gz', 'b/c.jsonl']))}#{number}",
        "source": draw(st.sampled_from(["web", "books"])),
        "origin": draw(st.sampled_from([None, "native", "mt"])),
        "text": render(messages, tools)
        if messages is not None
        else draw(st.one_of(st.none(), TEXTS)),
        "messages": messages,
        "tools": tools,
        "url": draw(st.sampled_from([None, "https://example.org/1", "https://example.org/2"])),
        "meta": draw(st.sampled_from([None, "{}"])),
        "dropped_by": dropped,
        "dropped_value": 0.5 if dropped else None,
        "lang": draw(LANGS),
    }


@st.composite
def tables(draw, max_size=8):
    """Draw a table of documents, with the columns that identify adds."""
    size = draw(st.integers(0, max_size))
    drawn = [draw(rows(number)) for number in range(size)]
    langs = [row.pop("lang") for row in drawn]
    table = schema.documents(drawn)
    table = table.append_column("lang", pa.array(langs, pa.string()))
    scores = pa.array([None if lang is None else 0.9 for lang in langs], pa.float64())
    table = table.append_column("lang_score", scores)
    table = table.append_column("lang2", pa.nulls(size, pa.string()))
    return table.append_column("lang2_score", pa.nulls(size, pa.float64()))
