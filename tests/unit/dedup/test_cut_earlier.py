"""Lines and spans with a store: A, then B against it, cuts B as A and B together when A is older.

The oracle is one run over both, A first in keeper order.
"""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import api
from curate.errors import RecipeError, RefusedError
from curate.inspection.key_query import documents_with_keys
from curate.inspection.verify import verify
from curate.recipe.recipe import Recipe
from curate.storage import dedup_store
from curate.storage.store import open_store
from tests.examples import examples
from tests.unit.cli.commands import curate

ORDER = {"keep": "source_priority", "source_priority": ["a", "b", "c"]}
LINES = {"use": "line_dedup", "min_documents": 3, "min_characters": 3, **ORDER}
SPANS = {"use": "substring_dedup", "min_bytes": 16, **ORDER}
TOKENS = {"use": "substring_dedup", "min_tokens": 8, **ORDER}


def run(folder, name, months, stage):
    """Cut months of texts, the earlier month first; return {id: (text, why it was dropped)}."""
    sources = {}
    for month, texts in months.items():
        path = folder / f"{month}.jsonl"
        rows = [{"text": text, "url": f"https://{month}.example/"} for text in texts]
        path.write_text("\n".join(map(json.dumps, rows)))
        sources[month] = {"format": "jsonl", "path": [str(path)], "url": "url"}
    recipe = {"name": "cut", "sources": sources, "stages": [stage]}
    shards = {"partition_bytes": 300, "input_bytes": 200}
    recipe = Recipe.model_validate(recipe | {"shards": shards})
    api.run(recipe, output=folder / name, engine="in-process")
    assert verify(open_store(str(folder / name))) == []
    return {
        row["id"]: (row["text"], row.get("dropped_by"))
        for path in (folder / name).glob("[mr]*/*/*.parquet")
        for row in pq.read_table(path).to_pylist()
    }


def of(month, rows):
    return {id: row for id, row in rows.items() if id.startswith(f"{month}/")}


MENUS = st.lists(st.sampled_from(["menu", "news today", "about us", "letter 7", "ab"]), max_size=5)
LINED = st.lists(MENUS.map("\n".join), min_size=1, max_size=9)
#: Pieces of one long text and some short words between them.
LONG = "the river rose in may and қала halls of 水の町 were flooded till the bridge was built again"
PIECES = st.tuples(st.integers(0, 60), st.integers(5, 40)).map(lambda at: LONG[at[0] :][: at[1]])
SPANNED = st.lists(
    st.lists(PIECES | st.sampled_from(["x", "yz "]), max_size=4).map("".join),
    min_size=1,
    max_size=7,
)
OF = {"line_dedup": LINED, "substring_dedup": SPANNED}


@pytest.mark.parametrize("stage", [LINES, SPANS, TOKENS])
@given(data=st.data())
@examples(4)
def test_the_second_month_is_cut_as_after_the_first_in_one_run(tmp_path_factory, stage, data):
    folder = tmp_path_factory.mktemp("cut")
    one, two = (data.draw(OF[stage["use"]]) for _ in range(2))
    store = str(folder / "seen")
    first = run(folder, "one", {"a": one}, stage | {"store": store})
    assert first == run(folder, "alone", {"a": one}, stage)
    if one != two:  # the same file twice is refused
        second = run(folder, "two", {"b": two}, stage | {"store": store})
        assert second == of("b", run(folder, "both", {"a": one, "b": two}, stage))


MENU, NOTICE = "Home page | All of our news", "All rights reserved by the paper"


def test_lines_are_counted_over_months(tmp_path):
    stage = LINES | {"store": str(tmp_path / "seen")}
    first = run(tmp_path, "one", {"a": [f"{MENU}\nA story", MENU]}, stage)
    # Two documents have the line, one too few.
    assert sorted(first.values()) == [(MENU, None), (f"{MENU}\nA story", None)]
    second = run(tmp_path, "two", {"b": [f"{MENU}\nAnother story\n{NOTICE}"]}, stage)
    assert list(second.values()) == [(f"Another story\n{NOTICE}", None)]  # three: January keeps it
    third = run(tmp_path, "three", {"c": [f"{NOTICE}\nC1", f"{NOTICE}\nC2", MENU]}, stage)
    # The first copy of the notice is in February.
    assert sorted(third.values()) == [
        ("C1", None), ("C2", None), (MENU, "line_dedup:nothing_left"),
    ]  # fmt: skip
    assert dedup_store.listing(stage["store"])["parameters"] == {
        "lines": "line", "min_characters": 3, "per": "corpus",
    }  # fmt: skip


def test_what_a_source_had_is_new_once_it_is_out_of_use(tmp_path):
    for stage, text in ((LINES | {"min_documents": 2}, MENU), (SPANS, MENU)):
        store = str(tmp_path / f"seen-{stage['use']}")
        run(tmp_path, f"{stage['use']}1", {"a": [text]}, stage | {"store": store})
        against = {"b": [f"{text}\nmore words here"]}
        (cut,) = run(tmp_path, f"{stage['use']}2", against, stage | {"against": store}).values()
        assert cut == ("more words here", None)
        dedup_store.remove(store, source="a")
        (whole,) = run(tmp_path, f"{stage['use']}3", against, stage | {"against": store}).values()
        assert whole == (f"{text}\nmore words here", None)


