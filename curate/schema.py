"""The Document table: the one contract that every stage, source and engine keeps.

A table goes in, a table comes out, and no row is ever lost without a name on it. Names and types
of all columns stand here and nowhere else.

Written by the source:

``id``
    ``<source>/<file relative to the source's root>#<locator>``. The locator finds the record again:
    the offset in the file as stored for WARC and WET, the line's byte offset (decompressed) for JSONL,
    the page id for Wikipedia, ``<row group>:<row>`` for Parquet, nothing for a text file. No content,
    time or absolute path is in it, so the same record has the same id in every run: resuming, sampling
    and dedup rest on that. Unique within a run.
``source``, ``origin``, ``license``
    the recipe's name for the source; ``native``, ``mt``, ``asr``, ``ocr`` or ``llm``; as given.
``text``, ``messages``, ``rejected``
    the document. Where ``messages`` is set it is the document, and ``text`` is its rendering;
    ``rejected`` is the worse answer of preference data.
``url``, ``date``, ``meta``
    where and when, if known; what else the record said, as JSON that no stage reads.

Written by stages: ``lang`` ... ``lang2_score`` (identify; ``und`` when it abstains), ``signal_*``
(measure; float64 or int64, because float32 flips published thresholds: ``float32(0.1) > 0.1``; null is
undefined, never 0), ``pii_spans`` (standardize: where personal data was masked), ``n_tokens`` (count; the
file's metadata names the tokenizer), ``cluster`` ...
``jaccard`` (dedup: the keeper's id and the evidence), ``cuts`` (what stages that cut repeats took out,
for a replay), ``dropped_by`` and ``dropped_value`` (judging
stages: ``stage:rule`` and the measured number; null is alive). The product adds ``phase`` and ``epoch``;
(``id``, ``phase``, ``epoch``) is its key.

``lang_spans`` and ``pii_spans`` speak of bytes of the row's ``text`` as it stands there, ``[start, end)`` in
order; of a conversation that is its rendering (masks in ``rejected`` have no place). A stage that rewrites
``text`` settles them with it (``curate.protocol.stage.with_text``): ``lang_spans`` become null, ``pii_spans`` move
with their lines. ``pii_spans`` are empty where nothing was masked, and null where that is not known: the
profile masks nothing, or a line that held a mask was changed within.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import InternalError

#: Raised whenever the rows of a run can differ for the same input and recipe.
CONTRACT_VERSION = 2

MESSAGE = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.large_string()),
        ("name", pa.string()),
        ("tool_calls", pa.string()),
    ]
)
SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64())])
#: Bytes that a stage cut, counted in the text as it came to that stage.
CUT = pa.struct([("stage", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
LANG_SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("lang", pa.string())])
PII_SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("kind", pa.string())])

#: What a source writes.
SOURCE_COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "source": pa.string(),
    "origin": pa.string(),
    "license": pa.string(),
    "text": pa.large_string(),
    "messages": pa.list_(MESSAGE),
    "rejected": pa.list_(MESSAGE),
    "url": pa.string(),
    "date": pa.timestamp("us", tz="UTC"),
    "meta": pa.large_string(),
}

#: What judging stages write; part of every table from the start, null = alive.
VERDICT_COLUMNS: dict[str, pa.DataType] = {
    "dropped_by": pa.string(),
    "dropped_value": pa.float64(),
}

#: What other stages add.
STAGE_COLUMNS: dict[str, pa.DataType] = {
    "lang": pa.string(),
    "lang_score": pa.float64(),
    "lang2": pa.string(),
    "lang2_score": pa.float64(),
    "lang_spans": pa.list_(LANG_SPAN),
    "pii_spans": pa.list_(PII_SPAN),
    "n_tokens": pa.int64(),
    "cluster": pa.string(),
    "cluster_size": pa.int32(),
    "duplicate_of": pa.string(),
    "jaccard": pa.float64(),
    "cuts": pa.list_(CUT),
}

#: What speaks of bytes of ``text``: a stage that rewrites the one settles the others.
SPAN_COLUMNS = ("lang_spans", "pii_spans")

#: What the product has besides: (id, phase, epoch) is its key.
PRODUCT_COLUMNS: dict[str, pa.DataType] = {"phase": pa.string(), "epoch": pa.int32()}

#: Input that could not be read; one row per damaged record or byte range.
QUARANTINE_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("reason", pa.string()),
        ("error", pa.string()),
        ("head", pa.binary()),
    ]
)

#: What a dedup barrier's resolve gives: one row per document that it drops, cuts or clusters.
DECISIONS_SCHEMA = pa.schema(
    [
        ("doc", pa.int64()),
        ("id", pa.string()),
        ("dropped_by", pa.string()),
        ("dropped_value", pa.float64()),
        ("duplicate_of", pa.string()),
        ("jaccard", pa.float64()),
        ("cluster", pa.string()),
        ("cluster_size", pa.int32()),
        ("cuts", pa.list_(SPAN)),
        ("text_hash", pa.binary(16)),
        ("part", pa.int32()),
    ]
)

DOCUMENT_SCHEMA = pa.schema(list((SOURCE_COLUMNS | VERDICT_COLUMNS).items()))

ORIGINS = ("native", "mt", "asr", "ocr", "llm")

#: The label of a document whose language nobody can tell.
UNDETERMINED = "und"

_KNOWN = SOURCE_COLUMNS | VERDICT_COLUMNS | STAGE_COLUMNS | PRODUCT_COLUMNS


def column_type(name: str) -> pa.DataType | None:
    """Give the contract's type of a column; None for ``signal_*``, which may be int64 or float64."""
    if name.startswith("signal_"):
        return None
    try:
        return _KNOWN[name]
    except KeyError:
        raise InternalError(f"column '{name}' is not in the Document contract") from None


def check(table: pa.Table, *, where: str = "table") -> pa.Table:
    """Return the table if it keeps the contract, else say which column does not.

    >>> check(pa.table({"id": ["a#0"], "text": pa.array(["x"], pa.large_string())})).num_rows
    1
    """
    for field in table.schema:
        wanted = column_type(field.name)
        if wanted is None:
            if field.type not in (pa.float64(), pa.int64()):
                raise InternalError(
                    f"{field.name} is {field.type}, not float64 or int64", where=where
                )
        elif field.type != wanted:
            raise InternalError(f"{field.name} is {field.type}, not {wanted}", where=where)
    return table


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Select and cast the schema's columns; a column that is missing becomes null."""
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def documents(rows: Iterable[dict[str, object]]) -> pa.Table:
    """Build a Document table from dictionaries; columns that are not given are null.

    >>> documents([{"id": "web/a.warc#0", "source": "web", "text": "hello"}]).column_names[:5]
    ['id', 'source', 'origin', 'license', 'text']
    """
    return pa.Table.from_pylist(list(rows), schema=DOCUMENT_SCHEMA)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Give a column as one array, without a copy where it is one chunk (``combine_chunks`` copies)."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def alive(table: pa.Table) -> pa.ChunkedArray:
    """Tell for each row whether nothing has dropped it yet, as booleans."""
    return pc.is_null(table.column("dropped_by"))


def file_of(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cut ids down to ``<source>/<file>``: everything before the locator."""
    return pc.replace_substring_regex(ids, "#[^#]*$", "")
