"""Trees of messages (OpenAssistant): which of their paths are conversations.

A node has ``text``, ``role`` (prompter or assistant), ``replies``, and where people compared
answers a ``rank``, 0 the best. Deleted messages are left out, and so are the replies to them. A
path ends with an answer: questions without an answer are cut off its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from curate.sources.chat.calls import Defect, kind
from curate.sources.chat.turns import ROLES
from curate.sources.fields import is_number

Paths = Literal["best", "all"]
Turn = dict[str, object]

#: Deeper than any conversation; a tree is walked by recursion.
_MAX_DEPTH = 200


def conversations_of(root: object, paths: Paths) -> Iterator[list[Turn]]:
    """Yield the conversations of a tree, from the first message on, without ``replies``.

    ``best`` follows at each message the reply of the best rank (replies without a rank come last,
    in their order; a question without an answer is passed over for the next), which gives one
    conversation; ``all`` gives one for each last answer, so that the turns before a branching occur
    in several.

    >>> tree = {"role": "prompter", "text": "?", "replies": [
    ...     {"role": "assistant", "text": "no", "rank": 1, "replies": []},
    ...     {"role": "assistant", "text": "yes", "rank": 0, "replies": []}]}
    >>> [path[-1]["text"] for path in conversations_of(tree, "best")]
    ['yes']
    >>> [path[-1]["text"] for path in conversations_of(tree, "all")]
    ['yes', 'no']
    """
    for path in _answered(_node(root), paths, ()):
        yield [{name: value for name, value in node.items() if name != "replies"} for node in path]


def _answered(node: Turn, paths: Paths, above: tuple[Turn, ...]) -> Iterator[tuple[Turn, ...]]:
    """Yield the paths through a message that end with an answer, best first, from the root on."""
    replies = node.get("replies") or []
    if not isinstance(replies, list):
        raise Defect("bad_turn", f"'replies' is {kind(replies)} instead of a list")
    path = (*above, node)
    if len(path) > _MAX_DEPTH:
        raise Defect("too_deep", f"more than {_MAX_DEPTH} messages in a row")
    if node.get("deleted"):
        return
    is_answered = False
    for reply in sorted(map(_node, replies), key=_rank):
        for answered in _answered(reply, paths, path):
            is_answered = True
            yield answered
        if is_answered and paths == "best":
            return
    # An unknown role is no question: the path is kept, and reading its turns reports the role.
    if not is_answered and ROLES.get(str(node.get("role"))) != "user":
        yield path


def _node(value: object) -> Turn:
    if not isinstance(value, dict):
        raise Defect("bad_turn", f"a message is {kind(value)} instead of an object")
    return value


def _rank(node: Turn) -> float:
    rank = node.get("rank")
    return float(rank) if is_number(rank) else float("inf")
