"""Tokenizer fertility of a run's product, or of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.api.jobs import batches_of
from curate.api.tables import identify
from curate.engine.folder import published
from curate.errors import RecipeError
from curate.inspection.finished_rows import readable
from curate.inspection.verify import manifest_of
from curate.schema import whole
from curate.storage.store import open_store
from curate.tokens import counter
from curate.tokens.fertility import measure
from curate.tokens.rates import Fertility

#: Rows counted at a time.
_ROWS = 4096

_Batches = Iterator[tuple[pa.LargeStringArray, pa.StringArray]]


def fertility(
    tokenizers: Sequence[str], on: Sequence[str], *, text: str = "text", scan: int = 64 << 20
) -> list[list[Fertility]]:
    """Measure tokenizers on the same texts, per language.

    Parameters
    ----------
    tokenizers : sequence of str
        ``tekken``, ``tiktoken:NAME``, ``hf:REPOSITORY``, ``words``, ``characters`` or the path of a
        ``tokenizer.json``.
    on : sequence of str
        Folders of finished runs (each document once, with its ``lang``), or files, whose languages
        are identified.
    text : str, default 'text'
        Field with the text, for files.
    scan : int, default 67108864
        Bytes of text to read at most: a random sample of a run, because its parts are shuffled; the
        beginning of files.

    Returns
    -------
    list of list of Fertility
        One list per language, most bytes first, with one entry per tokenizer.

    Raises
    ------
    RecipeError
        If there is no text, or a tokenizer is unknown.

    Examples
    --------
    >>> rows = fertility(["characters"], ["sample_data/books.parquet"], scan=1000)
    >>> rows[0][0].characters_per_token
    1.0
    """
    counters = [counter(name) for name in tokenizers]
    batches = chain.from_iterable(
        _of_run(address) if is_run(address) else _of_files([address], text) for address in on
    )
    measured = measure(_first(batches, scan), counters)
    if not measured:
        raise RecipeError("there is no text to measure on", where=", ".join(on))
    return measured


def is_run(address: str) -> bool:
    """Return whether an address is the folder of a finished run."""
    with suppress(OSError, ValueError):
        return published(open_store(address)) is not None
    return False


def _first(batches: _Batches, scan: int) -> _Batches:
    """Yield batches until ``scan`` bytes of text are read."""
    for texts, langs in batches:
        yield texts, langs
        scan -= pc.sum(pc.binary_length(texts)).as_py() or 0
        if scan <= 0:
            return


def product_of(address: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the product of a finished run by row groups: those of the columns that it has.

    Where ``lang`` is wanted and the run has none, there is ``text``, of which it can be told.
    """
    store = open_store(address)
    paths = [e.path for e in manifest_of(store).files if e.path.startswith("mixture/")]
    for path in paths:
        with readable(store, path), store.open(path) as handle:
            file = pq.ParquetFile(handle)
            names = file.schema_arrow.names
            wanted = ["text" if name == "lang" and name not in names else name for name in columns]
            found = list(dict.fromkeys(name for name in wanted if name in names))
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=found, use_threads=False)


def _of_run(address: str) -> _Batches:
    for table in product_of(address, ("text", "epoch", "lang")):
        once = table.filter(pc.equal(table.column("epoch"), 1))
        texts = whole(once.column("text"))
        labelled = "lang" in table.column_names
        langs = once.column("lang") if labelled else identify(texts).column("lang")
        yield texts, langs.combine_chunks()


def _of_files(paths: Sequence[str], text: str) -> _Batches:
    for table in batches_of(paths, text=text):
        for start in range(0, table.num_rows, _ROWS):
            texts = table.column("text").slice(start, _ROWS).combine_chunks()
            yield texts, identify(texts).column("lang").combine_chunks()
