"""Near dedup as a whole: against brute force, and against every way to cut the same documents."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup import find_duplicates, reference
from curate.dedup.fuzzy.resolve_components import NOW, _decisions
from curate.dedup.fuzzy.steps import fuzzy_steps, sketch
from curate.dedup.fuzzy.verify import RemovalRule, Verdicts
from curate.dedup.options import NearDuplicates
from curate.errors import InternalError, RecipeError
from curate.protocol.in_memory import resolve_steps
from tests.examples import examples
from tests.unit.dedup.dedup_corpora import corpus, decisions, documents, removed, table_of, word

#: In each script: three short texts that differ, all shorter than one shingle.
SHORT = {
    "Latin": ["good morning", "see you soon", "thanks"],
    "Cyrillic": ["Алматы қаласы", "Рахмет сізге көп", "доброе утро"],
    "Arabic": ["صباح الخير", "شكرا لكم", "إلى اللقاء"],
    "Han": ["早上好", "谢谢你", "再见"],
    "Kana": ["おはよう", "ありがと", "さような"],
    "Hangul": ["좋은 아침", "감사합니다", "안녕"],
    "Thai": ["ดีจ้า", "ขอบ", "ลา"],
}


@pytest.mark.parametrize("script", SHORT)
def test_three_short_texts_stay_and_three_copies_become_one(script):
    texts = SHORT[script]
    assert find_duplicates(texts).num_rows == 0
    for text in texts:
        found = find_duplicates([text] * 3).to_pylist()
        assert [row["duplicate_of"] for row in found] == [None, "0", "0"]
        assert {row["cluster_size"] for row in found} == {3}


def test_empty_texts_have_their_own_rule_and_no_cluster():
    found = find_duplicates(["", " \n", "\u200b", "word", ""] * 20).to_pylist()
    empty = [row for row in found if row["dropped_by"] == "empty"]
    assert len(empty) == 80
    assert all(row["duplicate_of"] is None and row["cluster"] is None for row in empty)
    assert sum(row["dropped_by"] == "near_duplicate" for row in found) == 19


@examples(25)
@given(
    seed=st.integers(0, 10_000),
    threshold=st.sampled_from([0.5, 0.8, 0.9]),
    max_witnesses=st.sampled_from([1, 2, 64]),
    rows=st.sampled_from([1, 4]),
)
def test_the_rule_document_by_document(seed, threshold, max_witnesses, rows):
    near = NearDuplicates(threshold=threshold, bands=12, rows=rows, max_witnesses=max_witnesses)
    table = table_of(corpus(seed, originals=25))
    expected = reference.removals(documents(table), near)
    assert removed(decisions(near, table, shards=3, partitions=4)) == expected


@pytest.mark.parametrize(("kind", "ngram"), [("word", 2), ("char", 5)])
def test_the_rule_for_other_shingles(kind, ngram):
    near = NearDuplicates(threshold=0.7, bands=16, rows=5, shingle=kind, ngram=ngram)
    table = table_of(corpus(11, originals=60))
    expected = reference.removals(documents(table), near)
    assert len(expected) > 30
    assert removed(decisions(near, table)) == expected


@pytest.mark.parametrize("keep", ["newest", "source_priority", "best:score"])
def test_the_reference_refuses_orders_that_it_does_not_have(keep):
    with pytest.raises(ValueError, match=keep):
        reference.removals({"a": "one", "b": "two"}, NearDuplicates(keep=keep))


@pytest.mark.parametrize("max_witnesses", [1, 3, 64])
def test_blocks_on_disk_give_the_same_answer(max_witnesses):
    texts = corpus(5, originals=60)
    whole = NearDuplicates(threshold=0.7, bands=20, rows=2, max_witnesses=max_witnesses)
    expected = decisions(whole, table_of(texts))
    assert len(removed(expected)) > 50
    for component_bytes in (1, 500, 5_000, 50_000):
        tight = NearDuplicates(
            threshold=0.7,
            bands=20,
            rows=2,
            max_witnesses=max_witnesses,
            component_bytes=component_bytes,
        )
        assert decisions(tight, table_of(texts), shards=4, partitions=3) == expected


@examples(12)
@given(
    seed=st.integers(0, 10_000),
    shards=st.integers(1, 9),
    partitions=st.integers(1, 11),
    component_bytes=st.sampled_from([1, 3_000, 1 << 28]),
)
def test_cuts_and_order_change_nothing(seed, shards, partitions, component_bytes):
    table = table_of(corpus(seed, originals=20))
    near = NearDuplicates(threshold=0.7, max_witnesses=2, bands=16, rows=3)
    cut = NearDuplicates(
        threshold=0.7, max_witnesses=2, bands=16, rows=3, component_bytes=component_bytes
    )
    order = list(range(table.num_rows))
    random.Random(seed).shuffle(order)
    shuffled = table.take(pa.array(order))
    assert decisions(cut, shuffled, shards=shards, partitions=partitions) == decisions(near, table)


def test_a_later_batch_never_changes_an_earlier_one():
    texts = corpus(3, originals=60)
    near = NearDuplicates(threshold=0.7, bands=16, rows=3, keep="oldest")
    table = table_of(texts).append_column(
        "date", pa.array(range(len(texts)), pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    )
    half = len(texts) // 2
    first = removed(decisions(near, table.slice(0, half)))
    both = removed(decisions(near, table))
    assert len(first) > 5
    assert {key: both[key] for key in both if int(key[1:]) < half} == first


def test_similarity_is_not_inherited_through_a_chain():
    lexicon = [word(number) for number in range(160)]
    # Neighbours share 95 words of 100, the ends of the chain few.
    texts = [" ".join(lexicon[5 * step : 5 * step + 100]) for step in range(12)]
    found = removed(decisions(NearDuplicates(threshold=0.85, bands=40, rows=2), table_of(texts)))
    kept = {f"d{number:05d}" for number in range(12)} - set(found)
    assert len(kept) >= 4
    assert {witness for witness, _ in found.values()} <= kept
    assert all(similarity >= 0.85 for _, similarity in found.values())


def test_a_bucket_remembers_its_first_witnesses_and_counts_who_met_the_bound():
    # All share one band key (the first words), no two are near duplicates: all are kept.
    lead = " ".join(word(number) for number in range(60))
    texts = [
        " ".join([lead, *(word(100 + 40 * number + k) for k in range(40))]) for number in range(30)
    ]
    near = NearDuplicates(threshold=0.9, bands=60, rows=1, max_witnesses=5)
    found = decisions(near, table_of(texts))
    assert not removed(found)
    capped = [row["id"] for row in found if row["capped"]]
    assert 20 <= len(capped) <= 25
    free = NearDuplicates(threshold=0.9, bands=60, rows=1)
    assert not any(row["capped"] for row in decisions(free, table_of(texts)))


def test_a_flood_of_one_text_is_linear_and_leaves_one():
    flood = ["the same notice stands on each of these many pages of the site"] * 20_000
    found = removed(decisions(NearDuplicates(), table_of(flood), shards=2, partitions=2))
    assert len(found) == 19_999
    assert {witness for witness, _ in found.values()} == {"d00000"}


def test_rows_decided_before_are_neither_dropped_nor_witnesses():
    near = NearDuplicates()
    table = table_of(["a longer text of seven words here", "a longer text of seven words here", ""])
    shard = {
        "sketch": sketch(near, table),
        "text": table,
        "decided": pa.table({"doc": pa.array([0, 2], pa.int64())}),
    }
    assert resolve_steps(fuzzy_steps(near), [shard])["decisions"].num_rows == 0


def test_no_documents_no_decisions():
    near = NearDuplicates()
    assert decisions(near, table_of([]), shards=2, partitions=3) == []
    assert find_duplicates([]).num_rows == 0


def test_planted_copies_are_found_in_every_script():
    """Recall at high similarity must not depend on how a script writes words."""
    draw = random.Random(1)
    letters = {"Latn": (97, 26), "Cyrl": (0x430, 32), "Hang": (0xAC00, 900), "Arab": (0x628, 18)}
    spaceless = {"Hani": (0x4E00, 3000), "Hira": (0x3042, 80), "Thai": (0xE01, 40)}
    for script, (first, count) in (letters | spaceless).items():
        texts, pairs = [], 60
        for _ in range(pairs):
            glue = "" if script in spaceless else " "
            size = 1 if script in spaceless else 6
            words = [
                "".join(chr(first + draw.randrange(count)) for _ in range(size)) for _ in range(300)
            ]
            texts.append(glue.join(words))
            words[100] = words[200]
            texts.append(glue.join(words))
        removed_rows = find_duplicates(texts).filter(pa.compute.field("jaccard").is_valid())
        assert removed_rows.num_rows == pairs, script


def test_options_that_cannot_be_are_refused():
    with pytest.raises(RecipeError, match="threshold"):
        NearDuplicates(threshold=1.5)
    with pytest.raises(RecipeError, match="1 at least"):
        NearDuplicates(max_witnesses=0)
    with pytest.raises(RecipeError, match="go together"):
        find_duplicates(["a"], bands=4)
    with pytest.raises(RecipeError, match="did you mean 'longest'"):
        NearDuplicates(keep="longer")


def test_jaccard_is_that_of_the_sets():
    texts = corpus(21, originals=40)
    table = table_of(texts)
    by_id = dict(zip(table["id"].to_pylist(), texts, strict=True))
    near = NearDuplicates(threshold=0.6)
    found = removed(decisions(near, table))
    assert found
    for name, (witness, similarity) in found.items():
        exact = reference.similarity(
            reference.shingles(by_id[name], near), reference.shingles(by_id[witness], near)
        )
        assert np.isclose(similarity, exact, rtol=0, atol=0)


def test_a_table_brings_its_own_ids_and_keeper_order():
    text = "one page that two sites carry word for word"
    table = pa.table(
        {
            "id": ["copycat#0", "original#0"],
            "text": pa.array([text + " and more", text], pa.large_string()),
            "source": ["copycat", "original"],
        }
    )
    longest = find_duplicates(table, threshold=0.5).to_pylist()
    assert {row["id"]: row["duplicate_of"] for row in longest} == {
        "copycat#0": None,
        "original#0": "copycat#0",
    }
    trusted = find_duplicates(
        table, threshold=0.5, keep="source_priority", source_priority=["original"]
    ).to_pylist()
    assert {row["id"]: row["duplicate_of"] for row in trusted} == {
        "copycat#0": "original#0",
        "original#0": None,
    }


def test_ids_and_texts_go_together():
    with pytest.raises(RecipeError, match="2 texts and 1 ids"):
        find_duplicates(["a", "b"], ["x"])


def test_a_shared_template_removes_nothing():
    """Boilerplate of 60 % joins everything into one component, and no document is a copy."""
    draw = random.Random(2)
    lexicon = [word(number) for number in range(3000)]
    template = draw.choices(lexicon, k=90)
    texts = [" ".join(template + draw.choices(lexicon, k=60)) for _ in range(600)]
    near = NearDuplicates(bands=60, rows=2)
    assert not removed(decisions(near, table_of(texts), shards=2, partitions=2))


@pytest.mark.parametrize("jaccard", [0.79, float("nan")])
def test_a_witness_that_does_not_verify_stops_the_run(jaccard):
    members = pa.table({"doc": [0, 1], "id": ["a", "b"], "age": [NOW, NOW], "weight": [1, 1]})
    rule = RemovalRule(0.8, 0)
    wrong = Verdicts(
        np.array([-1, 0]), np.array([np.nan, jaccard]), np.zeros(2, bool), np.ones(2, np.int32)
    )
    with pytest.raises(InternalError, match="no kept witness"):
        _decisions(members, wrong, rule)


def test_a_witness_that_went_itself_stops_the_run():
    members = pa.table(
        {"doc": [0, 1, 2], "id": ["a", "b", "c"], "age": [NOW] * 3, "weight": [1] * 3}
    )
    chained = Verdicts(
        np.array([-1, 0, 1]), np.array([np.nan, 0.9, 0.9]), np.zeros(3, bool), np.ones(3, np.int32)
    )
    with pytest.raises(InternalError, match="no kept witness"):
        _decisions(members, chained, RemovalRule(0.8, 0))


def test_options_load_no_kernel():
    code = (
        "import sys; from curate.stages.fuzzy_dedup import FuzzyDedup; "
        "print(FuzzyDedup().band_shape, 'numba' in sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout == "(20, 8) False\n"
