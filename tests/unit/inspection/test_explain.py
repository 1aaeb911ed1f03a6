"""The outcome of a document of every kind, on the demo."""

import io
import re

import pyarrow.parquet as pq
import pytest

from curate import api
from curate.errors import RecipeError
from curate.inspection.explain import find_outcomes
from curate.recipe import locate
from curate.storage.store import open_store
from tests.unit.cli.commands import curate, demo_run


@pytest.fixture(scope="module")
def run():
    return demo_run()[0]


def rows(run, folder, columns):
    for path in sorted((run / folder).rglob("*.parquet")):
        present = pq.read_schema(path).names
        yield from pq.read_table(path, columns=[c for c in columns if c in present]).to_pylist()


def test_a_kept_document_is_replayed_to_its_end(run):
    row = next(rows(run, "mixture", ["id", "text"]))
    (outcome,) = api.explain(str(run), row["id"])
    assert outcome["outcome"] == "kept"
    assert sum(outcome["copies"].values()) >= 1
    assert [step["stage"] for step in outcome["replay"]] == [
        "read", "repair", "identify", "standardize", "trim", "measure", "judge", "count",
    ]  # fmt: skip
    changes = [step["text"] for step in outcome["replay"] if "text" in step]
    assert changes[-1] == row["text"]


def test_a_url_finds_the_document_that_its_id_finds(run):
    row = next(row for row in rows(run, "mixture", ["id", "url"]) if row["url"])
    by_url, by_id = api.explain(str(run), row["url"]), api.explain(str(run), row["id"])
    assert by_id[0] in by_url


def test_a_judged_document_has_the_rule_and_the_replay_ends_there(run):
    (outcome,) = api.explain(str(run), "https://pages-7.example/login")
    assert (outcome["outcome"], outcome["dropped_by"], outcome["dropped_value"]) == (
        "dropped", "judge:too_few_words", 18.0,
    )  # fmt: skip
    assert outcome["signals"]["signal_n_words"] == 18
    assert outcome["replay"][-1]["stage"] == "judge"
    assert outcome["replay"][-1]["dropped_by"] == "judge:too_few_words"


def test_a_duplicate_has_its_witness_and_the_witness_its_outcome(run):
    row = next(
        row
        for row in rows(run, "rejected", ["id", "dropped_by", "duplicate_of", "jaccard"])
        if row["dropped_by"] == "fuzzy_dedup:near_duplicate_words"
    )
    (outcome,) = api.explain(str(run), row["id"])
    assert outcome["duplicate_of"] == row["duplicate_of"]
    assert outcome["jaccard"] == row["jaccard"] >= 0.8
    (witness,) = outcome["witness"]
    assert witness["outcome"] in ("kept", "over_budget", "no_group")
    texts = {
        one["id"]: one["text"]
        for folder in ("mixture", "rejected")
        for one in rows(run, folder, ["id", "text"])
    }
    difference = outcome["difference"]
    changed = {kind for kind, _ in difference} - {"same"}
    assert changed
    for kind, side in (("kept", row["duplicate_of"]), ("removed", row["id"])):
        assert all(part in texts[side] for which, part in difference if which == kind)
    # The dedup dropped it: later stages are not replayed.
    assert outcome["replay"][-1]["stage"] == "judge"


def test_a_repaired_document_shows_which_stage_changed_it(run):
    for row in rows(run, "mixture", ["id"]):
        (outcome,) = api.explain(str(run), row["id"])
        changed = [step for step in outcome["replay"] if step["changed"]]
        if changed:
            break
    assert changed[0]["stage"] in ("repair", "standardize", "trim")
    assert changed[0]["did"]
    assert changed[0]["characters"] == len(changed[0]["text"])


