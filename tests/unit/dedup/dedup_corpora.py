"""Small random corpora with many near copies, and the driver that cuts them into shards."""

from __future__ import annotations

import itertools
import random

import pyarrow as pa

from curate.dedup.fuzzy.steps import fuzzy_steps, sketch
from curate.dedup.options import NearDuplicates
from curate.protocol.in_memory import resolve_steps


def word(number: int) -> str:
    """A word of its own for each number, without a digit (digits count as 0)."""
    letters = ""
    while True:
        number, last = divmod(number, 26)
        letters += chr(97 + last)
        if not number:
            return f"z{letters}q"


def corpus(seed: int, *, originals: int, words: int = 40, vocabulary: int = 400) -> list[str]:
    """Texts of random words, each with up to five edited copies, copies of copies included."""
    draw = random.Random(seed)
    lexicon = [word(number) for number in range(vocabulary)]
    texts: list[str] = []
    for _ in range(originals):
        family = [[draw.choice(lexicon) for _ in range(draw.randint(1, 2 * words))]]
        for _ in range(draw.randint(0, 5)):
            copy = list(draw.choice(family))
            for _ in range(draw.randint(0, max(1, len(copy) // 25))):
                at = draw.randrange(len(copy))
                draw.choice(
                    [
                        lambda copy=copy, at=at: copy.insert(at, draw.choice(lexicon)),
                        lambda copy=copy, at=at: copy.__setitem__(at, draw.choice(lexicon)),
                        lambda copy=copy, at=at: len(copy) > 1 and copy.pop(at),
                    ]
                )()
            family.append(copy)
        texts += [" ".join(copy) for copy in family]
    draw.shuffle(texts)
    return texts


def table_of(texts: list[str], ids: list[str] | None = None) -> pa.Table:
    names = ids or [f"d{number:05d}" for number in range(len(texts))]
    return pa.table(
        {"id": pa.array(names, pa.string()), "text": pa.array(texts, pa.large_string())}
    )


def decisions(
    near: NearDuplicates, table: pa.Table, *, shards: int = 1, partitions: int = 1
) -> list[dict[str, object]]:
    """The decisions on a table cut into shards, sorted by id, without routing columns."""
    cuts = [table.num_rows * number // shards for number in range(shards + 1)]
    pieces = [table.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
    shard_tables = [{"sketch": sketch(near, piece), "text": piece} for piece in pieces]
    found = resolve_steps(fuzzy_steps(near), shard_tables, partitions=partitions)["decisions"]
    return found.drop_columns(["doc", "part"]).sort_by("id").to_pylist()


def documents(table: pa.Table) -> dict[str, str]:
    return dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))


def removed(rows: list[dict[str, object]]) -> dict[str, tuple[str, float]]:
    return {
        row["id"]: (row["duplicate_of"], row["jaccard"])
        for row in rows
        if row["jaccard"] is not None
    }


#: A step of plain text with every kind of ASCII character; and what may surround a
#: byte.
PLAIN = "plain letters of all sizes, 3 in ALL! "
NEIGHBOURS = ["", "x", "7", " ", ".", "一", "é", "\u0301", "\u200b", "٣"]
