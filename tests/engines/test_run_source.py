"""A finished run is a source: what it kept and measured is taken over, nothing is done twice."""

import json
import tomllib
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tomli_w

from curate import api
from curate.engine import compiling
from curate.errors import RecipeError, RefusedError
from curate.recipe import locate
from curate.recipe.recipe import parse_recipe
from curate.sources.base import InputFile, Piece, Skip
from curate.sources.finished_run import CuratedRun
from curate.stages.measure import Measure
from tests.runs import tree
from tests.unit.cli.commands import curate, demo_run

DEMO = tomllib.loads(locate.recipe_file("demo").read_text(encoding="utf-8"))
#: The sources that come in the second month.
LATE = ("news", "books")
#: What a run says of its own removals and of its mixture, and not of a document.
OF_THE_RUN = ("phase", "epoch", "dropped_by", "dropped_value", "cluster", "cluster_size")


def run(recipe, out, **options):
    text = tomli_w.dumps(recipe)
    return api.run(parse_recipe(text, "recipe"), output=out, **{"engine": "in-process"} | options)


def with_sources(chosen, **more):
    """The demo with some of its sources read, and all of them declared."""
    sources = {
        name: spec | ({} if name in chosen else {"path": []})
        for name, spec in DEMO["sources"].items()
    }
    return DEMO | {"sources": sources | more}


def of_run(folder):
    return {"format": "run", "path": [str(folder)]}


@pytest.fixture(scope="module")
def month_one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("months") / "one"
    run(with_sources(DEMO["sources"].keys() - set(LATE)), folder)
    return folder


def curated(folder):
    """All documents that passed every stage, by id."""
    folder = Path(folder)
    paths = [*folder.glob("mixture/*/*.parquet"), *folder.glob("rejected/mix/*.parquet")]
    return {row["id"]: row for path in paths for row in pq.read_table(path).to_pylist()}


def tallies(result):
    stages = result.manifest["ledger"]["stages"]
    return {name: counts["tally"].get("carried", 0) for name, counts in stages.items()}


def test_a_run_and_new_sources_give_what_all_sources_give(month_one, tmp_path, monkeypatch):
    expected = curated(demo_run()[0])
    measured = Counter()
    apply = Measure.apply
    monkeypatch.setattr(
        Measure,
        "apply",
        lambda self, table, tally: (
            measured.update(table.column("id").to_pylist()) or apply(self, table, tally)
        ),
    )
    result = run(with_sources(LATE, month1=of_run(month_one)), tmp_path / "two")
    found = curated(tmp_path / "two")
    assert found.keys() == expected.keys()
    for id, row in expected.items():
        for name in row.keys() - set(OF_THE_RUN):
            assert found[id][name] == row[name], (id, name)
    brought = curated(month_one).keys()
    assert {id.partition("/")[0] for id in brought} == DEMO["sources"].keys() - set(LATE)
    assert measured and measured.keys().isdisjoint(brought)
    carried = tallies(result)
    assert carried["repair"] == carried["measure"] == carried["judge"] == len(brought)
    assert 0 < carried["count"] <= len(brought)
    assert carried["exact_dedup"] == 0
    assert curate("verify", str(tmp_path / "two")).code == 0
    files = result.manifest["ledger"]["files"]
    assert files["web/crawl.warc.gz"]["documents"] == sum(
        id.startswith("web/crawl.warc.gz#") for id in brought
    )


def test_shards_and_batches_change_no_row(month_one, tmp_path):
    recipe = with_sources(LATE, month1=of_run(month_one))
    run(recipe, tmp_path / "a")
    cut = recipe["shards"] | {"input_bytes": 3_000, "batch_bytes": 5_000}
    run(recipe | {"shards": cut}, tmp_path / "b")
    assert curated(tmp_path / "a") == curated(tmp_path / "b")


@pytest.mark.ray
def test_ray_gives_the_bytes_of_in_process(month_one, tmp_path):
    recipe = with_sources(LATE, month1=of_run(month_one))
    run(recipe, tmp_path / "a")
    run(recipe, tmp_path / "b", engine="ray", workers=2)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


REMIX = {
    "name": "remix",
    "mixture": {"unit": "tokens", "groups": {"kk": {"weight": 1, "languages": ["kaz_Cyrl"]}}},
}


