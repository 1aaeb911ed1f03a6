"""Messages for tests."""

import json

from curate import schema

EMPTY = dict.fromkeys(field.name for field in schema.MESSAGE)


def message(role, content, **more):
    """Return a message as sources make it: every field, most of them null."""
    return EMPTY | {"role": role, "content": content} | more


def calls(*called):
    """Return ``tool_calls`` as stored; each call is a name, its arguments as text, maybe an id."""
    return json.dumps(
        [
            ({"id": id_[0]} if id_ else {})
            | {"type": "function", "function": {"name": name, "arguments": arguments}}
            for name, arguments, *id_ in called
        ]
    )
