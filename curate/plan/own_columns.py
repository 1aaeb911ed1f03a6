"""Columns that users bring: those of inputs that pass through, and where recipes name them.

They may stand where a signal or a column of ours may: in rules, in keeper orders, in caps and in
the mixture. The names that a recipe itself gives or lists are known before anything is read, the
types once the plan has looked at the inputs.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from curate import schema
from curate.errors import RecipeError
from curate.plan import registry
from curate.plan.model import Plan, SourcePlan
from curate.recipe.profile import place_of
from curate.recipe.recipe import Recipe
from curate.sources.base import InputFile
from curate.sources.columns import PREFIX, fields_of, gather, is_category, is_number

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def own_names(recipe: Recipe) -> tuple[str, ...]:
    """Return the names that a recipe gives or lists, as they are in the product."""
    found: dict[str, None] = {}
    for spec in recipe.sources.values():
        columns: Any = spec.options.get("columns")
        if isinstance(columns, dict):
            found |= dict.fromkeys(columns)
        elif isinstance(columns, list | tuple):
            names = [name for name in columns if isinstance(name, str) and name != "*"]
            found |= dict.fromkeys(PREFIX + n if schema.is_ours(n) else n for n in names)
    for sidecar in recipe.sidecars.values():
        found |= dict.fromkeys(sidecar.fields)
    # A field that happens to have the name of a signal passes through, and the signal is ours.
    return tuple(name for name in found if name not in registry.signals())


def check_name(name: str, where: str) -> None:
    """Raise RecipeError where a column cannot have a name that a recipe chooses for it."""
    kind = "column" if schema.is_ours(name) else "signal" if name in registry.signals() else ""
    if kind:
        raise RecipeError(
            f"'{name}' is a {kind} of curate's own",
            where=where,
            hint=f"call yours '{PREFIX}{name.removeprefix('signal_')}'",
        )
    if not _NAME.fullmatch(name):
        raise RecipeError(
            f"'{name[:64]}' is no name of a column",
            where=where,
            hint="a letter of a to z, then letters, digits and _, 64 at most",
        )


def check_apart(fields: Iterable[pa.Field], names: Collection[str], where: str) -> None:
    """Raise RecipeError where a column of a sidecar passes through from a source, too."""
    for field in fields:
        if field.name in names:
            raise twice(field.name, "a source", "a sidecar", where)


def twice(column: str, one: str, other: str, where: str) -> RecipeError:
    """Return the error for a column that two places bring."""
    return RecipeError(
        f"the column '{column}' comes from {one} and from {other}",
        where=where,
        hint=f'rename one of them: columns = {{ {PREFIX}{column} = "{column}" }}',
    )


def check_chosen(reader: Any, where: str) -> None:
    """Raise RecipeError where the table ``columns`` of a source names what it cannot."""
    columns = getattr(reader, "columns", ())
    if not isinstance(columns, dict):
        return
    for name, path in columns.items():
        check_name(name, f"{where}.columns")
        if path == reader.text:
            raise RecipeError(
                f"'{path}' is the text, which is the column text",
                where=f"{where}.columns.{name}",
                hint="leave it out",
            )


def with_columns(
    recipe: Recipe,
    sources: Mapping[str, SourcePlan],
    files: Mapping[str, list[InputFile]],
    beside: Sequence[pa.Field],
    where: str,
) -> dict[str, SourcePlan]:
    """Find the columns that the sources pass through, one schema for all.

    ``beside`` are those of sidecars, which no source has.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, source in sources.items():
        reader: Any = source.reader
        if getattr(reader, "columns", ()):
            found[name] = reader.typed_columns(files[name])
    columns, as_json = gather(found)
    check_apart(beside, columns.declared.names, where)
    columns = columns.with_fields(beside)
    # What a rule names is there, and null, where an --input left the source out that has it.
    absent = [name for name in own_names(recipe) if name not in columns.declared.names]
    columns = columns.with_fields([pa.field(name, pa.null()) for name in absent])
    if not columns.declared.names:
        return dict(sources)
    new_names = dict(columns.names)
    planned = {}
    for name, source in sources.items():
        reader = source.reader
        if name in found:
            chosen = fields_of(reader.columns)
            _check_typed(as_json, reader.columns, f"{where}: sources.{name}.columns")
            own = tuple(
                (chosen.get(wanted, wanted), new_names[wanted])
                for wanted in found[name]
                if wanted in new_names
            )
            passed = dataclasses.replace(columns, names=own)
            kept = tuple(sorted(as_json & found[name].keys()))
            reader = dataclasses.replace(reader, passed=passed, as_json=kept)
        planned[name] = source._replace(reader=reader, columns=columns)
    return planned


def _check_typed(as_json: Collection[str], columns: Any, where: str) -> None:
    untyped = sorted(set(as_json) & columns.keys()) if isinstance(columns, dict) else []
    if untyped:
        raise RecipeError(
            f"no one type holds the values of '{untyped[0]}' in all files",
            where=where,
            hint="name it otherwise in each source, or list the field to keep it as JSON",
        )


def usable_names(sources: Iterable[SourcePlan]) -> tuple[str, ...]:
    """Return the columns that rules may name: a field that has the name of a signal is not one."""
    columns = next(iter(sources)).columns
    names = [] if columns is None else columns.declared.names
    return tuple(name for name in names if name not in registry.signals())


def check_types(plan: Plan, types: Mapping[str, pa.DataType], where: str) -> None:
    """Raise RecipeError where a column of the input, or a signal, has not the type of its use.

    ``types`` are those of the columns of the input and of stages.
    """
    for profile in plan.profiles.by_name.values():
        for name in profile.classifiers:
            if name in plan.profiles.own:
                raise RecipeError(
                    f"'{name}' is a column of the input and a classifier",
                    where=f"{place_of(profile.name)}: classifiers.{name}",
                    hint="give one of them another name",
                )
    for name, use, needs in _uses(plan):
        kind = types.get(name, types.get(f"signal_{name}"))
        if kind is not None and not needs.holds(kind):
            raise RecipeError(
                f"{use} needs {needs.what}, and the column '{name}' is {kind}", where=where
            )


class _Needs(NamedTuple):
    what: str
    holds: Callable[[pa.DataType], bool]


_NUMBER = _Needs("a number", is_number)
_CATEGORY = _Needs("a text, an integer or a truth value", is_category)


def _uses(plan: Plan) -> Iterator[tuple[str, str, _Needs]]:
    """Yield each name that may be a column of the input, what uses it, and what that needs."""
    for profile in plan.profiles.by_name.values():
        for label, rule in profile.rules.items():
            needs = _CATEGORY if rule.is_of_categories else _NUMBER
            yield rule.signal, f"rule '{label}' of {place_of(profile.name)}", needs
    for spec in plan.recipe.stages:
        keep = spec.options.get("keep")
        if isinstance(keep, str) and keep.startswith("best:"):
            yield keep.removeprefix("best:"), f"keep of stage '{spec.label}'", _NUMBER
        if spec.use == "cap":
            yield str(spec.options.get("per")), f"per of stage '{spec.label}'", _CATEGORY
    mixture = plan.mix.mixture
    if mixture.upsample is not None:
        yield mixture.upsample.by, "upsample", _NUMBER
    for name, of_categories in mixture.conditions:
        yield name, "where of a group", _CATEGORY if of_categories else _NUMBER
