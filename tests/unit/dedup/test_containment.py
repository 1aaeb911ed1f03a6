"""Containment: pages inside longer pages, by the same rule, against the same brute force."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup import find_duplicates, reference
from curate.dedup.fuzzy.lsh import candidate_probability
from curate.dedup.options import NearDuplicates
from curate.errors import RecipeError
from tests.examples import examples
from tests.unit.dedup.dedup_corpora import decisions, documents, table_of, word


def pages(seed, originals=20):
    """Texts of random words, and longer pages with all or a part of them beside other text."""
    draw = random.Random(seed)
    lexicon = [word(number) for number in range(600)]
    texts = []
    for _ in range(originals):
        body = draw.choices(lexicon, k=draw.randint(3, 60))
        texts.append(" ".join(body))
        for _ in range(draw.randint(0, 3)):
            cut = body[: draw.randint(len(body) // 2, len(body))]
            more = draw.choices(lexicon, k=draw.randint(0, 3 * len(body)))
            texts.append(" ".join(cut + more if draw.random() < 0.5 else more + cut))
    draw.shuffle(texts)
    return texts


def contained(rows):
    return {
        row["id"]: (row["duplicate_of"], row["dropped_value"], row["jaccard"])
        for row in rows
        if row["jaccard"] is not None
    }


@examples(20)
@given(
    seed=st.integers(0, 10_000),
    threshold=st.sampled_from([0.6, 0.8, 1.0]),
    max_witnesses=st.sampled_from([1, 64]),
    component_bytes=st.sampled_from([1, 2_000, 1 << 28]),
    keep=st.sampled_from(["longest", "oldest"]),
)
def test_the_rule_document_by_document(seed, threshold, max_witnesses, component_bytes, keep):
    near = NearDuplicates(
        threshold=threshold,
        bands=30,
        rows=2,
        keep=keep,
        max_witnesses=max_witnesses,
        component_bytes=component_bytes,
        similarity="containment",
        length_ratio=3,
    )
    texts = pages(seed)
    table = table_of(texts)
    if keep == "oldest":  # ids decide
        dates = pa.nulls(len(texts), pa.timestamp("us", "UTC"))
        table = table.append_column("date", dates)
    expected = reference.removals(documents(table), near)
    found = contained(decisions(near, table, shards=3, partitions=4))
    assert {key: value[:2] for key, value in found.items()} == expected
    sets = dict(
        zip(table["id"].to_pylist(), (reference.shingles(t, near) for t in texts), strict=True)
    )
    for key, (witness, _, jaccard) in found.items():
        assert np.isclose(jaccard, reference.similarity(sets[key], sets[witness]), rtol=1e-12)


def test_a_page_inside_a_longer_one_is_removed_and_the_longer_one_never_is():
    draw = random.Random(1)
    page = " ".join(word(draw.randrange(5000)) for _ in range(200))
    longer = page + " " + " ".join(word(draw.randrange(5000)) for _ in range(150))
    assert find_duplicates([page, longer]).num_rows == 0
    rows = find_duplicates([page, longer], similarity="containment").to_pylist()
    assert [(row["id"], row["dropped_by"], row["duplicate_of"]) for row in rows] == [
        ("0", "contained_words", "1"),
        ("1", None, None),
    ]
    assert rows[0]["dropped_value"] == 1.0
    assert rows[0]["jaccard"] == pytest.approx(196 / 346)
    # The keeper order puts the page first: it stays, and so does what has text that it lacks.
    ordered = {"keep": "source_priority", "similarity": "containment"}
    assert find_duplicates(["", ""], **ordered).num_rows == 2
    table = pa.table(
        {
            "id": ["page", "longer"],
            "text": pa.array([page, longer], pa.large_string()),
            "source": ["a", "b"],
        }
    )
    assert find_duplicates(table, source_priority=["a", "b"], **ordered).num_rows == 0
    assert find_duplicates(table, source_priority=["b", "a"], **ordered).num_rows == 2


@pytest.mark.parametrize("ratio", [1.0, 2.0, 4.0])
def test_recall_is_promised_up_to_the_length_ratio(ratio):
    """200 pages, 80 % of each in one `ratio` times as long: found as often as the curve says."""
    near = NearDuplicates(recall=0.95, similarity="containment", length_ratio=ratio)
    texts = []
    for number in range(200):
        body = [word(40_000 * number + k) for k in range(150)]
        other = [word(40_000 * number + 1000 + k) for k in range(round(146 * ratio) - 120 + 3)]
        # 123 words in a row are 119 shingles of 146: just above 0.8.
        texts += [" ".join(body), " ".join(body[:123] + other)]
    found = contained(decisions(near, table_of(texts)))
    promised = candidate_probability(near.target_jaccard, *near.band_shape)
    assert promised >= 0.95
    assert len(found) >= 200 * 0.9


def test_impossible_options_are_refused():
    with pytest.raises(RecipeError, match="did you mean 'containment'"):
        NearDuplicates(similarity="contains")
    with pytest.raises(RecipeError, match="give 1 or more"):
        NearDuplicates(similarity="containment", length_ratio=0.5)
