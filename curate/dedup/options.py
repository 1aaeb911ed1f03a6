"""What a dedup can be told. Plain values, checked when they are made; no kernel is loaded for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from curate.dedup.fuzzy.lsh import choose_bands
from curate.dedup.keeper import check_keep
from curate.errors import RecipeError, nearest

Similarity = Literal["jaccard", "containment"]


def aim_of(threshold: float, similarity: Similarity, length_ratio: float) -> float:
    """Give the Jaccard similarity of the least alike pairs that the bands are made to find.

    For containment that is a document of n shingles of which the share `threshold` stands in one
    of `length_ratio` x n: they share threshold x n of (1 + length_ratio - threshold) x n.

    >>> aim_of(0.8, "jaccard", 2), round(aim_of(0.8, "containment", 2), 4)
    (0.8, 0.3636)
    """
    if similarity == "jaccard":
        return threshold
    return threshold / (1 + length_ratio - threshold)


@dataclass(frozen=True)
class Shingling:
    """What a shingle is: `ngram` words in a row, or `ngram` characters.

    Words suit running text in every script (a code point is a word in Han, Kana, Thai, Lao, Khmer
    and Myanmar). Characters also match where words were split differently, and find many more
    pairs that a reader would not call copies.
    """

    kind: Literal["word", "char"] = "word"
    ngram: int = 5

    def __post_init__(self) -> None:
        if self.kind not in ("word", "char"):
            raise RecipeError(
                f"no shingle '{self.kind}'", hint=nearest(self.kind, ["word", "char"])
            )
        if not 1 <= self.ngram <= 64:
            raise RecipeError(f"ngram = {self.ngram}", hint="give a number from 1 to 64")


@dataclass(frozen=True)
class ExactDuplicates:
    """Documents that share a normalised text, a prompt or an address; which one is kept."""

    keep: str = "longest"
    on: Literal["text", "url", "prompt"] = "text"
    source_priority: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_keep(self.keep)
        known = ["text", "url", "prompt"]
        if self.on not in known:
            raise RecipeError(f"no exact dedup on '{self.on}'", hint=nearest(self.on, known))


@dataclass(frozen=True)
class NearDuplicates:
    """Documents whose shingle sets are alike; how they are found, and which one is kept.

    `similarity` is `jaccard`, what two sets share out of all they have, or `containment`, what the
    removed document shares out of what *it* has: then a page goes that stands inside a longer one.
    """

    threshold: float = 0.8
    bands: int = 20
    rows: int = 8
    shingling: Shingling = field(default_factory=Shingling)
    keep: str = "longest"
    max_witnesses: int = 64
    component_bytes: int = 256 << 20
    seed: int = 1
    source_priority: tuple[str, ...] = ()
    on: Literal["text", "prompt"] = "text"
    similarity: Similarity = "jaccard"
    length_ratio: float = 2.0

    def __post_init__(self) -> None:
        check_keep(self.keep)
        if self.on not in ("text", "prompt"):
            hint = nearest(self.on, ["text", "prompt"])
            raise RecipeError(f"no near dedup on '{self.on}'", hint=hint)
        if self.similarity not in ("jaccard", "containment"):
            hint = nearest(self.similarity, ["jaccard", "containment"])
            raise RecipeError(f"no similarity '{self.similarity}'", hint=hint)
        if self.length_ratio < 1:
            raise RecipeError(f"length_ratio = {self.length_ratio}", hint="give 1 or more")
        if not 0 < self.threshold <= 1:
            raise RecipeError(f"threshold = {self.threshold}", hint="give 0 < threshold <= 1")
        if min(self.bands, self.rows, self.max_witnesses, self.component_bytes) < 1:
            raise RecipeError("bands, rows, max_witnesses and component_bytes are 1 at least")
        if not 0 <= self.seed < 1 << 32:
            raise RecipeError(f"seed = {self.seed}", hint="give 0 <= seed < 2**32")

    @classmethod
    def aimed(
        cls,
        recall: float,
        bands: int | None,
        rows: int | None,
        threshold: float,
        similarity: Similarity = "jaccard",
        length_ratio: float = 2.0,
        **options: object,
    ) -> NearDuplicates:
        """Choose bands and rows for a recall, unless both are given."""
        if (bands is None) != (rows is None):
            raise RecipeError("bands and rows go together", hint="give both, or a recall")
        if bands is None or rows is None:
            bands, rows = choose_bands(aim_of(threshold, similarity, length_ratio), recall)
        return cls(
            threshold=threshold,
            bands=bands,
            rows=rows,
            similarity=similarity,
            length_ratio=length_ratio,
            **options,  # type: ignore[arg-type]
        )

    @property
    def aim(self) -> float:
        """The Jaccard similarity that the bands have to find; see `aim_of`."""
        return aim_of(self.threshold, self.similarity, self.length_ratio)

    @property
    def stored_parameters(self) -> dict[str, int | str]:
        """What a store has to agree with, for its band keys and its shingles to be comparable."""
        return {
            "bands": self.bands,
            "rows": self.rows,
            "seed": self.seed,
            "shingle": self.shingling.kind,
            "ngram": self.shingling.ngram,
            "max_witnesses": self.max_witnesses,
            "on": self.on,
        }

    @property
    def count(self) -> int:
        """How many values a signature has."""
        return self.bands * self.rows


@dataclass(frozen=True)
class RepeatedLines:
    """What is cut: units of at least ``min_characters`` visible ones that ``min_documents`` share.

    A character of Han, Kana or Hangul counts for two. Documents are counted ``per`` corpus, language
    or source. With ``keep_first`` the first document that has a unit, in keeper order, keeps it. A
    document of which more than ``max_cut`` (a share of its bytes) would go is dropped whole.
    """

    unit: Literal["line", "paragraph"] = "line"
    min_documents: int = 10
    min_characters: int = 20
    keep_first: bool = True
    max_cut: float = 1.0
    per: Literal["corpus", "lang", "source"] = "corpus"
    keep: str = "longest"
    source_priority: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_keep(self.keep)
        if self.min_documents < 2:
            raise RecipeError(f"min_documents = {self.min_documents}", hint="2 or more repeat")
        if self.min_characters < 1:
            raise RecipeError(f"min_characters = {self.min_characters}", hint="give 1 or more")
        if not 0 < self.max_cut <= 1:
            raise RecipeError(f"max_cut = {self.max_cut}", hint="a share, above 0 and up to 1")


@dataclass(frozen=True)
class RepeatedSpans:
    """Which spans go: those of ``min_bytes``, or ``min_tokens``, and more that stand earlier.

    Earlier is in keeper order; without either number it is 200 bytes. A document of which more than
    ``max_cut`` (a share of its bytes) would go is dropped whole. With the action ``drop`` nothing is
    cut, and a document is dropped if more than ``max_repeated`` repeats.
    """

    min_bytes: int | None = None
    min_tokens: int | None = None
    action: Literal["cut", "drop"] = "cut"
    max_cut: float = 1.0
    max_repeated: float = 0.0
    keep: str = "longest"
    source_priority: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_keep(self.keep)
        if self.min_bytes is not None and self.min_tokens is not None:
            raise RecipeError(
                f"min_bytes = {self.min_bytes} and min_tokens = {self.min_tokens}: which of them?",
                hint="a span is measured in bytes or in tokens of a tokenizer; give one",
            )
        if self.min_tokens is None and not 16 <= self.window <= 1 << 20:
            raise RecipeError(f"min_bytes = {self.min_bytes}", hint="give 16 to 1048576 bytes")
        if self.min_tokens is not None and not 8 <= self.window <= 1 << 20:
            raise RecipeError(f"min_tokens = {self.min_tokens}", hint="give 8 to 1048576 tokens")
        if self.action not in ("cut", "drop"):
            raise RecipeError(
                f"no action '{self.action}'", hint=nearest(self.action, ["cut", "drop"])
            )
        if not 0 < self.max_cut <= 1:
            raise RecipeError(f"max_cut = {self.max_cut}", hint="a share, above 0 and up to 1")
        if not 0 <= self.max_repeated < 1:
            raise RecipeError(f"max_repeated = {self.max_repeated}", hint="a share, below 1")

    @property
    def window(self) -> int:
        """How many symbols a span has at least: bytes or tokens."""
        if self.min_tokens is not None:
            return self.min_tokens
        return 200 if self.min_bytes is None else self.min_bytes

    @property
    def width(self) -> int:
        """How many bytes hold a symbol."""
        return 1 if self.min_tokens is None else 4
