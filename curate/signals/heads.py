"""Linear heads on embeddings: a vector of a text, times weights, plus a bias (FineWeb-Edu's form).

A head is an .npz file without pickle: ``weight`` float[outputs, dimensions], ``bias``
float[outputs], and for several outputs ``labels`` text[outputs]. One output is the score itself, a
regression; several are turned into probabilities by softmax.

Vectors are rounded to 2^-14 before they are multiplied, so that what a model adds up differently in
another batch seldom reaches a score.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError
from curate.paths import local_path
from curate.paths.arrays import read_arrays

Floats = npt.NDArray[np.float64]

#: The embedding that needs no model: counts of n-grams of characters.
CHARACTERS: Final = "characters"
_SCALE: Final = 1 << 14


@dataclass(frozen=True, eq=False)
class Head:
    """The weights of a head; ``labels`` are empty for a regression."""

    weight: Floats = field(repr=False)
    bias: Floats = field(repr=False)
    labels: tuple[str, ...] = ()

    def scores(self, texts: pa.LargeStringArray, embedding: str, max_tokens: int) -> Floats:
        """Return float64[texts, outputs]: the outputs of a regression, else probabilities.

        NaN for a text of white space, which has no vector. Raise RecipeError where the vectors of
        the embedding are of another size.
        """
        from curate.dedup.embedding import vectors

        found = vectors(texts, None if embedding == CHARACTERS else embedding, max_tokens)
        if found.shape[1] != self.weight.shape[1]:
            raise RecipeError(
                f"the head has {self.weight.shape[1]} weights for each output, and vectors of"
                f" '{embedding}' have {found.shape[1]} numbers",
                hint="name the embedding that the head was trained on",
            )
        rounded = np.rint(found * _SCALE) / _SCALE
        # One output at a time: a product of matrices may add in another order for other rows.
        outputs = np.stack([(rounded * row).sum(axis=1) for row in self.weight], axis=1) + self.bias
        outputs[~found.any(axis=1)] = np.nan
        if not self.labels:
            return outputs
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        shares: Floats = powers / powers.sum(axis=1, keepdims=True)
        return shares


@lru_cache(maxsize=16)
def load(address: str) -> Head:
    """Read a head once per process. Raise RecipeError where the file is none."""
    hint = "an .npz file with weight[outputs, dimensions], bias[outputs] and, for several, labels"
    try:
        data = _read(address)
    except OSError as error:
        raise RecipeError(f"cannot read the head: {error}", where=address, hint=hint) from None
    try:
        stored = read_arrays(io.BytesIO(data))
        if not isinstance(stored, dict):
            raise ValueError
        weight = np.asarray(stored["weight"], np.float64)
        bias = np.atleast_1d(np.asarray(stored["bias"], np.float64))
        labels = tuple(map(str, np.atleast_1d(stored["labels"]))) if "labels" in stored else ()
    except (ValueError, KeyError, TypeError):
        raise RecipeError("this is no head of an embedding", where=address, hint=hint) from None
    weight = weight[None] if weight.ndim == 1 else weight
    if weight.ndim != 2 or not weight.size or bias.shape != weight.shape[:1]:
        raise RecipeError("weight and bias do not fit together", where=address, hint=hint)
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise RecipeError("a weight is no finite number", where=address, hint=hint)
    if len(labels) != (0 if len(weight) == 1 and not labels else len(weight)):
        raise RecipeError(
            f"{len(weight)} outputs and {len(labels)} labels", where=address, hint=hint
        )
    return Head(weight, bias, labels)


@lru_cache(maxsize=16)
def digest(address: str) -> str:
    """Return the blake2b-128 of a head's file, in hex."""
    return hashlib.blake2b(_read(address), digest_size=16).hexdigest()


def check_embedding(embedding: str) -> None:
    """Raise RecipeError where the package that loads an embedding is not installed."""
    package = "sentence_transformers"
    if embedding != CHARACTERS and importlib.util.find_spec(package) is None:
        raise RecipeError(
            f"the embedding '{embedding}' needs the package sentence-transformers",
            hint=f"pip install 'curate-corpus[embed]', or embedding = \"{CHARACTERS}\" for a head"
            " on counts of n-grams",
        )


def _read(address: str) -> bytes:
    return local_path(address).read_bytes()
