"""What commands print about a mixture before and after it is made."""

import json
from pathlib import Path

import pytest

from curate.recipe import locate
from tests.unit.cli.commands import curate

ENGLISH = Path(locate.data_path("sample_data/texts/eng_Latn"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mix")
    for name, count in (("a", 300), ("b", 100)):
        lines = [json.dumps({"text": f"{name} text number {n} " * 5}) for n in range(count)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "two.toml").write_text(f"""
name = "two"
[sources.a]
format = "jsonl"
path = "{folder}/a.jsonl"
[sources.b]
format = "jsonl"
path = "{folder}/b.jsonl"
[[stages]]
use = "count"
tokenizer = "words"
[mixture]
ratio = "3:1"
[mixture.groups.a]
sources = ["a"]
[mixture.groups.b]
sources = ["b"]
[mixture.validation]
share = 0.1
""")
    return folder


def rows(table):
    return {(row["phase"], row["group"]): row for row in table}


def test_plan_prints_what_the_run_then_does(folder):
    recipe = str(folder / "two.toml")
    before = json.loads(curate("plan", recipe, "--sample", "1000", "--json").out)["mixture"]
    assert (
        before["note"]
        == "estimated from 400 active documents of 400 scanned; duplicates are still among them"
    )
    done = curate(
        "run", recipe, "--output", str(folder / "out"), "--engine", "in-process", "--json"
    )
    after = rows(json.loads(done.out)["mixture"])
    foreseen = rows(before["table"])
    assert list(foreseen) == list(after) == [
        ("main", "a"), ("main", "b"), ("validation", "a"), ("validation", "b"),
    ]  # fmt: skip
    for key, row in foreseen.items():
        for name in ("available", "asked", "asked_share", "shortage"):
            assert row[name] == after[key][name]
        assert abs(row["amount"] - after[key]["amount"]) <= after[key]["largest"]
    table = curate("plan", recipe).out
    for column in ("available tokens", "asked", "got", "share asked", "epochs", "validation"):
        assert column in table


def test_a_sample_represents_its_source(folder):
    recipe = str(folder / "two.toml")
    some = rows(
        json.loads(curate("plan", recipe, "--sample", "60", "--json").out)["mixture"]["table"]
    )
    whole = rows(
        json.loads(curate("plan", recipe, "--sample", "1000", "--json").out)["mixture"]["table"]
    )
    for key in (("main", "a"), ("main", "b")):
        assert some[key]["available"] == pytest.approx(whole[key]["available"], rel=0.2)


def test_plan_names_what_the_sample_cannot_show(folder):
    recipe = str(folder / "two.toml")
    assert "available" not in curate("plan", recipe, "--sample", "0").out
    three = folder / "three.toml"
    three.write_text(Path(recipe).read_text() + "[mixture.groups.c]\nlanguages = []\n")
    result = curate("plan", str(three), "--set", "mixture.ratio=3:1:1")
    assert result.code == 0
    assert "no estimate from 300 documents: group 'c' has nothing to give" in result.out
    assert curate("plan", recipe, "--set", "mixture.temperature=5").code == 2


def test_mix_takes_alpha_and_validation(folder):
    arguments = (
        "mix",
        "sample_data/books.parquet",
        "--ratio",
        "kaz_Cyrl+rus_Cyrl+tur_Latn=1",
        "--unit",
        "bytes",
    )
    plain = json.loads(curate(*arguments, "--dry-run", "--json").out)["mixture"]
    with_validation = json.loads(
        curate(*arguments, "--validation", "0.4", "--alpha", "0", "--dry-run", "--json").out
    )["mixture"]
    assert [row["phase"] for row in plain] == ["main"]
    assert [row["phase"] for row in with_validation] == ["main", "validation"]
    assert plain[0]["available"] == sum(row["available"] for row in with_validation)


@pytest.fixture(scope="module")
def emptied(tmp_path_factory):
    """Return a recipe whose source ``short`` no document passes the rules of, and its folder."""
    folder = tmp_path_factory.mktemp("emptied")
    texts = {
        "short": [f"The river was high on day {n}, and nobody could cross." for n in range(20)]
    }
    texts["long"] = [path.read_text(encoding="utf-8") for path in sorted(ENGLISH.glob("*.txt"))]
    for name in texts:
        lines = [json.dumps({"text": text}) for text in texts[name]]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "emptied.toml").write_text(f"""
name = "emptied"
[sources.long]
format = "jsonl"
path = "{folder}/long.jsonl"
[sources.short]
format = "jsonl"
path = "{folder}/short.jsonl"
[[stages]]
use = "identify"
[[stages]]
use = "measure"
[[stages]]
use = "judge"
[mixture]
ratio = "1:1"
unit = "bytes"
[mixture.groups.long]
sources = ["long"]
[mixture.groups.short]
sources = ["short"]
""")
    return folder


WHY = "group 'short' has nothing to give: 20 of 20 documents of short were dropped, most by judge:"


@pytest.mark.parametrize("engine", ["in-process", "ray"])
def test_a_run_says_which_rules_emptied_a_group(emptied, tmp_path, engine):
    recipe, out = str(emptied / "emptied.toml"), str(tmp_path / "out")
    result = curate("run", recipe, "--output", out, "--engine", engine, "--workers", "1")
    assert (result.code, WHY in result.err) == (2, True), result.err
    assert result.err.count("next: give it weight 0") == 1


def test_a_dry_run_shows_the_stages_where_a_group_is_empty(emptied):
    recipe = str(emptied / "emptied.toml")
    result = curate("run", recipe, "--dry-run")
    assert result.code == 0
    stages = [line.split()[:2] for line in result.out.splitlines()[1:4]]
    assert stages == [[name, "47"] for name in ("identify", "measure", "judge")]
    assert f"no mixture of 300 documents: {WHY}" in result.out
    tried = json.loads(curate("run", recipe, "--dry-run", "--json").out)["stages"]
    assert [(each["stage"], each["mixture"]) for each in tried][-1] == ("mix", [])
    assert WHY in curate("plan", recipe).out


def test_a_group_whose_language_is_not_there_names_those_that_are(emptied, tmp_path):
    recipe, out = str(emptied / "emptied.toml"), str(tmp_path / "out")
    asked = ("--set", 'mixture.groups.short.languages=["kaz_Cyrl","tur_Latn"]')
    result = curate("run", recipe, "--output", out, "--engine", "in-process", *asked)
    assert result.code == 2
    said = "no document of short is in kaz_Cyrl, tur_Latn; there are eng_Latn 20"
    assert f"group 'short' has nothing to give: {said}" in result.err
