import json
import tomllib
import unicodedata
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate import schema
from curate.errors import RecipeError
from curate.recipe.profile import Profile, Profiles, StandardizeSection, load_profile
from curate.stages.standardize import Standardize
from curate.text import fixes, script_fixes
from curate.text.standardize import standardize
from tests.examples import examples

CASES = json.loads((Path(__file__).parent / "cases" / "fixes.json").read_text(encoding="utf-8"))
PASSAGES = Path(__file__).parents[3] / "sample_data" / "passages"
EVERY = pytest.mark.parametrize("name", fixes.FIXES)
CHARACTERS = st.one_of(
    st.sampled_from(
        list("aoсcHhТMТмəƏәҒяїZ éß.\n1ـهبتﺏﻻﷺﹶپکﾊﾟﾞｱ｡カガ０Ａ！　漢한ไก್क्👩🔬❤")
        + [chr(code) for code in (0xA0, 0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x2028, 0x202E,
        0x2060, 0x301, 0x316, 0x651, 0xFE0F, 0x202F)]
    ),
    st.characters(exclude_categories=["Cs"]),
)  # fmt: skip
BLANKS = "\u2800\u3164\uffa0"  # no spaces by their category
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=40),
    st.text(st.sampled_from("aсoоHН әəЖ"), max_size=12),
    st.text(st.sampled_from("هـبَ 1"), max_size=12),
    st.text(st.sampled_from("\u200b\u200c\u200d\u2060aбپبक्👩 "), max_size=12),
    st.text(st.sampled_from("ﾊﾟﾞカー゛a"), max_size=12),
    st.text(st.sampled_from("กเำาํ้ีຳາໍ່ີເุ\uf701\uf70f\uf714\uf718"), max_size=12),
    st.text(st.sampled_from("अआाेैॉ़कবা়ত্ന്\u200dേើេាី"), max_size=12),
    st.text(st.sampled_from("ㄱㅏㄴㅘㄳﾡￂᄀ ᅡ각⽇⺠日"), max_size=12),
    st.text(
        st.sampled_from("iıIjJİ\u0307\u0301\u0302\u0323eéêșşțţÐ ğ\u00ad\u00ac‧\n"), max_size=12
    ),
    st.text(st.sampled_from("oοaαvνTΤµμmй ή"), max_size=12),
    st.text(st.sampled_from("هی\u200c\u200d۱»a bكﻼ"), max_size=12),
)


def arrow(*texts):
    return pa.array(texts, pa.large_string())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['fix']}: {case['label']}")
def test_case(case):
    section = StandardizeSection(fixes=(case["fix"],), lang=case.get("lang", ""))
    done, tally = standardize(arrow(case["input"], case["expected"]), section)
    assert done.to_pylist() == [case["expected"], case["expected"]]
    assert tally == ({f"fix:{case['fix']}": 1} if case["input"] != case["expected"] else {})


def test_every_fix_has_cases_of_both_kinds_and_a_hint():
    changing = {case["fix"] for case in CASES if case["input"] != case["expected"]}
    keeping = {case["fix"] for case in CASES if case["input"] == case["expected"]}
    assert changing == set(fixes.FIXES) == set(fixes.HINTS)
    assert set(fixes.FIXES) - keeping == {"bidi_controls", "line_separators"}


LABELS = ("", "rus_Cyrl", "ukr_Cyrl", "kaz_Cyrl", "eng_Latn", "ell_Grek", "pes_Arab", "arb_Arab")


@EVERY
@examples(150)
@given(text=TEXTS, lang=st.sampled_from(LABELS))
@example(text="\u093e\u093c\u093c \u093e\u093c\u093e\u093c \u09ac\u09be\u09bc", lang="")
def test_twice_is_once_and_the_hint_sees_every_change(name, text, lang):
    fix = fixes.FIXES[name]
    known = (lang,) if name in fixes.LABELLED else ()
    once = fix(text, *known)
    assert fix(once, *known) == once
    if once != text:
        assert fixes.hinted(arrow("a", text), [name])[name].tolist() == [1]


