"""Learning against a reference that counts all pairs again at each step."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate.tokens.learn import Learned, lay_out, learn
from curate.tokens.token_tables import LONGEST, Joins, Tokens, encode_pieces
from tests.examples import examples

#: Merges of a base that has a token for each byte: the two halves of each further token.
Halves = tuple[tuple[bytes, bytes], ...]
FIRST = 300
CHARACTERS = "яж東杲 abc"


def vocabulary(halves: Halves) -> dict[bytes, int]:
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += [token for token in dict.fromkeys(a + b for a, b in halves) if token not in tokens]
    return {token: number for number, token in enumerate(tokens)}


def tables(halves: Halves, add: int = 0) -> tuple[Tokens, Joins]:
    numbers = vocabulary(halves)
    rows = [(numbers[a], numbers[b], numbers[a + b]) for a, b in halves]
    tokens = {number: token for token, number in numbers.items()}
    # Special tokens stand between the old tokens and the new ones.
    tokens[FIRST - 1] = b""
    return Tokens.build(tokens, FIRST + add), Joins.build(np.array(rows, np.int32).reshape(-1, 3))


def packed(pieces: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    ends = np.cumsum([0, *map(len, pieces)]).astype(np.int64)
    return np.frombuffer(b"".join(pieces), np.uint8), ends


def learned(
    words: dict[bytes, int],
    halves: Halves = (),
    add: int = 99,
    min_count: int = 1,
    banned: frozenset[bytes] = frozenset(),
) -> Learned:
    tokens, joins = tables(halves, add)
    encoded, ends = encode_pieces(*packed(list(words)), tokens, joins, whole=False)
    slots, weights = lay_out(encoded, ends, np.array(list(words.values()), np.int64))
    return learn(
        slots, weights, tokens, joins,
        first=FIRST, add=add, min_count=min_count, banned=banned,
    )  # fmt: skip


def merged(text: bytes, halves: Halves, new: list[bytes]) -> list[bytes]:
    """Encode by hand: the base's merges, then a new token with an old product, then new tokens."""
    old = vocabulary(halves)
    order = {pair: rank for rank, pair in reversed(list(enumerate(halves)))}
    parts = [text[i : i + 1] for i in range(len(text))]

    def rank(pair: tuple[bytes, bytes]) -> float:
        joined = pair[0] + pair[1]
        if pair in order:
            return order[pair]
        if joined in new:
            return 1e9 + new.index(joined)
        return 1e6 if joined in old and not set(pair) <= set(old) else float("inf")

    while len(parts) > 1:
        ranks = [rank(pair) for pair in pairwise(parts)]
        at = ranks.index(min(ranks))
        if ranks[at] == float("inf"):
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def is_cut(token: bytes) -> bool:
    """Return whether a token is neither whole characters nor part of one of those used here."""
    try:
        token.decode()
    except UnicodeDecodeError:
        return not any(token in character.encode() for character in CHARACTERS)
    return False


def reference(words: dict[bytes, int], halves: Halves, add: int) -> list[bytes]:
    numbers = vocabulary(halves)
    texts = [(merged(word, halves, []), count) for word, count in words.items()]
    new: list[bytes] = []
    refused: set[tuple[bytes, bytes]] = set()
    while len(new) < add:
        counts: Counter[tuple[bytes, bytes]] = Counter()
        for parts, count in texts:
            for pair in pairwise(parts):
                counts[pair] += count
        counts = Counter({pair: n for pair, n in counts.items() if pair not in refused})
        if not counts:
            break
        best = min(counts, key=lambda p: (-counts[p], numbers[p[0]], numbers[p[1]]))
        joined = best[0] + best[1]
        if joined not in numbers:
            if is_cut(joined) or len(merged(joined, halves, new)) != 2:
                refused.add(best)
                continue
            numbers[joined] = FIRST + len(new)
            new.append(joined)
        elif numbers[best[0]] < FIRST and numbers[best[1]] < FIRST:
            refused.add(best)
            continue
        for parts, _ in texts:
            at = 0
            while at + 1 < len(parts):
                pair = (parts[at], parts[at + 1])
                old = all(numbers[part] < FIRST for part in (*pair, joined))
                if pair[0] + pair[1] == joined and not old:
                    parts[at : at + 2] = [joined]
                at += 1
    return new


