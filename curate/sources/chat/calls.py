"""Calls of tools, and the schemas of tools, from any dataset's notation to OpenAI's.

What is certain is brought to one shape; anything else is a Defect, because a call with a guessed
name or arguments teaches a model to call what does not exist.
"""

from __future__ import annotations

import json
from typing import Any

from curate.sources import fields, json_objects

Json = dict[str, Any]

#: What datasets call the arguments of a call: OpenAI, Llama, Anthropic, LangChain.
_ARGUMENTS = ("arguments", "parameters", "input", "args")
#: What datasets call the schema of a tool's arguments: OpenAI, Anthropic (and its Python form).
_SCHEMAS = ("parameters", "input_schema", "inputSchema")
#: Types of calls that are functions, besides OpenAI's own: LangChain, Anthropic.
_CALL_TYPES = ("function", "tool_call", "tool_use")


class Defect(Exception):
    """Why a conversation cannot be read."""

    def __init__(self, reason: str, error: str) -> None:
        self.reason, self.error = reason, error
        super().__init__(error)


def kind(value: object) -> str:
    """Return the name of a value's type, for an error."""
    if value is None:
        return "null"
    return "nothing" if value is fields.MISSING else type(value).__name__


def without_nulls(value: Any) -> Any:
    """Return a value without the null fields of its objects: a table gives every row all fields.

    >>> without_nulls({"a": None, "b": [{"c": None}, None]})
    {'b': [{}, None]}
    """
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def read_calls(value: object) -> tuple[list[Json], list[Json]]:
    """Return the calls of a field in OpenAI's shape, and the other fields of each.

    The field is an object or a list of them, or JSON text of that; an object has a name and
    arguments itself or under ``function``.

    >>> read_calls('{"name": "f", "arguments": {"x": 1}}')[0]
    [{'type': 'function', 'function': {'name': 'f', 'arguments': '{"x": 1}'}}]
    """
    if isinstance(value, str):
        value = parsed(value, "bad_tool_call", "a call") if value.strip() else None
    if value is None:
        return [], []
    calls, others = [], []
    for item in value if isinstance(value, list) else [value]:
        call, other = _call(item)
        calls.append(call)
        others.append(other)
    ids = [call["id"] for call in calls if "id" in call]
    if len(set(ids)) < len(ids):
        raise Defect("bad_tool_call", "two calls of one turn have the same id")
    return calls, others


def _call(item: object) -> tuple[Json, Json]:
    if not isinstance(item, dict):
        raise Defect("bad_tool_call", f"a call is {kind(item)} instead of an object")
    other = {name: value for name, value in item.items() if value is not None}
    type_, id_ = other.pop("type", "function"), other.pop("id", None)
    if type_ not in _CALL_TYPES:
        raise Defect("bad_tool_call", f"a call of type {str(type_)[:64]!r} is no function")
    function = other.pop("function", None)
    outside = function if isinstance(function, dict) else None
    named = dict(outside) if outside is not None else other
    name = function if isinstance(function, str) else named.pop("name", None)
    if not isinstance(name, str) or not name:
        raise Defect("bad_tool_call", "a call names no function")
    key = next((each for each in _ARGUMENTS if named.get(each) is not None), None)
    arguments = _arguments(named.pop(key) if key else None, name)
    if outside is not None:
        other |= {key: value for key, value in named.items() if value is not None}
    call: Json = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return ({"id": str(id_)} | call if id_ is not None else call), other


def _arguments(value: object, name: str) -> str:
    """Return the arguments of a call as the JSON text of an object; ``{}`` where there are none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return "{}"
    read = parsed(value, "bad_tool_call", "arguments") if isinstance(value, str) else value
    if not isinstance(read, dict):
        what = f"the arguments of {name[:64]!r} are {kind(read)} instead of an object"
        raise Defect("bad_tool_call", what)
    return value if isinstance(value, str) else written(value)


def read_tools(value: object) -> str | None:
    """Return the tools of a record as JSON text of OpenAI's list of function schemas.

    >>> read_tools('[{"name": "f", "input_schema": {"type": "object"}}]')
    '[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]'
    """
    if isinstance(value, str):
        value = parsed(value, "bad_tools", "tools") if value.strip() else None
    if value is None:
        return None
    tools = [_tool(item) for item in (value if isinstance(value, list) else [value])]
    return written(tools) if tools else None


def _tool(item: object) -> Json:
    if isinstance(item, str):
        item = parsed(item, "bad_tools", "a tool")
    if not isinstance(item, dict):
        raise Defect("bad_tools", f"a tool is {kind(item)} instead of an object")
    tool = {name: value for name, value in item.items() if value is not None}
    type_, function = tool.pop("type", "function"), tool.pop("function", None)
    if type_ not in ("function", "custom") or (type_ == "custom" and "input_schema" not in tool):
        raise Defect("bad_tools", f"a tool of type {str(type_)[:64]!r} is no function")
    nested = isinstance(function, dict)
    schema = dict(function) if nested else tool
    if not isinstance(schema.get("name"), str) or not schema["name"]:
        raise Defect("bad_tools", "a tool has no name")
    key = next((each for each in _SCHEMAS if each in schema), None)
    if key is not None and key != "parameters":
        schema["parameters"] = schema.pop(key)
    return {"type": "function", "function": schema} | (tool if nested else {})


def parsed(text: str, reason: str, what: str) -> Any:
    """Parse JSON text of a record; raise Defect with the reason if it is none."""
    if json_objects.is_complex(text):
        parts = json_objects.MAX_PARTS
        raise Defect("too_complex", f"{what}: more than {parts} lists, objects and fields")
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise Defect("too_deep", f"the JSON text of {what} nests too deep") from None
    except ValueError as error:
        raise Defect(reason, f"{what}: {str(error)[:200]} in {text[:64]!r}") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def written(value: object) -> str:
    """Return a value as JSON text, in the order of its keys."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except (ValueError, RecursionError) as error:
        raise Defect("bad_tool_call", f"a call or tool is no JSON: {error}") from None
