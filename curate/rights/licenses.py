"""Licences in one form: identifiers as SPDX writes them, from names, addresses and pages.

A text that is not wholly the name or the address of one known licence is unknown: nothing is
guessed. A licence without its version is one of its own (``CC-BY-SA``), as is that of a
jurisdiction (``CC-BY-3.0-DE``). Texts come from a crawl; what is returned is made of the tables
below and never of the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from curate.errors import RecipeError, nearest

#: What the licences ask for, strictest last; the names stand in rules and groups as families.
GROUPS = (
    "public_domain", "permissive", "share_alike", "no_derivatives", "non_commercial",
)  # fmt: skip
UNKNOWN = "unknown"

_LONGEST = 300
_CC_VERSIONS = frozenset({"1.0", "2.0", "2.1", "2.5", "3.0", "4.0"})
_PORTS = (
    "am ar at au az be bg br ca ch cl cn co cr cz de dk ec ee eg es fi fr ge gr gt hk hr hu ie igo"
    " il in it jp kr lu mk mt mx my nl no nz pe ph pl pr pt ro rs se sg si th tw ug uk us ve vn"
    " za"
)
_CC_PORTS = frozenset(_PORTS.split())
_CC_KINDS = frozenset({"BY", "BY-SA", "BY-ND", "BY-NC", "BY-NC-SA", "BY-NC-ND"})

#: Of other licences: identifier, family, and the ways in which it is written (in words, as
#: `_words` returns them, and as the end of its address).
_OTHERS: tuple[tuple[str, str, str], ...] = (
    ("CC0-1.0", "public_domain", "cc0|cc0 1.0|cc 0|cc zero|cc zero 1.0|cc0 1.0 universal"),
    ("CC-PDM-1.0", "public_domain", "cc pdm|cc pdm 1.0|public domain mark|public domain mark 1.0"),
    ("CC-PDDC", "public_domain", "cc pddc"),
    ("LicenseRef-public-domain", "public_domain", "public domain|pd|licenseref public domain"),
    ("PDDL-1.0", "public_domain", "pddl|pddl 1.0"),
    ("Unlicense", "public_domain", "unlicense"),
    ("MIT", "permissive", "mit|expat"),
    ("MIT-0", "permissive", "mit 0"),
    ("ISC", "permissive", "isc"),
    ("0BSD", "permissive", "0bsd"),
    ("BSD-2-Clause", "permissive", "bsd 2 clause|simplified bsd"),
    ("BSD-3-Clause", "permissive", "bsd 3 clause|new bsd"),
    ("Apache-2.0", "permissive", "apache 2.0|apache 2|asl 2.0"),
    ("BSL-1.0", "permissive", "bsl 1.0|boost software 1.0"),
    ("Zlib", "permissive", "zlib"),
    ("ODC-By-1.0", "permissive", "odc by|odc by 1.0"),
    ("OGL-UK-3.0", "permissive", "ogl uk 3.0|open government v3.0|open government 3.0"),
    ("CDLA-Permissive-2.0", "permissive", "cdla permissive 2.0"),
    ("ODbL-1.0", "share_alike", "odbl|odbl 1.0"),
    ("MPL-2.0", "share_alike", "mpl 2.0|mozilla public 2.0"),
    ("GFDL", "share_alike", "gfdl|gnu free documentation|fdl"),
    ("GFDL-1.2", "share_alike", "gfdl 1.2|gnu free documentation 1.2"),
    ("GFDL-1.3", "share_alike", "gfdl 1.3|gnu free documentation 1.3"),
    ("GFDL-1.3-or-later", "share_alike", "gfdl 1.3 or later"),
    ("GPL-2.0", "share_alike", "gpl 2.0|gnu gpl 2.0|gpl 2.0 only|gplv2"),
    ("GPL-3.0", "share_alike", "gpl 3.0|gnu gpl 3.0|gpl 3.0 only|gplv3"),
    ("LGPL-2.1", "share_alike", "lgpl 2.1|lgpl 2.1 only"),
    ("LGPL-3.0", "share_alike", "lgpl 3.0|lgpl 3.0 only"),
    ("AGPL-3.0", "share_alike", "agpl 3.0|agpl 3.0 only"),
)  # fmt: skip
_BY_WORDS = {form: name for name, _, forms in _OTHERS for form in forms.split("|")}
_FAMILY = {name: family for name, family, _ in _OTHERS}

_CC_ADDRESS = re.compile(
    r"creativecommons\.org/(?:licenses/([a-z-]{2,8})/([0-9]\.[0-9])(?:/([a-z]{2,3})(?=/|$))?"
    r"|(publicdomain/zero/1\.0|publicdomain/mark/1\.0|licenses/publicdomain))"
    r"(?:/(?:deed|legalcode)?(?:\.[a-z_-]{2,8})?)?$"
)
_ADDRESSES = (
    (re.compile(r"(?:opensource\.org|spdx\.org)/(?:licenses?)/([a-z0-9.-]{2,30})$"), r"\1"),
    (re.compile(r"apache\.org/licenses/license-([0-9.]{3})$"), r"apache \1"),
    (re.compile(r"gnu\.org/(?:licenses|copyleft)/(a?l?(?:gpl|fdl)[0-9.-]{0,5})$"), r"\1"),
    (re.compile(r"opendatacommons\.org/licenses/(odbl|pddl|by)(?:/1[-.]0)?$"), r"\1"),
)
_NAMES = (
    (re.compile(r"creative[ -]commons"), "cc "),
    (re.compile(r"non[ -]?commercial"), "nc"),
    (re.compile(r"share[ -]?alike"), "sa"),
    (re.compile(r"no[ -]?deriv[a-z]*(?: works)?"), "nd"),
    (re.compile(r"\battribution\b"), "by"),
)
_NO_WORDS = frozenset(
    ("the", "license", "licence", "international", "unported", "generic", "version", "v", "deed")
)
_WORD = re.compile(r"[a-z0-9]+(?:\.[0-9]+)*")


@lru_cache(maxsize=4096)
def license_id(text: str | None) -> str | None:
    """Return the identifier of the licence that a text names; None where it names none we know.

    >>> license_id("https://creativecommons.org/licenses/by-sa/3.0/de/deed.en")
    'CC-BY-SA-3.0-DE'
    >>> license_id("Creative Commons Attribution-NonCommercial 4.0 International")
    'CC-BY-NC-4.0'
    >>> license_id("apache-2.0"), license_id("cc by sa"), license_id("CC BY or ask us")
    ('Apache-2.0', 'CC-BY-SA', None)
    """
    text = (text or "").strip().lower()
    if not text or len(text) > _LONGEST:
        return None
    if "/" in text and "." in text:
        return _of_address(text)
    for name, short in _NAMES:
        text = name.sub(short, text)
    text = re.sub(r"\bv(?=[0-9])", "", text)
    if re.search(r"[^\w\s.,()\[\]/+-]", text) or not text.isascii():
        return None
    words = [word for word in _WORD.findall(text) if word not in _NO_WORDS]
    joined = " ".join(words)
    if joined in _BY_WORDS:
        return _BY_WORDS[joined]
    return _cc(words[1:]) if words[:1] == ["cc"] else None


def _of_address(text: str) -> str | None:
    address = re.sub(r"^(?:https?:)?//(?:www\.)?|[?#].*$", "", text)
    address = re.sub(r"(?:\.html|\.txt|\.php)?/*$", "", address)
    if found := _CC_ADDRESS.match(address):
        kind, version, port, public = found.groups()
        if public:
            way = public.rpartition("publicdomain")[2]
            return {"/zero/1.0": "CC0-1.0", "/mark/1.0": "CC-PDM-1.0"}.get(way, "CC-PDDC")
        return _cc([*kind.split("-"), version, *([port] if port else [])])
    for pattern, form in _ADDRESSES:
        if found := pattern.match(address):
            words = found.expand(form).replace("-", " ").strip()
            words = {"by": "odc by"}.get(words, re.sub(r"\bfdl", "gfdl", words))
            return _BY_WORDS.get(words)
    return None


def _cc(words: list[str]) -> str | None:
    """Return the Creative Commons licence of elements, version and jurisdiction."""
    elements = [word for word in words if word in ("by", "nc", "nd", "sa")]
    rest = words[len(elements) :]
    if words[: len(elements)] != elements or len(set(elements)) < len(elements):
        return None
    kind = "-".join(word.upper() for word in ("by", "nc", "nd", "sa") if word in elements)
    version = rest[0] if rest else ""
    if len(rest) > 2 or kind not in _CC_KINDS or (version and version not in _CC_VERSIONS):
        return None
    port = rest[1] if len(rest) == 2 else ""
    if port and (port not in _CC_PORTS or version == "4.0"):
        return None
    return "-".join(part for part in ("CC", kind, version, port.upper()) if part)


def license_group(identifier: str | None) -> str | None:
    """Return what a licence asks for: one of GROUPS, the strictest that it has; None if unknown.

    >>> [license_group(one) for one in ("CC-BY-NC-SA-4.0", "CC-BY-3.0", "GFDL-1.3", None)]
    ['non_commercial', 'permissive', 'share_alike', None]
    """
    if identifier is None:
        return None
    if identifier in _FAMILY:
        return _FAMILY[identifier]
    parts = identifier.split("-")
    strict = (("NC", "non_commercial"), ("ND", "no_derivatives"), ("SA", "share_alike"))
    return next((group for part, group in strict if part in parts), "permissive")


def checked_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns of a rule in the form that `matches` takes; raise RecipeError.

    A pattern is a family of GROUPS, ``unknown``, an identifier (one without a version stands for
    all of its versions), or has ``*`` in it.
    """
    checked = []
    for pattern in patterns:
        identifier = license_id(pattern)
        if pattern in (*GROUPS, UNKNOWN) or "*" in pattern:
            checked.append(pattern.lower())
        elif identifier is None:
            hint = nearest(pattern, (*GROUPS, UNKNOWN, *_FAMILY, *(f"CC-{k}" for k in _CC_KINDS)))
            raise RecipeError(f"no licence '{pattern}'", hint=hint)
        else:
            checked.append(identifier.lower())
    return tuple(checked)


