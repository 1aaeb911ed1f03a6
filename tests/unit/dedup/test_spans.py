"""Repeated spans: byte for byte what a brute force over all windows finds, however they are cut."""

import random
import string
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dedup import spans
from curate.dedup.cuts import joined, without
from curate.engine.memory import apply, resolve
from curate.errors import RecipeError
from curate.stages.substring_dedup import SubstringDedup
from tests.unit.dedup.test_lines import corpus

#: Repeats nothing of its own.
FILLER = "YqrstuvwxyzYYrqsutwvyxz" + string.digits


def twin(texts, size):
    """The spans of each text that repeat: every window is looked up in a dictionary, in keeper order."""
    order = sorted(range(len(texts)), key=lambda n: (-len(texts[n].encode()), f"web/a#{n}"))
    seen = {}
    found = [[] for _ in texts]
    for number in order:
        data = texts[number].encode()
        for at in range(len(data) - size + 1):
            who, where = seen.setdefault(data[at : at + size], (number, at))
            if who != number or at - where >= size:
                found[number].append((at, at + size))
    whole = [
        [spans.whole_characters(text.encode(), *span) for span in joined(mine)]
        for text, mine in zip(texts, found, strict=True)
    ]
    return [[span for span in mine if span[0] < span[1]] for mine in whole]


def decided(texts, shards=1, partitions=1, **options):
    stage = SubstringDedup(**options)
    told = resolve(stage, corpus(texts), shards=shards, partitions=partitions)["decisions"]
    return {row["id"]: row for row in told.to_pylist()}


def check(texts, size, shards=1, partitions=1):
    told = decided(texts, shards, partitions, min_bytes=size)
    for number, wanted in enumerate(twin(texts, size)):
        row = told.get(f"web/a#{number}")
        if not wanted:
            assert row is None or not row["cuts"]
        elif row["dropped_by"] == "nothing_left":
            assert not without(texts[number], wanted).strip()
        else:
            assert [(cut["start"], cut["end"]) for cut in row["cuts"]] == wanted


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    size=st.sampled_from([16, 17, 23, 40]),
    letters=st.sampled_from(["ab", "abcdefgh", "aя東"]),
    shards=st.integers(1, 3),
    partitions=st.integers(1, 4),
)
def test_finds_what_a_brute_force_finds(seed, size, letters, shards, partitions):
    rng = random.Random(seed)
    texts = []
    for _ in range(rng.randrange(9)):
        pieces = []
        for _ in range(rng.randrange(5)):
            if texts and rng.random() < 0.6:
                source = rng.choice(texts) or "-"
                at = rng.randrange(len(source))
                pieces.append(source[at : at + rng.randrange(3 * size)])
            else:
                pieces.append("".join(rng.choices(letters, k=rng.randrange(3 * size))))
        texts.append("".join(pieces))
    check(texts, size, shards, partitions)


def test_windows_are_compared_in_as_many_passes_as_it_takes(monkeypatch):
    rng = random.Random(3)
    base = "".join(rng.choices("abcd ", k=3000))
    texts = [base[rng.randrange(1500) :][: rng.randrange(1500)] for _ in range(40)]
    whole = decided(texts, 3, 2, min_bytes=32)
    monkeypatch.setattr(spans, "WINDOWS", 100)
    assert decided(texts, 3, 2, min_bytes=32) == whole
    check(texts, 32)


def test_kernels_run_again_where_there_was_no_room(monkeypatch):
    texts = ["".join(random.Random(n).choices("ab", k=900)) for n in range(6)]
    whole = decided(texts, min_bytes=16)
    monkeypatch.setattr(spans, "_DENSITY", 0)
    monkeypatch.setattr(spans, "_ROOM", 1)
    assert decided(texts, min_bytes=16) == whole
    check(texts, 16)


def test_every_repeat_of_the_promised_length_is_found_and_none_below():
    rng = random.Random(1)
    for size in (16, 33, 200):
        shared = "".join(rng.choices("abcdefghij", k=size))
        texts = ["X" + shared + FILLER, "Z" + shared + "W"]
        told = decided(texts, min_bytes=size)
        assert [(cut["start"], cut["end"]) for cut in told["web/a#1"]["cuts"]] == [(1, size + 1)]
        assert not decided(["X" + shared[1:] + FILLER, "Z" + shared[1:] + "W"], min_bytes=size)


def test_the_same_hash_is_not_the_same_text():
    # With the base 0 a window's hash is that of its last byte: what is compared is the text.
    texts = [b"abcdefgh", b"ibcdefgx", b"zzzzzzzhzzzh"]
    columns = {"doc": [0, 1, 2], "start": [0, 0, 0], "bytes": pa.array(texts, pa.large_binary())}
    for base in (0, spans._BASE):
        assert spans.compared(pa.table(columns), 6, base).tolist() == [[1, 1, 7]]


def test_the_first_in_keeper_order_stays_whole():
    text = "The village carried what it had to the hill, and waited there."
    texts = [
        f"Before. {text}",
        f"{text} It rained for a week after that, and then it was dry again.",
    ]
    out = apply(SubstringDedup(min_bytes=40), corpus(texts))
    assert out.column("text").to_pylist() == ["Before. ", texts[1]]


def test_a_repeat_within_a_document_goes_but_the_first_stays():
    text = "A sentence of some length that is here. "
    out = apply(SubstringDedup(min_bytes=len(text)), corpus([text + "And. " + text + "End."]))
    assert out.column("text").to_pylist() == [text + "And. End."]


def test_dropping_takes_documents_above_the_share():
    text = "A sentence of some length that is repeated here. "
    texts = [FILLER + text + "A long text, that is.", text + "Two", text + FILLER[::-1]]
    out = apply(SubstringDedup(min_bytes=40, action="drop", max_repeated=0.7), corpus(texts))
    assert out.column("dropped_by").to_pylist() == [None, "substring_dedup:repeated_span", None]
    assert out.column("text").to_pylist() == texts


def test_a_text_that_repeats_itself_a_million_times_is_linear():
    texts = ["я" * 1_000_000, "ab" * 700_000, "The same line of text.\n" * 50_000]
    told = decided(texts, min_bytes=200)
    for number, text in enumerate(texts):
        (cut,) = told[f"web/a#{number}"]["cuts"]
        assert cut["end"] == len(text.encode()) and cut["start"] <= 230


def test_a_thousand_copies_keep_one():
    texts = ["One page of text that somebody copied to every site there is."] * 1000
    out = apply(SubstringDedup(min_bytes=32), corpus(texts))
    assert Counter(out.column("dropped_by").to_pylist()) == {
        None: 1,
        "substring_dedup:nothing_left": 999,
    }


@pytest.mark.parametrize("options", [{"min_bytes": 8}, {"max_cut": 0}, {"max_repeated": 1.0}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(RecipeError):
        SubstringDedup(**options)
