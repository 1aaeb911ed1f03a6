"""Slips of a new user in a recipe: each is told in words of recipes, before anything is read."""

import tomllib
from pathlib import Path

import pytest

from curate.sources.base import InputFile
from tests.unit.cli.commands import curate

RECIPE = """
name = "a"
[sources.kk]
format = "jsonl"
path = "kk.jsonl"
[sources.ru]
format = "jsonl"
path = "ru.jsonl"
"""
GROUPS = """
[mixture]
ratio = "1:1"
unit = "documents"
[mixture.groups.first]
sources = ["kk"]
[mixture.groups.second]
sources = ["ru"]
"""


def count(tokenizer):
    return f'{RECIPE}[[stages]]\nuse = "count"\ntokenizer = "{tokenizer}"\n'


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("kk", "ru"):
        Path(f"{name}.jsonl").write_text('{"text": "one two three"}\n')


def run(recipe, *arguments):
    Path("r.toml").write_bytes(recipe if isinstance(recipe, bytes) else recipe.encode())
    return curate("run", "r.toml", "--output", "out", "--engine", "in-process", *arguments)


@pytest.mark.parametrize(
    ("recipe", "arguments", "said"),
    [
        (RECIPE.replace("format", "fromat", 1), (), "is 'fromat' meant to be format?"),
        (RECIPE.replace('format = "jsonl"\n', "", 1), (), 'add format = "jsonl"'),
        (RECIPE + '[stages]\nuse = "count"\n', (), "write [[stages]] for each"),
        (RECIPE.replace('"jsonl"\n', '"jsonl"\ntext = "body"\n'), (), "the records have text:"),
        (RECIPE + GROUPS.replace('"1:1"', "[3, 1]"), (), 'ratio = "3:1", one part per group'),
        (RECIPE + GROUPS.replace('"1:1"', "3"), (), 'ratio = "3", one part per group'),
        (RECIPE, ("--set", "seed=abc"), "with --set seed=abc"),
        (RECIPE, ("--set", "filters.kaz_Cyrl.rules.x=1"), "name it in profile ="),
        (count("cl100kbase"), (), "did you mean 'tiktoken:cl100k_base'?"),
        (count("owner/name"), (), "is 'hf:owner/name'"),
        (count("tok/tokenizer.json"), (), "give the path of a tokenizer.json, or hf:"),
        (
            RECIPE.replace('"ru.jsonl"', "[]") + GROUPS,
            (),
            "group 'second' has nothing to give: no path is known for its sources 'ru'",
        ),
        (RECIPE + GROUPS, ("--without", "secnd"), "did you mean 'second'?"),
        (
            RECIPE + GROUPS,
            ("--without", "second", "--without", "first"),
            "without 'first' the mixture has no group",
        ),
    ],
)
def test_a_slip_in_a_recipe(recipe, arguments, said):
    result = run(recipe, *arguments)
    assert result.code == 2
    assert said in result.err
    assert not Path("out").exists()


@pytest.mark.parametrize("recipe", ["run", "plan"])
@pytest.mark.parametrize(
    "wrong", [count("cl100kbase"), RECIPE.replace('"jsonl"\n', '"jsonl"\ntext = "body"\n')]
)
def test_plan_refuses_what_run_would_refuse(recipe, wrong):
    Path("r.toml").write_text(wrong)
    output = ("--output", "out") if recipe == "run" else ()
    assert curate(recipe, "r.toml", *output).code == 2


def test_groups_whose_sources_get_no_input_are_left_out():
    result = run(RECIPE + GROUPS, "--input", "kk=kk.jsonl")
    assert result.code == 0
    assert "left out, because no --input names a source of theirs: group 'second'" in result.err
    assert "second" not in Path("out/recipe.toml").read_text().partition("[mixture")[2]


def test_a_group_may_be_left_out():
    assert run(RECIPE + GROUPS, "--without", "second").code == 0
    recipe = tomllib.loads(Path("out/recipe.toml").read_text())
    assert recipe["mixture"]["ratio"] == "1"
    assert list(recipe["mixture"]["groups"]) == ["first"]


def test_a_byte_order_mark_is_no_error():
    assert run(b"\xef\xbb\xbf" + RECIPE.encode()).code == 0


def test_a_file_that_may_not_be_read_is_no_fault_of_curate(monkeypatch):
    opened = InputFile.open

    def refuse(file):
        if file.name == "ru.jsonl":
            raise PermissionError(13, "Permission denied", file.path)
        return opened(file)

    monkeypatch.setattr(InputFile, "open", refuse)
    result = run(RECIPE)
    assert result.code == 5
    assert "an input file cannot be read: Permission denied\n  at: ru.jsonl" in result.err
    assert "Traceback" not in result.err