def matches(identifier: str | None, patterns: Iterable[str]) -> bool:
    """Return whether a licence is among checked patterns.

    >>> patterns = checked_patterns(["CC-BY", "non_commercial", "g*"])
    >>> [matches(one, patterns) for one in ("CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-3.0", "GFDL")]
    [True, False, True, True]
    """
    if identifier is None:
        return UNKNOWN in patterns
    name, group = identifier.lower(), license_group(identifier)
    return any(
        pattern in (name, group)
        or ("*" in pattern and fnmatchcase(name, pattern))
        or (name.startswith(f"{pattern}-") and name[len(pattern) + 1].isdigit())
        for pattern in patterns
    )


# --- what a page says ----------------------------------------------------------------------------

_MENTION = re.compile(rb"licen[cs]e|dc\.rights|dcterms\.rights", re.IGNORECASE)
_PIECES = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(script|style|template)\b([^>]{0,512})>(.*?)(?:</\1|\Z)"
    rb"|<(a|link|meta)\b([^>]{0,2048})>",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"([A-Za-z-]{1,30})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_METAS = frozenset(
    {b"dc.rights", b"dc.rights.license", b"dcterms.rights", b"dcterms.license", b"dc.license",
     b"license"}
)  # fmt: skip
#: Of schema.org: things that are the page, not a picture on it.
_PAGE_TYPES = (
    "Article NewsArticle BlogPosting ScholarlyArticle TechArticle Report WebPage WebSite Blog Book"
    " Chapter CreativeWork Dataset LearningResource Course QAPage FAQPage Recipe HowTo"
    " MedicalWebPage AboutPage ItemPage DiscussionForumPosting"
)
_PAGES = frozenset(_PAGE_TYPES.split())
#: The largest JSON-LD that is read, in bytes.
_JSON_BYTES = 1 << 17


