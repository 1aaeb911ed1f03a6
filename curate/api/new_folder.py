"""A folder that a command makes in one rename, so it must not be there yet."""

from __future__ import annotations

from pathlib import Path

from curate.errors import RecipeError, RefusedError
from curate.paths import local_path


def new_folder(output: str, what: str) -> Path:
    """Return the path of a local output. Raise where it is an address, or there already.

    ``what`` begins the sentence of the error, for example ``"a tokenizer is"``.
    """
    if "://" in output:
        raise RecipeError(
            f"{what} written to a folder of this machine",
            where=output,
            hint="choose a folder, and copy it",
        )
    folder = local_path(output)
    if folder.exists():
        raise RefusedError(
            "the output exists", where=output, hint="choose another --output, or remove it"
        )
    return folder
