"""What the listing commands print is what a recipe may name."""

import json

import pytest

from curate.api import listings
from curate.plan import registry
from curate.recipe import locate
from curate.recipe.languages import label_of
from tests.unit.cli.commands import curate


def test_every_recipe_profile_stage_and_format_is_listed() -> None:
    assert {one["name"] for one in listings.recipes()} >= {"demo", "sherkala", "tedllm"}
    labels = {one["label"] for one in listings.languages()}
    assert labels >= set(locate.language_profiles()) - {"_default"}
    assert "_default" not in labels
    assert [one["name"] for one in listings.stages()] == list(registry.STAGES)
    assert [one["name"] for one in listings.sources()] == list(registry.SOURCE_FORMATS)


def test_every_code_that_is_listed_means_its_label() -> None:
    profiles = locate.language_profiles()
    codes = [(code, one["label"]) for one in listings.languages() for code in one["codes"]]
    assert ("kk", "kaz_Cyrl") in codes
    assert [(c, label) for c, label in codes if label_of(c, profiles) != label] == []


def test_a_recipe_that_cannot_be_read_is_listed_as_such(tmp_path, monkeypatch) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "bad.toml").write_text("name = ")
    monkeypatch.chdir(tmp_path)
    bad = next(one for one in listings.recipes() if one["name"] == "bad")
    assert bad["describes"].startswith("cannot be read: ")


@pytest.mark.parametrize("name", ["recipes", "languages", "stages", "sources", "tokenizers"])
def test_the_command_prints_the_same_for_people_and_machines(name: str) -> None:
    found = getattr(listings, name)()
    assert json.loads(curate(name, "--json").out) == found
    printed = curate(name).out.splitlines()
    assert len(printed) == len(found) + 1
    first = found[0].get("label") or found[0]["name"]
    assert printed[1].split()[0] == first
