"""A tokenizer extended on the product of a run, or on files."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate._version import __version__
from curate.api.jobs import batches_of
from curate.api.new_folder import new_folder
from curate.api.tables import identify
from curate.api.tokenizers import is_run, product_of
from curate.errors import RecipeError, nearest
from curate.logging_setup import LOGGER
from curate.mixture.sampling import sample_key
from curate.paths import local_path
from curate.recipe.languages import label_of
from curate.report.tokenizer_card import extension_card
from curate.schema import whole
from curate.tokens import TokenCounter
from curate.tokens.base import Base, load_base
from curate.tokens.embedding_weights import most_similar, read_vectors
from curate.tokens.extend import Extension, extend, tiktoken_differs
from curate.tokens.fertility import measure
from curate.tokens.huggingface import from_file
from curate.tokens.pieces import PieceCounter
from curate.tokens.rank_file import BESIDE, rank_file_content

#: Documents of a language that are held out, if that is not more than a fifth of them.
_HELD_AT_LEAST = 20
#: Bytes of text of a language that are measured, of those that are held out.
_HELD_BYTES = 16 << 20
#: Seed of the hash that holds documents out: no other sample of a run has it.
_HELD_SEED = 0x746F6B656E73
#: Rows of files at a time.
_ROWS = 4096


def extend_tokenizer(
    base: str,
    on: Sequence[str],
    *,
    add: str | int,
    output: str | Path,
    languages: Sequence[str] = (),
    text: str = "text",
    hold_out: float = 0.01,
    min_count: int = 2,
    scan: int = 1 << 30,
    vectors: str | Path | None = None,
    top: int = 5,
) -> dict[str, Any]:
    """Extend a byte-level BPE tokenizer by tokens that are learned from a run's product.

    Every old token keeps its number, special tokens too; new ones come behind all of them. The
    merges of the base stay and come first, so that a new token only ever joins what the base left
    apart. The same input gives the same bytes.

    Parameters
    ----------
    base : str
        What is extended: the path of a ``tokenizer.json`` or of a ``tokenizer.model`` in tiktoken's
        form, ``tekken``, ``tiktoken:NAME`` or ``hf:REPOSITORY``.
    on : sequence of str
        Folders of finished runs (their rows, as often as the mixture has them), or files, whose
        languages are identified.
    add : str or int
        How many tokens: a number, or a share of the ordinary tokens of the base, such as ``25%``.
    output : str or Path
        Folder to write; it must not exist.
    languages : sequence of str, optional
        Languages to learn from; default: all. The card measures all in either case.
    text : str, default 'text'
        Field with the text, for files.
    hold_out : float, default 0.01
        Share of the documents of each language that is measured and not learned from, chosen by a
        hash of the id: at least 20 documents, or a fifth of them if there are fewer than 100.
    min_count : int, default 2
        How often the two halves of a new token must meet.
    scan : int, default 1073741824
        Bytes of text to learn from at most: a random sample of a run, because its parts are
        shuffled; the beginning of files.
    vectors : str or Path, optional
        Vectors of tokens, old and new, from another model: ``.npy`` with a row per number, or
        ``.npz`` with ``ids`` and ``vectors``. As the numbers are the same each time, extend once,
        make vectors for the tokens, and extend again.
    top : int, default 5
        Most similar old tokens that a new embedding is made of, where there are vectors.

    Returns
    -------
    dict
        The card, as ``card.json`` has it.

    Raises
    ------
    RecipeError
        If the base is no byte-level BPE, the text gives too few tokens, or an option is not valid.
    RefusedError
        If the output exists.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     card = extend_tokenizer(
    ...         "tekken", ["sample_data/books.parquet"], add=10, output=f"{folder}/extended"
    ...     )
    >>> card["vocabulary"]["before"], card["vocabulary"]["after"]
    (131072, 131082)
    """
    folder = new_folder(str(output), "a tokenizer is")
    if not 0 < hold_out <= 0.5:
        raise RecipeError(f"{hold_out} is no share to hold out", hint="above 0, up to 0.5")
    loaded = load_base(base)
    wanted = _amount(add, len(loaded.tokens))
    size = loaded.first + wanted
    known = {} if vectors is None else read_vectors(local_path(str(vectors)), size)
    corpus = _Corpus(on, text)
    langs = _languages(languages, corpus)
    LOGGER.info("%d documents, %d languages", len(corpus.keys), len(corpus.found))
    read = _read(corpus, loaded, langs, _held_out(corpus, hold_out), scan)
    LOGGER.info("%d pieces in %d bytes of text", read.pieces.total, read.bytes)
    extension = extend(
        loaded, read.pieces.pieces(), add=wanted, min_count=min_count, where=", ".join(on)
    )
    LOGGER.info("%d new tokens, each of them reached", wanted)
    weights, similar = most_similar(extension.pieces, known, first=loaded.first, top=top)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        staged = Path(temporary, "staged")
        staged.mkdir()
        unlike = _write(staged, extension, weights, read.held_texts)
        counters = [loaded.counter, from_file(staged / "tokenizer.json")]
        card = {
            "curate": __version__,
            "base": {"name": base, "digest": loaded.counter.digest},
            "extended": {"digest": counters[1].digest},
            "on": list(on),
            "languages": langs or sorted(corpus.found),
            **_learned(extension, read),
            "min_count": min_count,
            "held_out": {"share": hold_out, "without": read.without_held},
            "tiktoken": {"written": unlike == 0, "texts_that_differ": unlike},
            "weights": {"vectors": vectors is not None, "top": top, "similar": similar},
            "fertility": _compared(read.held, counters),
        }
        (staged / "card.json").write_text(_json(card, indent=1), encoding="utf-8")
        (staged / "README.md").write_text(extension_card(card), encoding="utf-8")
        staged.rename(folder)
    return card


def _learned(extension: Extension, read: _Read) -> dict[str, Any]:
    first, added = extension.base.first, len(extension.tokens)
    return {
        "vocabulary": {
            "before": first,
            "ordinary_before": len(extension.base.tokens),
            "added": added,
            "after": first + added,
            "first_new_id": first,
        },
        "text": {
            "documents": read.documents,
            "documents_not_read": read.not_read,
            "bytes": read.bytes,
            "bounded_by": read.bounded_by,
            "pieces": read.pieces.total,
            "left_out": dict(read.pieces.left_out),
        },
        "last_count": extension.occurrences[-1],
        "refused": dict(extension.refused),
    }


def _amount(add: str | int, ordinary: int) -> int:
    """Return the number of tokens that ``add`` means.

    >>> _amount("25%", 128_000), _amount("13056", 128_000)
    (32000, 13056)
    """
    found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*(%?)\s*", str(add))
    number = float(found[1]) if found else 0.0
    if found and found[2]:
        number = number * ordinary / 100
    if not found or (not found[2] and number % 1) or not 1 <= number <= 4 * ordinary:
        raise RecipeError(
            f"cannot add '{add}' tokens to {ordinary:,}",
            hint="--add 25% of the ordinary tokens, or a number such as --add 13056;"
            f" at least 1 and at most {4 * ordinary:,}",
        )
    return int(number)


class _Corpus:
    """The documents of a run or of files, read twice: first their languages, then their texts."""

    def __init__(self, on: Sequence[str], text: str) -> None:
        if not on:
            raise RecipeError("an extension needs texts", hint="--on RUN, or --on FILE")
        self.on, self._text = on, text
        keys, codes = [], []
        numbers: dict[str, int] = {}
        for table in self._tables(("id", "lang")):
            keys.append(sample_key(table.column("id"), _HELD_SEED))
            if "lang" in table.column_names:
                langs = table.column("lang")
            else:
                langs = identify(table.column("text")).column("lang")
            encoded = whole(langs).fill_null("und").dictionary_encode()
            known = [
                numbers.setdefault(lang, len(numbers)) for lang in encoded.dictionary.to_pylist()
            ]
            codes.append(np.array(known, np.int16)[np.asarray(encoded.indices)])
        self.keys = np.concatenate([np.empty(0, np.uint64), *keys])
        self.codes = np.concatenate([np.empty(0, np.int16), *codes])
        self.found = list(numbers)  #: labels, by code
        if not len(self.keys):
            raise RecipeError("there is no text to learn from", where=", ".join(on))

    def texts(self) -> Iterator[pa.Table]:
        """Yield the documents again, in the same order, with ``text`` and perhaps ``epoch``."""
        return self._tables(("text", "epoch"))

    def _tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        for address in self.on:
            if is_run(address):
                yield from product_of(address, columns)
                continue
            for table in batches_of([address], text=self._text):
                for start in range(0, table.num_rows, _ROWS):
                    yield table.select(["id", "text"]).slice(start, _ROWS)


def _languages(given: Sequence[str], corpus: _Corpus) -> list[str]:
    labels = []
    for name in given:
        label = label_of(name, corpus.found)
        if label not in corpus.found:
            same = [known for known in corpus.found if known[:3] == label[:3]]
            raise RecipeError(
                f"there are no documents in {label} to learn from",
                where=", ".join(corpus.on),
                hint=nearest(label, same or corpus.found),
            )
        labels.append(label)
    return sorted(set(labels))


def _held_out(corpus: _Corpus, share: float) -> npt.NDArray[np.bool_]:
    """Return which documents are held out; all copies of a document are, or none."""
    held = np.zeros(len(corpus.keys), np.bool_)
    for code in range(len(corpus.found)):
        rows = np.flatnonzero(corpus.codes == code)
        keys = np.unique(corpus.keys[rows])
        least = min(_HELD_AT_LEAST, len(keys) // 5)
        count = max(int(len(keys) * share), least)
        if count:
            held[rows] = corpus.keys[rows] <= keys[count - 1]
    return held


class _Read(NamedTuple):
    pieces: PieceCounter
    documents: int
    not_read: int  #: documents that could be learned from, behind those
    bytes: int
    bounded_by: str | None  #: what ended the reading before the text did: scan, or pieces
    held: pa.Table  #: texts that are held out, with their languages
    without_held: list[str]  #: languages of too few documents to hold one out

    @property
    def held_texts(self) -> list[str]:
        """The texts that are held out."""
        return [text for text in self.held.column("text").to_pylist() if text]


def _read(
    corpus: _Corpus, base: Base, langs: Sequence[str], held: npt.NDArray[np.bool_], scan: int
) -> _Read:
    counting = PieceCounter(base)
    learned_from = np.array([not langs or lang in langs for lang in corpus.found], np.bool_)
    labels = pa.array(corpus.found, pa.string())
    space = np.full(len(corpus.found), _HELD_BYTES, np.int64)
    kept = [pa.table({"text": pa.array([], pa.large_string()), "lang": pa.array([], pa.string())})]
    documents = size = start = 0
    bounded_by = None
    for table in corpus.texts():
        stop = start + table.num_rows
        codes, here = corpus.codes[start:stop], held[start:stop]
        start = stop
        texts = whole(table.column("text"))
        sizes = np.asarray(pc.fill_null(pc.binary_length(texts), 0)).astype(np.int64)
        mine = np.flatnonzero(learned_from[codes] & ~here)
        fits = (np.cumsum(sizes[mine]) - sizes[mine] + size < scan) & (not counting.full)
        if not fits.all():
            bounded_by = "pieces" if counting.full else "scan"
        mine = mine[fits]
        counting.add(texts.take(pa.array(mine)))
        documents, size = documents + len(mine), size + int(sizes[mine].sum())
        if "epoch" in table.column_names:
            here = here & np.asarray(pc.equal(table.column("epoch"), 1))
        chosen = []
        for row in np.flatnonzero(here):
            if space[codes[row]] > 0:
                space[codes[row]] -= sizes[row]
                chosen.append(row)
        rows = pa.array(chosen, pa.int64())
        kept.append(
            pa.table({"text": texts.take(rows), "lang": labels.take(pa.array(codes[chosen]))})
        )
        if bounded_by and (space <= 0).all():
            break
    without = [
        lang for code, lang in enumerate(corpus.found) if not held[corpus.codes == code].any()
    ]
    left = int((learned_from[corpus.codes] & ~held).sum()) - documents
    texts_held = pa.concat_tables(kept)
    return _Read(counting, documents, left, size, bounded_by, texts_held, sorted(without))


def _write(folder: Path, extension: Extension, weights: Any, held: Sequence[str]) -> int | None:
    """Write all but the card; return how many texts tiktoken encodes otherwise, or None.

    tiktoken's form is written where there are none.
    """
    base = extension.base
    for name, content in base.beside.items():
        if name != "tokenizer_config.json":
            (folder / name).write_bytes(content)
    (folder / "tokenizer.json").write_text(_json(extension.tokenizer_json), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        _json(extension.tokenizer_config, indent=2), encoding="utf-8"
    )
    pq.write_table(_new_tokens(extension, weights), folder / "new_tokens.parquet")
    if extension.ranks is None:
        return None
    unlike = tiktoken_differs(extension, held)
    if unlike == 0:
        (folder / "tokenizer.model").write_bytes(rank_file_content(extension.ranks))
        beside = {
            "pattern": base.pattern,
            "special_tokens": base.specials,
            "begin": base.begin,
            "end": base.end,
        }
        (folder / BESIDE).write_text(_json(beside, indent=1), encoding="utf-8")
    return unlike


def _new_tokens(extension: Extension, weights: Sequence[tuple[list[int], list[float]]]) -> pa.Table:
    count, first = len(extension.tokens), extension.base.first
    return pa.table(
        {
            "new_id": pa.array(range(first, first + count), pa.int32()),
            "token": pa.array(extension.tokens, pa.binary()),
            "text": pa.array([_text(token) for token in extension.tokens], pa.string()),
            "occurrences": pa.array(extension.occurrences, pa.int64()),
            "old_ids": pa.array(extension.pieces, pa.list_(pa.int32())),
            "weight_ids": pa.array([ids for ids, _ in weights], pa.list_(pa.int32())),
            "weights": pa.array([shares for _, shares in weights], pa.list_(pa.float32())),
        }
    )


def _text(token: bytes) -> str | None:
    """Return a token's text; None for a part of a character."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return None


def _compared(held: pa.Table, counters: Sequence[TokenCounter]) -> list[dict[str, Any]]:
    """Return a row per language: what is held out, and its tokens before and after."""
    measured = measure([(whole(held.column("text")), whole(held.column("lang")))], counters)
    names = ("tokens", "tokens_per_word", "bytes_per_token")
    return [
        {
            "language": before.lang,
            "documents": before.documents,
            "bytes": before.bytes,
            "words": before.words,
            **{f"{name}_before": getattr(before, name) for name in names},
            **{f"{name}_after": getattr(after, name) for name in names},
        }
        for before, after in measured
    ]


def _json(value: Mapping[str, Any], indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent) + "\n"
