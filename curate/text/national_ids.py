"""Mask national identity numbers, one kind per country, named in the profiles of its languages.

A number is masked only when its shape, its date and its check digits are correct; where the check
accepts one number in ten, words before the number must name it. The replacement has the same shape
and belongs to no one. The rules of each number are public; each function names its source.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

_BEFORE = r"(?<![0-9A-Za-z_.,/+-])"  # letters of scripts without spaces may touch a number
_AFTER = r"(?![0-9A-Za-z_/]|-[0-9A-Za-z]|[.,][0-9])"  # a hyphen may begin an ending


def kz_iin(digits: str) -> bool:
    """Check Kazakhstan's individual number: birth date, century and sex, serial, check digit.

    Source: Government of Kazakhstan, decree 406 of 2003: weights 1 to 11, then 3 to 11, 1, 2,
    modulo 11.

    >>> kz_iin("900101300017"), kz_iin("900101300018")
    (True, False)
    """
    if not "1" <= digits[6] <= "6" or not _born(digits[:6]):
        return False
    check = _weighted(digits, range(1, 12)) % 11
    if check == 10:
        check = _weighted(digits, (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)) % 11
    return check == int(digits[11])


def ru_snils(digits: str) -> bool:
    """Check Russia's insurance number of a person: nine digits, two of check (112-233-445 95).

    Source: Pension Fund of Russia, decree 192p of 2006: weights 9 to 1, modulo 101, 100 counts as
    0.

    >>> ru_snils("11223344595")
    True
    """
    return int(digits[9:]) == _weighted(digits, range(9, 0, -1)) % 101 % 100


def ru_inn(digits: str) -> bool:
    """Check Russia's taxpayer number of a person: 12 digits, the last two of check.

    Source: Federal Tax Service of Russia, order ED-7-14/559 of 2020 (the structure of the number).

    >>> ru_inn("500100732259"), ru_inn("500100732250")
    (True, False)
    """
    if len(set(digits)) < 3 or digits.startswith("00"):
        return False
    first = _weighted(digits, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    second = _weighted(digits, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    return digits[10:] == f"{first}{second}"


def tr_identity(digits: str) -> bool:
    """Check Turkey's identity number: 11 digits, the first not 0, the last two of check.

    Source: General Directorate of Civil Registration, the number's published check.

    >>> tr_identity("10000000146"), tr_identity("10000000147")
    (True, False)
    """
    odd, even = (sum(map(int, digits[start:9:2])) for start in (0, 1))
    tenth = (odd * 7 - even) % 10
    return digits[9:] == f"{tenth}{(odd + even + tenth) % 10}"


def kr_resident(digits: str) -> bool:
    """Check Korea's resident number: birth date, a dash, sex and century, six more.

    No check digit: since October 2020 the last six are random.

    >>> kr_resident("9001011234567"), kr_resident("9013011234567")
    (True, False)
    """
    return "1" <= digits[6] <= "8" and _born(digits[:6])


def jp_my_number(digits: str) -> bool:
    """Check Japan's individual number: 12 digits, the last one of check.

    Source: Ministry of Internal Affairs and Communications, ordinance 85 of 2014, article 5.

    >>> jp_my_number("123456789018")
    True
    """
    rest = _weighted(digits, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def cn_resident(digits: str) -> bool:
    """Check China's resident identity number: region, birth date, serial, check (0 to 9 or X).

    Source: GB 11643-1999, check by ISO 7064 MOD 11-2.

    >>> cn_resident("11010519491231002X"), cn_resident("110105194912310021")
    (True, False)
    """
    if not _born(digits[8:14], digits[6:8]):
        return False
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[_weighted(digits, weights) % 11] == digits[17].upper()


def eg_national(digits: str) -> bool:
    """Check Egypt's national number: century, birth date, governorate, five more.

    The rule of the check digit is not published; governorates are 01 to 35 and 88.

    >>> eg_national("29001011234567"), eg_national("29013011234567")
    (True, False)
    """
    century = {"2": "19", "3": "20"}[digits[0]]
    return _born(digits[1:7], century) and (1 <= int(digits[7:9]) <= 35 or digits[7:9] == "88")


def luhn(digits: str) -> bool:
    """Check by ISO/IEC 7812, which Saudi Arabia and the Emirates use.

    >>> luhn("1000000008"), luhn("1000000009")
    (True, False)
    """
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def us_ssn(digits: str) -> bool:
    """Check the social security number of the United States, written 219-09-9999.

    Source: Social Security Administration: no area 000, 666 or 900 and above, no group 00, no
    serial 0000.

    >>> us_ssn("219099998"), us_ssn("666099998")
    (True, False)
    """
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def _weighted(digits: str, weights: range | tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _born(yymmdd: str, century: str | None = None) -> bool:
    try:
        # A leap year where the century is not known: 29 February passes.
        day = date(int((century or "20") + yymmdd[:2]), int(yymmdd[2:4]), int(yymmdd[4:]))
    except ValueError:
        return century is None and yymmdd[2:] == "0229"
    return century is None or 1900 <= day.year <= date.max.year


class Number:
    """One kind: its written shape, the check of its digits, its replacement, words that name it."""

    def __init__(
        self, shape: str, valid: Callable[[str], bool], replacement: str, names: str | None = None
    ) -> None:
        self.hint = shape if names is None else f"(?:{names}).{{0,12}}{shape}"
        self.replacement = replacement
        self._valid = valid
        self._named = re.compile(f"(?i:{names})[^0-9]{{0,12}}$") if names else None
        self._shape = re.compile(_BEFORE + shape + _AFTER)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Return start and end of each number, in characters."""
        return [
            match.span()
            for match in self._shape.finditer(text)
            if self._is_one(re.sub(r"[^0-9Xx]", "", match.group()))
            and (
                self._named is None
                or self._named.search(text, max(0, match.start() - 40), match.start())
            )
        ]

    def _is_one(self, digits: str) -> bool:
        return len(set(digits)) > 1 and self._valid(digits)


#: Every kind by its name in profiles: country (ISO 3166) and number.
NATIONAL_IDS: dict[str, Number] = {
    "kz_iin": Number(r"[0-9]{12}", kz_iin, "000000000000"),
    "ru_snils": Number(r"[0-9]{3}-[0-9]{3}-[0-9]{3}[ -][0-9]{2}", ru_snils, "000-000-000 00"),
    "ru_inn": Number(r"[0-9]{12}", ru_inn, "000000000000"),
    "tr_identity": Number(r"[1-9][0-9]{10}", tr_identity, "00000000000"),
    "kr_resident": Number(r"[0-9]{6}-[0-9]{7}", kr_resident, "000000-0000000"),
    "jp_my_number": Number(
        r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}", jp_my_number, "000000000000", "マイナンバー|個人番号"
    ),
    "cn_resident": Number(r"[1-8][0-9]{16}[0-9Xx]", cn_resident, "000000000000000000"),
    "sa_national": Number(r"[12][0-9]{9}", luhn, "0000000000", "الهوية|هوية|الإقامة|إقامة"),
    "ae_emirates": Number(r"784-[0-9]{4}-[0-9]{7}-[0-9]", luhn, "784-0000-0000000-0"),
    "eg_national": Number(r"[23][0-9]{13}", eg_national, "00000000000000"),
    "us_ssn": Number(r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}", us_ssn, "000-00-0000"),
}
