"""Leaving groups out of a mixture takes out all that names them, and keeps the rest."""

import tomllib

import pytest

from curate.errors import RecipeError
from curate.recipe import groups
from curate.recipe.mixture import parse_mixture
from curate.recipe.recipe import load_recipe

MIXTURE = """
[mixture]
ratio = "3:1:2"
[mixture.groups.a]
languages = ["kaz_Cyrl"]
[mixture.groups.whole]
whole = true
sources = ["safety"]
[mixture.groups.b]
sources = ["x", "y"]
[mixture.groups.c]
sources = ["y"]
[[mixture.caps]]
group = "b"
source = "x"
max_share = 0.5
[[mixture.caps]]
origin = "mt"
max_share = 0.2
[mixture.upsample]
by = "cluster_size"
copies = [[1, 1]]
groups = ["b"]
"""


def table() -> dict:
    return tomllib.loads(MIXTURE)


def test_its_part_of_the_ratio_goes_with_it() -> None:
    recipe = table()
    groups.without(recipe, ["b"], "r.toml")
    mixture = parse_mixture(recipe["mixture"])
    assert mixture.ratio == "3:2"
    assert list(mixture.groups) == ["a", "whole", "c"]
    assert [cap.origin for cap in mixture.caps] == ["mt"]
    assert mixture.upsample is None


def test_a_whole_group_has_no_part_of_the_ratio() -> None:
    recipe = table()
    groups.without(recipe, ["whole"], "r.toml")
    assert recipe["mixture"]["ratio"] == "3:1:2"


def test_budgets_of_phases_go_with_it() -> None:
    recipe = tomllib.loads(
        "[mixture.groups.a]\n[mixture.groups.b]\n"
        "[[mixture.phases]]\nname = 'one'\nbudgets = { a = 1, b = 2 }"
    )
    groups.without(recipe, ["a"], "r.toml")
    assert recipe["mixture"]["phases"] == [{"name": "one", "budgets": {"b": 2}}]


def test_groups_are_lost_whose_sources_all_have_no_path() -> None:
    recipe = table()
    paths = {"x": [], "y": ["y.jsonl"], "safety": []}
    recipe["sources"] = {name: {"format": "jsonl", "path": path} for name, path in paths.items()}
    assert groups.lost(recipe) == ["whole"]


@pytest.mark.parametrize("broken", [{}, {"mixture": 3}, {"mixture": {"groups": []}, "sources": 1}])
def test_what_is_no_mixture_is_left_to_the_check(broken: dict) -> None:
    assert groups.lost(broken) == []
    with pytest.raises(RecipeError, match="no group"):
        groups.without(broken, ["a"], "r.toml")


@pytest.mark.parametrize(
    ("recipe", "group"),
    [("sherkala", "english"), ("allam", "code"), ("mling", None), ("sherkala_chat", None)],
)
def test_shipped_recipes_can_do_without_a_group(recipe: str, group: str | None) -> None:
    mixture = load_recipe(recipe).mixture
    assert mixture is not None
    for name in [group] if group else mixture.groups:
        left = load_recipe(recipe, without=[name]).mixture
        assert left is not None
        assert list(left.groups) == [each for each in mixture.groups if each != name]
