"""Which documents of a finished run a takedown takes out: those that match, and their copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate import schema
from curate.rights.addresses import normal_address
from curate.rights.lists import (
    URL_COLUMNS,
    Entries,
    Keys,
    Kind,
    Looked,
    contains,
    keys_of,
    united,
    urls_of,
)
from curate.storage.entries import Manifest
from curate.storage.store import Store

#: The rules under which a dedup removes a copy of a text.
_COPIES = ("duplicate_text", "near_duplicate", "contained")


@dataclass(frozen=True)
class Request:
    """What is to be taken down: a list of addresses, domains or ids, and as what it was given."""

    kind: Kind
    lines: tuple[str, ...]  #: as given, sorted, each once
    entries: Entries
    copies: bool = True  #: also what a dedup found to be a copy of the text
    stores: bool = True  #: also in the dedup stores of the run


@dataclass(frozen=True)
class Found:
    """The documents of a run that a request takes out."""

    gone: Keys  #: of their ids
    asked: int  #: that match the list themselves
    copies_left: int  #: documents that hold a copy and stay, because copies were not asked for
    urls: Keys  #: of their addresses
    nameless: int  #: documents of the run without an address, which no address or domain matches

    def __len__(self) -> int:
        return len(self.gone)


def find(store: Store, manifest: Manifest, request: Request) -> Found:
    """Read ids, addresses and witnesses; return the documents that match, and copies of them.

    A document that dedup removed is a copy of its witness. So the copies of a document are its
    witness, and all that were removed for the same one.
    """
    compared = {
        spec.get("name") or spec["use"]
        for spec in manifest.recipe["stages"]
        if spec["use"] in ("exact_dedup", "fuzzy_dedup") and spec.get("on", "text") == "text"
    }
    matched, stars, urls, nameless = [], [], [], []
    for table in _narrow(store, manifest):
        addresses = urls_of(table)
        looked = Looked(addresses, schema.whole(table.column("id")))
        hit = pa.array(looked.matching(request.entries))
        nameless.append(keys_of(schema.whole(table.column("id")))[[not url for url in addresses]])
        rows = table.filter(hit)
        matched.append(keys_of(schema.whole(rows.column("id"))))
        urls.append(_url_keys(rows))
        copies = rows.filter(_are_copies(rows, compared))
        stars.append(keys_of(schema.whole(copies.column("duplicate_of"))))
    asked, heads = united(matched), united([*matched, *stars])
    beyond, urls_beyond = [], []
    if len(asked):
        for table in _narrow(store, manifest):
            ids = keys_of(schema.whole(table.column("id")))
            witnesses = keys_of(schema.whole(table.column("duplicate_of")))
            are_copies = np.asarray(_are_copies(table, compared))
            hit = contains(heads, ids) | (contains(heads, witnesses) & are_copies)
            beyond.append(ids[hit])
            urls_beyond.append(_url_keys(table.filter(pa.array(hit))))
    everything = united([asked, *beyond])
    if not request.copies:
        left = len(everything) - len(asked)
        return Found(asked, len(asked), left, united(urls), len(united(nameless)))
    addresses_beyond = united([*urls, *urls_beyond])
    return Found(everything, len(asked), 0, addresses_beyond, len(united(nameless)))


def _narrow(store: Store, manifest: Manifest) -> Iterator[pa.Table]:
    names = ["id", *URL_COLUMNS, "dropped_by", "duplicate_of"]
    for entry in manifest.files:
        if entry.path.startswith(("mixture/", "rejected/")):
            with store.open(entry.path) as handle:
                file = pq.ParquetFile(handle)
                there = [name for name in names if name in file.schema_arrow.names]
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group, columns=there, use_threads=False)
                    for name in names:
                        if name not in there:
                            nulls = pa.nulls(table.num_rows, pa.string())
                            table = table.append_column(name, nulls)
                    yield table


def _are_copies(table: pa.Table, stages: set[str]) -> pa.Array:
    """Return which rows a dedup of texts removed for a witness."""
    pattern = f"^({'|'.join(map(re.escape, sorted(stages)))}):({'|'.join(_COPIES)})"
    if not stages:
        return pa.repeat(False, table.num_rows)
    named = pc.match_substring_regex(schema.whole(table.column("dropped_by")), pattern)
    has_witness = pc.is_valid(schema.whole(table.column("duplicate_of")))
    return pc.and_(pc.fill_null(named, False), has_witness)


def _url_keys(table: pa.Table) -> Keys:
    return keys_of([form for url in urls_of(table) if url and (form := normal_address(url))])
