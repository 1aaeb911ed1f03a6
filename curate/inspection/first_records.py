"""A look at tokenizers and the first records of each source, so that mistakes end a run at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from itertools import islice
from typing import Any

from curate.errors import RecipeError, nearest, without_secrets
from curate.logging_setup import LOGGER
from curate.plan.model import Plan
from curate.sources import fields, parquet, parquet_rows
from curate.sources.base import InputFile, Piece
from curate.sources.delimited import Csv
from curate.sources.json_objects import JsonObject
from curate.sources.jsonl import Jsonl
from curate.sources.parquet import Parquet
from curate.sources.parquet_rows import RowBatch

#: Files of a source that are looked at (the first, one in the middle, the last), and records each.
FILES, RECORDS = 3, 100

#: Lines that are looked at for them in a file: it may be damaged throughout.
_ITEMS = 10 * RECORDS

#: Orders of dedup that read a date.
DATED = ("newest", "oldest")

Records = list[dict[str, Any]]


def check(plan: Plan) -> None:
    """Refuse a plan whose tokenizer cannot be loaded, or whose records lack the fields it names.

    Raise RecipeError where no record has the text, the files are of another format, or the newest
    or oldest is to be kept and no record has a date. Log a warning for other fields. What the first
    records do not show is counted when they are read.
    """
    for stage in (stage for segment in plan.segments for stage in segment.stages):
        _ = stage.product_metadata  # loads its tokenizer
    read = {name for source in plan.sources.values() for name in source.of_rows}
    for group, term in plan.mix.mixture.groups.items():
        if term.sources and term.weight and read.isdisjoint(term.sources):
            names = ", ".join(f"'{name}'" for name in term.sources)
            raise RecipeError(
                f"group '{group}' has nothing to give: no path is known for its sources {names}",
                hint=f"--input {term.sources[0]}=PATH, or --set mixture.groups.{group}.weight=0",
            )
    undated: dict[str, list[str]] | None = {}
    for name, source in plan.sources.items():
        reader = source.reader
        if not isinstance(reader, Jsonl | Parquet):
            undated = None  # other formats have dates of their own
            continue
        files = _some([p.file for s in plan.shards if s.source == name for p in s.pieces])
        _check_format(name, reader, files)
        records = of_files(reader, files)
        if not records:
            continue
        at = f"sources.{name}: {without_secrets(files[0].path)}"
        text = [fields.at(record, reader.text) for record in records]
        if not any(value is None or isinstance(value, str | bytes) for value in text):
            raise _no_text(reader.text, records, at)
        for option in ("id", "url", "date"):
            path = getattr(reader, option)
            if path and all(fields.at(record, path) is fields.MISSING for record in records):
                near = nearest(path, map(fields.shown, _names(records)))
                LOGGER.warning("%s: no record has the field %r: %s", at, path, near)
        if any(_is_dated(record, reader.date) for record in records):
            undated = None
        elif undated is not None:
            undated[name] = _like_dates(records)
    keep = next(
        (k for k in (getattr(one, "keep", None) for one in plan.barriers) if k in DATED), None
    )
    if keep and undated:
        raise no_dates(str(keep), {field: None for like in undated.values() for field in like})


def no_dates(keep: str, like: Iterable[str]) -> RecipeError:
    """Return the error for an order by date of records that have none, with likely fields."""
    likely = ", ".join(f"'{fields.shown(name)}'" for name in islice(like, 5))
    return RecipeError(
        f"keep = '{keep}', but no record has a date that can be read",
        hint="name the field with --date-field FIELD (`date` of the source in a recipe)"
        + (f"; these look like dates: {likely}" if likely else ""),
    )


def of_files(reader: Jsonl | Parquet, files: Sequence[InputFile]) -> Records:
    """Return the first records of some of the files, as they are stored."""
    return [r for file in _some(files) for r in islice(_records(reader, file), RECORDS)]


def _some(files: Sequence[InputFile]) -> list[InputFile]:
    files = list({file.path: file for file in files if file.size}.values())
    return [files[i] for i in sorted({0, len(files) // 2, len(files) - 1})] if files else []


def _check_format(name: str, reader: Jsonl | Parquet, files: list[InputFile]) -> None:
    """Raise RecipeError if all the files that are looked at are of the other of two formats."""
    heads = []
    for file in files:
        with suppress(OSError), file.open() as handle:
            heads.append(handle.read(64).lstrip())
    is_json = isinstance(reader, Jsonl)
    begins, other = (b"PAR1", "parquet") if is_json else ((b"{", b"[{"), "jsonl")
    if heads and all(head.startswith(begins) for head in heads):
        stated = "csv" if isinstance(reader, Csv) else "jsonl" if is_json else "parquet"
        raise RecipeError(
            f"the files of source '{name}' are {other}, not {stated}",
            where=files[0].path,
            hint=f'format = "{other}", or name other files',
        )


def _records(reader: Jsonl | Parquet, file: InputFile) -> Iterator[dict[str, Any]]:
    """Yield the records of a file that can be read, as they are stored."""
    with suppress(OSError):  # whoever reads the file reports it
        if isinstance(reader, Jsonl):
            for item in islice(reader.objects(file, Piece(0, file.size)), _ITEMS):
                if isinstance(item, JsonObject):
                    yield item.record
            return
        for batch in parquet_rows.records(file, Piece(0, 1), frozenset(), True):
            if not isinstance(batch, RowBatch):
                return
            names = batch.table.column_names
            for part in parquet_rows.as_objects(batch, names):
                if isinstance(part, RowBatch):
                    columns = [parquet.to_rows(parquet.column(part.table, n)) for n in names]
                    yield from (dict(zip(names, row)) for row in zip(*columns))


def _names(records: Records) -> dict[str, None]:
    return {str(n): None for record in records for n in islice(fields.paths(record), 50)}


#: What a field holds, by its type in Python.
_KINDS = {dict: "an object", list: "a list", int: "a number", float: "a number"}


def _no_text(text: str, records: Records, at: str) -> RecipeError:
    names = [name for name in _names(records) if name != text][:20]
    found = next(
        (v for v in (fields.at(r, text) for r in records) if v is not fields.MISSING), None
    )
    what = f"no record has the field '{text}'"
    if found is not None:
        kind = _KINDS.get(type(found), f"a {type(found).__name__}")
        what = f"the field '{text}' holds {kind} and no text"
    near = nearest(text, map(fields.shown, _long_texts(records, names) or names))
    return RecipeError(
        what,
        where=at,
        hint=f"{near}; the records have {', '.join(map(fields.shown, names))}: name the text with"
        " --text-field FIELD (`text` of the source in a recipe)"
        if names
        else "the records are empty",
    )


def _long_texts(records: Records, names: Sequence[str]) -> list[str]:
    """Return the fields that have at least a tenth of the text of the one that has most."""
    sizes = Counter[str]()
    for name in names:
        texts = [fields.at(record, name) for record in records]
        sizes[name] = sum(len(text) for text in texts if isinstance(text, str))
    most = max(sizes.values(), default=0)
    return [name for name, size in sizes.items() if size and 10 * size >= most]


def _is_dated(record: dict[str, Any], path: str | None) -> bool:
    """Return whether a record has a date, or a null where others may have one."""
    value = fields.at(record, path) if path else fields.MISSING
    return value is None or isinstance(value, date) or fields.microseconds(value) is not None


def _like_dates(records: Records) -> list[str]:
    """Return the fields whose values look like dates, by the first value of each."""
    first: dict[str, Any] = {}
    for record in records:
        for name, value in record.items():
            if value is not None:
                first.setdefault(str(name), value)
    return [name for name, value in first.items() if _looks_like_date(name, value)]


_WORDS = ("date", "time", "crawl", "fetch", "publish", "created", "updated", "modified")


def _looks_like_date(name: str, value: object) -> bool:
    if isinstance(value, date):
        return True
    at = fields.microseconds(value)
    if at is None or not 0 < at < 4_102_444_800 * 10**6:  # up to the year 2100
        return False
    return (isinstance(value, str) and "-" in value) or any(w in name.lower() for w in _WORDS)
