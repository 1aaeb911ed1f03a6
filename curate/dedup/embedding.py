"""Texts as vectors, and which of them come after a similar one.

Vectors are integers: coordinates of unit vectors times 2^14. Dot products are sums of integers
below 2^53, so they are exact in whatever order a processor adds; only the model's own arithmetic
can differ between machines.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError

Vectors = npt.NDArray[np.int16]

_SCALE = 1 << 14
#: The fallback: dimensions of a vector, and lengths of the character n-grams in it.
_DIMENSIONS, _NGRAMS = 1024, (3, 4, 5)
_STEP, _FINISH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_BLOCK = 512

#: The name of the fallback in the manifest, so that it is not mistaken for a model.
CHARACTERS = "character n-grams, no embedding model"


def embed(texts: pa.LargeStringArray, model: str | None, max_tokens: int) -> Vectors:
    """Return one unit vector per text, as integers, of the vectors that `vectors` returns."""
    return to_integers(vectors(texts, model, max_tokens))


def vectors(
    texts: pa.LargeStringArray, model: str | None, max_tokens: int
) -> npt.NDArray[np.float64]:
    """Return one vector per text; null and empty texts have zeros, which are similar to nothing.

    ``model`` is a folder or a Hugging Face name that sentence-transformers loads; each text is cut
    to ``max_tokens`` of it. None is the fallback: how often each character n-gram occurs, hashed.
    It finds the same words in another order and with small changes, and no paraphrase.
    """
    strings = [text or "" for text in texts.to_pylist()]
    if model is None:
        found = np.zeros((len(strings), _DIMENSIONS))
        for row, text in enumerate(strings):
            found[row] = _characters(text)
        return found
    loaded = _load(model, max_tokens)
    # One text at least, because an empty answer has no vector length.
    encoded = loaded.encode(strings or [""], convert_to_numpy=True, show_progress_bar=False)
    found = np.asarray(encoded, np.float64)[: len(strings)]
    found[[not text.strip() for text in strings]] = 0.0
    return found


def to_integers(vectors: npt.NDArray[np.float64]) -> Vectors:
    """Scale vectors to unit length and round them to integers; zeros stay zeros."""
    lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    rounded: Vectors = np.rint(unit * _SCALE).astype(np.int16)
    return rounded


def earlier(
    vectors: Vectors, threshold: float, against: Literal["all", "kept"]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return for each row the first earlier row with a cosine above the threshold (-1: none).

    Also return the cosines. ``all`` compares with every earlier row, including dropped ones, as
    Tagengo did; ``kept`` only with rows that stay, so that each dropped row has a witness among the
    kept. The time grows with the square of the number of rows.
    """
    rows = vectors.astype(np.float64)
    lengths = np.sqrt((rows**2).sum(axis=1))
    first, cosine = np.full(len(rows), -1, np.int64), np.zeros(len(rows))
    for start in range(0, len(rows), _BLOCK):
        stop = min(start + _BLOCK, len(rows))
        dots = rows[start:stop] @ rows[:stop].T
        scale = lengths[start:stop, None] * lengths[None, :stop]
        near = (dots > threshold * scale) & (scale > 0)
        near &= np.arange(stop)[None, :] < np.arange(start, stop)[:, None]
        if against == "kept":
            near[:, :start] &= first[None, :start] < 0
        for row in np.flatnonzero(near.any(axis=1)).tolist():
            if against == "kept":
                near[row, start:] &= first[start:stop] < 0
            if near[row].any():
                at = int(np.argmax(near[row]))
                first[start + row], cosine[start + row] = at, dots[row, at] / scale[row, at]
    return first, cosine


def identity(model: str | None) -> str:
    """Return the manifest's record of a model: the digest of a folder's files, else its name."""
    if model is None:
        return CHARACTERS
    folder = Path(model)
    if not folder.is_dir():
        return model
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            with path.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "blake2b").digest())
    return digest.hexdigest()


def _characters(text: str) -> npt.NDArray[np.float64]:
    """Return the roots of the counts of hashed n-grams, in lower case, white space squeezed."""
    words = f" {' '.join(text.lower().split())} "
    codes = np.frombuffer(words.encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    counts = np.zeros(_DIMENSIONS)
    for n in _NGRAMS if words.strip() else ():
        grams = np.full(max(0, len(codes) - n + 1), np.uint64(n))
        for offset in range(n):
            grams = (grams ^ codes[offset : offset + len(grams)]) * _STEP
            grams ^= grams >> np.uint64(29)
        grams = (grams * _FINISH) >> np.uint64(32)
        # A sign of its own for each n-gram, so that two at one place cancel on average.
        kinds, times = np.unique(grams, return_counts=True)
        sign = np.where(kinds & np.uint64(1), 1.0, -1.0)
        places = (kinds >> np.uint64(1)) % np.uint64(_DIMENSIONS)
        counts += np.bincount(
            places.astype(np.int64), weights=sign * np.sqrt(times), minlength=_DIMENSIONS
        )
    return counts


@lru_cache(maxsize=2)
def _load(model: str, max_tokens: int) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise RecipeError(
            f"model '{model}' needs the package sentence-transformers",
            hint="pip install 'curate-corpus[embed]', or leave model out for character n-grams",
        ) from None
    loaded = SentenceTransformer(model, device="cpu")
    loaded.max_seq_length = min(max_tokens, loaded.max_seq_length or max_tokens)
    return loaded
