"""Repeated spans: byte for byte what a brute force over all windows finds, however they are cut."""

import json
import random
import string
from collections import Counter
from functools import lru_cache
from itertools import accumulate, pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup.cuts import joined, without
from curate.dedup.substring import matching, repeated_spans, winnowing
from curate.errors import RecipeError
from curate.plan.fingerprint import parameters
from curate.protocol.in_memory import apply, resolve
from curate.stages.substring_dedup import SubstringDedup
from tests.examples import examples
from tests.unit.dedup.test_repeated_lines import corpus

#: Repeats nothing of its own.
FILLER = "YqrstuvwxyzYYrqsutwvyxz" + string.digits


def brute_force(texts, size):
    """The spans of each text that repeat: each window looked up in a dictionary, in order."""
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
        [repeated_spans.whole_characters(text.encode(), *span) for span in joined(spans)]
        for text, spans in zip(texts, found, strict=True)
    ]
    return [[span for span in spans if span[0] < span[1]] for spans in whole]


def decided(texts, shards=1, partitions=1, **options):
    stage = SubstringDedup(**options)
    decisions = resolve(stage, corpus(texts), shards=shards, partitions=partitions)["decisions"]
    return {row["id"]: row for row in decisions.to_pylist()}


def check(texts, size, shards=1, partitions=1):
    compare(texts, decided(texts, shards, partitions, min_bytes=size), brute_force(texts, size))


def compare(texts, decisions, expected_spans):
    for number, expected in enumerate(expected_spans):
        row = decisions.get(f"web/a#{number}")
        if not expected:
            assert row is None or not row["cuts"]
        elif row["dropped_by"] == "nothing_left":
            assert not without(texts[number], expected).strip()
        else:
            assert [(cut["start"], cut["end"]) for cut in row["cuts"]] == expected


def copied(seed, size, letters):
    """Texts of which parts are copied from those before."""
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
    return texts


CUT = {
    "seed": st.integers(0, 1 << 30),
    "shards": st.integers(1, 3),
    "partitions": st.integers(1, 4),
}


@examples(60)
@given(
    size=st.sampled_from([16, 17, 23, 40]),
    letters=st.sampled_from(["ab", "abcdefgh", "aя東"]),
    **CUT,
)
def test_finds_what_a_brute_force_finds(seed, size, letters, shards, partitions):
    check(copied(seed, size, letters), size, shards, partitions)


def brute_force_of_tokens(texts, size, pieces):
    """As `brute_force`, on the bytes of each token; repeats are in bytes, shrunk to characters."""
    order = sorted(range(len(texts)), key=lambda n: (-len(texts[n].encode()), f"web/a#{n}"))
    seen, found = {}, []
    for number in order:
        row = pieces(texts[number])
        assert b"".join(row) == texts[number].encode()
        places = [0, *accumulate(map(len, row))]
        for at in range(len(row) - size + 1):
            who, where = seen.setdefault(tuple(row[at : at + size]), (number, at))
            if who != number or at - where >= size:
                found.append((number, places[at], places[at + size]))
    expected = []
    for number, text in enumerate(texts):
        repeated = {
            byte for who, begins, ends in found if who == number for byte in range(begins, ends)
        }
        ends = [0, *accumulate(len(character.encode()) for character in text)]
        whole = [span for span in pairwise(ends) if repeated.issuperset(range(*span))]
        expected.append(joined(whole))
    return expected


