"""The stage laws, for every registered stage: row, column, spans, batch, name, twice.

curate/protocol/stage.py states each law. Of a barrier, the apply half must obey them, with
decisions made from the same table.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate import schema
from curate.plan import registry
from curate.protocol.in_memory import resolve
from curate.recipe import locate, profile
from curate.recipe.mixture import parse_mixture
from curate.recipe.profile import Profiles
from curate.text import pii
from tests.examples import EXPLORE
from tests.laws.tables import tables

PROFILES = Profiles(
    {name: profile.load_profile(name, locate.profile_text) for name in locate.profile_names()},
    {"books": "_default"},
)
#: No group of the mixture lists languages: a table without them would be an error.
MIXTURE = parse_mixture({"unit": "documents", "groups": {"web": {}}, "budget": 3})
GIVEN = {"profiles": PROFILES, "mixture": MIXTURE, "seed": 3}
#: Stage → the stages that write its columns.
NEEDS = {"judge": ["measure"], "bucket": ["measure"], "mix": [], "count": []}
#: An evaluation set of pairs of words that the tables contain.
EXAMPLES = Path(__file__).with_name("examples.jsonl")
#: Robots.txt of the host of the tables' addresses, of which it closes one.
ROBOTS = Path(__file__).with_name("robots.warc")
#: Options that a stage requires.
OPTIONS = {
    "datatrove": {"block": "RegexFilter", "parameters": {"regex_exp": "lorem|город"}},
    "bucket": {"signals": ["n_words", "page_quality"], "buckets": 3},
    "cap": {"documents": 1},
    "decontaminate": {"benchmarks": {"words": str(EXAMPLES)}, "ngram": 2},
    "line_dedup": {"min_documents": 2, "min_characters": 3},
    "robots_txt": {"archives": [str(ROBOTS)]},
    "substring_dedup": {"min_bytes": 16},
}


#: Stages that act only if a profile enables them, and no language's profile does.
ENABLED = {
    name: {"profiles": Profiles(PROFILES.by_name, {"web": "llm_jp"})}
    for name in ("rewrite", "url_filter")
}


def build(name):
    given = GIVEN | ENABLED.get(name, {}) | {"name": name}
    return registry.build("stage", name, OPTIONS.get(name, {}), given=given)


def applied(name, table):
    stage = build(name)
    if hasattr(stage, "sketch"):
        return stage.apply(
            table, resolve(stage, table, shards=2, partitions=3)["decisions"], Counter()
        )
    return stage.apply(table, Counter())


def prepared(name, table):
    if name == "identify":
        table = table.drop_columns(["lang", "lang_score", "lang2", "lang2_score"])
    for before in NEEDS.get(name, []):
        table = applied(before, table)
    return table


def same(left, right):
    assert left.column_names == right.column_names
    for column in left.column_names:
        a, b = left.column(column).to_pylist(), right.column(column).to_pylist()
        assert [_plain(x) for x in a] == [_plain(x) for x in b], column


def _plain(value):
    return "NaN" if isinstance(value, float) and np.isnan(value) else value


LAWS = settings(
    max_examples=25,
    deadline=None,
    derandomize=not EXPLORE,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
EVERY = pytest.mark.parametrize("name", sorted(registry.STAGES))
MAPS = pytest.mark.parametrize(
    "name", sorted(name for name in registry.STAGES if not hasattr(build(name), "sketch"))
)


@EVERY
@LAWS
@given(table=tables())
def test_row_and_column_and_name_law(name, table):
    table = prepared(name, table)
    stage = build(name)
    out = applied(name, table)
    schema.check(out, where=name)
    assert out.column("id").to_pylist() == table.column("id").to_pylist()
    rewrites = set(getattr(stage, "rewrites", ())) | {"dropped_by", "dropped_value"}
    assert set(table.column_names) <= set(out.column_names)
    new = set(out.column_names) - set(table.column_names)
    assert new <= set(stage.adds), "adds columns that it does not declare"
    assert set(stage.adds) <= set(out.column_names), "declares columns that it does not add"
    assert {name: out.schema.field(name).type for name in stage.adds} == dict(stage.added_types)
    if "text" in rewrites:
        rewrites |= set(schema.SPAN_COLUMNS)
    for column in set(table.column_names) - rewrites - set(stage.adds):
        assert out.column(column).equals(table.column(column)), column
    dropped = pc.is_valid(table.column("dropped_by"))
    for column in table.column_names:
        assert out.column(column).filter(dropped).equals(table.column(column).filter(dropped)), (
            column
        )
    for before, after in zip(
        table.column("dropped_by").to_pylist(), out.column("dropped_by").to_pylist(), strict=True
    ):
        if before is None and after is not None:
            stage_name, _, rule = after.partition(":")
            assert stage_name == name and rule


@EVERY
@LAWS
@given(table=tables(), data=st.data())
def test_spans_law(name, table, data):
    """Spans of bytes are spans of the text as it is now, or null."""
    spans, lang_spans = [], []
    for text in table.column("text").to_pylist():
        size = len((text or "").encode())
        ends = sorted(data.draw(st.sets(st.integers(0, size), max_size=4)))
        pairs = list(zip(ends[::2], ends[1::2], strict=False))
        spans.append([{"start": a, "end": b, "kind": "email"} for a, b in pairs])
        lang_spans.append([{"start": 0, "end": size, "lang": "und"}])
    columns = {"pii_spans": spans, "lang_spans": lang_spans}
    for column, values in columns.items():
        table = table.append_column(column, pa.array(values, schema.column_type(column)))
    table = prepared(name, table)
    out = applied(name, table)
    for before, after in zip(table.to_pylist(), out.to_pylist(), strict=True):
        if before["text"] == after["text"]:
            for span in before["pii_spans"] or ():
                assert span in after["pii_spans"]
            assert before["lang_spans"] == after["lang_spans"]
        else:
            assert after["lang_spans"] is None
            masks = {_bytes_of(before, span) for span in before["pii_spans"] or ()}
            for span in after["pii_spans"] or ():
                assert _bytes_of(after, span) in masks or _bytes_of(after, span).decode() in MASKS


MASKS = {pii.EMAIL, pii.IPV4, pii.IPV6}


def _bytes_of(row, span):
    return row["text"].encode()[span["start"] : span["end"]]


@MAPS
@LAWS
@given(table=tables(), data=st.data())
def test_batch_law(name, table, data):
    table = prepared(name, table)
    whole = applied(name, table)
    cut = data.draw(st.integers(0, table.num_rows))
    parts = [applied(name, table.slice(0, cut)), applied(name, table.slice(cut))]
    same(pa.concat_tables(parts), whole)
    order = data.draw(st.permutations(range(table.num_rows)))
    shuffled = applied(name, table.take(pa.array(order, pa.int64())))
    same(shuffled, whole.take(pa.array(order, pa.int64())))


@MAPS
@LAWS
@given(table=tables())
def test_twice_law(name, table):
    if not build(name).idempotent:
        pytest.skip(f"{name} does not declare it")
    table = prepared(name, table)
    once = applied(name, table)
    same(applied(name, once), once)
