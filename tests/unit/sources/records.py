"""Records of sources in one form: a table of documents as the documents that it has."""

import pyarrow as pa

from curate.sources.base import Document, DocumentTable


def one_by_one(records):
    """Yield records, for each row of a table a document with the columns that pass through."""
    for record in records:
        if isinstance(record, DocumentTable):
            yield from _documents(record.table)
        else:
            yield record


def _documents(table):
    if "date" in table.column_names:
        place = table.column_names.index("date")
        table = table.set_column(place, "date", table.column("date").cast(pa.int64()))
    for row in table.to_pylist():
        own = {name: row.pop(name) for name in Document._fields if name in row}
        yield Document(**own, columns=row or None)
