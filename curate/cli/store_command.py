"""`curate store`: list a dedup store, or take sources out of use."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli import completion
from curate.cli.options import Json
from curate.errors import RecipeError


def command(
    store: Annotated[
        str,
        typer.Argument(
            metavar="STORE",
            help="Folder or address of the store.",
            autocompletion=completion.after_first_word,
        ),
    ],
    remove: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Take a source out of use.")
    ] = None,
    remove_generation: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Take what one run added out of use.")
    ] = None,
    json: Json = False,
) -> int:
    """List a dedup store, or take a source of it out of use.

    Later runs are then not compared with it. What earlier runs dropped because of it stays dropped:
    their rejected/ names the witness of each. A run creates a store: curate dedup --store-to STORE,
    or store = "STORE" in the stage fuzzy_dedup.

    Example: curate store out/seen
    """
    from curate.cli.terminal import answer, as_json, table
    from curate.report.format import size
    from curate.storage import dedup_store, store_takedown
    from curate.storage.store import open_store

    if remove is not None and remove_generation is not None:
        raise RecipeError("--remove and --remove-generation are two steps")
    if remove is not None or remove_generation is not None:
        dedup_store.remove(store, source=remove, generation=remove_generation)
    listing = dedup_store.listing(store)
    buried = store_takedown.tombstones(open_store(store)).keys()
    listing["taken_down"] = {kind: len(keys) for kind, keys in buried.items()}
    if json:
        answer(as_json(listing))
        return 0
    answer("  ".join(f"{name} {value}" for name, value in listing["parameters"].items()))
    table(
        ("generation", "recipe", "documents", "in use", "stored", "per document", "sources"),
        [
            (
                row["generation"],
                row["recipe"],
                row["documents"],
                row["counting"],
                size(row["bytes"]),
                size(row["bytes"] / row["documents"]) if row["documents"] else "-",
                " ".join(f"{name}:{count}" for name, count in row["sources"].items()),
            )
            for row in listing["generations"]
        ],
    )
    if any(listing["taken_down"].values()):
        counts = "  ".join(f"{kind} {count}" for kind, count in listing["taken_down"].items())
        answer(f"taken down, and may not come back: {counts}")
    return 0
