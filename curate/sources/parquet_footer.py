"""Read a Parquet footer without pyarrow, to check an untrusted file before it is opened.

pyarrow builds the Arrow schema, extension types included, as soon as it opens a file, and its
accessor of column chunks ends the whole process on some damaged footers (an uncaught exception of
C++). The footer is in Thrift's compact protocol, which takes a page of Python.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

_TRUE, _FALSE, _BYTE, _I32, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 5, 7, 8, 9, 10, 12
_MAX_DEPTH = 16
_SCHEMA_KEY = b"ARROW:schema"


def names_extension_types(footer: bytes) -> bool:
    """Return whether a footer names Arrow extension types.

    They occur in the column metadata or in the Arrow schema that writers store under the key
    ``ARROW:schema``, in base64. The bytes are searched rather than parsed, so that no nesting hides
    them; a schema that is not stored as writers do, or cannot be decoded, counts as True.

    >>> names_extension_types(b"...ARROW:extension:name...")
    True
    """
    if b"ARROW:extension" in footer:
        return True
    at = footer.find(_SCHEMA_KEY)
    while at >= 0:
        at += len(_SCHEMA_KEY)
        if footer[at : at + 1] != b"\x18":  # writers store the value directly after its key
            return True
        try:
            encoded, _ = _Thrift(footer).binary(at + 1)
            if b"ARROW:extension" in base64.b64decode(encoded, validate=True):
                return True
        except (_Malformed, binascii.Error):
            return True
        at = footer.find(_SCHEMA_KEY, at)
    return False


def without_extension_types(footer: bytes) -> bytes:
    """Return a footer of the same length in which no Arrow extension type is named.

    An extension column then has the type in which it is stored; the name of its own type stands in
    its metadata under ``-----:extension:name``. Where the Arrow schema that writers store cannot be
    decoded it is hidden as a whole, and pyarrow takes all types from Parquet's own. A footer that
    names no extension type is returned unchanged.

    >>> without_extension_types(b"...ARROW:extension:name..."), without_extension_types(b"PLAIN")
    (b'...-----:extension:name...', b'PLAIN')
    """
    if not names_extension_types(footer):
        return footer
    footer = footer.replace(b"ARROW:extension", b"-----:extension")
    at = footer.find(_SCHEMA_KEY)
    while at >= 0:
        end = at + len(_SCHEMA_KEY)
        try:
            if footer[end : end + 1] != b"\x18":
                raise _Malformed
            encoded, after = _Thrift(footer).binary(end + 1)
            schema = base64.b64decode(encoded, validate=True)
            renamed = base64.b64encode(schema.replace(b"ARROW:extension", b"-----:extension"))
            if len(renamed) != len(encoded):
                raise _Malformed
            footer = footer[: after - len(encoded)] + renamed + footer[after:]
        except (_Malformed, binascii.Error):
            footer = footer[:at] + b"-----" + footer[at + 5 :]
        at = footer.find(_SCHEMA_KEY, end)
    return footer


class RowGroup(NamedTuple):
    """What a footer states of a row group."""

    offset: int
    length: int
    in_lists: dict[bytes, int]  #: values of each column beyond one for each row


def row_groups(footer: bytes, size: int) -> list[RowGroup]:
    """Return what the footer of a file of ``size`` bytes states of each row group.

    A footer may be wrong: the ranges that it states are limited to the file. A footer that cannot
    be read has no row groups.
    """
    try:
        metadata, _ = _Thrift(footer).struct(0, 0)
    except _Malformed:
        return []
    groups = []
    for group in _items(metadata.get(4)):
        stated = [chunk.get(3) for chunk in _items(group.get(1))]
        chunks = [value for value in stated if isinstance(value, dict)]
        begins = [min(_number(c, 9), _number(c, 11) or _number(c, 9)) for c in chunks]
        offset = min(max(min(begins, default=0), 0), size)
        length = sum(max(_number(chunk, 7), 0) for chunk in chunks)
        values: dict[bytes, int] = {}
        for chunk in chunks:
            path = chunk.get(3)
            if isinstance(path, list) and path and isinstance(path[0], bytes):
                beyond = max(0, _number(chunk, 5) - _number(group, 3))
                values[path[0]] = values.get(path[0], 0) + beyond
        groups.append(RowGroup(offset, min(length, size - offset), values))
    return groups


def fields_claimed(footer: bytes) -> tuple[int, int]:
    """Return the numbers of columns, and of all their fields, that a footer states.

    Only its begin is read: the version and the schema come before everything else, the root first
    in that. A number is 0 where it is written in another way.
    """
    reader, count = _Thrift(footer), 0
    try:
        kind, key, at = reader.head(0, 0)
        if (kind, key) == (_I32, 1):
            _, at = reader.zigzag(at)
            kind, key, at = reader.head(at, key)
        if (kind, key) != (_LIST, 2):
            return 0, 0
        _, count, at = reader.list_head(at)
        root, _ = _Thrift(footer[at : at + 4096]).struct(0, 1)
    except _Malformed:
        return 0, max(count - 1, 0)
    return _number(root, 5), max(count - 1, 0)


def _items(value: Any) -> list[dict[int, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(fields: dict[int, Any], key: int) -> int:
    value = fields.get(key)
    return value if isinstance(value, int) else 0


class _Malformed(Exception):
    """Bytes that are not Thrift's compact protocol."""