WORDS = st.dictionaries(
    st.text("abc", min_size=1, max_size=12).map(str.encode), st.integers(1, 9), max_size=12
)
BASES = st.sampled_from(
    [
        (),
        ((b"a", b"b"),),
        ((b"b", b"c"), (b"a", b"bc"), (b"a", b"a"), (b"aa", b"b")),
        ((b"b", b"c"), (b"a", b"b"), (b"ab", b"c")),  # abc is a token, but not what abc becomes
        ((b"a", b"a"), (b"aa", b"aa"), (b"a", b"b"), (b"ab", b"a")),
    ]
)


@examples(300)
@given(WORDS, BASES, st.integers(1, 40))
@example({b"aaaaaaa": 1, b"aaaa": 2}, (), 9)
@example({b"abcabcab": 3, b"bcbc": 2}, ((b"b", b"c"), (b"a", b"b"), (b"ab", b"c")), 9)
def test_tokens_are_those_of_counting_all_pairs_again(
    words: dict[bytes, int], halves: Halves, add: int
) -> None:
    assert learned(words, halves, add).tokens == reference(words, halves, add)


@examples(100)
@given(
    st.dictionaries(
        st.text("яж東 a", min_size=1, max_size=8).map(str.encode), st.integers(1, 9), max_size=9
    )
)
def test_a_token_is_whole_characters_or_part_of_one(words: dict[bytes, int]) -> None:
    found = learned(words)
    assert [token for token in found.tokens if is_cut(token)] == []
    assert found.tokens == reference(words, (), 99)


def test_a_part_of_a_character_is_not_joined_with_others() -> None:
    # 東 and 杲 share two bytes; with the a before them these two are the most frequent neighbours.
    found = learned({"a東".encode(): 5, "a杲".encode(): 5})
    assert "a東".encode()[:3] not in found.tokens
    assert {"東".encode(), "杲".encode(), "a東".encode()} <= set(found.tokens)
    assert found.refused["cuts_a_character"] > 0


def test_a_token_of_the_base_is_not_made_a_second_time() -> None:
    halves = ((b"b", b"c"), (b"a", b"b"), (b"ab", b"c"))
    found = learned({b"abc": 9, b"abcd": 9}, halves)
    assert b"abc" not in found.tokens
    assert found.refused["in_the_base"] == 1
    assert b"bcd" in found.tokens


def test_what_is_banned_is_not_made_and_counts_as_not_reachable() -> None:
    assert learned({b"xyz": 3}).tokens == [b"xy", b"xyz"]
    found = learned({b"xyz": 3}, banned=frozenset({b"xy"}))
    assert found.tokens == [b"yz", b"xyz"]
    assert found.refused["not_reachable"] == 1


def test_a_pair_must_occur_often_enough_and_equals_go_by_number() -> None:
    words = {b"xy": 2, b"pq": 2, b"rs": 1}
    found = learned(words, min_count=2)
    assert (found.tokens, found.occurrences) == ([b"pq", b"xy"], [2, 2])
    assert learned(dict(reversed(words.items())), min_count=2) == found


def test_no_piece_no_token() -> None:
    assert learned({}).tokens == []
    assert learned({b"x": 9}).tokens == []


@pytest.mark.parametrize("text", [b"a" * LONGEST, b"ab" * (LONGEST // 2)])
def test_the_longest_pieces_and_tokens_fit(text: bytes) -> None:
    found = learned({text: 2}, add=400)
    assert found.tokens[-1] == text
    assert max(map(len, found.tokens)) == LONGEST


@examples(100)
@given(st.lists(st.text("abc", min_size=1, max_size=20).map(str.encode)), BASES)
def test_pieces_are_encoded_by_the_merges(pieces: list[bytes], halves: Halves) -> None:
    tokens, joins = tables(halves)
    numbers = vocabulary(halves)
    encoded, ends = encode_pieces(*packed(pieces), tokens, joins, whole=False)
    for number, piece in enumerate(pieces):
        parts = merged(piece, halves, [])
        assert encoded[ends[number] : ends[number + 1]].tolist() == [numbers[p] for p in parts]


def test_a_piece_that_is_a_token_is_this_token_where_the_base_ignores_merges() -> None:
    tokens, joins = tables(((b"b", b"c"), (b"a", b"b"), (b"ab", b"c")))
    for whole, expected in ((True, [258]), (False, [97, 256])):
        encoded, _ = encode_pieces(*packed([b"abc"]), tokens, joins, whole)
        assert encoded.tolist() == expected
