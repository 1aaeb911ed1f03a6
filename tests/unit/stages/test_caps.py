"""Stages that limit how many of a kind stay: cap, embed_dedup, and count with limits."""

import random
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.errors import RecipeError, ResourceError
from curate.mixture.sampling import sample_key
from curate.protocol.in_memory import resolve
from curate.stages.cap import Cap
from curate.stages.count import Count
from curate.stages.embed_dedup import EmbedDedup
from tests.examples import examples


def rows(langs, texts=None):
    table = schema.documents(
        {"id": f"s/f#{n}", "source": "s", "text": (texts or ["x"] * len(langs))[n]}
        for n in range(len(langs))
    )
    return table.append_column("lang", pa.array(langs, pa.string()))


def run(stage, table, shards=1, partitions=1):
    decisions = resolve(stage, table, shards=shards, partitions=partitions)["decisions"]
    return schema.check(stage.apply(table, decisions, Counter()))


def kept(table):
    alive = table.filter(schema.alive(table))
    return set(alive.column("id").to_pylist())


@examples(40)
@given(
    st.lists(st.sampled_from(["kaz_Cyrl", "eng_Latn", None]), max_size=30),
    st.integers(1, 8),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_each_language_keeps_its_first_in_hash_order(langs, most, shards, partitions):
    table = rows(langs)
    done = run(Cap(most, seed=5), table, shards, partitions)
    u = dict(zip(table["id"].to_pylist(), sample_key(table["id"], 5).tolist(), strict=True))
    expected = set()
    for lang in set(langs):
        of_lang = [f"s/f#{n}" for n, other in enumerate(langs) if other == lang]
        expected |= set(sorted(of_lang, key=u.get)[:most])
    assert kept(done) == expected
    assert set(done["dropped_by"].to_pylist()) <= {None, "cap:over_cap"}
    assert kept(run(Cap(most + 1, seed=5), table)) >= expected
    assert done.column_names == table.column_names


@examples(40)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=30),
    st.integers(1, 40),
    st.integers(1, 3),
)
def test_bytes_are_kept_until_they_are_reached(documents, most, shards):
    table = rows([lang for lang, _ in documents], ["ә" * size for _, size in documents])
    expected, used = set(), Counter()
    u = dict(zip(table["id"].to_pylist(), sample_key(table["id"], 5).tolist(), strict=True))
    for id in sorted(u, key=u.get):
        lang, size = documents[int(id.partition("#")[2])]
        if used[lang] < most:
            expected.add(id)
            used[lang] += 2 * size  # each letter has two bytes
    assert kept(run(Cap(bytes=most, seed=5), table, shards)) == expected


HOSTS = ["https://a.example/", "http://www.A.example:80/x", "https://b.a.example/", "/p", None]