@EVERY
def test_every_single_character(name):
    # Alone and between letters; the hint is asked for all changes at once.
    changed = []
    for code in (*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200)):
        text = chr(code)
        if fixes.FIXES[name](text) != text:
            changed.append(text)
    found = fixes.hinted(arrow(*changed), [name])[name]
    assert found.tolist() == [*range(len(changed))]
    gone = [text for text in changed if fixes.FIXES[name](text) == "" and text not in BLANKS]
    assert all(unicodedata.category(text) in ("Cf", "Mn", "Zs") for text in gone)


@examples(150)
@given(
    st.lists(st.one_of(st.none(), TEXTS), max_size=5),
    st.permutations(list(fixes.FIXES)),
    st.sampled_from([*LABELS, "vie_Latn", "ron_Latn", "ckb_Arab", "chv_Cyrl"]),
)
def test_all_fixes_in_any_order_settle_in_nfc(texts, names, lang):
    wanted = StandardizeSection(fixes=tuple(names[:9]), lang=lang)
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


def test_a_profile_for_many_languages_fixes_each_row_by_its_label():
    section = load_profile("_default").standardize
    profiles = Profiles({"_default": Profile(name="_default", standardize=section)})
    old, turns = "كتاب\u200cهاي علي", [{"role": "user", "content": "كتاب\u200cهاي"}]
    rows = [
        {"id": "w#0", "source": "w", "text": old},
        {"id": "w#1", "source": "w", "text": old},
        {"id": "w#2", "source": "w", "text": "мiр"},
        {"id": "w#3", "source": "w", "text": "мiр"},
        {"id": "w#4", "source": "w", "text": "сo"},
        {"id": "w#5", "source": "w", "text": "stale", "messages": turns},
        {"id": "w#6", "source": "w", "text": "șey ﺏ"},
    ]
    labels = ["prs_Arab", "apc_Arab", "rue_Cyrl", "rus_Cyrl", None, "prs_Arab", "gag_Latn"]
    table = schema.documents(rows).append_column("lang", pa.array(labels))
    tally = Counter()
    done = Standardize(profiles).apply(table, tally)
    assert done["id"].to_pylist() == table["id"].to_pylist()
    assert done["text"].to_pylist() == [
        old, old.replace("\u200c", ""), "мір", "мiр", "сo", f"user: {turns[0]['content']}", "şey ب",
    ]  # fmt: skip
    assert tally == {
        "fix:zero_width": 1,
        "fix:cyrillic_homoglyphs": 1,
        "fix:cedillas": 1,
        "fix:arabic_presentation_forms": 1,
    }


def test_a_profile_with_a_label_for_its_name_knows_its_language():
    assert load_profile("pes_Arab").standardize.lang == "pes_Arab"
    assert load_profile("acm_Arab").standardize.lang == "acm_Arab"  # it extends arb_Arab
    assert load_profile("chat").standardize.lang == ""
    text = {"x": '[standardize]\nlang = "ukr_Cyrl"', "rus_Cyrl": 'extends = "x"'}.__getitem__
    assert load_profile("rus_Cyrl", text).standardize.lang == "ukr_Cyrl"


@pytest.mark.parametrize("path", sorted(PASSAGES.glob("*.toml")), ids=lambda path: path.stem)
def test_clean_text_of_each_language_stays_as_it_is(path):
    passages = tomllib.loads(path.read_text(encoding="utf-8")).values()
    texts = arrow(*(passage.strip() for passage in passages))
    section = load_profile(path.stem).standardize
    done, tally = standardize(texts, section.model_copy(update={"mask": ()}))
    assert done.to_pylist() == texts.to_pylist() and not tally


def test_a_million_marks_on_one_letter_cost_their_number_not_its_square():
    flood = "tie\u0301\u0302ng " + "a" + "\u0315\u0300" * 500_000
    assert script_fixes.vietnamese_marks(flood).startswith("tiếng à\u0300")
