"""What a dedup store holds of a text, or near it."""

from __future__ import annotations

import pyarrow as pa

from curate.api.tabular import TableLike, documents_of
from curate.errors import RecipeError


def query_store(
    store: str, texts: TableLike, *, limit: int = 10, min_jaccard: float = 0.0
) -> pa.Table:
    """Find the documents of a dedup store that are near texts.

    Candidates are the documents that share a band key with the text, so the store's own bands and
    rows say how probably a document of a given similarity is found
    (``curate.dedup.fuzzy.lsh.candidate_probability``). Each candidate's similarity is computed
    exactly, from the stored set of shingles.

    The store of an ``exact_dedup`` finds the documents with the text's hash (``url``: the column
    ``url``, or the text as an address), that of a ``line_dedup`` those that have lines of it, that
    of a ``substring_dedup`` those that have spans of it, as long as the store's windows.

    Parameters
    ----------
    store : str
        Folder or address of the store.
    texts : table-like
        Texts, or a table with a column ``text``; conversations with ``messages``.
    limit : int, default 10
        The most documents for each text.
    min_jaccard : float, default 0.0
        The least similarity, from 0 to 1.

    Returns
    -------
    pyarrow.Table
        A row for each text and document: ``query`` (the text's ``id``, ``table#ROW`` unless the
        table has one), ``id`` and ``source`` of the document, the ``generation``, ``recipe`` and
        ``run`` that added it, ``jaccard`` (of the exact shingle sets), ``estimate`` (of the
        signatures) and ``contained`` (the share of the text's shingles, lines or bytes that the
        document has). The first two are null where the store does not know them.

    Raises
    ------
    RecipeError
        If there is no store, the table has no column ``text``, or an option is out of range.
    RefusedError
        If the store is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from curate.api import dedup_paths
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     books = ["sample_data/books.parquet"]
    ...     options = {"output": f"{folder}/out", "store": f"{folder}/seen"}
    ...     _ = dedup_paths(books, **options, engine="in-process")
    ...     query_store(f"{folder}/seen", ["a text that is not there"]).num_rows
    0
    """
    from curate.inspection import store_query
    from curate.inspection.key_query import documents_with_keys

    if limit < 1 or not 0 <= min_jaccard <= 1:
        raise RecipeError(
            f"limit = {limit}, min_jaccard = {min_jaccard}",
            hint="give a limit of 1 or more, and 0 <= min_jaccard <= 1",
        )
    _, documents = documents_of(texts)
    stored = store_query.stored_parameters(store)
    if not store_query.is_near(stored):
        if min_jaccard:
            raise RecipeError(
                "this dedup store knows no similarity of whole texts",
                where=store,
                hint="leave out min_jaccard: contained is the share of a text that is there",
            )
        rows = documents_with_keys(store, stored, documents, limit=limit)
        return pa.Table.from_pylist(list(rows), schema=store_query.MATCHES)
    near = store_query.parameters_of(store)
    view = store_query.view_of(store, near)
    return store_query.nearest_documents(
        view, near, documents, limit=limit, min_jaccard=min_jaccard
    )
