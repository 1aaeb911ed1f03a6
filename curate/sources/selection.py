"""Select records of a source by the values of their fields.

This is for facts that a record states and its text does not show: how the generation ended, a
moderator's flag, a split. What the text shows is for signals and rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Value = str | int | float | bool
#: The values to look for, by path.
Conditions = Mapping[str, tuple[Value, ...]]


def values(record: object, path: str) -> Iterator[object]:
    """Yield the values at a path: dotted steps, a number for an index of a list, ``*`` for all.

    >>> list(values({"response": ["Yes.", "stop"]}, "response.1"))
    ['stop']
    >>> list(values({"flags": [{"spam": False, "hate": True}]}, "flags.0.*"))
    [False, True]
    """
    if isinstance(record, dict) and path in record:
        yield record[path]
        return
    step, dot, rest = path.partition(".")
    items: list[object] = []
    if isinstance(record, dict):
        items = list(record.values()) if step == "*" else [record[step]] if step in record else []
    elif isinstance(record, list):
        if step == "*":
            items = record
        elif step.isdecimal() and int(step) < len(record):
            items = [record[int(step)]]
    for item in items:
        if dot:
            yield from values(item, rest)
        else:
            yield item


def failed_condition(record: object, only: Conditions, without: Conditions) -> str | None:
    """Return the first condition that a record fails, ``only:<path>`` or ``without:<path>``.

    ``only``: at least one value at the path is in the list, so a record without the field fails.
    ``without``: no value at the path is in the list. ``1`` is not ``true``. None if none fails.

    >>> failed_condition({"response": ["Yes", "length"]}, {"response.1": ("stop",)}, {})
    'only:response.1'
    """
    for path, listed in only.items():
        if not any(_listed(value, listed) for value in values(record, path)):
            return f"only:{path}"
    for path, listed in without.items():
        if any(_listed(value, listed) for value in values(record, path)):
            return f"without:{path}"
    return None


def _listed(value: object, listed: tuple[Value, ...]) -> bool:
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in listed)