def test_only_text_that_did_not_occur_before_is_stored(tmp_path):
    stage = SPANS | {"store": str(tmp_path / "seen")}
    run(tmp_path, "one", {"a": [LONG, LONG, f"{LONG[:40]}!", "short"]}, stage)
    (one,) = dedup_store.generations(open_store(stage["store"]))
    # The second copy has no window of its own, the fourth text has none at all.
    assert one.documents == 2
    stored = [
        text
        for entry in one.files("texts")
        for text in pq.read_table(tmp_path / "seen" / entry.path)["text"].to_pylist()
    ]
    assert sorted(stored) == sorted([LONG, f"{LONG[:40]}!"])


@pytest.mark.parametrize(
    "stage, other, said",
    [
        (LINES, {"min_characters": 9}, "min_characters = 3, not 9"),
        (LINES, {"per": "source"}, "per = corpus, not source"),
        (SPANS, {"min_bytes": 32}, "spans = 16, not 32"),
        (SPANS, {"min_bytes": None, "min_tokens": 16}, "of = bytes, not tekken; tokenizer = None"),
    ],
)
def test_stores_of_other_options_are_refused(tmp_path, stage, other, said):
    store = {"store": str(tmp_path / "seen")}
    run(tmp_path, "one", {"a": [LONG]}, stage | store)
    with pytest.raises(RefusedError, match=said):
        given = {key: value for key, value in (stage | other | store).items() if value is not None}
        run(tmp_path, "two", {"b": [MENU]}, given)


def size(text):
    return len(text.encode())


def shares(store, text, **columns):
    table = {"id": ["t"], "text": [text]} | columns
    return {
        row["id"].partition("#")[0]: row["contained"]
        for row in api.query_store(store, table).to_pylist()
    }


def test_a_store_says_which_documents_have_what_of_a_text(tmp_path):
    months = {"a": [f"{MENU}\nA story", MENU], "b": [f"{NOTICE}\n{LONG[:40]}"]}
    for name, stage, text, said in (
        ("lines", LINES, f"{MENU}\n{NOTICE}\nnew words", {"a/a.jsonl": 1 / 3, "b/b.jsonl": 1 / 3}),
        ("bytes", SPANS, LONG[4:44], {"b/b.jsonl": size(LONG[4:40]) / size(LONG[4:44])}),
        ("tokens", TOKENS, f"{LONG[:40]}", {"b/b.jsonl": 1.0}),
        ("text", {"use": "exact_dedup"}, MENU.upper(), {"a/a.jsonl": 1.0}),
        ("url", {"use": "exact_dedup", "on": "url"}, "https://b.example", {"b/b.jsonl": 1.0}),
    ):
        store = {"store": str(tmp_path / f"seen-{name}")}
        for month, texts in months.items():
            run(tmp_path, f"{name}-{month}", {month: texts}, stage | store)
        assert shares(store["store"], text) == pytest.approx(said), name
        assert shares(store["store"], "nothing of the kind is there") == {}, name
    rows = api.query_store(
        str(tmp_path / "seen-url"), {"url": ["https://b.example/"], "text": [""]}
    )
    assert [row["generation"] for row in rows.to_pylist()] == [1]
    shown = curate("store", "query", str(tmp_path / "seen-lines"), MENU)
    assert shown.code == 0 and "with the same, or a part of them" in shown.out + shown.err


def test_lines_counted_within_a_language_are_asked_for_with_it(tmp_path):
    stage = LINES | {"per": "source", "store": str(tmp_path / "seen")}
    run(tmp_path, "one", {"a": [MENU]}, stage)
    assert shares(stage["store"], MENU, source=["a"]) == {"a/a.jsonl": 1.0}
    assert shares(stage["store"], MENU, source=["b"]) == {}
    stored = {"lines": "line", "min_characters": 3, "per": "lang"}
    with pytest.raises(RecipeError, match="within each lang"):
        list(documents_with_keys(stage["store"], stored, pa.table({"text": [MENU]}), limit=1))


@pytest.mark.parametrize("stage", [LINES | {"min_documents": 2}, SPANS])
def test_nothing_is_left_of_what_is_taken_down(tmp_path, stage):
    store = str(tmp_path / "seen")
    run(tmp_path, "one", {"a": [LONG, f"{MENU} again"], "b": [NOTICE]}, stage | {"store": store})
    (tmp_path / "hosts").write_text("a.example\n")
    done = curate("takedown", str(tmp_path / "one"), "--domains", str(tmp_path / "hosts"))
    assert done.code == 0, done.err
    (one,) = dedup_store.generations(open_store(store))
    assert one.sources == {"b": 1}
    assert shares(store, LONG) == {} and shares(store, NOTICE) == {"b/b.jsonl": 1.0}
    found = b"".join(path.read_bytes() for path in (tmp_path / "seen").rglob("texts.parquet"))
    assert b"bridge" not in found
    # What was taken down does not come back, and is no earlier copy of anything.
    after = run(tmp_path, "two", {"a": [LONG], "c": [LONG, NOTICE]}, stage | {"store": store})
    assert [row for row in after.values() if row[1] is None] == [(LONG, None)]
