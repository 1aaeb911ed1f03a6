"""What tokenizers make of a run's product, or of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.api.jobs import batches_of
from curate.api.tables import identify
from curate.engine.folder import published
from curate.errors import RecipeError
from curate.inspection.verify import manifest_of
from curate.schema import whole
from curate.storage.store import open_store
from curate.tokens import counter
from curate.tokens.fertility import measure
from curate.tokens.rates import Fertility

#: Rows that are counted at a time.
_ROWS = 4096

_Batches = Iterator[tuple[pa.LargeStringArray, pa.StringArray]]


def fertility(
    tokenizers: Sequence[str], on: Sequence[str], *, text: str = "text", scan: int = 64 << 20
) -> list[list[Fertility]]:
    """Measure tokenizers on the same texts: a list per language, most bytes first, of each tokenizer's.

    ``on`` is the folder of a finished run (its rows and their ``lang``; once per document) or files, whose
    languages are identified. At most ``scan`` bytes of text are read: of a run a fair sample, since its
    parts are shuffled; of files the first.
    """
    counters = [counter(name) for name in tokenizers]
    batches = _of_run(on[0], scan) if len(on) == 1 and _is_run(on[0]) else _of_files(on, text, scan)
    found = measure(batches, counters)
    if not found:
        raise RecipeError("there is no text to measure on", where=", ".join(on))
    return found


def _is_run(address: str) -> bool:
    with suppress(OSError, ValueError):
        return published(open_store(address)) is not None
    return False


def _of_run(address: str, scan: int) -> _Batches:
    store = open_store(address)
    paths = [e.path for e in manifest_of(store).files if e.path.startswith("mixture/")]
    left = scan
    for path in paths:
        with store.open(path) as handle:
            file = pq.ParquetFile(handle)
            known = "lang" in file.schema_arrow.names
            for group in range(file.num_row_groups):
                columns = ["text", "epoch", *(["lang"] if known else [])]
                table = file.read_row_group(group, columns=columns)
                table = table.filter(pc.equal(table.column("epoch"), 1))
                texts = whole(table.column("text"))
                langs = table.column("lang") if known else identify(texts).column("lang")
                yield texts, langs.combine_chunks()
                left -= pc.sum(pc.binary_length(texts)).as_py() or 0
                if left <= 0:
                    return


def _of_files(paths: Sequence[str], text: str, scan: int) -> _Batches:
    left = scan
    for table in batches_of(paths, text=text):
        for start in range(0, table.num_rows, _ROWS):
            texts = table.column("text").slice(start, _ROWS).combine_chunks()
            yield texts, identify(texts).column("lang").combine_chunks()
            left -= pc.sum(pc.binary_length(texts)).as_py() or 0
            if left <= 0:
                return