@pytest.fixture(scope="module")
def byte_pairs(tmp_path_factory):
    """A byte-level tokenizer.json of a few hundred tokens, as tokenizers trains and encodes it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>"],
        show_progress=False,
    )
    rng = random.Random(5)
    lines = ["".join(rng.choices("aabbbcdefgh я東京", k=60)) for _ in range(200)]
    made.train_from_iterator(lines, trainer)
    path = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    made.save(str(path))
    return path


@lru_cache(maxsize=1)
def tekken():
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    return MistralTokenizer.v3(is_tekken=True).instruct_tokenizer.tokenizer


def tekken_pieces(text):
    made = tekken()
    return [made.id_to_byte_piece(id) for id in made.encode(text, bos=False, eos=False)]


@lru_cache(maxsize=1)
def file_pieces(path):
    """The bytes of each token, by the tokenizer's own account of its alphabet."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(path))
    # What each byte is written as: the printable ones as themselves, the rest from U+0100 on.
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    byte_of = {chr(b): b for b in plain} | {chr(256 + n): b for n, b in enumerate(others)}

    def pieces(text):
        tokens = made.encode(text, add_special_tokens=False).tokens
        return [bytes(byte_of[letter] for letter in token) for token in tokens]

    return pieces


@examples(60)
@given(
    size=st.sampled_from([8, 9, 14]), letters=st.sampled_from(["ab", "abcdefgh ", "aя東 "]), **CUT
)
def test_finds_the_tokens_that_a_brute_force_finds(
    byte_pairs, seed, size, letters, shards, partitions
):
    texts = copied(seed, 3 * size, letters)
    for tokenizer, pieces in (
        (str(byte_pairs), file_pieces(byte_pairs)),
        ("tekken", tekken_pieces),
        ("characters", lambda text: [letter.encode() for letter in text]),
    ):
        decisions = decided(texts, shards, partitions, min_tokens=size, tokenizer=tokenizer)
        compare(texts, decisions, brute_force_of_tokens(texts, size, pieces))


def test_the_same_number_of_tokens_finds_a_copy_in_every_script():
    english = (
        "Nobody in the village could remember such water, and the old bridge shook all night. "
    )
    korean = "마을 사람들은 그런 물을 기억하지 못했고 낡은 다리는 밤새 흔들렸다. "
    for text in (english * 4, korean * 4):
        one = next(text[:at] for at in range(len(text)) if len(tekken_pieces(text[:at])) == 40)
        texts = [f"First. {one} {FILLER}.", f"Second. {one}"]
        (cut,) = decided(texts, min_tokens=30)["web/a#1"]["cuts"]
        # Except a token or two at the ends, which reach into the surrounding text.
        whole = len(texts[1].encode())
        assert cut["start"] <= len("Second. ") and 0.95 * whole < cut["end"] <= whole
        assert not decided(texts, min_tokens=50)


def test_tokens_of_parts_of_a_character_are_cut_at_whole_ones():
    # Tekken has a token for each byte of these letters: of the last one, three are shared.
    texts = [f"𐌼𐍈𐌰𐌽𐌳𐌼{FILLER}", "𐌰𐍈𐌰𐌽𐌳𐌰"]
    assert [len(piece) for piece in tekken_pieces(texts[1])] == [1] * 24
    (cut,) = decided(texts, min_tokens=19)["web/a#1"]["cuts"]
    assert (cut["start"], cut["end"]) == (4, 20)
    assert not decided(texts, min_tokens=20)


def test_what_is_held_grows_with_different_windows_not_with_all(monkeypatch):
    sizes = []
    made = matching._Windows.of
    counted = staticmethod(lambda slots: sizes.append(slots) or made(slots))
    monkeypatch.setattr(matching._Windows, "of", counted)
    monkeypatch.setattr(matching, "_SLOTS", 16)
    check(["-" * (3000 + n) for n in range(300)], 64)
    # Room for the longest text and as much again, not for the 900,000 windows of all.
    assert max(sizes) == 1 << 13


def test_windows_are_compared_in_as_many_passes_as_it_takes(monkeypatch):
    rng = random.Random(3)
    base = "".join(rng.choices("abcd ", k=3000))
    texts = [base[rng.randrange(1500) :][: rng.randrange(1500)] for _ in range(40)]
    whole = decided(texts, 3, 2, min_bytes=32)
    monkeypatch.setattr(repeated_spans, "WINDOWS", 100)
    assert decided(texts, 3, 2, min_bytes=32) == whole
    check(texts, 32)


