"""Segment mode: the parts of mixed pages, and that the spans of a text leave nothing out."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.langid.identify import identify
from curate.recipe.profile import Profile, Profiles
from curate.schema import check, documents
from curate.stages.identify import Identify
from tests.examples import examples

KAZAKH = "Бүгін ауылда той болды. Қонақтар көп келді, әжем бауырсақ пісіріп берді."
ENGLISH = "There was a wedding in the village today and many guests came."
RUSSIAN = "Сегодня в деревне был праздник. Пришло много гостей, бабушка напекла пирогов."
JAPANESE = "今日は村でお祭りがあり、たくさんの人がWindowsの本を読みました。"


def parts(text: str) -> list[tuple[str, str]]:
    row = identify([text], segments=True).to_pylist()[0]
    data = text.encode()
    return [(s["lang"], data[s["start"] : s["end"]].decode()) for s in row["lang_spans"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KAZAKH, [("kaz_Cyrl", KAZAKH)]),
        (f"{KAZAKH} {ENGLISH}", [("kaz_Cyrl", KAZAKH + " "), ("eng_Latn", ENGLISH)]),
        (
            f"{ENGLISH}\n{RUSSIAN}\n\n{KAZAKH}\n",
            [
                ("eng_Latn", ENGLISH + "\n"),
                ("rus_Cyrl", RUSSIAN + "\n\n"),
                ("kaz_Cyrl", KAZAKH + "\n"),
            ],
        ),
        # A name is no part in another language, nor is a word of a script that is written beside.
        ("Менің iPhone телефонымды көрдің бе?", None),
        ("Көрдің бе? Google Maps", None),
        (JAPANESE, [("jpn_Jpan", JAPANESE)]),
        ("Search:\n" + KAZAKH, [("kaz_Cyrl", "Search:\n" + KAZAKH)]),
        ("12:30 — 5 %", [("und", "12:30 — 5 %")]),
        ("", []),
    ],
)
def test_parts(text: str, expected: list[tuple[str, str]] | None) -> None:
    assert parts(text) == ([("kaz_Cyrl", text)] if expected is None else expected)


def test_a_page_in_two_scripts_is_read_in_that_of_its_language() -> None:
    # More letters are Latin, but the model's label is Kazakh, which is not written in them here.
    assert identify([f"{KAZAKH} {ENGLISH} {ENGLISH}"])["lang"].to_pylist() == ["kaz_Cyrl"]


def test_offsets_are_those_of_the_text_as_it_is() -> None:
    shaped = "\ufedf\ufe8e\ufee3\ufeeb " * 12  # read as other letters, of fewer bytes
    assert "".join(part for _, part in parts(shaped)) == shaped


LETTERS = "aбд漢あ한 .\n!-5\ufedf"


@examples(60)
@given(
    st.lists(
        st.lists(
            st.one_of(st.sampled_from([KAZAKH, ENGLISH, JAPANESE]), st.text(LETTERS, max_size=9)),
            max_size=5,
        ).map("".join),
        max_size=4,
    )
)
def test_spans_follow_each_other_without_a_gap(texts: list[str]) -> None:
    for text, row in zip(texts, identify(texts, segments=True).to_pylist()):
        spans = row["lang_spans"]
        edges = [0, *(span["end"] for span in spans)]
        assert [span["start"] for span in spans] == edges[:-1]
        assert edges[-1] == len(text.encode())
        assert all(a["lang"] != b["lang"] for a, b in pairwise(spans))
        assert row["lang_spans"] == identify([text], segments=True).to_pylist()[0]["lang_spans"]


def test_the_stage_writes_spans_and_counts_their_bytes() -> None:
    table = documents(
        [
            {"id": "a#0", "source": "a", "text": f"{KAZAKH} {ENGLISH}"},
            {"id": "a#1", "source": "a", "text": RUSSIAN, "dropped_by": "judge:x"},
            {"id": "a#2", "source": "a", "text": ENGLISH},
        ]
    )
    tally: Counter[str] = Counter()
    stage = Identify(Profiles({"_default": Profile(name="_default")}), segments=True)
    found = check(stage.apply(table, tally))
    assert found.column_names[-5:] == list(stage.adds)
    assert [len(spans or []) for spans in found["lang_spans"].to_pylist()] == [2, 0, 1]
    assert tally["span_bytes:kaz_Cyrl"] == len(f"{KAZAKH} ".encode())
    assert tally["span_bytes:eng_Latn"] == 2 * len(ENGLISH)
    assert "lang_spans" not in Identify(stage.profiles).apply(table, Counter()).column_names
