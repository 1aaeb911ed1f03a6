import pytest

from curate.errors import RecipeError
from curate.recipe.recipe import load_recipe, parse_recipe

TEXT = """
name = "r"
[sources.a]
format = "jsonl"
path = "a.jsonl"
text = "body.text"
[[stages]]
use = "fuzzy_dedup"
threshold = 0.8
"""


def test_a_source_keeps_its_readers_options():
    recipe = parse_recipe(TEXT, "r.toml")
    assert recipe.sources["a"].path == ("a.jsonl",)
    assert recipe.sources["a"].options == {"text": "body.text"}
    assert recipe.stages[0].options == {"threshold": 0.8}
    assert recipe.limits.quarantined_share == 0.001


def test_inputs_replace_paths_and_leave_other_sources_out():
    both = TEXT + '[sources.b]\nformat = "jsonl"\npath = "b.jsonl"\n'
    recipe = parse_recipe(both, "r.toml", inputs={"b": ["x", "y"]})
    # Without a path a source gives nothing; groups of the mixture may name it all the same.
    assert recipe.sources["a"].path == ()
    assert recipe.sources["b"].path == ("x", "y")


def test_settings_replace_single_keys():
    recipe = parse_recipe(
        TEXT,
        "r.toml",
        settings=[
            "seed=9",
            "stages.fuzzy_dedup.threshold=0.7",
            "shards.input_bytes=5",
            "describes=so",
        ],
    )
    assert (recipe.seed, recipe.shards.input_bytes, recipe.describes) == (9, 5, "so")
    assert recipe.stages[0].options == {"threshold": 0.7}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("name =", "nmae ="), r"unknown key 'nmae': did you mean 'name'"),
        (('name = "r"', 'name = "../r"'), "name"),
        (("[sources.a]", "[sources.'a/b']"), "characters other than"),
        (('format = "jsonl"', 'format = "jsonl"\norigin = "nativ"'), "did you mean 'native'"),
        (("[[stages]]", "[limits]\nquarantine = 1\n[[stages]]"), "unknown key 'limits.quarantine'"),
        (("[sources.a]", "[sources.a"), "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(change, says):
    with pytest.raises(RecipeError, match=says):
        parse_recipe(TEXT.replace(*change), "r.toml")


@pytest.mark.parametrize(
    ("inputs", "settings", "says"),
    [
        ({"aa": "x"}, [], "no source 'aa'"),
        ({}, ["seed"], "needs key=value"),
        ({}, ["stages.judge.x=1"], "no stage 'judge'"),
        ({}, ["seed=many"], "seed"),
    ],
)
def test_replacements_are_checked(inputs, settings, says):
    with pytest.raises(RecipeError, match=says):
        parse_recipe(TEXT, "r.toml", inputs=inputs, settings=settings)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'demo'"):
        load_recipe("demoo")
