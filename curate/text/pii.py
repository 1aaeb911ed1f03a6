"""Mask personal data: e-mail and public IP addresses, telephone numbers, IBANs, national ids.

Each mask replaces a match by one fixed text in the same shape, made of values that are reserved for
documentation and belong to no one, so that a model still sees the shape. Masks are conservative: a
number is only masked when its shape (or its check digits) leaves little doubt, because a masked
price or version number damages the text. They find identifiers, not people.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.text import email_addresses, pii_scan
from curate.text.national_ids import NATIONAL_IDS


class Mask(NamedTuple):
    """The place of a mask in a text, in characters, and the kind of what it replaced."""

    start: int
    end: int
    kind: str


class Replacement(NamedTuple):
    """A match in a text, in characters, and the text that masks it."""

    start: int
    end: int
    mask: str


EMAIL = "email@example.com"  # RFC 2606
IPV4, IPV6 = "192.0.2.1", "2001:db8::1"  # RFC 5737, RFC 3849
PHONE = "+1 202-555-0100"  # 555-0100 to 555-0199 are reserved for fiction in North America
IBAN = "XX00 0000 0000 0000 0000"  # XX is not a country (ISO 3166 leaves it to users)

# Each pattern begins with a character and then looks behind it, so that the engine can skip to it.
# Letters of scripts without spaces, and endings of other languages, may touch an IP address.
_IPV4 = re.compile(
    r"[1-9](?<![0-9A-Za-z_.][1-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z_]|\.[0-9A-Za-z_])"
)
_IPV6 = re.compile(
    r"[23](?<![0-9A-Za-z_:.][23])[0-9A-Fa-f]{1,3}(?:::?[0-9A-Fa-f]{1,4}){2,7}(?:::)?"
    r"(?![0-9A-Za-z_:]|\.[0-9])"
)

# Word processors write spaces and hyphens that do not break, and dashes.
_SPACES = r" \u00a0\u2009\u202f"
_GAP = rf"[{_SPACES}\u2010-\u2013-]"
_PHONE = re.compile(
    rf"\+(?<![\w+.]\+)(?:[17](?:[{_SPACES}.()/\u2010-\u2013-]{{0,2}}\d){{10}}"
    rf"|[2-689](?:[{_SPACES}.()/\u2010-\u2013-]{{0,2}}\d){{9,12}})(?!\d)"
    rf"|8(?<![\w+.-]8){_GAP}?\(\d{{3,4}}\){_GAP}?\d{{2,3}}(?:{_GAP}?\d{{2}}){{2}}(?!\d)"
    rf"|8(?<![\w+.-]8){_GAP}\d{{3}}{_GAP}\d{{3}}{_GAP}\d{{2}}{_GAP}\d{{2}}(?!\d)"
    r"|\((?<![\w+.-]\()\d{3}\) ?\d{3}[\u2010-\u2013-]\d{4}(?!\d)"
)
_THOUSANDS = re.compile(rf"\+\d{{1,3}}(?:[{_SPACES}.]\d{{3}})+")
_DECIMAL_OR_DATE = re.compile(r"\+(?:\d{1,3}\.\d{5,}|\d{4}-\d\d-\d\d)")
_FICTION = re.compile(r"\+?1?\d{3}55501\d\d")

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?=[ \u00a0]?[A-Z0-9])")
#: Lengths of the registry of ISO 13616.
_IBAN_REGISTRY = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 "
    "EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 "
    "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 "
    "NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 "
    "TN24 TR26 UA29 VA22 VG24 XK20"
)
_IBAN_LENGTH = {entry[:2]: int(entry[2:]) for entry in _IBAN_REGISTRY.split()}


def email(text: str) -> list[Replacement]:
    """Find e-mail addresses; curate.text.email_addresses says what is one.

    Addresses at the reserved example domains stay, as do handles, user names in URLs, versions and
    file names. Spelt-out forms ("ann at home dot org") are not found. A Fediverse handle
    @ann@host.org counts as an address.

    >>> mask("Write to Ann.Lee+news@mail.curate.dev, or see http://a.b/?q=x@y", "email")[0]
    'Write to email@example.com, or see http://a.b/?q=x@y'
    """
    return [Replacement(begin, end, EMAIL) for begin, end in email_addresses.find(text)]


def public_ip(text: str) -> list[Replacement]:
    """Find addresses of the public internet, IPv4 and IPv6.

    Private and reserved ranges stay: they identify no one. So does what looks more like the number
    of a version or a section (3.1.4.1, 14.0.0.125, 6.16.73.105): one of the four parts must have
    three digits, the first one two, and none may be 0. One address in fourteen is missed because of
    it.

    >>> mask("from 81.169.145.72 via 10.0.0.1, see 3.1.4.1", "public_ip")[0]
    'from 192.0.2.1 via 10.0.0.1, see 3.1.4.1'
    """

    def v4(match: re.Match[str]) -> bool:
        parts = match.group().split(".")
        if len(parts[0]) < 2 or all(len(part) < 3 for part in parts):
            return False
        if any(part.startswith("0") for part in parts):
            return False
        return max(map(int, parts)) < 256 and _is_public(match.group())

    found = [Replacement(*m.span(), IPV4) for m in _IPV4.finditer(text) if v4(m)]
    if "::" in text or text.count(":") >= 7:
        found += [
            Replacement(*m.span(), IPV6) for m in _IPV6.finditer(text) if _is_public(m.group())
        ]
    return sorted(found)


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def phone(text: str) -> list[Replacement]:
    """Find telephone numbers.

    These are international numbers (+1 and +7 with 11 digits, others with 10 to 13), numbers of the
    former Soviet Union that begin with 8 and are grouped, and (ddd) ddd-dddd. Signed amounts in
    thousands (+100 000 000), decimals (+43.238949) and dates stay, as does any number without a
    plus sign, parentheses or the grouping: years, prices, article numbers. Numbers reserved for
    fiction stay.

    >>> mask("Тел.: +7 (727) 250-11-22, 8 701 123 45 67; +100 000 000 ₸ in 2024", "phone")[0]
    'Тел.: +1 202-555-0100, +1 202-555-0100; +100 000 000 ₸ in 2024'
    """
    return [
        Replacement(*match.span(), PHONE)
        for match in _PHONE.finditer(text)
        if not _THOUSANDS.fullmatch(match.group())
        and not _FICTION.fullmatch(re.sub(r"\D", "", match.group()))
        and not _DECIMAL_OR_DATE.match(match.group())
    ]


def iban(text: str) -> list[Replacement]:
    """Find international bank account numbers.

    Country, length and check digits (ISO 7064, modulo 97) must all be correct, so that hardly any
    other number matches. Numbers broken over lines are not found.

    >>> mask("Pay to KZ86 125K ZT50 0410 0100, ref KZ86 125K ZT50 0410 0101", "iban")[0]
    'Pay to XX00 0000 0000 0000 0000, ref KZ86 125K ZT50 0410 0101'
    """
    found: list[Replacement] = []
    done = 0
    for match in _IBAN.finditer(text):
        end = _end_of_iban(text, match.start()) if match.start() >= done else 0
        if end:
            found.append(Replacement(match.start(), end, IBAN))
            done = end
    return found


def _end_of_iban(text: str, start: int) -> int:
    """Return the end of the IBAN that starts here, or 0 if there is none."""
    length = _IBAN_LENGTH.get(text[start : start + 2], 0)
    iban = ""
    at = start
    while len(iban) < length and at < len(text):
        char = text[at]
        if char in " \u00a0" and iban[-1:] not in ("", " "):
            at += 1
            if at < len(text) and text[at] in " \u00a0":
                return 0
            continue
        if not (char.isascii() and (char.isdigit() or char.isupper())):
            return 0
        iban += char
        at += 1
    if not length or len(iban) < length or (at < len(text) and text[at].isalnum()):
        return 0
    number = "".join(str(int(char, 36)) for char in iban[4:] + iban[:4])
    return at if int(number) % 97 == 1 else 0


def _national(kind: str) -> Callable[[str], list[Replacement]]:
    number = NATIONAL_IDS[kind]
    return lambda text: [Replacement(*span, number.replacement) for span in number.find(text)]


#: Every kind by its name in profiles.
KINDS: dict[str, Callable[[str], list[Replacement]]] = {
    kind.__name__: kind for kind in (email, public_ip, phone, iban)
} | {kind: _national(kind) for kind in NATIONAL_IDS}

_ANY_GAP = r"[ \x{A0}\x{2009}\x{202F}\x{2010}-\x{2013}.()/-]"
#: For each kind a pattern (RE2) that matches every text with an occurrence.
HINTS = {
    "email": email_addresses.HINT,
    "public_ip": r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[23][0-9A-Fa-f]{1,3}::?[0-9A-Fa-f]{1,4}:",
    "phone": rf"\+[1-9]{_ANY_GAP}?{_ANY_GAP}?[0-9]|8{_ANY_GAP}?\([0-9]"
    rf"|8{_ANY_GAP}[0-9]{{3}}{_ANY_GAP}|\([0-9]{{3}}\) ?[0-9]{{3}}{_ANY_GAP}",
    "iban": "[A-Z]{2}[0-9]{2}[ \u00a0]?[A-Z0-9]",
} | {kind: number.hint for kind, number in NATIONAL_IDS.items()}

#: For each kind the signs, at least one of which is in every text that its hint matches.
_SIGNS = {
    "email": pii_scan.AT,
    "public_ip": pii_scan.POINTS | pii_scan.COLONS,
    "phone": pii_scan.DIGIT,
    "iban": pii_scan.DIGIT,
} | dict.fromkeys(NATIONAL_IDS, pii_scan.LONG_NUMBER)


def hinted(texts: pa.LargeStringArray, kinds: Sequence[str]) -> dict[str, np.ndarray]:
    """Return for each kind the numbers of the texts that its hint matches.

    >>> hinted(pa.array(["ann@curate.dev", "at 5 @ home", None], pa.large_string()), ["email"])
    {'email': array([0])}
    """
    signs = pii_scan.scan(texts)
    rows = {kind: np.flatnonzero(signs & _SIGNS[kind]) for kind in kinds}
    for kind, few in rows.items():
        if len(few):
            matched = pc.match_substring_regex(texts.take(pa.array(few)), HINTS[kind])
            rows[kind] = few[np.asarray(matched)]
    return rows


def mask(text: str, kind: str, earlier: Sequence[Mask] = ()) -> tuple[str, list[Mask]]:
    """Mask every occurrence of one kind; return the text and the masks in it, in order.

    ``earlier`` are the masks of other kinds already in the text: their places are moved, and one
    that is itself masked is dropped.

    >>> text, masks = mask("81.169.145.72 or ann@curate.dev", "public_ip")
    >>> text, masks = mask(text, "email", masks)
    >>> text, [tuple(mask) for mask in masks]
    ('192.0.2.1 or email@example.com', [(0, 9, 'public_ip'), (13, 30, 'email')])
    """
    found = KINDS[kind](text)
    if not found:
        return text, list(earlier)
    pieces, done = [], 0
    growth = [0]
    for place in found:
        pieces += [text[done : place.start], place.mask]
        done = place.end
        growth.append(growth[-1] + len(place.mask) - (place.end - place.start))
    ends = [place.end for place in found]

    def move(mask: Mask) -> Mask | None:
        before = bisect_right(ends, mask.start)
        if before < len(found) and found[before].start < mask.end:
            return None
        return Mask(mask.start + growth[before], mask.end + growth[before], mask.kind)

    moved = [mask for mask in map(move, earlier) if mask is not None]
    added = [
        Mask(place.start + grown, place.start + grown + len(place.mask), kind)
        for place, grown in zip(found, growth)
    ]
    return "".join([*pieces, text[done:]]), sorted(moved + added)