def test_a_run_is_mixed_again_without_a_stage(month_one, tmp_path):
    result = run(REMIX | {"sources": {"month1": of_run(month_one)}}, tmp_path / "out")
    before = {id: row for id, row in curated(month_one).items() if row["lang"] == "kaz_Cyrl"}
    rows = [row for row in curated(tmp_path / "out").values() if row["lang"] == "kaz_Cyrl"]
    assert {row["id"]: row["n_tokens"] for row in rows} == {
        id: row["n_tokens"] for id, row in before.items()
    }
    assert result.manifest["counted_with"]["tokenizer"] == "tekken"
    assert result.manifest["mixture"][0]["available"] == sum(r["n_tokens"] for r in before.values())
    copies = sum(
        pq.read_table(path, columns=["epoch"]).num_rows
        for path in month_one.glob("mixture/*/*.parquet")
    ) - sum(
        sum(e == 1 for e in pq.read_table(path, columns=["epoch"]).column("epoch").to_pylist())
        for path in month_one.glob("mixture/*/*.parquet")
    )
    skipped = sum(
        file["skipped"].get("another_copy", 0)
        for file in result.manifest["ledger"]["files"].values()
    )
    assert skipped == copies > 0


def test_the_first_run_on_a_machine_compiles_with_the_columns_of_the_run(
    month_one, tmp_path, monkeypatch
):
    monkeypatch.setattr(compiling, "_is_new", lambda stage: True)
    monkeypatch.setattr(compiling, "_DONE", set())
    result = run(REMIX | {"sources": {"month1": of_run(month_one)}}, tmp_path / "out")
    assert result.exit_code == 0


