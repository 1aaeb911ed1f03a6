"""The options of each dedup: plain values, checked when they are created; no kernel is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from curate.dedup.fuzzy.lsh import choose_bands
from curate.dedup.keeper import check_keep
from curate.errors import RecipeError, nearest

Similarity = Literal["jaccard", "containment"]


Folded = Literal["case", "width", "punctuation", "symbols", "numbers", "diacritics"]
#: What may be folded before texts are compared. White space, invisible characters, canonical
#: equivalence, tatweel and the ways to type an apostrophe, a quote or a dash never count.
FOLDS: tuple[Folded, ...] = get_args(Folded)
#: What is folded by default.
FOLD: tuple[Folded, ...] = ("case", "width", "punctuation")


def _check_choice(kind: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RecipeError(f"no {kind} '{value}'", hint=nearest(value, choices))


def _check_max_cut(max_cut: float) -> None:
    if not 0 < max_cut <= 1:
        raise RecipeError(f"max_cut = {max_cut}", hint="a share, above 0 and up to 1")


def folded(names: Iterable[str]) -> tuple[Folded, ...]:
    """Return names of foldings, each once and in one order; refuse others.

    >>> folded(["numbers", "case"])
    ('case', 'numbers')
    """
    given = set(names)
    for name in sorted(given):
        _check_choice("folding", name, FOLDS)
    return tuple(name for name in FOLDS if name in given)


@dataclass(frozen=True)
class Shingling:
    """What a shingle is: `ngram` consecutive words, or `ngram` consecutive characters.

    Words suit running text in every script (a code point is a word in Han, Kana, Thai, Lao, Khmer
    and Myanmar). Characters also match where words were split differently, and find many more
    pairs that a reader would not call copies.
    """

    kind: Literal["word", "char"] = "word"
    ngram: int = 5
    fold: tuple[Folded, ...] = FOLD

    def __post_init__(self) -> None:
        _check_choice("shingle", self.kind, ("word", "char"))
        # One order, so that the same foldings are the same parameters of a store.
        object.__setattr__(self, "fold", folded(self.fold))
        if not 1 <= self.ngram <= 64:
            raise RecipeError(f"ngram = {self.ngram}", hint="give a number from 1 to 64")


@dataclass(frozen=True)
class ExactDuplicates:
    """Documents that share a normalised text, a prompt or an address; which one is kept."""

    keep: str = "longest"
    """Which document is kept: ``longest``, ``newest``, ``oldest``, ``source_priority`` or
    ``best:<signal>`` (also a number of an earlier stage or of the input: ``best:n_tokens``).
    Example: "newest"."""
    on: Literal["text", "url", "prompt"] = "text"
    """What is compared: the normalised text, the address, or all turns of the user. Example:
    "url"."""
    source_priority: tuple[str, ...] = ()
    """Order of sources for ``keep = "source_priority"``, best first. Example: ["wiki", "web"]."""

    def __post_init__(self) -> None:
        check_keep(self.keep)
        _check_choice("exact dedup on", self.on, ("text", "url", "prompt"))

    @property
    def stored_parameters(self) -> dict[str, int | str]:
        """The parameters that a store must agree with: its keys are hashes of this."""
        return {"exact": self.on}


@dataclass(frozen=True)
class NearDuplicates:
    """Documents whose shingle sets are similar; how they are found, and which one is kept.

    This class owns the options of fuzzy dedup, their defaults and their checks: the stage inherits
    them, `find_duplicates` passes its parameters to it.
    """

    threshold: float = 0.8
    """Similarity from which a document is removed."""
    recall: float = 0.97
    """Chance that a pair at the threshold is compared; it chooses ``bands`` and ``rows``."""
    bands: int | None = None
    """Bands of MinHash, together with ``rows``. Example: 14."""
    rows: int | None = None
    """Rows per band, together with ``bands``. Example: 8."""
    shingle: Literal["word", "char"] = "word"
    """The unit of shingles; characters also match where words were split differently."""
    ngram: int = 5
    """Units per shingle."""
    fold: tuple[Folded, ...] = FOLD
    """What does not count: ``case``, ``width`` (full and half width, presentation forms,
    ligatures), ``punctuation``, ``symbols`` (operators, currencies, emoji, and the signs of short
    texts), ``numbers`` (each is one 0), ``diacritics`` (accents of Latin and Greek, ё, ı, Arabic
    and Hebrew vowel signs). Example: ["case", "width", "punctuation", "numbers"]."""
    on: Literal["text", "prompt"] = "text"
    """What is compared: the text, or all turns of the user of a conversation."""
    keep: str = "longest"
    """Which document is kept: ``longest``, ``newest``, ``oldest``, ``source_priority`` or
    ``best:<signal>`` (also a number of an earlier stage or of the input: ``best:n_tokens``).
    Example: "newest"."""
    max_witnesses: int = 64
    """Kept documents of a bucket that a document is compared with."""
    component_bytes: int = 256 << 20
    """Bytes of shingles of a component that are resolved in memory at a time."""
    seed: int = 1
    source_priority: tuple[str, ...] = ()
    """Order of sources for ``keep = "source_priority"``, best first. Example: ["wiki", "web"]."""
    similarity: Similarity = "jaccard"
    """``jaccard``, the shared part of the union of two sets, or ``containment``, the shared part of
    the removed document's own set: a page inside a longer one is removed too."""
    length_ratio: float = 2.0
    """With ``containment``: the ratio of lengths up to which pairs are searched for."""

    def __post_init__(self) -> None:
        if self.length_ratio < 1:
            raise RecipeError(f"length_ratio = {self.length_ratio}", hint="give 1 or more")
        object.__setattr__(self, "fold", self.shingling.fold)
        _ = self.band_shape  # both refuse impossible values
        check_keep(self.keep)
        _check_choice("near dedup on", self.on, ("text", "prompt"))
        _check_choice("similarity", self.similarity, ("jaccard", "containment"))
        if not 0 < self.threshold <= 1:
            raise RecipeError(f"threshold = {self.threshold}", hint="give 0 < threshold <= 1")
        if min(*self.band_shape, self.max_witnesses, self.component_bytes) < 1:
            raise RecipeError("bands, rows, max_witnesses and component_bytes are 1 at least")
        if not 0 <= self.seed < 1 << 32:
            raise RecipeError(f"seed = {self.seed}", hint="give 0 <= seed < 2**32")

    @cached_property
    def shingling(self) -> Shingling:
        """The shingles that are compared."""
        return Shingling(self.shingle, self.ngram, self.fold)

    @cached_property
    def band_shape(self) -> tuple[int, int]:
        """The number of bands, and of rows in each: as given, or chosen for the recall.

        >>> NearDuplicates().band_shape, NearDuplicates(bands=14, rows=8).band_shape
        ((20, 8), (14, 8))
        """
        if (self.bands is None) != (self.rows is None):
            raise RecipeError("bands and rows go together", hint="give both, or a recall")
        if self.bands is None or self.rows is None:
            return choose_bands(self.target_jaccard, self.recall)
        return self.bands, self.rows

    @property
    def num_bands(self) -> int:
        """The number of bands, given or chosen."""
        return self.band_shape[0]

    @property
    def num_permutations(self) -> int:
        """The number of values in a signature: bands x rows."""
        bands, rows = self.band_shape
        return bands * rows

    @property
    def target_jaccard(self) -> float:
        """The Jaccard similarity of the least similar pairs that the bands have to find.

        For containment that is a document of n shingles of which the share `threshold` is contained
        in one of `length_ratio` x n: they share threshold x n of (1 + length_ratio - threshold) x
        n.

        >>> round(NearDuplicates(similarity="containment").target_jaccard, 4)
        0.3636
        """
        if self.similarity == "jaccard":
            return self.threshold
        return self.threshold / (1 + self.length_ratio - self.threshold)

    @property
    def stored_parameters(self) -> dict[str, int | str]:
        """The parameters that a store must agree with: its keys and shingles depend on them."""
        bands, rows = self.band_shape
        return {
            "bands": bands,
            "rows": rows,
            "seed": self.seed,
            "shingle": self.shingle,
            "ngram": self.ngram,
            "fold": " ".join(self.shingling.fold),
            "max_witnesses": self.max_witnesses,
            "on": self.on,
        }


