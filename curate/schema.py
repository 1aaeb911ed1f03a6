"""The Document table: the contract between every stage, source and engine.

A table goes in, a table comes out, and each row either continues or is dropped under the name of a
rule. This module alone defines the names and types of all columns: ``COLUMNS`` (the documents),
``QUARANTINE_COLUMNS`` and ``DECISION_COLUMNS``, each with who writes it and what it means.

An id is ``<source>/<file relative to the source's root>#<locator>``. The locator finds the record
again: the offset in the file as stored for WARC and WET, the line's byte offset (decompressed) for
JSONL, the page id for Wikipedia (``:n`` behind it where the page occurs again), for Parquet
``<row group>:<row>``, nothing for a text file. An id contains no content, time or absolute path, so
the same record has the same id in every run: resuming, sampling and dedup depend on that. Ids are
unique within a run. Only the functions of this module know the grammar of ids.

``lang_spans`` and ``pii_spans`` count bytes of the row's current ``text``, ``[start, end)`` in
order; for a conversation that is its rendering (masks in ``rejected`` have no position). A stage
that rewrites ``text`` updates both (``curate.protocol.tables.with_text``): ``lang_spans`` become
null, ``pii_spans`` move with their lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import InternalError

#: Raised whenever the rows of a run can differ for the same input and recipe.
CONTRACT_VERSION = 2

MESSAGE = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.large_string()),
        ("reasoning_content", pa.large_string()),
        ("name", pa.string()),
        ("tool_calls", pa.large_string()),
        ("tool_call_id", pa.string()),
        ("weight", pa.float64()),
    ]
)
SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64())])
#: Bytes that a stage cut, counted in the text that the stage read.
CUT = pa.struct([("stage", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
LANG_SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("lang", pa.string())])
#: Of each source that holds documents of a cluster: how many, and the bytes of their texts.
CLUSTER_SOURCES = pa.list_(
    pa.struct([("source", pa.string()), ("documents", pa.int32()), ("bytes", pa.int64())])
)
PII_SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("kind", pa.string())])


class Column(NamedTuple):
    """A column of a file that a run writes."""

    type: pa.DataType
    writer: str  #: ``source``, a stage, or a group: ``judging stages``, ``dedup``, ``product``
    description: str  #: one sentence, in Markdown


#: The columns of documents. Those of sources and judging stages are part of every table; (``id``,
#: ``phase``, ``epoch``) is the key of the product.
COLUMNS: dict[str, Column] = {
    "id": Column(
        pa.string(),
        "source",
        "`<source>/<file>#<locator>`: the source's name, the file's path below the source's root,"
        " and what finds the record in the file again. It is the same in every run. Where a source"
        " names an `id` field, it ends in `~<the record's own id>`.",
    ),
    "source": Column(pa.string(), "source", "The recipe's name for the source."),
    "origin": Column(
        pa.string(),
        "source",
        "How the text came about, as the recipe states it: `native`, `mt` (machine translation),"
        " `asr` (speech recognition), `ocr` (scanned pages) or `llm` (written by a model).",
    ),
    "license": Column(pa.string(), "source", "The license, as the record or the recipe states it."),
    "text": Column(
        pa.large_string(),
        "source",
        "The document, as rewriting stages left it; where `messages` is set, their rendering.",
    ),
    "messages": Column(
        pa.list_(MESSAGE),
        "source",
        "The document where it is a conversation; null for plain documents. Of each message: `role`"
        " (system, user, assistant or tool), `content`, `reasoning_content` (what the model thought"
        " before), `name`, `tool_calls` (JSON: OpenAI's list of calls, `arguments` as JSON text),"
        " `tool_call_id` (which call a tool answers) and `weight` (0: not trained on).",
    ),
    "rejected": Column(
        pa.list_(MESSAGE),
        "source",
        "The conversation with the worse answer, in preference data; null elsewhere.",
    ),
    "tools": Column(
        pa.large_string(),
        "source",
        "The tools that a conversation may call, as JSON: OpenAI's list of function schemas.",
    ),
    "url": Column(pa.string(), "source", "The address of the document, if known."),
    "date": Column(
        pa.timestamp("us", tz="UTC"),
        "source",
        "When the document was written or fetched, if known.",
    ),
    "meta": Column(
        pa.large_string(),
        "source",
        "Other fields of the record, and keys of its folders (`year=2024/`), as JSON that no stage"
        " reads: dates in ISO 8601, decimals as text, bytes as text or base64.",
    ),
    "dropped_by": Column(
        pa.string(),
        "judging stages",
        "`<stage>:<rule>` of the rule that dropped the document; null while it is active.",
    ),
    "dropped_value": Column(
        pa.float64(), "judging stages", "The number that this rule measured, if it measures one."
    ),
    "lang": Column(
        pa.string(),
        "identify",
        "The language and script, as in `kaz_Cyrl`; `und` where the identifier abstains.",
    ),
    "lang_score": Column(pa.float64(), "identify", "The confidence in `lang`, from 0 to 1."),
    "lang2": Column(pa.string(), "identify", "The second most likely language, if there is one."),
    "lang2_score": Column(pa.float64(), "identify", "The confidence in `lang2`, from 0 to 1."),
    "lang_spans": Column(
        pa.list_(LANG_SPAN),
        "identify",
        "The language of each segment, as byte ranges of `text`; null outside of segment mode.",
    ),
    "pii_spans": Column(
        pa.list_(PII_SPAN),
        "standardize",
        "Where personal data was masked, as byte ranges of `text`: empty where nothing was masked,"
        " null where that is not known (the profile masks nothing, or a line with a mask changed).",
    ),
    "n_tokens": Column(
        pa.int64(), "count", "The number of tokens; the file's metadata names the tokenizer."
    ),
    "cluster": Column(
        pa.string(), "dedup", "The id of the document that heads the cluster of duplicates."
    ),
    "cluster_size": Column(pa.int32(), "dedup", "How many documents that cluster has."),
    "cluster_sources": Column(
        CLUSTER_SOURCES,
        "dedup",
        "By source: the documents of the cluster, over all dedups so far, and the bytes of their"
        " texts; null outside of clusters.",
    ),
    "n_cluster_sources": Column(
        pa.int32(),
        "dedup",
        "How many sources hold the document, or one of its cluster: 1 outside of clusters.",
    ),
    "duplicate_of": Column(
        pa.string(), "dedup", "The id of the kept document that this one duplicates."
    ),
    "jaccard": Column(
        pa.float64(), "dedup", "The similarity to `duplicate_of`: the evidence for the removal."
    ),
    "cuts": Column(
        pa.list_(CUT),
        "dedup",
        "The byte ranges that stages which cut repeats removed, so that a replay can repeat it.",
    ),
    "phase": Column(pa.string(), "product", "The phase of training that the row belongs to."),
    "epoch": Column(
        pa.int32(), "product", "The number of this copy of the document within its phase, from 1."
    ),
}

#: What ``signal_<name>`` columns have in common. Never float32, which flips published thresholds:
#: ``float32(0.1) > 0.1``.
SIGNAL_COLUMN = Column(
    pa.float64(),
    "measure",
    "A signal, as float64 or int64, or string for a category of a classifier; null where it is"
    " undefined, never a magic 0.",
)

#: Input that could not be read; one row per damaged record or byte range.
QUARANTINE_COLUMNS: dict[str, Column] = {
    "source": Column(pa.string(), "source", "The recipe's name for the source."),
    "file": Column(pa.string(), "source", "The file's path below the source's root."),
    "offset": Column(
        pa.int64(),
        "source",
        "The first damaged byte: in the file as stored; of a JSON record or a page of a compressed"
        " file, in the decompressed text.",
    ),
    "length": Column(pa.int64(), "source", "The number of damaged bytes, counted as `offset` is."),
    "reason": Column(pa.string(), "source", "The kind of damage, as counted in the ledger."),
    "error": Column(
        pa.string(), "source", "What the reader found, for people; at most 1,000 characters."
    ),
    "head": Column(pa.binary(), "source", "The first bytes of the damaged record, at most 64 KiB."),
}

#: The result of a dedup barrier's resolve: one row per document that it drops, cuts or clusters.
DECISION_COLUMNS: dict[str, Column] = {
    "doc": Column(pa.int64(), "dedup", "The document number: shard and row."),
    "id": COLUMNS["id"],
    "dropped_by": Column(
        pa.string(), "dedup", "The rule that drops the document, without its stage; null if kept."
    ),
    "dropped_value": COLUMNS["dropped_value"],
    "duplicate_of": COLUMNS["duplicate_of"],
    "jaccard": COLUMNS["jaccard"],
    "cluster": COLUMNS["cluster"],
    "cluster_size": COLUMNS["cluster_size"],
    "cluster_sources": COLUMNS["cluster_sources"],
    "cuts": Column(pa.list_(SPAN), "dedup", "The byte ranges of the text to remove."),
    "text_hash": Column(
        pa.binary(16),
        "dedup",
        "The hash of the text that `cuts` counts in, so that nothing is cut twice.",
    ),
    "part": Column(pa.int32(), "dedup", "The shard of the document, to which the row is routed."),
}


def _schema(columns: Mapping[str, Column]) -> pa.Schema:
    return pa.schema([(name, column.type) for name, column in columns.items()])


def _types(*writers: str) -> dict[str, pa.DataType]:
    return {name: column.type for name, column in COLUMNS.items() if column.writer in writers}


#: Columns by writer, with their types. Verdicts are part of every table from the start.
SOURCE_COLUMNS = _types("source")
VERDICT_COLUMNS = _types("judging stages")
STAGE_COLUMNS = _types("identify", "standardize", "count", "dedup")
PRODUCT_COLUMNS = _types("product")
#: Numbers that other stages than measure write: rules and keeper orders take them as signals.
NUMBERS = tuple(
    name
    for name, kind in STAGE_COLUMNS.items()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind)
)
#: The step of ``curate takedown``, and that of later runs which know of it from a dedup store; the
#: rule under which documents leave no row in ``rejected/``.
TAKEDOWN, KNOWN_TAKEDOWNS, TAKEN_DOWN = "takedown", "known_takedowns", "taken_down"
#: The step that joins the sidecars of a recipe.
SIDECARS = "sidecars"
#: The size of a document's text in bytes, where the engine passes tables without their texts.
TEXT_BYTES = "#bytes"
#: Columns of byte ranges of ``text``: a stage that rewrites ``text`` updates them.
SPAN_COLUMNS = ("lang_spans", "pii_spans")
#: Columns that were measured on ``text``, besides ``signal_*``: null where a stage cuts the text.
MEASURED_COLUMNS = ("n_tokens",)

DOCUMENT_SCHEMA = pa.schema(list((SOURCE_COLUMNS | VERDICT_COLUMNS).items()))
QUARANTINE_SCHEMA = _schema(QUARANTINE_COLUMNS)
DECISIONS_SCHEMA = _schema(DECISION_COLUMNS)

ORIGINS = ("native", "mt", "asr", "ocr", "llm")

#: Where a row's language is labelled while no stage has written `lang`: a column, or a field of
#: `meta`.
INPUT_LABELS = ("input_lang", "language", "meta")
#: The label of a document whose language cannot be determined.
UNDETERMINED = "und"


class DocumentId(NamedTuple):
    """The parts of an id."""

    source: str
    file: str
    locator: str


def file_key(source: str, file: str) -> str:
    """Return the name of an input file in ledgers and ids.

    Parameters
    ----------
    source : str
        The recipe's name for the source.
    file : str
        The file's path below the source's root.

    Returns
    -------
    str
        ``<source>/<file>``.
    """
    return f"{source}/{file}"


def source_of(key: str) -> str:
    """Return the source of a file key or an id.

    Parameters
    ----------
    key : str
        ``<source>/<file>``, with or without a locator.

    Returns
    -------
    str
        The recipe's name for the source.
    """
    return key.partition("/")[0]


def make_id(key: str, locator: object) -> str:
    """Return the id of one record.

    Parameters
    ----------
    key : str
        The file, as :func:`file_key` names it.
    locator : object
        What finds the record in the file again.

    Returns
    -------
    str
        The id.

    Examples
    --------
    >>> make_id("web/a.warc", 311), make_id("wiki/dump.xml", "7:1")
    ('web/a.warc#311', 'wiki/dump.xml#7:1')
    """
    return f"{key}#{locator}"


def make_ids(key: str, locators: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the ids of many records of one file.

    Parameters
    ----------
    key : str
        The file, as :func:`file_key` names it.
    locators : pyarrow.ChunkedArray
        One locator per record, each once, of a type that can be cast to string.

    Returns
    -------
    pyarrow.ChunkedArray of string
        The ids, in the same order.
    """
    return pc.binary_join_element_wise(pa.scalar(key), locators.cast(pa.string()), "#")


