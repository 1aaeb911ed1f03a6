"""The sidecars of a recipe: their files, types and names, checked before anything is read."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from curate.errors import RecipeError, ResourceError
from curate.plan import registry
from curate.plan.own_columns import check_name, twice
from curate.protocol.stage import Barrier
from curate.recipe import locate
from curate.recipe.recipe import Recipe
from curate.recipe.sidecar import Sidecar
from curate.sources import sidecar as reader
from curate.sources.columns import plain, writable
from curate.sources.files import expand, identity


def planned_sidecars(
    recipe: Recipe, where: str
) -> tuple[tuple[reader.SidecarFiles, ...], list[pa.Field]]:
    """Return the sidecars of a recipe, and their columns with the types that they declare."""
    taken: dict[str, str] = {}
    found, fields = [], []
    for name, spec in recipe.sidecars.items():
        at = f"{where}: sidecars.{name}"
        for column in spec.fields:
            check_name(column, f"{at}.columns")
            if column in taken:
                raise twice(column, f"the sidecar '{taken[column]}'", f"'{name}'", at)
            taken[column] = name
        files, declared = _planned(recipe, name, spec, at)
        found.append(files)
        fields += declared
    return tuple(found), fields


def _planned(
    recipe: Recipe, name: str, spec: Sidecar, at: str
) -> tuple[reader.SidecarFiles, list[pa.Field]]:
    files = expand([locate.data_path(path) for path in spec.path], reader.suffixes(spec.format))
    format = reader.format_of(files, spec.format, at)
    own_ids = (s.options.get("id") for s in recipe.sources.values())
    if spec.by == "own_id" and not any(own_ids):
        raise RecipeError(
            "no source keeps the ids of its records",
            where=f"{at}.by",
            hint='name their field in the source: id = "doc_id"',
        )
    try:
        types = reader.typed(format, files, spec.key_field, spec.fields)
        identities = tuple(map(identity, files))
        pieces = tuple(
            (number, piece)
            for number, file in enumerate(files)
            for piece in reader.split(format, file, recipe.shards.input_bytes)
        )
    except OSError as error:
        raise ResourceError(
            f"a sidecar cannot be read: {error.strerror or error}", where=at
        ) from error
    except RecipeError as error:
        raise RecipeError(error.what, where=at, hint=error.hint) from None
    # Without a record there is no type, and nothing to join.
    key = types.pop(reader.KEY, pa.null())
    if not reader.is_key(key, spec.by):
        raise RecipeError(
            f"the key '{spec.key_field}' is {key or 'of several types'}",
            where=f"{at}.key",
            hint="a text, for own_id also an integer, for hashes also bytes",
        )
    declared = []
    for column in spec.fields:
        kind = types.get(column, pa.null())
        if kind is None:
            raise RecipeError(
                f"no one type holds the values of '{column}' in all files", where=f"{at}.columns"
            )
        declared.append(pa.field(column, writable(kind)))
    carried = pa.schema([pa.field(one.name, plain(one.type)) for one in declared])
    planned = reader.SidecarFiles(
        name, format, spec.by, spec.key_field, tuple(spec.fields.items()),
        tuple(files), identities, pieces, carried.serialize().to_pybytes(),
    )  # fmt: skip
    return planned, declared


def joining(sidecars: tuple[reader.SidecarFiles, ...]) -> list[Barrier]:
    """Return the stage that joins the sidecars, if there are any."""
    if not sidecars:
        return []
    size = sum(file.size for sidecar in sidecars for file in sidecar.files)
    stage: Any = registry.load(registry.SIDECARS)
    return [stage(sidecars, size)]