def page_license(body: bytes) -> tuple[str, str] | None:
    """Return the licence that a page states for itself, and how: ``link``, ``json-ld``, ``meta``.

    Links with ``rel=license``, ``license`` of schema.org for things that are the page, and Dublin
    Core. A page that states different licences, such as for its pictures, states none.

    >>> page_license(b'<a href="//creativecommons.org/licenses/by/4.0/" rel=license>CC</a>')
    ('CC-BY-4.0', 'link')
    """
    if not _MENTION.search(body):
        return None
    stated = [(found, how) for text, how in _statements(body) if (found := license_id(text))]
    if len({identifier for identifier, _ in stated}) != 1:
        return None
    return stated[0]


def _statements(body: bytes) -> Iterator[tuple[str, str]]:
    for piece in _PIECES.finditer(body):
        if piece[1] is not None:
            if piece[1].lower() == b"script" and b"ld+json" in piece[2].lower():
                yield from ((text, "json-ld") for text in _in_json(piece[3]))
            continue
        if piece[4] is None:
            continue
        found = {
            name.lower(): double or single or bare
            for name, double, single, bare in _ATTRIBUTE.findall(piece[5])
        }
        if piece[4].lower() == b"meta":
            name = found.get(b"name") or found.get(b"property") or b""
            if name.strip().lower() in _METAS:
                yield found.get(b"content", b"").decode("utf-8", "replace"), "meta"
        elif b"license" in found.get(b"rel", b"").lower().split():
            yield found.get(b"href", b"").decode("utf-8", "replace"), "link"


def _in_json(data: bytes) -> Iterator[str]:
    if b'"license"' not in data or len(data) > _JSON_BYTES:
        return
    try:
        top: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    items = top if isinstance(top, list) else [top]
    for item in items:
        graph = item.get("@graph") if isinstance(item, dict) else None
        for thing in [item, *(graph if isinstance(graph, list) else [])]:
            kind = thing.get("@type") if isinstance(thing, dict) else None
            kinds = kind if isinstance(kind, list) else [kind]
            if any(isinstance(one, str) and one in _PAGES for one in kinds):
                terms = thing.get("license")
                terms = terms.get("@id") or terms.get("url") if isinstance(terms, dict) else terms
                if isinstance(terms, str):
                    yield terms