def test_a_document_of_several_phases_is_read_once(month_one, tmp_path):
    phases = [{"name": name, "budget": 1.0, "reuse": True} for name in ("first", "second")]
    mixture = {"unit": "documents", "groups": REMIX["mixture"]["groups"], "phases": phases}
    for phase in phases:
        phase["budget"] = 10
    run(REMIX | {"sources": {"m": of_run(month_one)}, "mixture": mixture}, tmp_path / "phased")
    ids = [
        id
        for path in (tmp_path / "phased").glob("mixture/*/*.parquet")
        for id in pq.read_table(path, columns=["id"]).column("id").to_pylist()
    ]
    assert len(set(ids)) < len(ids)
    run(REMIX | {"sources": {"m": of_run(tmp_path / "phased")}}, tmp_path / "out")
    read = Counter(
        id
        for folder in ("mixture", "rejected")
        for path in (tmp_path / "out").rglob(f"{folder}/**/*.parquet")
        for id in pq.read_table(path, columns=["id"]).column("id").to_pylist()
    )
    assert read.keys() == curated(tmp_path / "phased").keys()
    assert set(read.values()) == {1}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A run without conversations."""
    folder = tmp_path_factory.mktemp("months") / "pages"
    run(with_sources(("web", "notes")), folder)
    return folder


def test_a_stage_that_changed_runs_again_and_what_comes_after_a_changed_text_too(pages, tmp_path):
    sources = with_sources((), month1=of_run(pages))["sources"]
    stages = [dict(stage) for stage in DEMO["stages"]]
    stages[-1] |= {"tokenizer": "words"}
    counted = tallies(run(DEMO | {"sources": sources, "stages": stages}, tmp_path / "counted"))
    assert counted["judge"] > 0 == counted["count"]
    stages.insert(4, {"use": "line_dedup", "min_documents": 3, "min_characters": 5})
    cut = tallies(run(DEMO | {"sources": sources, "stages": stages}, tmp_path / "cut"))
    assert cut["trim"] > 0 == cut["measure"] == cut["judge"]
    rows = curated(tmp_path / "cut")
    assert any(row["cuts"] for row in rows.values())
    for row in rows.values():
        words = api.count_tokens([row["text"]], tokenizer="words")["n_tokens"][0].as_py()
        assert row["n_tokens"] == words


def test_a_rule_that_changed_judges_by_the_measurements_of_the_run(pages, tmp_path):
    web = [r for r in curated(pages).values() if r["source"] == "web" and r["lang"] == "kaz_Cyrl"]
    least = sorted(row["signal_n_words"] for row in web)[len(web) // 2]
    (tmp_path / "filters").mkdir()
    limits = f"signal = 'n_words'\nmin = {least}\nwhy = 'a test'\nsource = 'ours'\n"
    rules = f"extends = '_default'\n[rules.too_few_words]\n{limits}"
    (tmp_path / "filters" / "kaz_Cyrl.toml").write_text(rules)
    stages = [{"use": "measure"}, {"use": "judge"}]
    recipe = DEMO | {"sources": with_sources((), m=of_run(pages))["sources"], "stages": stages}
    del recipe["mixture"]
    (tmp_path / "strict.toml").write_text(tomli_w.dumps(recipe))
    result = api.run(tmp_path / "strict.toml", output=tmp_path / "out", engine="in-process")
    assert tallies(result)["judge"] == 0
    found = curated(tmp_path / "out")
    kept = {row["id"] for row in web if row["id"] in found}
    assert kept == {row["id"] for row in web if row["signal_n_words"] >= least}
    assert 0 < len(kept) < len(web)


def test_counts_that_no_longer_hold_are_missed_when_the_run_is_planned(pages, tmp_path):
    stages = [{"use": "line_dedup", "min_documents": 3}]
    recipe = REMIX | {"sources": {"month1": of_run(pages)}, "stages": stages}
    with pytest.raises(RecipeError, match="reads column 'n_tokens', which nothing before it"):
        run(recipe, tmp_path / "out")


def test_no_span_is_cut_out_of_the_conversations_of_a_run(month_one, tmp_path):
    stages = [{"use": "line_dedup"}]
    recipe = {"name": "two", "sources": {"m": of_run(month_one)}, "stages": stages}
    with pytest.raises(RecipeError, match="would cut spans out of the conversations of 'm'"):
        run(recipe, tmp_path / "out")


def test_a_changed_rule_needs_the_profiles_of_the_runs_sources(pages, tmp_path):
    stages = [{"use": "repair"}, {"use": "line_dedup"}, {"use": "measure"}]
    recipe = {"name": "two", "sources": {"m": of_run(pages)}, "stages": stages}
    with pytest.raises(RecipeError, match="which profile the run's source 'notes' has"):
        run(recipe, tmp_path / "out")
    declared = {"notes": {"format": "text", "path": [], "profile": "line"}}
    run(recipe | {"sources": recipe["sources"] | declared}, tmp_path / "out")
    assert curated(tmp_path / "out").keys() == curated(pages).keys()


def test_input_columns_keep_their_types(tmp_path):
    text = {"text": " ".join(f"w{n}" for n in range(30)), "score": 3, "tags": ["a"]}
    (tmp_path / "a.jsonl").write_text(json.dumps(text))
    source = {"format": "jsonl", "path": [str(tmp_path / "a.jsonl")], "columns": ["*"]}
    run({"name": "one", "sources": {"a": source}}, tmp_path / "one")
    run({"name": "two", "sources": {"m": of_run(tmp_path / "one")}}, tmp_path / "two")
    (row,) = curated(tmp_path / "two").values()
    assert (row["score"], row["tags"], row["id"]) == (3, ["a"], "a/a.jsonl#0")
    one, two = (next((tmp_path / n).glob("mixture/*/*.parquet")) for n in ("one", "two"))
    assert pq.read_schema(one).remove_metadata() == pq.read_schema(two).remove_metadata()


def small(tmp_path, name, **stage):
    (tmp_path / f"{name}.jsonl").write_text(
        json.dumps({"text": " ".join(f"{name}{n}" for n in range(30))})
    )
    source = {"format": "jsonl", "path": [str(tmp_path / f"{name}.jsonl")]}
    recipe = {"name": "one", "sources": {"a": source}}
    return recipe | ({"stages": [stage]} if stage else {})


def test_what_cannot_be_a_source_is_refused_in_one_sentence(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    run(small(tmp_path, "x"), tmp_path / "one")
    two = [str(tmp_path / "one"), str(empty)]
    for source, said in (
        (of_run(empty), "no finished run here"),
        ({"format": "run", "path": two}, "reads one run"),
        (of_run(tmp_path / "one") | {"profile": "line"}, "keep their sources"),
    ):
        with pytest.raises(RecipeError, match=said):
            run({"name": "two", "sources": {"m": source}}, tmp_path / "out")
    again = small(tmp_path, "x")["sources"] | {"m": of_run(tmp_path / "one")}
    with pytest.raises(RecipeError, match=r"'a/x.jsonl' is a file of 'a' and of the run 'm'"):
        run({"name": "two", "sources": again}, tmp_path / "out")
    file = next((tmp_path / "one").glob("mixture/*/*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RefusedError, match="is gone or cut"):
        run({"name": "two", "sources": {"m": of_run(tmp_path / "one")}}, tmp_path / "out")


@pytest.mark.parametrize("is_relative", [True, False])
def test_a_run_beside_the_store_that_holds_it_is_refused(is_relative, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    address = "seen" if is_relative else str(tmp_path / "seen")
    store = {"use": "fuzzy_dedup", "store": address}
    run(small(tmp_path, "x", **store), tmp_path / "one")
    recipe = small(tmp_path, "y", **store)
    recipe["sources"]["m"] = of_run(tmp_path / "one")
    with pytest.raises(RecipeError, match="are in the dedup store of stage 'fuzzy_dedup'"):
        run(recipe, tmp_path / "two")


def test_runs_with_two_tokenizers_are_counted_again_or_refused(tmp_path):
    for name, tokenizer in (("x", "words"), ("y", "characters")):
        run(small(tmp_path, name, use="count", tokenizer=tokenizer), tmp_path / name)
    both = {name: of_run(tmp_path / name) for name in ("x", "y")}
    with pytest.raises(RecipeError, match="with several tokenizers: 'x' with words, 'y' with"):
        run({"name": "two", "sources": both}, tmp_path / "out")
    count = {"stages": [{"use": "count", "tokenizer": "words"}]}
    result = run({"name": "two", "sources": both} | count, tmp_path / "out")
    assert tallies(result)["count"] == 1
    assert [row["n_tokens"] for row in curated(tmp_path / "out").values()] == [30, 30]


def write_words(path, *ranges):
    rows = [
        {"text": " ".join(f"word{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in r)} for r in ranges
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return {"format": "jsonl", "path": [str(path)]}


@pytest.mark.parametrize(("keep", "equal"), [("longest", False), ("source_priority", True)])
def test_fuzzy_dedup_is_equal_where_the_run_comes_first(keep, equal, tmp_path):
    """Of a chain B - A - C, where A is like both: what removed B may be removed later."""
    a = write_words(tmp_path / "a.jsonl", range(100), range(12, 106))
    b = write_words(tmp_path / "b.jsonl", [*range(200, 214), *range(94)])
    order = {"source_priority": ["a", "b"]} if keep == "source_priority" else {}
    stage = {"use": "fuzzy_dedup", "threshold": 0.7, "ngram": 1, "bands": 60, "rows": 2}
    recipe = {"name": "chain", "stages": [stage | {"keep": keep} | order]}
    run(recipe | {"sources": {"a": a}}, tmp_path / "one")
    run(recipe | {"sources": {"a": a, "b": b}}, tmp_path / "both")
    later = {"m": of_run(tmp_path / "one"), "a": a | {"path": []}, "b": b}
    run(recipe | {"sources": later}, tmp_path / "two")
    assert len(curated(tmp_path / "one")) == 1
    assert (curated(tmp_path / "two").keys() == curated(tmp_path / "both").keys()) is equal


def test_a_damaged_row_group_is_quarantined(tmp_path):
    run(small(tmp_path, "x"), tmp_path / "one")
    path = next((tmp_path / "one").glob("mixture/*/*.parquet"))
    body = bytearray(path.read_bytes())
    body[60] ^= 255
    path.write_bytes(body)
    recipe = {"name": "two", "sources": {"m": of_run(tmp_path / "one")}}
    result = run(recipe | {"limits": {"quarantined_records": 0}}, tmp_path / "out")
    assert result.exit_code == 3
    assert result.manifest["totals"]["quarantined"] == 1


def test_copies_are_skipped_and_counted(month_one):
    (path,) = month_one.glob("mixture/*/*.parquet")
    name = str(path.relative_to(month_one))
    file = InputFile(str(path), name, path.stat().st_size)
    records = list(CuratedRun().read(file, Piece(0, 1000)))
    epochs = pq.read_table(path, columns=["epoch"]).column("epoch").to_pylist()
    skipped = [record for record in records if isinstance(record, Skip)]
    assert sum(skip.count for skip in skipped) == sum(epoch > 1 for epoch in epochs)
