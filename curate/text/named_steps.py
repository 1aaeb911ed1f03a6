"""Checks of the names and options of line rules, rewrites, fixes and masks in a profile."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from curate.errors import RecipeError, nearest


def check_names(
    what: str, names: Iterable[str], known: Collection[str], *, where: str | None
) -> None:
    """Raise RecipeError for a name that does not exist."""
    for name in names:
        if name not in known:
            raise RecipeError(f"no {what} '{name}'", where=where, hint=nearest(name, known))


def check_options(
    what: str,
    options: Mapping[str, Mapping[str, object]],
    known: Mapping[str, Callable[..., Any]],
    *,
    where: str | None,
) -> None:
    """Raise RecipeError for an option that a function does not have."""
    for name, given in options.items():
        parameters = list(inspect.signature(known[name]).parameters)[1:]
        for option in given:
            if option not in parameters:
                hint = nearest(option, parameters) if parameters else "it has none"
                raise RecipeError(
                    f"{what} '{name}' has no option '{option}'", where=where, hint=hint
                )
