"""Robots.txt by RFC 9309: which addresses of a host a crawler may not read, for named crawlers.

Of each file only the rules for the wanted agents are kept, equal ones once, and of each host a hash
of 8 bytes and a number: millions of hosts take some tens of megabytes.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from curate.rights.addresses import normal_address
from curate.rights.lists import Keys, keys_of

#: Crawlers that gather text to train models, or tokens by which a site speaks of that use; as their
#: operators document them.
AI_AGENTS = (
    "GPTBot", "CCBot", "ClaudeBot", "anthropic-ai", "Google-Extended", "Applebot-Extended",
    "Bytespider", "meta-externalagent", "FacebookBot", "Amazonbot", "cohere-ai",
    "cohere-training-data-crawler", "AI2Bot", "Diffbot", "omgili", "Timpibot", "PanguBot",
    "img2dataset",
)  # fmt: skip

#: The name of the rules that are for every crawler without rules of its own.
EVERYONE = "everyone"
#: Redirects that are followed, one after another (RFC 9309, 2.3.1.2: at least five).
MOST_HOPS = 5
#: Bytes of a file that are read (RFC 9309, 2.5: at least 500 KiB).
MOST_BYTES = 500 << 10
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_LINE = re.compile(r"\r\n|\r|\n")
_HOST = "x"  # in front of paths, so that they are brought into the form of whole addresses


class Rule(NamedTuple):
    """One line: literal pieces between ``*``; ``ends`` if the last must end the path."""

    pieces: tuple[str, ...]
    ends: bool
    allow: bool
    length: int  #: bytes of the pattern: the longest that matches decides


class Redirect(NamedTuple):
    """A host's robots.txt is that of another host; both as `path_of` returns them."""

    host: str
    time: int
    to: str


Rules = tuple[Rule, ...]
#: Rules with the agent (in lower case) for which they stand.
ByAgent = tuple[tuple[str, Rules], ...]


def parse(body: bytes, agents: Iterable[str]) -> ByAgent:
    r"""Return the rules for some agents; those without a group of their own share EVERYONE's.

    >>> body = b"User-agent: gptbot\nDisallow: /a*.html$\n\nUser-agent: *\nDisallow: /b\n"
    >>> [(agent, path, not may_read(rules, path))
    ...  for agent, rules in parse(body, ["GPTBot", "CCBot"]) for path in ("/a/1.html", "/b")]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('gptbot', '/a/1.html', True), ('gptbot', '/b', False),
     ('everyone', '/a/1.html', False), ('everyone', '/b', True)]
    """
    wanted = [agent.lower() for agent in agents]
    groups: dict[str, list[Rule]] = {}
    current: set[str] = set()  # of the agents that count: a file may name as many as it has lines
    in_rules = False
    for key, value in _lines(body):
        if key == "user-agent":
            current = set() if in_rules else current
            in_rules = False
            name = _agent(value)
            if name in wanted or name == "*":
                groups.setdefault(name, [])
                current.add(name)
        elif key in ("allow", "disallow"):
            in_rules = True
            if value:
                rule = _rule(value, allow=key == "allow")
                for name in current:
                    groups[name].append(rule)
    own = [(name, _ordered(groups[name])) for name in dict.fromkeys(wanted) if name in groups]
    if "*" in groups and len(own) < len(set(wanted)):
        own.append((EVERYONE, _ordered(groups["*"])))
    return tuple((name, rules) for name, rules in own if not all(rule.allow for rule in rules))


def may_read(rules: Rules, path: str) -> bool:
    """Return whether rules allow a path in `path_of`'s form: the first that matches decides."""
    return next((rule.allow for rule in rules if _matches(rule, path)), True)


def path_of(address: str) -> tuple[str, str]:
    """Return host with port and the path with query of an address, as rules are matched.

    >>> path_of("https://Example.com/a*?b=%7e#c"), path_of("/no address")
    (('example.com', '/a%2A?b=~'), ('', ''))
    """
    host, slash, path = normal_address(address).partition("/")
    return host, _literal(slash + path)


def _lines(body: bytes) -> Iterator[tuple[str, str]]:
    cut = body[:MOST_BYTES]
    if len(body) > MOST_BYTES:  # not half a line, which may mean more than the whole
        cut = cut[: max(cut.rfind(b"\n"), cut.rfind(b"\r")) + 1]
    # Not UTF-8: the bytes themselves stand in addresses.
    text = cut.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    for line in _LINE.split(text):
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().lower(), value.strip()


def _agent(value: str) -> str:
    if value == "*" or value.startswith("* "):
        return "*"
    found = _TOKEN.match(value)
    return found[0].lower() if found else ""