def split_id(id: str) -> DocumentId:
    """Split an id into source, file and locator.

    Parameters
    ----------
    id : str
        An id.

    Returns
    -------
    DocumentId
        Its parts; the locator includes ``:n`` where the id has it.

    Examples
    --------
    >>> tuple(split_id("web/2024/a.warc.gz#311"))
    ('web', '2024/a.warc.gz', '311')
    """
    key, _, locator = id.rpartition("#")
    source, _, file = key.partition("/")
    return DocumentId(source, file, locator)


def file_of(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the file keys of ids: everything before the locator.

    Parameters
    ----------
    ids : pyarrow.ChunkedArray of string
        Ids.

    Returns
    -------
    pyarrow.ChunkedArray of string
        ``<source>/<file>`` of each.
    """
    return pc.replace_substring_regex(ids, "#[^#]*$", "")


def column_type(name: str) -> pa.DataType | None:
    """Return the contract's type of a column.

    Parameters
    ----------
    name : str
        A column of the Document table.

    Returns
    -------
    pyarrow.DataType or None
        The type; None for ``signal_*``, which may be int64, float64 or string.

    Raises
    ------
    InternalError
        If the contract has no such column.
    """
    if name.startswith("signal_"):
        return None
    try:
        return COLUMNS[name].type
    except KeyError:
        raise InternalError(f"column '{name}' is not in the Document contract") from None


def check(table: pa.Table, *, where: str = "table") -> pa.Table:
    """Return the table unchanged if its columns have the contract's names and types.

    Parameters
    ----------
    table : pyarrow.Table
        Documents, with any of the contract's columns.
    where : str, default "table"
        What the error names as the place.

    Returns
    -------
    pyarrow.Table
        The same table.

    Raises
    ------
    InternalError
        If a column is unknown or has another type.

    Examples
    --------
    >>> check(pa.table({"id": ["a#0"], "text": pa.array(["x"], pa.large_string())})).num_rows
    1
    """
    for field in table.schema:
        expected = column_type(field.name)
        if expected is None:
            if field.type not in (pa.float64(), pa.int64(), pa.string()):
                raise InternalError(
                    f"{field.name} is {field.type}, not float64, int64 or string", where=where
                )
        elif field.type != expected:
            raise InternalError(f"{field.name} is {field.type}, not {expected}", where=where)
    return table


def is_ours(name: str) -> bool:
    """Return whether a name belongs to a column of the contract.

    Parameters
    ----------
    name : str
        A column of any table.

    Returns
    -------
    bool
        False for columns of the input that pass through.
    """
    return name in COLUMNS or name.startswith("signal_")


def passed_bytes(table: pa.Table) -> int:
    """Return the bytes of the columns of the input that pass through.

    Parameters
    ----------
    table : pyarrow.Table
        Documents.

    Returns
    -------
    int
        0 where all columns are the contract's.
    """
    passed = [name for name in table.column_names if not is_ours(name)]
    return int(table.select(passed).nbytes) if passed else 0


def text_bytes(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return the bytes of each document's text.

    Parameters
    ----------
    table : pyarrow.Table
        Documents, with their texts or with `TEXT_BYTES` instead.

    Returns
    -------
    numpy.ndarray of int64
        0 where the text is null.

    Examples
    --------
    >>> text_bytes(pa.table({"text": pa.array(["жа", None], pa.large_string())})).tolist()
    [4, 0]
    """
    if "text" not in table.column_names:
        return np.asarray(table.column(TEXT_BYTES))
    lengths = pc.fill_null(pc.binary_length(table.column("text")), 0)
    return np.asarray(lengths).astype(np.int64, copy=False)


def floats(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float64]:
    """Return a column of numbers or truth values as floats.

    Parameters
    ----------
    column : pyarrow.ChunkedArray or pyarrow.Array
        Integers, floats, decimals or booleans.

    Returns
    -------
    numpy.ndarray of float64
        NaN where the column is null.

    Examples
    --------
    >>> floats(pa.array([True, None, False])).tolist()
    [1.0, nan, 0.0]
    """
    values = column.cast(pa.float64(), safe=False)
    numbers: npt.NDArray[np.float64] = values.to_numpy(zero_copy_only=False)
    return numbers


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Select and cast the columns of a schema.

    Parameters
    ----------
    table : pyarrow.Table
        Any table.
    schema : pyarrow.Schema
        The columns to return.

    Returns
    -------
    pyarrow.Table
        A table of exactly that schema; columns that ``table`` does not have are null.
    """
    if table.schema.equals(schema):
        return table.replace_schema_metadata(schema.metadata)
    present = dict(zip(table.column_names, table.columns, strict=True))
    columns = [
        pa.nulls(table.num_rows, field.type)
        if (column := present.get(field.name)) is None
        else column
        if column.type == field.type
        else column.cast(field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def documents(rows: Iterable[dict[str, object]]) -> pa.Table:
    """Build a Document table from dictionaries.

    Parameters
    ----------
    rows : iterable of dict
        One dictionary per document, from column name to value.

    Returns
    -------
    pyarrow.Table
        A table of ``DOCUMENT_SCHEMA``; what is not given is null.

    Examples
    --------
    >>> documents([{"id": "web/a.warc#0", "source": "web", "text": "hello"}]).column_names[:5]
    ['id', 'source', 'origin', 'license', 'text']
    """
    return pa.Table.from_pylist(list(rows), schema=DOCUMENT_SCHEMA)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, without a copy if it is one chunk (``combine_chunks`` copies).

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        A column of a table.

    Returns
    -------
    pyarrow.Array
        The same values.
    """
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def alive(table: pa.Table) -> pa.ChunkedArray:
    """Return whether each row is active: no stage has dropped it.

    Parameters
    ----------
    table : pyarrow.Table
        Documents.

    Returns
    -------
    pyarrow.ChunkedArray of bool
        One value per row.
    """
    return pc.is_null(table.column("dropped_by"))
