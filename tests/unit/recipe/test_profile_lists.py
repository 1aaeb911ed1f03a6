"""Lists of a profile that stand in files: read when the profile is, and part of its digest."""

from pathlib import Path

import pytest

import curate
from curate.errors import RecipeError
from curate.recipe import locate
from curate.recipe.profile import Profile, Profiles, load_profile


def loaded(text: str, parent: str = "") -> Profile:
    return load_profile("own", {"own": text, "parent": parent}.__getitem__)


def test_a_file_gives_the_phrases_of_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "ads.txt"
    path.write_text("送料\n\n ①  \nお問い合わせ ください\n", encoding="utf-8")
    text = f'[lists]\nads = "{path}"\nadult = ["x"]'
    profile = loaded(text)
    assert profile.lists == {"ads": ("送料", "①", "お問い合わせ ください"), "adult": ("x",)}
    before = Profiles({"own": profile}).digest
    assert Profiles({"own": loaded(text)}).digest == before
    path.write_text("送料\n", encoding="utf-8")
    assert Profiles({"own": loaded(text)}).digest != before


def test_an_installed_package_gives_its_file() -> None:
    phrases = loaded('[lists]\nads = "package://curate/__init__.py"').lists["ads"]
    source = Path(curate.__file__).read_text(encoding="utf-8")
    assert phrases == tuple(line.strip() for line in source.splitlines() if line.strip())


def test_a_child_may_replace_a_file_that_is_not_there(tmp_path: Path) -> None:
    parent = '[lists]\nads = "package://no_such_package/ads.txt"'
    assert loaded('extends = "parent"\n[lists]\nads = ["送料"]', parent).lists["ads"] == ("送料",)
    with pytest.raises(RecipeError, match="no_such_package, whose phrases") as caught:
        loaded('extends = "parent"', parent)
    assert "pip install no_such_package" in str(caught.value)


@pytest.mark.parametrize("address", ["s3://bucket/ads.txt", "no/such/ads.txt", "package://../ads"])
def test_what_cannot_be_read_is_named(address: str) -> None:
    with pytest.raises(RecipeError, match=r"filters/own.toml: lists.ads"):
        loaded(f'[lists]\nads = "{address}"')


def test_only_languages_and_the_default_are_loaded_unasked() -> None:
    names = locate.language_profiles()
    assert {"_default", "kaz_Cyrl", "jpn_Jpan"} <= set(names) <= set(locate.profile_names())
    assert not {"code", "chat"} & set(names)
