"""Options that several commands read the same way."""

from __future__ import annotations

from curate.errors import RecipeError


def replaced(given: list[str] | None) -> dict[str, list[str]]:
    """Read SOURCE=PATH options; a source named twice has both paths.

    >>> replaced(["wiki=a.xml", "wiki=b.xml"])
    {'wiki': ['a.xml', 'b.xml']}
    """
    inputs: dict[str, list[str]] = {}
    for item in given or []:
        source, equals, path = item.partition("=")
        if not equals or not source or not path:
            raise RecipeError(f"--input needs SOURCE=PATH, not '{item}'")
        inputs.setdefault(source, []).append(path)
    return inputs