@dataclass(frozen=True)
class RepeatedLines:
    """Which units of text are cut, and which copy is kept."""

    unit: Literal["line", "paragraph"] = "line"
    """What is cut."""
    min_documents: int = 10
    """Documents that share a unit from which it is cut."""
    min_characters: int = 20
    """Visible characters of a unit from which it is cut; those of Han, Kana and Hangul count as
    two."""
    keep_first: bool = True
    """Whether the first document in keeper order keeps a unit, so that no text is lost
    altogether."""
    max_cut: float = 1.0
    """Share of its bytes above which a document is dropped whole, as ``mostly_repeated``. Example:
    0.5."""
    per: Literal["corpus", "lang", "source"] = "corpus"
    """Where documents that share a unit are counted. Example: "lang"."""
    keep: str = "longest"
    """Which document is kept: ``longest``, ``newest``, ``oldest``, ``source_priority`` or
    ``best:<signal>`` (also a number of an earlier stage or of the input: ``best:n_tokens``).
    Example: "newest"."""
    source_priority: tuple[str, ...] = ()
    """Order of sources for ``keep = "source_priority"``, best first. Example: ["wiki", "web"]."""

    def __post_init__(self) -> None:
        check_keep(self.keep)
        if self.min_documents < 2:
            raise RecipeError(f"min_documents = {self.min_documents}", hint="2 or more repeat")
        if self.min_characters < 1:
            raise RecipeError(f"min_characters = {self.min_characters}", hint="give 1 or more")
        _check_max_cut(self.max_cut)

    @property
    def stored_parameters(self) -> dict[str, int | str]:
        """The parameters that a store must agree with: they say which lines it has."""
        return {"lines": self.unit, "min_characters": self.min_characters, "per": self.per}


