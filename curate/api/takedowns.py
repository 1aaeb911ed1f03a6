"""Take documents out of a finished run: by address, by domain or by id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from curate.errors import RecipeError
from curate.report import render
from curate.rights.lists import Kind, entries_of, read_lines
from curate.storage.store import as_resource_error


def take_down(
    output: str,
    *,
    urls: str | Iterable[str] | None = None,
    domains: str | Iterable[str] | None = None,
    ids: str | Iterable[str] | None = None,
    copies: bool = True,
    stores: bool = True,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Take documents out of a finished run and of the dedup stores that it used, for good.

    The product in all its forms, ``rejected/``, the clusters, the samples of the report and what
    was kept of the run's work are then without them, the ledger counts them as ``taken_down``, and
    the mixture's table states what is left: nothing is refilled. A store forgets them, and later
    runs that use it drop what comes back. The same call again changes nothing.

    Parameters
    ----------
    output : str
        Folder or address of a finished run.
    urls, domains, ids : str or iterable of str
        One of them: the path of a list with an entry per line (.gz, .bz2, .xz or .zst, too; a line
        that begins with # is a remark), or the entries. Addresses are compared without scheme,
        user, usual port and fragment; a domain stands for all hosts below it.
    copies : bool, default True
        Also take what a dedup found to be a copy of the text: the witness for which a document was
        removed, and all that were removed for the same one.
    stores : bool, default True
        Also take them out of the dedup stores that the run was compared with or added to.
    dry_run : bool, default False
        Count only.

    Returns
    -------
    dict
        ``documents`` (by what they were: ``product``, ``over_budget``, ``dropped``), ``matched``
        (that match the list themselves), ``copies_left`` (documents that hold a copy and stay),
        ``without_address`` (documents of the run that no address or domain can match), ``rows``
        (of the product), ``stores`` (address: documents) and ``changed``.

    Raises
    ------
    RecipeError
        If not exactly one list is given, or it cannot be read, or a line is no such entry.
    RefusedError
        If there is no finished run, its files are not whole, or a dedup store is gone.
    ResourceError
        If the folder or a store cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from curate.api import dedup_paths
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.jsonl")
    ...     _ = file.write_text('{"text": "one two", "url": "https://a.example.kz/1"}')
    ...     _ = dedup_paths([str(file)], output=f"{folder}/out", engine="in-process")
    ...     take_down(f"{folder}/out", domains=["example.kz"])["documents"]
    {'product': 1, 'over_budget': 0, 'dropped': 0}
    """
    from curate.engine.takedown import take_down as taken
    from curate.engine.takedown_find import Request

    lists: dict[Kind, str | Iterable[str] | None] = {"url": urls, "domain": domains, "id": ids}
    given = [(kind, listed) for kind, listed in lists.items() if listed is not None]
    if len(given) != 1:
        raise RecipeError("one list is taken down at a time", hint="give urls, domains or ids")
    (kind, listed) = given[0]
    lines = read_lines(listed) if isinstance(listed, str) else listed
    asked = sorted({line.strip() for line in lines if line.strip() and line.strip()[0] != "#"})
    entries = entries_of(kind, asked)
    where = listed if isinstance(listed, str) else None
    if entries.unusable:
        raise RecipeError(
            f"{entries.unusable} of {len(asked)} lines are no {kind},"
            f" such as '{entries.example[:100]}'",
            where=where,
            hint="mend or remove them; nothing was touched",
        )
    if not asked:
        raise RecipeError("the list is empty", where=where)
    if kind == "domain" and (top := [line for line in asked if "." not in line.strip(".")]):
        raise RecipeError(
            f"'{top[0]}' is no domain but a top-level one", where=where, hint="name.example"
        )
    try:
        done = taken(
            output, Request(kind, tuple(asked), entries, copies, stores), render, dry_run=dry_run
        )
    except OSError as error:
        raise as_resource_error(error, output) from error
    return {
        "documents": done.documents,
        "matched": done.asked,
        "copies_left": done.copies_left,
        "without_address": done.nameless,
        "rows": done.rows,
        "stores": done.stores,
        "changed": done.changed,
    }
