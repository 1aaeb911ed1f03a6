"""One form for each address, so that two spellings of a page or a host are equal.

A host is in lower case and ASCII: labels in other scripts become Punycode, as browsers write them
(UTS #46 without transitional processing: ß and the joiners of Persian stay). Port, user and the
dot of the root do not count. Of a whole address neither do the scheme, the fragment, and whether a
character is percent-encoded.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes, urlsplit

#: The dots of other scripts that end a label (UTS #46).
_DOTS = re.compile("[\u3002\uff0e\uff61]")
#: What UTS #46 leaves out of a label: soft hyphen, zero width space, word joiner, selectors.
_IGNORED = re.compile("[\u00ad\u034f\u180b-\u180f\u200b\u2060\u2064\ufeff\ufe00-\ufe0f]")
_PLAIN_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
#: Characters of a label above which it is no name, whatever it folds to (the limit is 63 bytes). It
#: is escaped: the time of Punycode and of normal forms grows with the square of the length.
_LONGEST_LABEL = 255
#: Labels of the longest name.
_MOST_LABELS = 127
#: Controls that browsers remove from an address, and spaces around it.
_REMOVED = re.compile(r"[\t\n\r]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
#: What may stand bare in a path or query, besides letters and digits (RFC 3986).
_SAFE = "-._~!$&'()*+,;=:@/?[]|"
_BARE = re.compile(rf"[A-Za-z0-9{re.escape(_SAFE)}]*")
_ESCAPE = re.compile(r"(%[0-9A-Fa-f]{2})")
#: Escapes of letters, digits and ``-._~``: they mean the same as the characters (RFC 3986, 2.3).
_ESCAPE_OF_UNRESERVED = re.compile(
    r"%(?:2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE])"
)
#: The ports that web addresses have anyway.
_PORTS = (None, 80, 443)


def normal_host(host: str) -> str:
    """Return the one form of a host name; empty where it is none.

    >>> normal_host("WWW.Example.COM."), normal_host("қазақ.қаз"), normal_host("faß.de")
    ('www.example.com', 'xn--80aau21bd.xn--80ao21a', 'xn--fa-hia.de')
    """
    if _PLAIN_HOST.fullmatch(host):
        return host
    if "%" in host:
        host = unquote_to_bytes(host).decode("utf-8", "replace")
    labels = _DOTS.sub(".", _IGNORED.sub("", host)).rstrip(".").split(".")
    return ".".join(map(_label, labels))


def _label(label: str) -> str:
    if len(label) > _LONGEST_LABEL and not label.isascii():
        return quote(label)
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", label).lower())
    if folded.isascii():
        return folded
    return "xn--" + folded.encode("punycode").decode("ascii")


def host_of(address: str) -> str:
    """Return the host of an address, with or without a scheme; empty where it has none.

    >>> host_of("https://ann@News.Example.KZ.:8443/a"), host_of("example.kz/a"), host_of("/a")
    ('news.example.kz', 'example.kz', '')
    """
    return _parts(address)[0]


def normal_address(address: str) -> str:
    """Return the one form of an address; empty where it has no host.

    >>> normal_address("HTTP://Example.KZ:80/%D0%B0?q=%7e#top")
    'example.kz/%D0%B0?q=~'
    >>> normal_address("https://example.kz/а?q=~") == normal_address("example.kz/%d0%b0?q=~")
    True
    """
    host, port, path, query = _parts(address)
    if not host:
        return ""
    return f"{host}{port}{_escaped(path) or '/'}" + (f"?{_escaped(query)}" if query else "")


def host_and_parents(host: str) -> list[str]:
    """Return a host and the domains that it lies in: a domain ends where a label does.

    >>> host_and_parents("a.example.kz")
    ['a.example.kz', 'example.kz', 'kz']
    """
    labels = host.rsplit(".", _MOST_LABELS)
    return [".".join(labels[at:]) for at in range(len(labels))]


def _parts(address: str) -> tuple[str, str, str, str]:
    """Return host, port (with its colon, unless it is the scheme's), path and query."""
    address = _REMOVED.sub("", address).strip().replace("\\", "/")
    if not _SCHEME.match(address):
        address = "//" + address.removeprefix("//") if address[:1] != "/" else address
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # brackets that are no IPv6 address, or a port that is no number
        return "", "", "", ""
    shown = "" if port in _PORTS else f":{port}"
    return normal_host(host), shown, parts.path, parts.query


def _escaped(part: str) -> str:
    """Return a path or query with all that may stand bare bare, and the rest escaped alike."""
    if _BARE.fullmatch(part):
        return part
    # An escaped delimiter means another thing than a bare one, so it stays as it is.
    return "".join(
        piece.upper() if at % 2 else quote(piece, safe=_SAFE)
        for at, piece in enumerate(_ESCAPE.split(_ESCAPE_OF_UNRESERVED.sub(_bare, part)))
    )


def _bare(escape: re.Match[str]) -> str:
    return chr(int(escape.group()[1:], 16))