def test_kernels_run_again_where_there_was_no_room(monkeypatch):
    texts = ["".join(random.Random(n).choices("ab", k=900)) for n in range(6)]
    # Windows that overlap themselves, in several runs.
    rng = random.Random(6)
    texts.append("".join(4 * "".join(rng.sample(FILLER, 12)) for _ in range(60)))
    whole = decided(texts, min_bytes=16)
    monkeypatch.setattr(winnowing, "_DENSITY", 0)
    monkeypatch.setattr(winnowing, "_MIN_CAPACITY", 1)
    monkeypatch.setattr(matching, "_SPANS", 1)
    monkeypatch.setattr(matching, "_SLOTS", 2)
    assert decided(texts, min_bytes=16) == whole
    check(texts, 16)


def test_every_repeat_of_the_promised_length_is_found_and_none_below():
    rng = random.Random(1)
    for size in (16, 33, 200):
        shared = "".join(rng.choices("abcdefghij", k=size))
        texts = ["X" + shared + FILLER, "Z" + shared + "W"]
        decisions = decided(texts, min_bytes=size)
        assert [(cut["start"], cut["end"]) for cut in decisions["web/a#1"]["cuts"]] == [
            (1, size + 1)
        ]
        assert not decided(["X" + shared[1:] + FILLER, "Z" + shared[1:] + "W"], min_bytes=size)


def test_the_same_hash_is_not_the_same_text():
    # With the base 0 a window's hash is that of its last byte: what is compared is the text.
    texts = [b"abcdefgh", b"ibcdefgx", b"zzzzzzzhzzzh"]
    columns = {"doc": [0, 1, 2], "start": [0, 0, 0], "symbols": pa.array(texts, pa.large_binary())}
    for base in (0, winnowing.BASE):
        assert matching.repeated_windows(pa.table(columns), 6, base=base).tolist() == [[1, 1, 7]]


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
    decisions = decided(texts, min_bytes=200)
    for number, text in enumerate(texts):
        (cut,) = decisions[f"web/a#{number}"]["cuts"]
        assert cut["end"] == len(text.encode()) and cut["start"] <= 230


def test_a_thousand_copies_keep_one():
    texts = ["One page of text that somebody copied to every site there is."] * 1000
    out = apply(SubstringDedup(min_bytes=32), corpus(texts))
    assert Counter(out.column("dropped_by").to_pylist()) == {
        None: 1,
        "substring_dedup:nothing_left": 999,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_bytes": 8}, "min_bytes = 8"),
        ({"min_tokens": 0}, "min_tokens = 0"),
        ({"min_tokens": 50, "min_bytes": 200}, "which of them"),
        ({"tokenizer": "tekken"}, "measured in bytes"),
        ({"max_cut": 0}, "max_cut"),
        ({"max_repeated": 1.0}, "max_repeated"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(RecipeError, match=message):
        SubstringDedup(**options)


def test_a_tokenizer_is_part_of_what_the_stage_is(byte_pairs, tmp_path):
    assert SubstringDedup().model_digest is None
    digests = {
        parameters(SubstringDedup(min_tokens=50, tokenizer=name))["model_digest"]
        for name in ("tekken", "characters", str(byte_pairs))
    }
    assert len(digests) == 3
    assert "model_digest" not in parameters(SubstringDedup())
    for name in ("words", "bytes"):
        with pytest.raises(RecipeError, match="no tokenizer that spells a text"):
            parameters(SubstringDedup(min_tokens=50, tokenizer=name))
    model = json.loads(byte_pairs.read_text())
    model["pre_tokenizer"] = {
        "type": "Metaspace",
        "replacement": "▁",
        "prepend_scheme": "always",
        "split": True,
    }
    (tmp_path / "marked.json").write_text(json.dumps(model))
    with pytest.raises(RecipeError, match="do not spell"):
        parameters(SubstringDedup(min_tokens=50, tokenizer=str(tmp_path / "marked.json")))