def test_over_budget_has_u_and_the_row_of_its_group(run):
    row = next(
        row
        for row in rows(run, "rejected", ["id", "dropped_by", "dropped_value", "lang"])
        if row["dropped_by"] == "mix:over_budget" and row["lang"] == "rus_Cyrl"
    )
    (outcome,) = api.explain(str(run), row["id"])
    assert outcome["outcome"] == "over_budget"
    assert 0 <= outcome["dropped_value"] < 1
    (group,) = outcome["groups"]
    assert group["group"] == "russian_turkish"
    assert group["amount"] < group["available"]


def test_a_document_of_no_group_says_so(run):
    row = next(
        row
        for row in rows(run, "rejected", ["id", "dropped_by"])
        if row["dropped_by"] == "mix:no_group"
    )
    assert api.explain(str(run), row["id"])[0]["outcome"] == "no_group"


def test_a_damaged_record_by_file_and_offset(run):
    (outcome,) = api.explain(str(run), "web/crawl.warc.gz#113616")
    assert (outcome["outcome"], outcome["reason"], outcome["length"]) == (
        "quarantined",
        "gzip_data",
        1237,
    )
    assert outcome["error"]
    assert outcome["head"].startswith("WARC/1.0")
    assert find_outcomes(open_store(str(run)), "web/crawl.warc.gz")[0] == outcome


def test_what_the_run_does_not_know_is_an_error(run):
    with pytest.raises(RecipeError, match="no document or damaged record"):
        api.explain(str(run), "web/crawl.warc.gz#1")


def test_an_input_that_is_gone_leaves_the_outcome(run, monkeypatch):
    monkeypatch.setattr("curate.recipe.locate.data_path", lambda path: f"gone/{path}")
    (outcome,) = api.explain(str(run), "web/crawl.warc.gz#9169")
    assert outcome["outcome"] == "dropped"
    assert outcome["no_replay"]


PROSE = " ".join(
    f"On day {day} the ferry left the harbour early, and the people of the village watched it go."
    for day in ("one", "two", "three", "four", "five", "six")
)


def test_a_text_is_explained_by_a_recipe_without_its_inputs():
    steps = api.explain_text("demo", PROSE + "\u200b B\u00c3\u00bccher")
    by_file = str(locate.recipe_file("demo"))
    assert api.explain_text(by_file, PROSE + "\u200b B\u00c3\u00bccher") == steps
    by = {step["stage"]: step for step in steps}
    assert by["identify"]["lang"] == "eng_Latn"
    assert by["repair"]["changed"]
    assert by["repair"]["text"].endswith("B\u00fccher")
    rules = {rule["rule"]: rule for rule in by["judge"]["rules"]}
    assert rules["too_few_words"]["value"] == 109
    assert (rules["too_few_words"]["min"], rules["too_few_words"]["max"]) == (50, None)
    failing = [name for name, rule in rules.items() if not rule["holds"]]
    assert {"repeated_5grams", "repeated_9grams"} <= set(failing)
    assert steps[-1]["dropped_by"] == f"judge:{failing[0]}"  # the first that fails decides


def test_the_command_explains_stdin_with_rules_and_differences(monkeypatch):
    text = io.TextIOWrapper(io.BytesIO("Buy \x1b[1mcheap\nB\u00c3\u00bccher ".encode()), "utf-8")
    monkeypatch.setattr("sys.stdin", text)
    result = curate("explain", "demo", "--text", "-")
    assert result.code == 0, result.err
    assert result.out.startswith("dropped by judge:too_few_words\n")
    assert "  +B\u00fccher" in result.out
    assert "\x1b" not in result.out
    assert re.search(r"^too_few_words +3 +\d+ +fails: ", result.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("demo",), "a document or --text"),
        (("demo", "--text", "missing.txt"), "missing.txt"),
        (("demo", "--text", __file__, "--source", "newz"), "did you mean 'news'"),
        (("dmeo", "--text", __file__), "did you mean 'demo'"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(arguments, says):
    result = curate("explain", *arguments)
    assert result.code == 2
    assert says in result.err
    assert "Traceback" not in result.err
