"""Standardize texts by a profile: the fixes of the language, then masks for personal data."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from curate.kernels.arrow import replace_rows
from curate.protocol.span_offsets import Span
from curate.protocol.tallies import FIX, MASK, tally_key
from curate.recipe.profile import StandardizeSection
from curate.text import fixes, named_steps, pii
from curate.text.mojibake import normalize

#: One fix may reveal what another one fixes; the second round settles nearly all.
ROUNDS = 4


def standardize(
    texts: pa.LargeStringArray, section: StandardizeSection
) -> tuple[pa.LargeStringArray, Counter[str]]:
    r"""Apply the named fixes in order, then mask the named kinds of personal data.

    Changed texts are in NFC again, and standardizing once more changes nothing. Empty texts stay
    empty, nulls null.

    Counts: ``fix:<name>`` texts that a fix changed, ``mask:<kind>`` occurrences masked.

    >>> section = StandardizeSection(fixes=("soft_hyphens",), mask=("email",))
    >>> texts = pa.array(["Re\u00adply to ann@curate.dev."], pa.large_string())
    >>> done, tally = standardize(texts, section)
    >>> done.to_pylist(), dict(tally)
    (['Reply to email@example.com.'], {'fix:soft_hyphens': 1, 'mask:email': 1})
    """
    done, _, tally = standardize_with_spans(texts, section)
    return done, tally


def standardize_with_spans(
    texts: pa.LargeStringArray, section: StandardizeSection
) -> tuple[pa.LargeStringArray, dict[int, list[Span]], Counter[str]]:
    """Standardize, and also return the places of the masks in the new texts.

    Returns the texts, the spans (in bytes, in order) of each row in which something was masked, and
    the counts.
    """
    check_names(section)
    tally: Counter[str] = Counter()
    names = fixes.applicable(section.fixes, section.lang)
    if not (names or section.mask) or not len(texts):
        return texts, {}, tally
    wanted = [*fixes.hinted(texts, names).values()] if names else []
    wanted += pii.hinted(texts, section.mask).values()
    rows = np.unique(np.concatenate(wanted))
    before = [texts[row].as_py() for row in rows.tolist()]
    fixed = _fixed(list(before), names, section.lang, tally)
    after, masks = _masked(fixed, section.mask)
    tally.update(tally_key(MASK, mask.kind) for found in masks.values() for mask in found)
    differs = np.array([new != old for old, new in zip(before, after)], bool)
    changed = [new for old, new in zip(before, after) if new != old]
    spans = {int(rows[number]): _in_bytes(after[number], found) for number, found in masks.items()}
    return replace_rows(texts, rows[differs], pa.array(changed, pa.large_string())), spans, +tally


def check_names(section: StandardizeSection, *, where: str | None = None) -> None:
    """Raise RecipeError for a fix or a mask that does not exist."""
    named_steps.check_names("fix", section.fixes, fixes.FIXES, where=where)
    named_steps.check_names("kind of personal data", section.mask, pii.KINDS, where=where)


def _fixed(texts: list[str], names: tuple[str, ...], lang: str, tally: Counter[str]) -> list[str]:
    """Apply fixes in order, each to the texts that its hint matches, until nothing changes."""
    applied: set[tuple[str, int]] = set()
    todo = np.arange(len(texts))
    for _ in range(ROUNDS):
        before = [texts[number] for number in todo]
        hinted = fixes.hinted(pa.array(before, pa.large_string()), names)
        for name in names:
            for place in hinted[name].tolist():
                number = int(todo[place])
                known = (lang,) if name in fixes.LABELLED else ()
                fixed = fixes.FIXES[name](texts[number], *known)
                if fixed != texts[number]:
                    applied.add((name, number))
                    texts[number] = fixed
        todo = todo[[texts[number] != old for number, old in zip(todo, before)]]
        if not len(todo):
            break
        for number in todo.tolist():
            texts[number] = normalize(texts[number])
    tally.update(tally_key(FIX, name) for name, _ in applied)
    return texts


def _masked(
    texts: list[str], kinds: tuple[str, ...]
) -> tuple[list[str], dict[int, list[pii.Mask]]]:
    masks: dict[int, list[pii.Mask]] = {}
    for kind in kinds:
        for number in pii.hinted(pa.array(texts, pa.large_string()), (kind,))[kind].tolist():
            texts[number], found = pii.mask(texts[number], kind, masks.get(number, ()))
            if found:
                masks[number] = found
    return texts, masks


def _in_bytes(text: str, masks: list[pii.Mask]) -> list[Span]:
    spans: list[Span] = []
    chars = size = 0
    for start, end, kind in masks:
        first = size + len(text[chars:start].encode())
        size = first + len(text[start:end].encode())
        chars = end
        spans.append((first, size, kind))
    return spans
