"""What people call a language means one label, or is refused with what it could mean."""

import pytest

from curate.errors import RecipeError
from curate.plan.build import profiles
from curate.recipe import locate
from curate.recipe.languages import NAMES, WIKIPEDIA, label_of, name_of
from curate.recipe.mixture import parse_mixture
from curate.recipe.recipe import parse_recipe

PROFILES = locate.language_profiles()


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ("kk", "kaz_Cyrl"),
        ("kaz", "kaz_Cyrl"),
        ("Kazakh", "kaz_Cyrl"),
        ("KAZ_CYRL", "kaz_Cyrl"),
        ("kaz-Cyrl", "kaz_Cyrl"),
        ("kaz_Arab", "kaz_Arab"),  # a label is never changed
        ("english", "eng_Latn"),
        ("Arabic", "arb_Arab"),
        ("ja", "jpn_Jpan"),
        ("Korean", "kor_Hang"),
        ("Farsi", "pes_Arab"),
        ("swa", "swh_Latn"),
        ("Norwegian", "nob_Latn"),
        ("haw_Latn", "haw_Latn"),  # without a profile
        ("Welsh", "cym_Latn"),  # without a profile, in one script
    ],
)
def test_a_name_means_one_label(given: str, label: str) -> None:
    assert label_of(given, PROFILES) == label


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("uz", "several scripts"),
        ("zh", "several scripts"),
        ("Serbian", "several scripts"),
        ("Kazakhh", "did you mean 'Kazakh'"),
        ("_default", "no language label"),
        ("chat", "no language label"),
        ("", "no language label"),
        ("x" * 10_000, "no language label"),
        ("\x1b[31m", "no language label"),
    ],
)
def test_what_means_no_one_label_is_refused(given: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says) as caught:
        label_of(given, PROFILES)
    assert "_default" not in (caught.value.hint or "")
    assert len(str(caught.value)) < 400


def test_every_shipped_language_has_a_name() -> None:
    assert [p for p in PROFILES if p != "_default" and p[:3] not in NAMES] == []
    assert [c for c, scripts in WIKIPEDIA.items() if scripts[:3] not in NAMES] == []
    assert len(set(NAMES.values())) > len(NAMES) - 3
    assert name_of("tur_Latn") == "Turkish"


def test_a_mixture_reads_names_of_languages_everywhere() -> None:
    mixture = parse_mixture(
        {
            "groups": {
                "a": {"languages": ["kk", "Turkish"], "inner": {"kk": 1, "Turkish": 2}},
                "b": {"languages": ["en"]},
            },
            "caps": [{"language": "Kazakh", "max_share": 0.5}],
        }
    )
    assert mixture.groups["a"].languages == ("kaz_Cyrl", "tur_Latn")
    assert mixture.groups["a"].inner == {"kaz_Cyrl": 1, "tur_Latn": 2}
    assert mixture.groups["b"].languages == ("eng_Latn",)
    assert mixture.caps[0].language == "kaz_Cyrl"


@pytest.mark.parametrize("wrong", [[["kk"]], [5], "kk", {"kk": 1}, [None]])
def test_what_is_no_list_of_languages_is_refused(wrong: object) -> None:
    with pytest.raises(RecipeError, match="languages"):
        parse_mixture({"groups": {"a": {"languages": wrong}}})


def test_a_profile_is_found_by_its_language() -> None:
    assert locate.profile_file("kk").name == "kaz_Cyrl.toml"
    with pytest.raises(RecipeError, match="no profile 'uz'"):
        locate.profile_file("uz")


def test_a_source_may_name_its_profile_by_the_language() -> None:
    source = '[sources.web]\nformat = "jsonl"\npath = "a.jsonl"\nprofile = "Kazakh"\n'
    loaded = profiles(parse_recipe(f'name = "r"\n{source}', "r.toml"))
    assert loaded.by_source == {"web": "kaz_Cyrl"}
    assert loaded.by_name["kaz_Cyrl"].standardize.lang == "kaz_Cyrl"
