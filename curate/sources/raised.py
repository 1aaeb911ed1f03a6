"""Numbers that stand above or below the line, as the superscripts and subscripts of Unicode.

Without them 10<sup>6</sup> becomes 106, and nobody sees that a number was changed.
"""

from __future__ import annotations

import re
from typing import Final

#: A number with a sign before or behind it, or a sign alone.
NUMBER: Final = "[-+\u2212\u2013]?[0-9]{1,9}[-+\u2212\u2013]?|[-+\u2212]"
_NUMBER: Final = re.compile(NUMBER)
_SIGNS: Final = "0123456789+-\u2212\u2013"
_RAISED: Final = str.maketrans(_SIGNS, "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻")
_LOWERED: Final = str.maketrans(_SIGNS, "₀₁₂₃₄₅₆₇₈₉₊₋₋₋")


def raised(text: str) -> str:
    """Return the text of a ``sup``: a number in superscript digits, other words as they are.

    >>> raised("6"), raised("-19"), raised("2+"), raised("th")
    ('⁶', '⁻¹⁹', '²⁺', 'th')
    """
    return text.translate(_RAISED) if _NUMBER.fullmatch(text) else text


def lowered(text: str, before: str, behind: str) -> str:
    """Return the text of a ``sub``: a number that touches another one in subscript digits.

    >>> lowered("2", "H", "O"), lowered("2", "g", "8"), lowered("2", "1", "")
    ('2', '₂', '₂')
    """
    touches = before.isdecimal() or behind.isdecimal()
    return text.translate(_LOWERED) if touches and _NUMBER.fullmatch(text) else text
