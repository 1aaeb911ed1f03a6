"""A store's signatures are datasketch's objects, and its index finds what a store query finds."""

import pickle

import datasketch
import numpy as np
import pyarrow as pa
import pytest

from curate import api
from curate.dedup.options import NearDuplicates
from curate.errors import RecipeError
from curate.integrations import datasketch as door
from curate.storage import dedup_store
from tests.unit.dedup.dedup_corpora import corpus
from tests.unit.storage.test_dedup_store import aged, run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    near = NearDuplicates(threshold=0.95, bands=10, rows=3, ngram=2, seed=7)
    address = str(tmp_path_factory.mktemp("datasketch") / "s")
    texts = corpus(5, originals=30)
    run(near, aged(texts[:40], 0, "a"), address, name="one")
    run(near, aged(texts[40:], 40, "b"), address, name="two")
    return address, texts


def test_jaccard_of_the_objects_is_our_estimate_bit_for_bit(store):
    address, texts = store
    stored = dict(door.minhashes(address))
    rows = api.query_store(address, texts, limit=1000).to_pylist()
    assert len(rows) > len(texts)
    signed = door.sign(address, texts)
    for row in rows:
        query = signed[int(row["query"].partition("#")[2])]
        assert query.jaccard(stored[row["id"]]) == row["estimate"]


def test_a_signature_is_datasketchs_own_of_our_shingle_hashes(store):
    from curate.dedup.options import Shingling
    from curate.dedup.shingles import shingle_sets

    address, texts = store
    hashes, _ = shingle_sets(pa.array(texts[:1], pa.large_string()), Shingling("word", 2))
    theirs = datasketch.MinHash(30, seed=7, scheme="affine32", hashfunc=lambda shingle: shingle)
    theirs.update_batch([int(value) >> 32 for value in hashes])
    assert door.sign(address, texts)[0] == datasketch.LeanMinHash(theirs)


def test_the_index_finds_the_candidates_of_a_store_query(store):
    address, texts = store
    index = door.index(address)
    assert (index.b, index.r) == (10, 3)
    rows = api.query_store(address, texts, limit=1000).to_pylist()
    for number, minhash in enumerate(door.sign(address, texts)):
        expected = {row["id"] for row in rows if row["query"] == f"table#{number}"}
        assert set(index.query(minhash)) == expected
        nearest = door.nearest(address, minhash, limit=1000)
        assert {id for id, _ in nearest} == expected
        assert [score for _, score in nearest] == sorted((s for _, s in nearest), reverse=True)
    assert door.nearest(address, door.sign(address, texts)[0], limit=1)[0][1] == 1.0


def test_what_was_serialized_elsewhere_goes_in(store):
    address, texts = store
    minhash = door.sign(address, texts)[3]
    buffer = bytearray(minhash.bytesize())
    minhash.serialize(buffer)
    again = datasketch.LeanMinHash.deserialize(buffer)
    assert door.nearest(address, again) == door.nearest(address, minhash)
    assert pickle.loads(pickle.dumps(minhash)) == minhash


def test_a_text_without_words_has_no_signature(store):
    assert [one is None for one in door.sign(store[0], ["", "a word"])] == [True, False]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"num_perm": 30, "seed": 1, "scheme": "affine32"}, "seed = 1, not 7"),
        ({"num_perm": 128, "seed": 7, "scheme": "affine32"}, "length = 128, not 30"),
        ({"num_perm": 30, "seed": 7, "scheme": "legacy"}, "scheme = legacy, not affine32"),
    ],
)
def test_a_signature_of_another_family_is_refused(store, made, said):
    with pytest.raises(RecipeError, match=said):
        door.nearest(store[0], datasketch.MinHash(**made))


def test_what_was_removed_from_the_store_does_not_come_out(tmp_path):
    near, address = NearDuplicates(bands=8, rows=4), str(tmp_path / "s")
    run(near, aged(corpus(1, originals=5), 0, "a"), address, name="one")
    run(near, aged(corpus(2, originals=5), 0, "b"), address, name="two")
    before = [id for id, _ in door.minhashes(address)]
    dedup_store.remove(address, source="a")
    after = [id for id, _ in door.minhashes(address)]
    assert after == [id for id in before if id.startswith("b/")]
    assert 0 < len(after) < len(before)
    assert len(list(door.index(address).keys)) == len(after)


def test_a_storage_that_datasketch_does_not_know_is_refused_in_one_sentence(store):
    with pytest.raises(RecipeError, match="datasketch cannot keep that index"):
        door.index(store[0], storage_config={"type": "nowhere"})
    there = {"type": "redis", "redis": {"host": "127.0.0.1", "port": 1}}
    with pytest.raises(RecipeError, match="needs the package redis, and a server"):
        door.index(store[0], storage_config=there)


def test_an_index_in_redis_is_the_one_in_memory(store):
    """With the packages redis and fakeredis, whose server speaks Redis's protocol over TCP."""
    pytest.importorskip("redis")
    fakeredis = pytest.importorskip("fakeredis")
    import threading

    server = fakeredis.TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        host, port = server.server_address
        config = {"type": "redis", "basename": b"test", "redis": {"host": host, "port": port}}
        address, texts = store
        there, here = door.index(address, storage_config=config), door.index(address)
        for minhash in door.sign(address, texts):
            assert sorted(there.query(minhash)) == sorted(here.query(minhash))
        assert np.sum([len(there.query(one)) for one in door.sign(address, texts)]) > len(texts)
    finally:
        server.shutdown()
