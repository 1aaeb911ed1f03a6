import json
import unicodedata
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.errors import RecipeError
from curate.recipe.profile import Profile, Profiles, StandardizeSection
from curate.stages.standardize import Standardize
from curate.text import fixes
from curate.text.standardize import standardize
from tests.examples import examples

CASES = json.loads((Path(__file__).parent / "cases" / "fixes.json").read_text(encoding="utf-8"))
EVERY = pytest.mark.parametrize("name", fixes.FIXES)
CHARACTERS = st.one_of(
    st.sampled_from(
        list("aoсcHhТMТмəƏәҒяїZ éß.\n1ـهبتﺏﻻﷺﹶپکﾊﾟﾞｱ｡カガ０Ａ！　漢한ไก್क्👩🔬❤")
        + [chr(code) for code in (0xA0, 0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x2028, 0x202E,
        0x2060, 0x301, 0x316, 0x651, 0xFE0F, 0x202F)]
    ),
    st.characters(exclude_categories=["Cs"]),
)  # fmt: skip
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=40),
    st.text(st.sampled_from("aсoоHН әəЖ"), max_size=12),
    st.text(st.sampled_from("هـبَ 1"), max_size=12),
    st.text(st.sampled_from("\u200b\u200c\u200d\u2060aбپبक्👩 "), max_size=12),
    st.text(st.sampled_from("ﾊﾟﾞカー゛a"), max_size=12),
)


def arrow(*texts):
    return pa.array(texts, pa.large_string())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['fix']}: {case['label']}")
def test_case(case):
    assert fixes.FIXES[case["fix"]](case["input"]) == case["expected"]


def test_every_fix_has_cases_of_both_kinds_and_a_hint():
    changing = {case["fix"] for case in CASES if case["input"] != case["expected"]}
    keeping = {case["fix"] for case in CASES if case["input"] == case["expected"]}
    assert changing == set(fixes.FIXES) == set(fixes.hints())
    assert set(fixes.FIXES) - keeping == {"bidi_controls", "line_separators"}


@EVERY
@examples(150)
@given(text=TEXTS)
def test_twice_is_once_and_the_hint_sees_every_change(name, text):
    once = fixes.FIXES[name](text)
    assert fixes.FIXES[name](once) == once
    if once != text:
        assert pc.match_substring_regex(arrow(text), fixes.hints()[name])[0].as_py()


@EVERY
def test_every_single_character(name):
    # Alone and between letters; the hint is asked for all changes at once.
    changed = []
    for code in (*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200)):
        text = chr(code)
        if fixes.FIXES[name](text) != text:
            changed.append(text)
    if changed:
        assert pc.all(pc.match_substring_regex(arrow(*changed), fixes.hints()[name])).as_py()
    gone = [text for text in changed if fixes.FIXES[name](text) == ""]
    assert all(unicodedata.category(text) in ("Cf", "Mn", "Zs") for text in gone)


@examples(150)
@given(st.lists(st.one_of(st.none(), TEXTS), max_size=5), st.permutations(list(fixes.FIXES)))
def test_all_fixes_in_any_order_settle_in_nfc(texts, names):
    wanted = StandardizeSection(fixes=tuple(names[:6]))
    done, _ = standardize(arrow(*texts), wanted)
    again, tally = standardize(done, wanted)
    assert again.to_pylist() == done.to_pylist() and not tally
    for before, after in zip(texts, done.to_pylist(), strict=True):
        assert (before is None) == (after is None)
        if after != before:
            assert unicodedata.is_normalized("NFC", after)


def test_fixes_work_together_and_are_counted():
    wanted = StandardizeSection(
        fixes=("cyrillic_homoglyphs", "soft_hyphens", "kazakh_schwa"), mask=("email",)
    )
    texts = arrow("мə\u00adктeп", "clean", None, "a@b.cc c@d.ee", "")
    done, tally = standardize(texts, wanted)
    assert done.to_pylist() == ["мәктеп", "clean", None, "email@example.com email@example.com", ""]
    assert tally == {
        "fix:cyrillic_homoglyphs": 1,
        "fix:soft_hyphens": 1,
        "fix:kazakh_schwa": 1,
        "mask:email": 2,
    }


def test_clean_arrays_come_back_as_they_are():
    clean = arrow("Таза мәтін", "")
    done, tally = standardize(
        clean, StandardizeSection(fixes=tuple(fixes.FIXES), mask=("email", "phone"))
    )
    assert done is clean and not tally
    assert standardize(clean, StandardizeSection())[0] is clean


@pytest.mark.parametrize(
    ("section", "hint"), [({"fixes": ("tatwel",)}, "tatweel"), ({"mask": ("emial",)}, "email")]
)
def test_unknown_names_are_refused_with_the_nearest(section, hint):
    with pytest.raises(RecipeError, match=hint):
        Standardize(Profiles({"_default": Profile(name="_default", standardize=section)}))


def test_stage_gives_each_row_its_own_profile_and_counts_messages():
    profiles = Profiles(
        {
            "_default": Profile(name="_default", standardize={"mask": ("email",)}),
            "arb_Arab": Profile(name="arb_Arab", standardize={"fixes": ("tatweel",)}),
        }
    )
    turns = [{"role": "user", "content": "a@b.cc"}, {"role": "assistant", "content": None}]
    rows = [
        {"id": "w#0", "source": "w", "text": "كـتاب a@b.cc"},
        {"id": "w#1", "source": "w", "text": "كـتاب a@b.cc"},
        {"id": "w#2", "source": "w", "text": "stale", "messages": turns},
        {"id": "w#3", "source": "w", "text": "a@b.cc", "dropped_by": "earlier:rule"},
    ]
    table = schema.documents(rows).append_column("lang", pa.array(["arb_Arab", "und", None, None]))
    tally = Counter()
    done = Standardize(profiles).apply(table, tally)
    assert done.column("text").to_pylist() == [
        "كتاب a@b.cc",
        "كـتاب email@example.com",
        "user: email@example.com\n\nassistant: ",
        "a@b.cc",
    ]
    assert tally == {"fix:tatweel": 1, "mask:email": 2}
