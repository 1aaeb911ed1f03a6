"""Columns of the input that pass through a run with their types, beside those of documents.

They are found when the run is planned, so that all tasks agree on one schema: from the footers of
Parquet files, and from the first records of JSON. Files in which a column has different types get
a type that holds the values of all, if there is one without loss; else the column is kept as JSON.

A column travels in a plain type (no dictionaries, views and extension types, which many kernels of
Arrow do not take) and has its declared type in the files of ``mixture/`` and ``rejected/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from curate import schema
from curate.logging_setup import LOGGER
from curate.sources import fields

#: Extension types that Arrow itself knows: to read them runs no code of a package.
_CANONICAL = frozenset(
    b"arrow." + name
    for name in (
        b"uuid", b"json", b"bool8", b"opaque", b"fixed_shape_tensor", b"variable_shape_tensor",
    )
)  # fmt: skip
#: What the name of a column of ours begins with where an input has one of the same name.
PREFIX = "input_"

#: The option of a reader: names of fields, or the fields of names that the recipe chooses.
Chosen = tuple[str, ...] | dict[str, str]


def fields_of(chosen: Chosen) -> dict[str, str]:
    """Return the field of each column that the option ``columns`` of a reader names.

    >>> fields_of(("*", "score")), fields_of({"quality": "meta.score"})
    ({'score': 'score'}, {'quality': 'meta.score'})
    """
    if isinstance(chosen, dict):
        return chosen
    return {name: name for name in chosen if name != "*"}


@dataclass(frozen=True)
class Columns:
    """The columns of all sources that pass through a run."""

    #: Of the input (in one reader's: a path), and of the product.
    names: tuple[tuple[str, str], ...]
    encoded: bytes  #: the declared schema, by the names of the product, as Arrow IPC

    @cached_property
    def declared(self) -> pa.Schema:
        """The columns with the types that they have in the product."""
        return pa.ipc.read_schema(pa.py_buffer(self.encoded))

    @cached_property
    def carried(self) -> pa.Schema:
        """The columns with the types in which they travel."""
        return pa.schema([(field.name, plain(field.type)) for field in self.declared])

    def with_fields(self, fields: Iterable[pa.Field]) -> Columns:
        """Return these columns and others, which no reader finds."""
        declared = pa.schema([*self.declared, *fields])
        return Columns(self.names, declared.serialize().to_pybytes())

    def restored(self, table: pa.Table) -> pa.Table:
        """Return a table in which these columns have their declared types."""
        for place, name in enumerate(table.column_names):
            if name in self.declared.names:
                field = self.declared.field(name)
                if field.type != table.schema.field(place).type:
                    table = table.set_column(place, field, table.column(place).cast(field.type))
        return table


def gather(found: Mapping[str, Mapping[str, pa.DataType | None]]) -> tuple[Columns, set[str]]:
    """Join what the sources have: the columns that pass through, and the names kept as JSON.

    ``found`` has the type of each column by source and by the name that is wanted for it; None
    where its files do not agree.
    """
    types: dict[str, pa.DataType | None] = {}
    for columns in found.values():
        for name, kind in columns.items():
            types[name] = common(types[name], kind) if name in types else kind
    as_json = {name for name, kind in types.items() if kind is None}
    names: dict[str, str] = {}
    declared = []
    for name, kind in types.items():
        if kind is None:
            continue
        ours = name
        while schema.is_ours(ours) or (ours != name and ours in types):
            ours = PREFIX + ours
        names[name] = ours
        declared.append(pa.field(ours, writable(kind)))
    _report(names, as_json)
    encoded = pa.schema(declared).serialize().to_pybytes()
    return Columns(tuple(names.items()), encoded), as_json


def _report(names: Mapping[str, str], as_json: Iterable[str]) -> None:
    renamed = [
        f"'{fields.shown(name)}' is '{fields.shown(ours)}'"
        for name, ours in names.items()
        if name != ours
    ]
    if renamed:
        LOGGER.warning(
            "columns of the input have names of curate's own; in the product %s", ", ".join(renamed)
        )
    if as_json:
        LOGGER.warning(
            "kept as JSON in meta, because no one type holds the values of all files: %s",
            ", ".join(repr(fields.shown(name)) for name in sorted(as_json)),
        )


def _mapped(kind: pa.DataType, leaf: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return a type in which each type that holds no others is replaced; all fields take nulls."""
    types = pa.types
    if types.is_struct(kind):
        inner = [kind.field(i) for i in range(kind.num_fields)]
        return pa.struct([pa.field(f.name, _mapped(f.type, leaf)) for f in inner])
    if types.is_map(kind):
        return pa.map_(_mapped(kind.key_type, leaf), _mapped(kind.item_type, leaf))
    if types.is_fixed_size_list(kind):
        return pa.list_(_mapped(kind.value_type, leaf), kind.list_size)
    if types.is_large_list(kind) or types.is_large_list_view(kind):
        return pa.large_list(_mapped(kind.value_type, leaf))
    if types.is_list(kind) or types.is_list_view(kind):
        return pa.list_(_mapped(kind.value_type, leaf))
    return leaf(kind)


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the type in which a column travels.

    >>> plain(pa.dictionary(pa.int32(), pa.string())), plain(pa.list_(pa.string_view()))
    (DataType(string), ListType(list<item: large_string>))
    """

    def leaf(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_string_view(kind):
            return pa.large_string()
        return pa.large_binary() if pa.types.is_binary_view(kind) else kind

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    return _mapped(kind, leaf)


def writable(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column has in the product: its own, if it can be made again."""
    if not isinstance(kind, pa.BaseExtensionType):
        kind = _mapped(kind, lambda leaf: leaf)
    try:
        pa.nulls(1, plain(kind)).cast(kind)
    except pa.ArrowException:
        return plain(kind)
    return kind


