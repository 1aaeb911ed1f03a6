"""Stages that cut, in whole runs: measured and judged again, equal on Ray, in the report."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from curate import api
from curate.errors import RecipeError
from curate.plan import build
from curate.recipe.recipe import load_recipe
from curate.tokens import counter
from tests.runs import ledger, tree

MENU = "Home page | All of our news | About the editors | Subscribe to the letter"
STORY = (
    "The river {n} rose in May and the people of the village carried what they had to the hill. "
    "They waited there for {n} days, and when the water went they built the bridge again."
)
RECIPE = """
name = "cutting"
[shards]
input_bytes = 6000
partition_bytes = 900
batch_bytes = 3000
[sources.web]
format = "jsonl"
path = "{folder}/*.jsonl"
profile = "{folder}/../long.toml"
[[stages]]
use = "identify"
[[stages]]
use = "measure"
[[stages]]
use = "judge"
[[stages]]
use = "exact_dedup"
[[stages]]
use = "{cutting}"
{options}
[[stages]]
use = "measure"
name = "measure_again"
[[stages]]
use = "judge"
name = "judge_again"
"""
PROFILE = """
describes = "Long enough"
[rules.short]
signal = "n_chars"
min = 100
why = "a test"
source = "a test"
"""
STAGES = {"line_dedup": "min_documents = 5", "substring_dedup": "min_bytes = 64"}


def words(n):
    return "".join(chr(ord("a") + int(digit)) for digit in str(n))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cutting")
    (folder / "in").mkdir()
    (folder / "long.toml").write_text(PROFILE)
    for file in range(3):
        rows = []
        for n in range(file * 20, file * 20 + 20):
            story = " ".join(STORY.format(n=f"{words(n)}{words(k)}") for k in range(3))
            # Every third page is long only because of the line that all pages repeat.
            text = f"{MENU}\n{story}" if n % 3 else f"{MENU}\nThe page {words(n)} of the village."
            rows.append(json.dumps({"text": text}))
        (folder / "in" / f"{file}.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def recipe_for(folder, cutting):
    path = folder / f"{cutting}.toml"
    path.write_text(RECIPE.format(folder=folder / "in", cutting=cutting, options=STAGES[cutting]))
    return path


@pytest.fixture(scope="module", params=sorted(STAGES))
def finished(request, corpus):
    recipe = recipe_for(corpus, request.param)
    out = corpus / f"out-{request.param}"
    api.run(recipe, output=out, engine="in-process")
    return request.param, recipe, out


@pytest.mark.ray
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_ray_cuts_the_same_bytes(workers, finished, tmp_path, local_ray):
    _, recipe, out = finished
    api.run(recipe, output=tmp_path / "out", engine="ray", workers=workers)
    assert tree(tmp_path / "out") == tree(out)
    assert ledger(tmp_path / "out") == ledger(out)


@pytest.mark.ray
def test_ray_cuts_the_same_tokens(corpus, tmp_path, local_ray):
    recipe = corpus / "tokens.toml"
    options = "min_tokens = 16\ntokenizer = 'tekken'"
    recipe.write_text(
        RECIPE.format(folder=corpus / "in", cutting="substring_dedup", options=options)
    )
    for engine, workers in (("in-process", None), ("ray", 2)):
        api.run(recipe, output=tmp_path / engine, engine=engine, workers=workers)
    assert tree(tmp_path / "ray") == tree(tmp_path / "in-process")
    tally = ledger(tmp_path / "ray")["stages"]["substring_dedup"]["tally"]
    assert tally["cut:documents"] >= 59
    manifest = json.loads((tmp_path / "ray" / "manifest.json").read_text())
    assert manifest["models"]["substring_dedup"] == counter("tekken").digest


@pytest.mark.ray
@pytest.mark.parametrize("cutting", sorted(STAGES))
def test_a_store_is_filled_and_used_alike_on_ray(cutting, corpus, tmp_path, local_ray):
    def month(name, file, engine, store=""):
        recipe = tmp_path / f"{name}.toml"
        options = STAGES[cutting] + (f'\nstore = "{tmp_path}/{store}"' if store else "")
        text = RECIPE.format(folder=corpus / "in", cutting=cutting, options=options)
        recipe.write_text(text.replace("*.jsonl", f"{file}.jsonl"))
        workers = 2 if engine == "ray" else None
        api.run(recipe, output=tmp_path / name, engine=engine, workers=workers)
        return tree(tmp_path / name), ledger(tmp_path / name)["stages"][cutting]["tally"]

    first = month("one", 0, "in-process", "seen")
    assert month("one-ray", 0, "ray", "seen-ray") == first
    shutil.copytree(tmp_path / "seen", tmp_path / "seen-mixed")
    second = month("two", 1, "in-process", "seen")
    assert month("two-ray", 1, "ray", "seen-ray") == second
    assert month("two-mixed", 1, "ray", "seen-mixed") == second
    stored = [
        sorted(
            (digest, name.split("/")[-1])
            for name, digest in tree(tmp_path / store, ["data"]).items()
            if name.endswith(".parquet")
        )
        for store in ("seen", "seen-ray", "seen-mixed")
    ]
    assert stored[0] == stored[1] == stored[2] and len(stored[0]) > 1
    # Every page of the second month has the line of the first, and none keeps it.
    alone = month("alone", 1, "in-process")
    assert second[1]["cut:bytes"] > alone[1]["cut:bytes"]
    assert not any(MENU in text for _, text, _ in rows_of(tmp_path / "two"))
    assert any(MENU in text for _, text, _ in rows_of(tmp_path / "alone"))


@pytest.fixture(scope="module")
def examined(corpus):
    """Return a run with an evaluation set, of which one example occurs in two files."""
    texts = [json.loads(line)["text"].split("\n")[1] for line in sorted_lines(corpus / "in")]
    rows = [
        {"q": texts[4]},
        {"q": "Yes"},
        {"q": "Nobody wrote this line of thirteen words into any page of any village."},
    ]
    (corpus / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = f'benchmarks = {{ village = "{corpus}/set.jsonl" }}\naction = "cut"'
    recipe = corpus / "examined.toml"
    recipe.write_text(RECIPE.format(folder=corpus / "in", cutting="decontaminate", options=options))
    out = corpus / "out-examined"
    api.run(recipe, output=out, engine="in-process")
    return recipe, out


def sorted_lines(folder):
    return [
        line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()
    ]


def test_the_report_shows_which_examples_of_a_set_the_corpus_contains(examined):
    _, out = examined
    (one,) = json.loads((out / "report.json").read_text())["benchmarks"]
    # The stories differ in names that are more than thirteen words apart: all contain runs of words
    # of the example.
    assert (one["examples"], one["too_short"], one["examples_too_short"]) == (3, 1, [1])
    assert (one["found"], one["found_share"]) == (1, 0.5)
    assert one["examples_found"] == {"0": 40} and one["documents"] == 40
    assert one["cut"]["documents"] + one["dropped"]["documents"] == 40
    stages = ledger(out)["stages"]
    assert one["cut"]["bytes"] == stages["decontaminate"]["tally"]["cut:bytes"]
    assert "Evaluation sets" in (out / "report.md").read_text()


@pytest.mark.ray
def test_what_was_found_is_the_same_on_ray_and_in_other_shards(examined, tmp_path, local_ray):
    recipe, out = examined
    api.run(recipe, output=tmp_path / "ray", engine="ray", workers=2)
    assert tree(tmp_path / "ray") == tree(out)
    larger = load_recipe(
        str(recipe), settings=["shards.input_bytes=1000000", "shards.batch_bytes=500"]
    )
    api.run(larger, output=tmp_path / "out", engine="in-process")
    tallies = [ledger(one)["stages"]["decontaminate"]["tally"] for one in (tmp_path / "out", out)]
    assert tallies[0] == tallies[1]


def test_the_cut_into_shards_and_partitions_changes_no_row(finished, tmp_path):
    _, recipe, out = finished
    settings = ["shards.input_bytes=1000000", "shards.partition_bytes=1000000"]
    api.run(
        load_recipe(str(recipe), settings=settings), output=tmp_path / "out", engine="in-process"
    )
    assert rows_of(tmp_path / "out") == rows_of(out)


def rows_of(out):
    tables = [pq.read_table(path) for path in (out / "mixture").rglob("*.parquet")]
    return sorted(
        (row["id"], row["text"], str(row["cuts"])) for table in tables for row in table.to_pylist()
    )


def test_what_was_cut_is_judged_again_and_counted(finished):
    stage, _, out = finished
    kept = {id: text for id, text, _ in rows_of(out)}
    assert sum(MENU in text for text in kept.values()) == 1
    stages = ledger(out)["stages"]
    assert stages[stage]["tally"]["cut:documents"] >= 59
    entered = sum(documents for _, _, documents, _ in stages["measure_again"]["input"])
    assert stages[stage]["tally"]["cut:bytes"] == bytes_of(stages, stage) - bytes_of(
        stages, "measure_again"
    )
    assert entered == 60 and dropped(stages, "judge_again") > 0


def dropped(stages, stage):
    return sum(documents for *_, documents, _ in stages[stage]["dropped"])


def bytes_of(stages, stage):
    return sum(size for *_, size in stages[stage]["input"])


def test_explain_cuts_again_what_was_cut(finished):
    stage, _, out = finished
    cut = [(id, text) for id, text, spans in rows_of(out) if spans != "None"]
    (outcome,) = api.explain(str(out), cut[0][0])
    (step,) = [step for step in outcome["replay"] if step["stage"] == stage]
    assert step["text"] == cut[0][1]
    assert step["did"]["cut:bytes"] > len(MENU)
    assert outcome["replay"][-1]["stage"] == "judge_again"


@pytest.mark.parametrize("cutting", ["line_dedup", "decontaminate"])
def test_a_stage_that_reads_what_was_measured_before_the_cut_is_refused(cutting, corpus, examined):
    recipe = examined[0] if cutting == "decontaminate" else recipe_for(corpus, cutting)
    text = recipe.read_text().replace('use = "measure"\nname', 'use = "repair"\nname')
    path = corpus / "stale.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match="judge_again") as refused:
        build.build(load_recipe(str(path)))
    assert "measure" in str(refused.value)


@pytest.mark.parametrize("cutting", sorted(STAGES))
def test_conversations_are_refused_when_planned(cutting, corpus):
    text = recipe_for(corpus, cutting).read_text().replace('format = "jsonl"', 'format = "chat"')
    path = corpus / "chat.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=f"{cutting}.* would cut spans out of the conversations"):
        build.build(load_recipe(str(path)))


def test_nothing_shares_the_read_of_a_stage_that_cuts(corpus):
    built = build.build(load_recipe(str(recipe_for(corpus, "line_dedup"))))
    groups = [[barrier.name for barrier in segment.barriers] for segment in built.segments]
    assert groups == [["exact_dedup", "line_dedup"], ["mix"]]


@pytest.mark.parametrize("cutting", sorted(STAGES))
def test_the_stage_can_be_tried(cutting, corpus):
    from curate.inspection.dry_run import dry_run

    built = build.build(load_recipe(str(recipe_for(corpus, cutting))))
    result = dry_run(built, cutting, sample=10, scan=1 << 20)
    assert result.came == 60 and result.tally["cut:documents"] >= 59
    assert "a lower bound" in result.note
