"""Weights with which the embeddings of new tokens are made of those of old ones.

Without more knowledge, an embedding is the mean of those of the tokens that spelled the new one.
With vectors for tokens, old and new, from another model it is a weighted mean of the old tokens
with the most similar vectors, as in "Bilingual Adaptation of Monolingual Foundation Models"
(arXiv 2407.12869); how similarity becomes weight is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curate.errors import RecipeError
from curate.paths.arrays import read_arrays

Weights = list[tuple[list[int], list[float]]]

#: New tokens compared with all old ones at a time.
_ROWS = 256


def mean_of_pieces(pieces: Sequence[Sequence[int]]) -> Weights:
    """Return each token's pieces with equal weights; a piece that occurs twice counts twice.

    >>> mean_of_pieces([[7, 8], [9, 9, 7, 7]])
    [([7, 8], [0.5, 0.5]), ([7, 9], [0.5, 0.5])]
    """
    weights = []
    for numbers in pieces:
        different = sorted(set(numbers))
        shares = [numbers.count(number) / len(numbers) for number in different]
        weights.append((different, shares))
    return weights


def read_vectors(path: Path, size: int) -> Mapping[int, npt.NDArray[np.float32]]:
    """Read vectors by number of token; a row of zeros, or one that is not finite, is none.

    A ``.npy`` has a row per number of the extended tokenizer, ``size`` in all. A ``.npz`` has
    ``ids`` and ``vectors``, a row per id. Raise RecipeError for another form.
    """
    try:
        with path.open("rb") as file:
            loaded = read_arrays(file)
        if isinstance(loaded, np.ndarray):
            ids, vectors = np.arange(len(loaded)), loaded
            if len(loaded) != size:
                raise ValueError(f"{len(loaded)} rows, and not {size}, one per token")
        else:
            ids, vectors = np.asarray(loaded["ids"]), np.asarray(loaded["vectors"])
        vectors = vectors.astype(np.float32)
        if vectors.ndim != 2 or ids.shape != vectors.shape[:1] or ids.dtype.kind not in "iu":
            raise ValueError("ids are a list of integers, and vectors a matrix with a row for each")
    except KeyError as error:
        raise _no_vectors(f"it has no array {error}", path) from None
    except (OSError, ValueError, TypeError) as error:
        raise _no_vectors(str(error), path) from None
    lengths = np.linalg.norm(vectors, axis=1)
    known = np.isfinite(lengths) & (lengths > 0) & (ids >= 0) & (ids < size)
    units = vectors[known] / lengths[known, None]
    return dict(zip(ids[known].tolist(), units, strict=True))


def _no_vectors(what: str, path: Path) -> RecipeError:
    return RecipeError(
        f"cannot use the vectors: {what}",
        where=str(path),
        hint="a .npy with a row per token id, or a .npz with the arrays ids and vectors",
    )


def most_similar(
    pieces: Sequence[Sequence[int]],
    vectors: Mapping[int, npt.NDArray[np.float32]],
    *,
    first: int,
    top: int,
) -> tuple[Weights, int]:
    """Return each new token's ``top`` most similar old tokens, weighted by cosine similarity.

    Similarities that are not positive do not count. A token without a vector, or without a similar
    old one, is the mean of its pieces; how many are not, is returned, too.
    """
    weights = mean_of_pieces(pieces)
    old = sorted(number for number in vectors if number < first)
    new = [n for n in range(len(pieces)) if first + n in vectors]
    if not old or not new:
        return weights, 0
    matrix = np.stack([vectors[number] for number in old])
    similar = 0
    for at in range(0, len(new), _ROWS):
        block = new[at : at + _ROWS]
        rows = np.stack([vectors[first + n] for n in block])
        found = rows @ matrix.T
        for n, row, values in zip(block, rows, found, strict=True):
            # A few more than wanted, which are compared again: the product's last bits depend on
            # how many threads computed it.
            near = np.argsort(-values, kind="stable")[: 2 * top]
            exact = [float(np.sum(row.astype(np.float64) * matrix[i])) for i in near]
            best = sorted(zip((-value for value in exact), near.tolist(), strict=True))[:top]
            kept = [(old[i], -value) for value, i in best if value < 0]
            total = sum(value for _, value in kept)
            if kept:
                similar += 1
                weights[n] = [number for number, _ in kept], [value / total for _, value in kept]
    return weights, similar
