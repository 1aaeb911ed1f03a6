"""The clean passages of languages without base texts: whole, long enough, none missing."""

import unicodedata

import pytest

from curate.api.profiles import samples
from curate.kernels.unicode import SCRIPT, SCRIPTS
from curate.recipe.locate import profile_text
from curate.recipe.profile import load_profile

PASSAGES = {lang: domains for lang, domains in samples().items() if "review" in domains}


def test_seventeen_languages_have_the_same_six_domains() -> None:
    assert len(PASSAGES) == 17
    domains = {tuple(found) for found in PASSAGES.values()}
    assert domains == {("news", "recipe", "story", "science", "advice", "review")}


@pytest.mark.parametrize("lang", PASSAGES)
def test_passages_are_long_enough_normal_and_in_the_script_of_their_language(lang: str) -> None:
    scripts = load_profile(lang, profile_text).identify.scripts
    for domain, (text,) in PASSAGES[lang].items():
        assert len(text.split()) >= 60, domain
        assert unicodedata.is_normalized("NFC", text), domain
        letters = [SCRIPTS[int(SCRIPT[ord(char)])] for char in text if char.isalpha()]
        assert set(letters) <= {*scripts, "Zyyy"}, domain