class _Thrift:
    """A reader of the compact protocol. Methods take a position and return a value and the next."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def struct(self, at: int, depth: int) -> tuple[dict[int, Any], int]:
        fields: dict[int, Any] = {}
        key = 0
        while True:
            kind, key, at = self.head(at, key)
            if kind == 0:
                return fields, at
            fields[key], at = self._value(kind, at, depth + 1, in_struct=True)

    def head(self, at: int, key: int) -> tuple[int, int, int]:
        """Return type and key of the field after the one with ``key``; type 0 ends a struct."""
        head, at = self._byte(at)
        if head >> 4 or not head:
            return head & 15, key + (head >> 4), at
        key, at = self.zigzag(at)
        return head, key, at

    def binary(self, at: int) -> tuple[bytes, int]:
        length, at = self._varint(at)
        if at + length > len(self._data):
            raise _Malformed
        return self._data[at : at + length], at + length

    def _value(self, kind: int, at: int, depth: int, *, in_struct: bool) -> tuple[Any, int]:
        if depth > _MAX_DEPTH:
            raise _Malformed
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE, at if in_struct else at + 1
        if kind == _BYTE:
            return self._byte(at)
        if kind < _DOUBLE:
            return self.zigzag(at)
        if kind == _DOUBLE:
            return None, at + 8
        if kind == _BINARY:
            return self.binary(at)
        if kind in (_LIST, _SET):
            return self._list(at, depth)
        if kind == _STRUCT:
            return self.struct(at, depth)
        raise _Malformed  # maps do not occur in a Parquet footer

    def _list(self, at: int, depth: int) -> tuple[list[Any], int]:
        kind, count, at = self.list_head(at)
        values = []
        for _ in range(count):
            value, at = self._value(kind, at, depth + 1, in_struct=False)
            values.append(value)
        return values, at

    def list_head(self, at: int) -> tuple[int, int, int]:
        """Return type and number of a list's values."""
        head, at = self._byte(at)
        count = head >> 4
        if count == 15:
            count, at = self._varint(at)
        if count > len(self._data):
            raise _Malformed
        return head & 15, count, at

    def _byte(self, at: int) -> tuple[int, int]:
        if at >= len(self._data):
            raise _Malformed
        return self._data[at], at + 1

    def _varint(self, at: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            byte, at = self._byte(at)
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
        raise _Malformed

    def zigzag(self, at: int) -> tuple[int, int]:
        value, at = self._varint(at)
        return (value >> 1) ^ -(value & 1), at
