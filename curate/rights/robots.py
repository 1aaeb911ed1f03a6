"""What a page says about its use: robots directives and reservations of text and data mining.

They stand in the header ``X-Robots-Tag``, in ``<meta name="robots">``, and for reservations in
``tdm-reservation`` (TDM Reservation Protocol, W3C community group report 2024): a header, or a meta
element of that name. A directive for a named robot (``googlebot: noindex``) is for that one alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from curate.rights.robots_txt import AI_AGENTS

Directive = Literal["noindex", "noai", "noimageai", "tdm"]
DIRECTIVES: tuple[Directive, ...] = get_args(Directive)

_AGENTS = {agent.lower().encode(): agent.lower() for agent in AI_AGENTS}
#: All that `statements` can return: directives for all robots, and for AI agents by name.
STATEMENTS: tuple[str, ...] = (
    *DIRECTIVES,
    *(f"{agent}:{word}" for agent in _AGENTS.values() for word in DIRECTIVES if word != "tdm"),
)

#: Elements of meta stand at the beginning: so many bytes of a page are searched.
SEARCHED = 1 << 16

# One pass: what is in comments and scripts is none of the page's own, and each alternative ends
# within a bound or takes the rest.
_PIECES = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(script|style|template)\b.*?(?:</\1|\Z)|<meta\b([^>]{0,2048})>",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"([A-Za-z-]{1,30})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")


def directives(headers: Mapping[bytes, bytes], body: bytes, *, is_html: bool) -> set[str]:
    r"""Return the directives that a response states for every robot.

    ``headers`` have lower-case names, ``body`` is as sent. ``none`` means ``noindex`` (and what
    concerns links).

    >>> sorted(directives({b"x-robots-tag": b"NoAI, googlebot: noindex"}, b"", is_html=False))
    ['noai']
    >>> sorted(directives({}, b'<meta content="noimageai" name=robots>', is_html=True))
    ['noimageai']
    """
    stated = set(_named(headers.get(b"x-robots-tag", b"")))
    if headers.get(b"tdm-reservation", b"").strip() == b"1":
        stated.add("tdm")
    for name, content in _meta(body[:SEARCHED]) if is_html else ():
        if name == b"robots":
            stated.update(_named(content))
        elif name == b"tdm-reservation" and content.strip() == b"1":
            stated.add("tdm")
    return stated & set(DIRECTIVES)


def statements(headers: Mapping[bytes, bytes], body: bytes, *, is_html: bool) -> list[str]:
    """Return what a response states for every robot, and for AI agents by name, in order.

    Arguments are those of `directives`. After the name of an agent, words without one are its, too.

    >>> statements({b"x-robots-tag": b"gptbot: noindex, noai"}, b"", is_html=False)
    ['noai', 'gptbot:noindex', 'gptbot:noai']
    >>> statements({}, b'<meta name="CCBot" content="none">', is_html=True)
    ['ccbot:noindex']
    """
    stated: set[str] = directives(headers, body, is_html=is_html)
    agent: str | None = None
    for item in headers.get(b"x-robots-tag", b"").lower().split(b","):
        robot, colon, word = item.strip().rpartition(b":")
        agent = _AGENTS.get(robot.strip()) if colon else agent
        stated.update(f"{agent}:{one}" for one in _named(word))
    for name, content in _meta(body[:SEARCHED]) if is_html else ():
        if name in _AGENTS:
            stated.update(f"{_AGENTS[name]}:{word}" for word in _named(content))
    return [word for word in STATEMENTS if word in stated]


def _named(value: bytes) -> Iterator[str]:
    for item in value.split(b","):
        robot, colon, rest = item.strip().lower().rpartition(b":")
        if not colon or robot.strip() == b"*":
            word = rest.strip().decode("ascii", "replace")
            yield "noindex" if word == "none" else word


def _meta(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name (in lower case) and content of the meta elements of a page's beginning."""
    for piece in _PIECES.finditer(head):
        if piece[2] is not None:
            found = {
                name.lower(): double or single or bare
                for name, double, single, bare in _ATTRIBUTE.findall(piece[2])
            }
            yield found.get(b"name", b"").strip().lower(), found.get(b"content", b"")
