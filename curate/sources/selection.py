"""Which records of a source are wanted, by the values of their fields.

For what a record says about itself and its text does not show: how the generation ended, a
moderator's flag, a split. What the text shows is for signals and rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Value = str | int | float | bool
Wanted = Mapping[str, tuple[Value, ...]]


def values(record: object, path: str) -> Iterator[object]:
    """Yield what stands at a path: dotted steps, a number for the place in a list, ``*`` for all.

    >>> list(values({"response": ["Yes.", "stop"]}, "response.1"))
    ['stop']
    >>> list(values({"flags": [{"spam": False, "hate": True}]}, "flags.0.*"))
    [False, True]
    """
    if isinstance(record, dict) and path in record:
        yield record[path]
        return
    step, dot, rest = path.partition(".")
    found: list[object] = []
    if isinstance(record, dict):
        found = list(record.values()) if step == "*" else [record[step]] if step in record else []
    elif isinstance(record, list):
        if step == "*":
            found = record
        elif step.isdecimal() and int(step) < len(record):
            found = [record[int(step)]]
    for one in found:
        if dot:
            yield from values(one, rest)
        else:
            yield one


def unwanted(record: object, only: Wanted, without: Wanted) -> str | None:
    """Name the first condition that a record fails, ``only:<path>`` or ``without:<path>``; else None.

    ``only``: at least one value at the path is in the list, so a record without the field fails.
    ``without``: no value at the path is in the list. A number is not true or false: ``1`` is not
    ``true``.

    >>> unwanted({"response": ["Yes", "length"]}, {"response.1": ("stop",)}, {})
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