def _rule(value: str, *, allow: bool) -> Rule:
    ends = value.endswith("$")
    value = value[:-1] if ends else value
    raw = value.encode("utf-8", "surrogateescape")
    value = "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in raw)
    if not value.startswith(("/", "*")):
        value = "/" + value
    pieces = tuple(_normal(piece) for piece in value.split("*"))
    return Rule(pieces, ends, allow, sum(map(len, pieces)) + len(pieces) - 1 + ends)


def _normal(piece: str) -> str:
    """Return a piece of a pattern with characters escaped as in `normal_address`."""
    if not piece or piece == "/":
        return piece
    path, question, query = piece.partition("?")
    normal = normal_address(f"{_HOST}/{path}" + ("?q" + query if query else ""))
    if not normal:
        return _literal(piece)
    path, _, query = normal.removeprefix(f"{_HOST}/").partition("?")
    return _literal(path + question + query[1:])


def _literal(text: str) -> str:
    return text.replace("*", "%2A").replace("$", "%24")


def _ordered(rules: list[Rule]) -> Rules:
    """Return rules, each once, the longest first, and of equal ones those that allow."""
    return tuple(sorted(set(rules), key=lambda rule: (-rule.length, not rule.allow, rule)))


def _matches(rule: Rule, path: str) -> bool:
    first, *rest = rule.pieces
    if not path.startswith(first):
        return False
    if not rest:
        return not rule.ends or len(path) == len(first)
    at = len(first)
    last = rest.pop() if rule.ends else ""
    for piece in rest:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return not rule.ends or (len(path) - len(last) >= at and path.endswith(last))


@dataclass(frozen=True)
class Hosts:
    """The rules of many hosts."""

    keys: Keys  #: sorted
    which: np.ndarray  #: of each, the place of its rules
    rules: tuple[ByAgent, ...]
    files: int  #: robots.txt that were read, also those without a rule that counts

    def refusing(self, urls: Iterable[str | None]) -> list[str | None]:
        """Return of each address the first agent that may not read it; None where all may."""
        places = [path_of(url) if url else ("", "") for url in urls]
        if not len(self.keys):
            return [None] * len(places)
        keys = keys_of([host for host, _ in places])
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = self.keys[at] == keys
        return [
            next(
                (name for name, rules in self.rules[self.which[i]] if not may_read(rules, path)),
                None,
            )
            if is_known and host
            else None
            for i, is_known, (host, path) in zip(at, known, places, strict=True)
        ]


def hosts_of(files: Iterable[tuple[str, int, bytes] | Redirect], agents: Iterable[str]) -> Hosts:
    """Return the rules of files: host with port (as `path_of` returns it), time and body of each.

    Of several of one host the latest counts; of those of one time, the last. A host that has none
    has the file that up to MOST_HOPS redirects lead to, if it is there.
    """
    agents = tuple(agents)
    numbers: dict[ByAgent, int] = {}
    hosts, times, which = array("Q"), array("q"), array("I")
    names: list[str] = []
    count = 0
    redirects: dict[int, tuple[int, int]] = {}  # key of a host: time, key of the other
    for file in files:
        if isinstance(file, Redirect):
            at, to = keys_of([file.host, file.to]).tolist()
            if file.time >= redirects.get(at, (file.time, 0))[0]:
                redirects[at] = file.time, to
            continue
        host, time, body = file
        count += 1
        rules = parse(body, agents)
        names.append(host)
        times.append(time)
        which.append(numbers.setdefault(rules, len(numbers)))
        if len(names) == 1 << 12:
            hosts.extend(keys_of(names).tolist())
            names = []
    hosts.extend(keys_of(names).tolist())
    keys, found = np.array(hosts, np.uint64), np.array(which, np.uint32)
    order = np.lexsort((np.array(times, np.int64), keys))  # stable: the last stays last
    keys, found = keys[order], found[order]
    latest = np.append(keys[1:] != keys[:-1], True) if len(keys) else np.empty(0, np.bool_)
    keys, found = _with_redirects(keys[latest], found[latest], redirects)
    counts = found != numbers.get((), -1)
    return Hosts(keys[counts], found[counts], tuple(numbers), count)


def _with_redirects(
    keys: Keys, which: np.ndarray, redirects: Mapping[int, tuple[int, int]]
) -> tuple[Keys, np.ndarray]:
    """Add the hosts that redirects lead to one of the sorted ``keys``, with its rules."""

    def place(key: int) -> int | None:
        at = int(np.searchsorted(keys, np.uint64(key)))
        return at if at < len(keys) and int(keys[at]) == key else None

    more, rules = [], []
    for host in redirects:
        at, to = place(host), host
        if at is not None:
            continue  # an answer of its own counts
        for _ in range(MOST_HOPS):
            if at is None and to in redirects:
                to = redirects[to][1]
                at = place(to)
        if at is not None:
            more.append(host)
            rules.append(which[at])
    all_keys = np.concatenate([keys, np.array(more, np.uint64)])
    order = np.argsort(all_keys)
    return all_keys[order], np.concatenate([which, np.array(rules, np.uint32)])[order]
