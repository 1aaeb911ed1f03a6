"""E-mail addresses in running text: where each begins and ends.

An address is local@domain whose last label is a top-level domain of IANA's list. The text around it
is often not separated: Chinese or Kazakh words touch it, a full stop and the next sentence follow,
a URL has it in its path. And much that has an at sign is none: handles (also
``https://host.org/@ann@other.org``), user names in URLs, packages with a version, pictures for
dense screens.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import regex

#: Of a text with an address; RE2.
HINT = r"[\pL\pN_.+'\"}-]@[\pL\pN][\pL\pM\pN-]*\."

_AT_DOMAIN = regex.compile(
    r"@((?:[\p{L}\p{N}][\p{L}\p{M}\p{N}-]{0,62}\.){1,8}[\p{L}\p{M}\p{N}-]{2,63})"
)
# Latin letters only, so that a word of another script before the address stays.
_LOCAL = regex.compile(r"[A-Za-z0-9\xc0-\u024f_.+'-]")
#: Mailing lists and forwarders put another address before the sign of equality.
_RETURN_PATH = regex.compile(r"(?i)(?:(?:prvs|srs\d?|bounces?)[\w.+=-]*|[\w.-]+\+[\w.+=-]*)=$")
_OTHER_LOCAL = regex.compile(r"[\p{L}\p{M}\p{N}_.+-]")
_RESERVED = regex.compile(
    r"(?i)(?:^|\.)(?:example\.(?:com|org|net)(?:\.|$)|(?:example|test|invalid|localhost)$)"
)
# user@ or user:password@ of a URL; a mailto: address written like one is an address.
_USER_OF_URL = regex.compile(r"(?i)(?<!mailto)://[a-z0-9._~%!$&'*+=:@-]*$")
# Of the Fediverse, in the address of a page.
_HANDLE = regex.compile(r"/@$")
_PATH_OF_REMOTE = regex.compile(r":(?:[/~]\w|[^\s/:]+/[^\s]*\.git\b)")
# The same without a scheme, before a port or a path: ann:secret@db.host.org:5432/base.
_USER = regex.compile(r"(?<![\w.:-])(?![\w-]*(?i:mail|contact)\w*:)[A-Za-z][\w.-]*:$")
_PORT_OR_PATH = regex.compile(r":\d{2,5}(?!\d)|/[A-Za-z]")
_ACCOUNTS = frozenset(["git", "hg", "svn"])
# Versions and files: mypkg@1.0.dev, banner@2x.zip.
_NUMBERED = regex.compile(r"(?i)(?:v?\d+\.){2,}[^.]+|v\d+\.[^.]+|\d(?:\.\d)?x\.[^.]+")
_GOES_ON = regex.compile(r"@|_\w")
# Of papers: {ann,bob}@univ.edu.
_SEVERAL = regex.compile(r"\{[\w.+-]+(?:\s*[,;|/]\s*[\w.+-]+)+\}$")
_LONGEST = 64  #: characters of a local part (RFC 5321)


@lru_cache(maxsize=1)
def _top_level_domains() -> frozenset[str]:
    """Return IANA's names, in small letters, those of other scripts in both forms."""
    with Path(__file__).with_name("top_level_domains.toml").open("rb") as file:
        names = tomllib.load(file)["domains"].split()
    decoded = (name[4:].encode().decode("punycode") for name in names if name[:4] == "xn--")
    return frozenset([*names, *decoded])


def find(text: str) -> Iterator[tuple[int, int]]:
    """Yield the begin and the end of each address, in characters, in order.

    Addresses at reserved example domains are left out, and so are user names in URLs and remotes
    (``ssh://ann@host.org``, ``git@host.org:path``), handles, versions and names of files.

    >>> text = "https://medium.com/@jane.doe/x, see ann@mail.cn谢谢"
    >>> [text[begin:end] for begin, end in find(text)]
    ['ann@mail.cn']
    """
    done = 0
    for match in _AT_DOMAIN.finditer(text):
        at = match.start()
        domain = _domain(match.group(1))
        end = at + 1 + len(domain)
        if not domain or _RESERVED.search(domain) or _NUMBERED.fullmatch(domain):
            continue
        if _GOES_ON.match(text, end):
            continue
        begin = _begin(text, at, max(done, at - _LONGEST - 1), domain)
        if begin == at or (at - begin > _LONGEST and text[begin] != "{"):
            continue
        before = text[max(0, begin - 256) : begin]
        if _HANDLE.search(before):
            continue
        if _USER_OF_URL.search(before) or (_USER.search(before) and _PORT_OR_PATH.match(text, end)):
            continue
        if _PATH_OF_REMOTE.match(text, end) or (
            text[begin:at] in _ACCOUNTS and text[end : end + 1] == ":"
        ):
            continue
        yield begin, end
        done = end


def _domain(labels: str) -> str:
    """Return the beginning of some labels that ends in a top-level domain, "" if none does."""
    known = _top_level_domains()
    parts = labels.split(".")
    while len(parts) > 1:
        last = parts[-1]
        if last.lower() in known and not _begins_sentence(parts):
            return ".".join(parts)
        size = _glued(last)
        if size:
            return ".".join([*parts[:-1], parts[-1][:size]])
        parts.pop()
    return ""


def _begins_sentence(labels: list[str]) -> bool:
    """Return whether the last label is a word behind an address and its full stop: mail.com.It."""
    before, last = labels[-2:]
    return len(labels) > 2 and last.istitle() and before in _top_level_domains()


def _glued(label: str) -> int:
    """Return the length of a top-level domain that a word touches, else 0.

    The word is of another script, or begins with a hyphen (an ending), or with a capital behind
    small letters (ann@mail.comPhone). Scripts without spaces may touch a name in their own.
    """
    known = _top_level_domains()
    word = _WORD_BEHIND.match(label)
    if word and word.group().lower() in known:
        return len(word.group())
    label = label.lower()
    ascii_end = next((k for k, char in enumerate(label) if not char.isascii()), len(label))
    if 0 < ascii_end < len(label):
        latin = "\xc0" <= label[ascii_end] <= "\u024f"
        return ascii_end if label[:ascii_end] in known and not latin else 0
    if ascii_end == 0 and _UNSPACED.match(label):
        return next((k for k in range(len(label), 1, -1) if label[:k] in known), 0)
    return 0


_WORD_BEHIND = regex.compile(r"[a-z]+(?=-|[A-Z][a-z])|[A-Z]+(?=-)")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")


def _begin(text: str, at: int, first: int, domain: str) -> int:
    """Return the place where the local part begins; ``at`` if there is none."""
    if text[at - 1 : at] == '"':
        opening = text.rfind('"', first, at - 1)
        quoted = text[opening + 1 : at - 1]
        return opening if opening >= 0 and quoted.strip() and "\n" not in quoted else at
    if text[at - 1 : at] == "}":
        opening = text.rfind("{", max(0, at - 256), at)
        return opening if opening >= 0 and _SEVERAL.match(text, opening, at) else at
    start = at
    letters = _LOCAL
    if not domain.isascii() and not _LOCAL.match(text, at - 1):
        letters = _OTHER_LOCAL
    while start > first and letters.match(text, start - 1):
        start -= 1
    path = _RETURN_PATH.search(text, first, start)
    if path is not None:
        start = path.start()
    while start < at and not (text[start].isalnum() or text[start] == "_"):
        start += 1
    return start