@dataclass(frozen=True)
class RepeatedSpans:
    """Which spans are cut, and which copy is kept."""

    min_bytes: int | None = None
    """Length of a span in bytes from which it is cut; 200 without ``min_tokens``. Example: 200."""
    min_tokens: int | None = None
    """The same in tokens of ``tokenizer``: 50 is the figure of Lee et al. Example: 50."""
    action: Literal["cut", "drop"] = "cut"
    """Cut spans, or drop documents that repeat too much."""
    max_cut: float = 1.0
    """Share of its bytes above which a document is dropped whole, as ``mostly_repeated``. Example:
    0.5."""
    max_repeated: float = 0.0
    """With ``action = "drop"``: share of its bytes that a document may repeat. Example: 0.1."""
    keep: str = "longest"
    """Which document is kept: ``longest``, ``newest``, ``oldest``, ``source_priority`` or
    ``best:<signal>`` (also a number of an earlier stage or of the input: ``best:n_tokens``).
    Example: "newest"."""
    source_priority: tuple[str, ...] = ()
    """Order of sources for ``keep = "source_priority"``, best first. Example: ["wiki", "web"]."""

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
        _check_choice("action", self.action, ("cut", "drop"))
        _check_max_cut(self.max_cut)
        if not 0 <= self.max_repeated < 1:
            raise RecipeError(f"max_repeated = {self.max_repeated}", hint="a share, below 1")

    @property
    def window(self) -> int:
        """The number of symbols (bytes or tokens) that a span has at least."""
        if self.min_tokens is not None:
            return self.min_tokens
        return 200 if self.min_bytes is None else self.min_bytes

    @property
    def width(self) -> int:
        """The number of bytes that hold a symbol."""
        return 1 if self.min_tokens is None else 4
