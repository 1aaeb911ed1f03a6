"""A store without documents is as if they had never been; it knows what may not return."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup.options import NearDuplicates
from curate.errors import RefusedError
from curate.rights.lists import contains, entries_of, keys_of
from curate.storage import dedup_store, store_takedown
from curate.storage.store import open_store
from tests.examples import examples
from tests.unit.dedup.dedup_corpora import corpus
from tests.unit.storage.test_dedup_store import aged, run, together

NEAR = NearDuplicates(threshold=0.7, bands=12, rows=2, keep="oldest")


def without(ids):
    keys = np.sort(keys_of(sorted(ids)))
    return lambda number, table: contains(keys, keys_of(table["id"].combine_chunks()))


def everything(store):
    """All ids and addresses in the files of a store."""
    found = set()
    for name in store.names("data"):
        if name.endswith("documents.parquet"):
            table = pq.read_table(store.path(name))
            found |= set(table["id"].to_pylist()) | set(table["url"].to_pylist())
    return found


@examples(20)
@given(
    seed=st.integers(0, 10_000),
    share=st.sampled_from([0.02, 0.3, 1.0]),
    shards=st.integers(1, 3),
    partitions=st.integers(1, 4),
)
def test_the_rest_of_a_store_is_as_if_they_had_never_been(
    tmp_path_factory, seed, share, shards, partitions
):
    texts = corpus(seed, originals=30)
    half = len(texts) // 2
    a, b = aged(texts[:half], 0), aged(texts[half:], half, "b")
    address = tmp_path_factory.mktemp("store") / "s"
    store = open_store(str(address))
    first = run(NEAR, a, address, name="a", shards=shards, partitions=partitions)
    kept = a.filter(~np.isin(a["id"].to_pylist(), list(first)))
    gone = set(
        np.random.default_rng(seed).permutation(kept["id"].to_pylist())[
            : int(1 + share * len(kept))
        ]
    )
    stays = kept.filter(~np.isin(kept["id"].to_pylist(), list(gone)))
    assert store_takedown.count(store, without(gone)) == len(gone)
    assert store_takedown.erase(store, without(gone)) == len(gone)
    assert store_takedown.erase(store, without(gone)) == 0
    assert dedup_store.listing(str(address))["generations"][0]["documents"] == stays.num_rows
    assert everything(store) == set(stays["id"].to_pylist()) | set(stays["url"].to_pylist())
    second = run(NEAR, b, address, name="b", shards=shards, partitions=partitions)
    assert second == together(NEAR, stays, b)


@pytest.fixture
def store(tmp_path):
    run(NEAR, aged(corpus(3, originals=20), 0), tmp_path / "s", name="a")
    return open_store(str(tmp_path / "s"))


def test_what_was_buried_is_known_and_not_repeated(store):
    domain = entries_of("domain", ["example.kz"]).keys
    assert store_takedown.bury(store, {"domain": domain}) == 1
    assert store_takedown.bury(store, {"domain": domain, "id": keys_of(["a/f#0"])}) == 1
    assert store_takedown.bury(store, {"domain": domain}) == 0
    known = store_takedown.tombstones(store)
    assert len(known.files) == 2
    assert known.keys()["domain"].tolist() == domain.tolist()
    assert known.keys()["id"].tolist() == keys_of(["a/f#0"]).tolist()
    # Nobody reads a name out of them.
    body = b"".join(store.read(name) for name, _ in known.files)
    assert b"example" not in body


def test_changed_tombstones_are_refused(store):
    store_takedown.bury(store, {"id": keys_of(["a/f#0"])})
    known = store_takedown.tombstones(store)
    store.replace("taken_down/00000.parquet", b"other")
    with pytest.raises(RefusedError, match=r"taken_down/00000\.parquet is not what was written"):
        known.keys()


def test_addresses_are_stored_so_that_a_domain_can_go(store):
    def gone(number, table):
        return np.array([url.startswith("https://3.") for url in table["url"].to_pylist()])

    assert store_takedown.erase(store, gone) > 3
    assert not [one for one in everything(store) if one.startswith("https://3.")]


def test_a_generation_without_addresses_is_searched_by_id(store):
    for name in store.names("data"):
        if name.endswith("documents.parquet"):
            pq.write_table(pq.read_table(store.path(name)).drop_columns("url"), store.path(name))
    for one in dedup_store.generations(store):  # which had no checksums of footers then, either
        entries = [dataclasses.replace(entry, footer=None) for entry in one.entries]
        dedup_store.replace(store, one, entries)
    seen = []
    store_takedown.count(store, lambda n, t: seen.append(t.column_names) or np.zeros(len(t), bool))
    assert seen == [["id"]] * len(seen) != []


def test_a_takedown_that_is_damaged_or_gone_is_missed(store):
    store_takedown.bury(store, {"id": keys_of(["a/x#1", "a/x#2"])})
    path = store.path("taken_down/00000.parquet")
    body = path.read_bytes()
    for damage in (body[:10] + bytes([body[10] ^ 1]) + body[11:], body[:-1]):
        path.write_bytes(damage)
        with pytest.raises(RefusedError, match=r"damaged: taken_down/00000\.parquet is not what"):
            store_takedown.tombstones(store)
    path.unlink()
    with pytest.raises(RefusedError, match=r"damaged: taken_down/00000\.parquet is gone"):
        store_takedown.tombstones(store)
