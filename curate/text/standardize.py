"""Standardizes texts as a profile says: the language's fixes, then masks for personal data."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError, nearest
from curate.profile import Standardize
from curate.text import fixes, pii
from curate.text.mend import normalize

#: One fix may bring out what another one fixes; the second round settles nearly all.
ROUNDS = 4


def standardize(
    texts: pa.LargeStringArray, wanted: Standardize
) -> tuple[pa.LargeStringArray, Counter[str]]:
    r"""Apply the named fixes in order, then mask the named kinds of personal data.

    What the fixes changed is in NFC again, and stays as it is when standardized once more. Empty
    texts stay empty, nulls null.

    Counts: ``fix:<name>`` texts that a fix changed, ``mask:<kind>`` occurrences masked.

    >>> wanted = Standardize(fixes=("soft_hyphens",), mask=("email",))
    >>> done, tally = standardize(pa.array(["Re\u00adply to ann@curate.dev."], pa.large_string()), wanted)
    >>> done.to_pylist(), dict(tally)
    (['Reply to email@example.com.'], {'fix:soft_hyphens': 1, 'mask:email': 1})
    """
    check_names(wanted)
    tally: Counter[str] = Counter()
    patterns = [fixes.hints()[name] for name in wanted.fixes]
    patterns += [pii.HINTS[kind] for kind in wanted.mask]
    if not patterns or not len(texts):
        return texts, tally
    hinted = pc.match_substring_regex(texts, "|".join(f"(?:{one})" for one in patterns))
    rows = np.flatnonzero(pc.fill_null(hinted, False).to_numpy(zero_copy_only=False))
    take = np.arange(len(texts))
    changed: list[str] = []
    for row in rows.tolist():
        text = texts[row].as_py()
        better = _masked(_fixed(text, wanted.fixes, tally), wanted.mask, tally)
        if better != text:
            take[row] = len(texts) + len(changed)
            changed.append(better)
    if not changed:
        return texts, tally
    both = pa.concat_arrays([texts, pa.array(changed, pa.large_string())])
    return both.take(pa.array(take)), tally


def check_names(wanted: Standardize, *, where: str | None = None) -> None:
    """Refuse names of fixes and masks that do not exist."""
    for names, known, what in (
        (wanted.fixes, fixes.FIXES, "fix"),
        (wanted.mask, pii.MASKS, "kind of personal data"),
    ):
        for name in names:
            if name not in known:
                raise RecipeError(f"no {what} '{name}'", where=where, hint=nearest(name, known))


def _fixed(text: str, names: tuple[str, ...], tally: Counter[str]) -> str:
    applied: set[str] = set()
    for _ in range(ROUNDS):
        before = text
        for name in names:
            fixed = fixes.FIXES[name](text)
            if fixed != text:
                applied.add(name)
                text = fixed
        if text == before:
            break
        text = normalize(text)
    tally.update(f"fix:{name}" for name in applied)
    return text


def _masked(text: str, kinds: tuple[str, ...], tally: Counter[str]) -> str:
    for kind in kinds:
        text, found = pii.MASKS[kind](text)
        if found:
            tally[f"mask:{kind}"] += found
    return text