def is_number(kind: pa.DataType) -> bool:
    """Return whether the values of a type are numbers, or truth values, which count as 0 and 1."""
    types = pa.types
    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    return any(test(kind) for test in tests)


def is_category(kind: pa.DataType) -> bool:
    """Return whether the values of a type are names of categories, or have some as their text."""
    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_integer, types.is_boolean)
    return any(test(kind) for test in (*tests, types.is_null))


def common(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    """Return a type that holds the values of two types without loss, or None.

    >>> common(pa.int32(), pa.int64()), common(pa.int64(), pa.float64())
    (DataType(int64), None)
    """
    if one is None or other is None:
        return None
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    one, other = plain(one), plain(other)
    try:
        both = pa.unify_schemas(
            [pa.schema([("", one)]), pa.schema([("", other)])], promote_options="permissive"
        ).field(0)
    except (pa.ArrowException, TypeError):
        return None
    return both.type if _holds(both.type, one) and _holds(both.type, other) else None


def _holds(wide: pa.DataType, kind: pa.DataType) -> bool:
    """Return whether a type holds every value of another, as Arrow promotes types."""
    types = pa.types
    if wide == kind or types.is_null(kind):
        return True
    if types.is_integer(kind):
        if types.is_floating(wide):
            return bool(kind.bit_width <= wide.bit_width // 2)  # all fit into the mantissa
        signed = types.is_signed_integer(kind) or kind.bit_width < wide.bit_width
        return types.is_integer(wide) and bool(signed)
    if types.is_floating(kind) or types.is_decimal(kind):
        same = types.is_floating if types.is_floating(kind) else types.is_decimal
        return bool(same(wide))
    if types.is_string(kind):
        return bool(types.is_large_string(wide))
    if types.is_binary(kind):
        return bool(types.is_large_binary(wide))
    if types.is_struct(kind):
        inner = [kind.field(i) for i in range(kind.num_fields)]
        return bool(types.is_struct(wide)) and all(
            _holds(wide.field(f.name).type, f.type) for f in inner
        )
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    if any(is_list(kind) for is_list in lists):
        return any(is_list(wide) for is_list in lists) and bool(
            _holds(wide.value_type, kind.value_type)
        )
    return False


def field_type(field: pa.Field) -> pa.DataType:
    """Return the type of a column of a file whose extension types were hidden from Arrow.

    It is Arrow's own extension type where the file names one, and its storage fits; the type of
    the storage where a package defines it, because reading it may run code.
    """
    metadata: Mapping[bytes, Any] = field.metadata or {}
    hidden = {key.removeprefix(b"-----"): value for key, value in metadata.items()}
    if hidden.get(b":extension:name") not in _CANONICAL:
        return field.type
    named = {b"ARROW" + key: value for key, value in hidden.items()}
    alone = pa.schema([pa.field("", field.type, metadata=named)])
    try:
        return pa.ipc.read_schema(alone.serialize()).field(0).type
    except (pa.ArrowException, ValueError):
        return field.type
