"""Checks of the names and options of line rules, rewrites, fixes and masks in a profile."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from curate.errors import RecipeError, nearest


def check_names(
    what: str,
    names: Iterable[str],
    known: Mapping[str, Callable[..., Any]],
    *,
    options: Mapping[str, Mapping[str, object]] | None = None,
    where: str | None,
) -> None:
    """Raise RecipeError for a name that does not exist, or an option that its function lacks."""
    options = options or {}
    for name in (*names, *options):
        if name not in known:
            raise RecipeError(f"no {what} '{name}'", where=where, hint=nearest(name, known))
    for name, given in options.items():
        parameters = list(inspect.signature(known[name]).parameters)[1:]
        for option in given:
            if option not in parameters:
                hint = nearest(option, parameters) if parameters else "it has none"
                error = f"{what} '{name}' has no option '{option}'"
                raise RecipeError(error, where=where, hint=hint)