@examples(40)
@given(
    st.lists(st.sampled_from(HOSTS), max_size=40),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([1, 4, 1 << 16]),
)
def test_each_host_keeps_its_first_in_hash_order(urls, most, shards, partitions, together):
    table = rows(["eng_Latn"] * len(urls))
    at = table.column_names.index("url")
    table = table.set_column(at, "url", pa.array(urls, pa.string()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curate.stages.cap._TOGETHER", together)
        done = run(Cap(most, per="host", seed=5), table, shards, partitions)
    u = dict(zip(table["id"].to_pylist(), sample_key(table["id"], 5).tolist(), strict=True))
    hosts = {url: url and {0: "a", 1: "a", 2: "b.a"}.get(n) for n, url in enumerate(HOSTS)}
    expected = {f"s/f#{n}" for n, url in enumerate(urls) if not hosts[url]}
    for host in ("a", "b.a"):
        of_host = [f"s/f#{n}" for n, url in enumerate(urls) if hosts[url] == host]
        expected |= set(sorted(of_host, key=u.get)[:most])
    assert kept(done) == expected


def test_hosts_of_a_registered_domain_share_its_cap():
    urls = ["https://news.a.co.uk/", "http://A.co.uk.:80/", "https://b.co.uk/", None]
    urls += ["https://ann.github.io/", "https://bob.github.io/"]
    table = rows(["eng_Latn"] * len(urls))
    table = table.set_column(table.column_names.index("url"), "url", pa.array(urls, pa.string()))
    left = kept(run(Cap(1, per="domain"), table, 2, 3))
    assert len(left) == 5 and len(left & {"s/f#0", "s/f#1"}) == 1
    together = kept(run(Cap(1, per="domain", private_suffixes=False), table))
    assert len(together) == 4 and len(together & {"s/f#4", "s/f#5"}) == 1
    assert Cap(1, per="domain").model_digest and Cap(1, per="host").model_digest is None


def test_licences_have_caps_and_what_is_unknown_stays():
    table = rows(["eng_Latn"] * 4)
    licences = pa.array(["MIT", "MIT", None, None], pa.string())
    done = run(Cap(1, per="license"), table.append_column("signal_license", licences))
    assert len(kept(done)) == 3
    assert kept(done) >= {"s/f#2", "s/f#3"}


def test_a_cap_counts_what_is_alive_and_by_other_columns():
    table = rows(["kaz_Cyrl"] * 3)
    first = run(Cap(1), table)
    dead = kept(first).pop()
    verdicts = pa.array(
        ["x:y" if i == dead else None for i in table["id"].to_pylist()], pa.string()
    )
    table = table.set_column(table.column_names.index("dropped_by"), "dropped_by", verdicts)
    done = run(Cap(1, per="source"), table)
    assert len(kept(done)) == 1 and dead not in kept(done)
    with pytest.raises(RecipeError, match="documents = 0"):
        Cap(0)
    with pytest.raises(RecipeError, match="bytes = 0"):
        Cap(bytes=0)
    for both in ({}, {"documents": 1, "bytes": 1}):
        with pytest.raises(RecipeError, match="one of documents and bytes"):
            Cap(**both)


LIKE = [
    "How do I bake bread without an oven?",
    "How do I bake a bread without an oven",
    "Which rivers flow into the Caspian Sea?",
    "How do I bake bread without an oven??",
]


@pytest.mark.parametrize(("shards", "partitions"), [(1, 1), (3, 2)])
def test_what_comes_after_its_like_is_dropped_within_a_language(shards, partitions):
    table = rows(["eng_Latn"] * 4 + ["kaz_Cyrl"], [*LIKE, LIKE[0]])
    stage = EmbedDedup(on="text", seed=3)
    done = run(stage, table, shards, partitions)
    alike = {"s/f#0", "s/f#1", "s/f#3"}
    order = sorted(alike, key=dict(zip(table["id"].to_pylist(), sample_key(table["id"], 3))).get)
    assert kept(done) == {order[0], "s/f#2", "s/f#4"}
    for row in done.to_pylist():
        if row["dropped_by"]:
            assert row["dropped_by"] == "embed_dedup:near_vector"
            assert row["dropped_value"] > 0.8
            assert row["duplicate_of"] == order[0]
    assert len({frozenset(kept(run(EmbedDedup(on="text", seed=n), table))) for n in range(9)}) > 1


def test_prompts_are_compared_and_plain_documents_take_no_part():
    conversations = [[{"role": "user", "content": LIKE[n]}] for n in (0, 1)]
    table = schema.documents(
        {"id": f"s/f#{n}", "source": "s", "text": "t", "messages": one}
        for n, one in enumerate([*conversations, None, None])
    )
    table = table.append_column("lang", pa.array(["eng_Latn"] * 4))
    assert len(kept(run(EmbedDedup(), table))) == 3


def test_too_many_to_compare_are_refused():
    with pytest.raises(ResourceError, match="more than 2 documents in 'eng_Latn'"):
        run(EmbedDedup(on="text", most=2), rows(["eng_Latn"] * 3))
    with pytest.raises(RecipeError, match="threshold = 0"):
        EmbedDedup(threshold=0)


def test_the_manifest_says_that_the_fallback_is_no_model():
    assert "no embedding model" in EmbedDedup().model_digest


def test_documents_of_too_many_or_too_few_tokens_are_dropped():
    table = rows(["eng_Latn"] * 4, ["a", "a b", "a b c", ""])
    stage = Count("words", min_tokens=1, max_tokens=2)
    tally = Counter()
    done = stage.apply(table, tally)
    assert done["n_tokens"].to_pylist() == [1, 2, 3, 0]
    assert done["dropped_by"].to_pylist() == [
        *(None, None, "count:too_many_tokens", "count:too_few_tokens")
    ]
    assert done["dropped_value"].to_pylist() == [None, None, 3, 0]
    assert tally["tokens:eng_Latn"] == 6
    assert Count("words").apply(table, Counter())["dropped_by"].null_count == 4
    again = stage.apply(done, Counter())
    assert again["dropped_by"].to_pylist() == done["dropped_by"].to_pylist()
    with pytest.raises(RecipeError, match="max_tokens"):
        Count("words", min_tokens=3, max_tokens=2)


def test_random_walks_do_not_depend_on_cuts():
    draw = random.Random(7)
    words = ["bread", "oven", "river", "sea", "bake", "how", "why"]
    texts = [" ".join(draw.choices(words, k=5)) for _ in range(60)]
    table = rows([draw.choice(["eng_Latn", "deu_Latn"]) for _ in texts], texts)
    for against in ("all", "kept"):
        stage = EmbedDedup(on="text", earlier=against, threshold=0.6)
        whole = run(stage, table)
        assert 0 < len(kept(whole)) < 60
        assert kept(run(stage, table, 5, 3)) == kept(whole)
