"""Where profiles and recipes are found: the user's own come before the shipped ones."""

from pathlib import Path

import pytest

from curate.errors import RecipeError
from curate.plan.build import profiles
from curate.recipe import locate
from curate.recipe.recipe import load_recipe

RECIPE = """
name = "mine"
[sources.web]
format = "jsonl"
path = "a.jsonl"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and a data file, which is the current folder."""
    (tmp_path / "mine.toml").write_text(RECIPE)
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _profile(folder: Path, name: str, minimum: int, **encoding: str) -> Path:
    (folder / "filters").mkdir(parents=True, exist_ok=True)
    path = folder / "filters" / f"{name}.toml"
    rule = f'extends = "_default"\n[rules.too_few_words]\nmin = {minimum}\n'
    path.write_text(rule, encoding=encoding.get("encoding", "utf-8"))
    return path


def test_a_profile_in_the_current_folder_is_taken(project: Path) -> None:
    _profile(project, "kaz_Cyrl", 7)
    rule = profiles(load_recipe("mine.toml")).by_name["kaz_Cyrl"].rules["too_few_words"]
    assert rule.min == 7
    assert locate.own_profiles(["kaz_Cyrl", "eng_Latn"]) == {
        "kaz_Cyrl": Path("filters/kaz_Cyrl.toml")
    }


@pytest.mark.parametrize("inside", [".", "pipelines"])
def test_profiles_beside_the_recipe_come_first(
    project: Path,
    inside: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    recipe = project / inside / "mine.toml"
    recipe.parent.mkdir(exist_ok=True)
    recipe.write_text(RECIPE)
    _profile(project, "kaz_Cyrl", 7)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    _profile(elsewhere, "kaz_Cyrl", 9)
    monkeypatch.chdir(elsewhere)
    loaded = load_recipe(str(recipe))
    assert profiles(loaded).by_name["kaz_Cyrl"].rules["too_few_words"].min == 7


def test_a_parent_of_the_users_is_used_and_named(project: Path) -> None:
    shipped = locate.profile_text("_words")
    (project / "filters").mkdir()
    parent = project / "filters" / "_words.toml"
    parent.write_text(shipped, encoding="utf-8")
    assert locate.own_profiles(["kaz_Cyrl"]) == {}  # a copy changes nothing
    parent.write_text(f"{shipped}\n# mine", encoding="utf-8")
    assert list(locate.own_profiles(["kaz_Cyrl"])) == ["_words"]


def test_a_language_without_a_shipped_profile_gets_the_users(project: Path) -> None:
    _profile(project, "qqq_Latn", 3)
    assert profiles(load_recipe("mine.toml")).by_name["qqq_Latn"].rules["too_few_words"].min == 3


def test_a_profile_may_begin_with_a_byte_order_mark_and_is_utf8(project: Path) -> None:
    _profile(project, "kaz_Cyrl", 7, encoding="utf-8-sig")
    assert profiles(load_recipe("mine.toml")).by_name["kaz_Cyrl"].rules["too_few_words"].min == 7
    _profile(project, "kaz_Cyrl", 7, encoding="utf-16")
    with pytest.raises(RecipeError, match="a profile is UTF-8 text") as caught:
        profiles(load_recipe("mine.toml"))
    assert caught.value.where == str(Path("filters/kaz_Cyrl.toml"))


def test_a_recipe_in_pipelines_is_found_by_name(project: Path) -> None:
    (project / "pipelines").mkdir()
    (project / "pipelines" / "own.toml").write_text(RECIPE)
    assert load_recipe("own").folder == Path("pipelines")


def test_an_unrelated_folder_changes_nothing(project: Path) -> None:
    (project / "filters").mkdir()
    (project / "filters" / "notes.txt").write_text("x")
    assert locate.own_profiles(["kaz_Cyrl"]) == {}


def test_a_profile_of_ones_own_may_extend_the_shipped_one_of_its_name(project: Path) -> None:
    shipped = profiles(load_recipe("mine.toml")).by_name["kaz_Cyrl"]
    path = _profile(project, "kaz_Cyrl", 7)
    path.write_text(path.read_text().replace("_default", "shipped:kaz_Cyrl"))
    own = profiles(load_recipe("mine.toml")).by_name["kaz_Cyrl"]
    assert own.rules["too_few_words"].min == 7
    assert own.lists == shipped.lists
    assert list(own.rules) == list(shipped.rules)


def test_a_name_that_is_too_long_below_shipped_data_is_refused_in_a_sentence(
    project: Path,
) -> None:
    with pytest.raises(RecipeError, match="no path that can be used: File name too long"):
        locate.data_path(f"sample_data/{'x' * 300}/*.jsonl")
    assert locate.data_path("nowhere/" + "x" * 300) == "nowhere/" + "x" * 300
