"""Where in a text the value of a failing rule comes from.

No signal is defined a second time here: the stage that measured the text measures it again without
each of its parts, and the parts whose absence helps are the place. So this works for every signal,
classifiers included, and costs at most `_PARTS` times the first measurement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from curate.protocol.stage import MapStage
from curate.protocol.tables import with_text
from curate.signals import column

#: First character, and the one behind the last.
Span: TypeAlias = tuple[int, int]

#: Parts that a text is cut into, places that a rule gets, and characters that are measured in all.
_PARTS, _PLACES, _MOST_CHARACTERS = 48, 3, 64_000_000

#: A part explains a rule if without it the signal is nearer to its limit by this share of the way.
_MATERIAL = 0.1

#: Where a text may be cut: after lines, else after sentences, else after words.
_ENDS = (re.compile(r"\n+"), re.compile(r"(?<=[.!?…。！？؟।])\s*"), re.compile(r"\s+"))

#: A text of fewer pieces than this is cut finer.
_FEW = 3


def parts_of(text: str, most: int = _PARTS) -> list[list[Span]]:
    r"""Cut a text into at most ``most`` parts: lines, else sentences, else words.

    Equal pieces are one part, so that a part has several spans; neighbours are joined where there
    are too many. All spans together are the text.

    >>> parts_of("Home\nNews\nHome\n")
    [[(0, 5), (10, 15)], [(5, 10)]]
    >>> parts_of("One. Two. Three.")
    [[(0, 5)], [(5, 10)], [(10, 16)]]
    """
    for ends in _ENDS:
        cuts = [0, *(end.end() for end in ends.finditer(text) if 0 < end.end() < len(text))]
        if len(cuts) >= _FEW:
            break
    equal: dict[str, list[Span]] = {}
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        equal.setdefault(text[start:end].strip(), []).append((start, end))
    parts = list(equal.values())
    if len(parts) <= most:
        return parts
    repeated = [spans for spans in parts if len(spans) > 1]
    repeated.sort(key=lambda spans: -sum(end - start for start, end in spans))
    repeated = repeated[: most // 2]
    taken = {span for spans in repeated for span in spans}
    single = sorted(span for spans in parts for span in spans if span not in taken)
    n = most - len(repeated)
    groups = [single[at * len(single) // n : (at + 1) * len(single) // n] for at in range(n)]
    return sorted([*repeated, *(group for group in groups if group)])


def places(
    measured_by: Mapping[str, MapStage], document: pa.Table, rules: Sequence[Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Return for each rule that fails the parts of the text that explain it.

    Parameters
    ----------
    measured_by : mapping
        The stage that measured each signal, by the signal's column.
    document : pyarrow.Table
        One row of the Document table, measured. A conversation has no places.
    rules : sequence of mapping
        The rules that fail, with ``rule``, ``signal``, ``value``, ``min`` and ``max``.

    Returns
    -------
    dict
        By rule at most three places in the order of the text: ``spans`` in characters, and
        ``without``, the signal of the text without them. The list is empty where the value comes
        from all of the text; rules that no part brings nearer to their limit (a text that is too
        short) are left out.
    """
    text = document.column("text")[0].as_py() or ""
    most = min(_PARTS, _MOST_CHARACTERS // max(1, len(text)))
    if most < _FEW or document.column("messages")[0].is_valid:
        return {}
    asked = {rule["rule"]: rule for rule in rules if rule["value"] is not None}
    asked = {name: rule for name, rule in asked.items() if column(rule["signal"]) in measured_by}
    if not asked:
        return {}
    parts = parts_of(text, most)
    shorter = pa.array([_without(text, spans) for spans in parts], pa.large_string())
    rows = with_text(document.take(pa.array([0] * len(parts))), shorter)
    stages = {id(one): one for one in (measured_by[column(r["signal"])] for r in asked.values())}
    for stage in stages.values():
        rows = stage.apply(rows, Counter())
    found = {}
    for name, rule in asked.items():
        without = rows.column(column(rule["signal"])).to_pylist()
        above = rule["max"] is not None and rule["value"] > rule["max"]
        excess = rule["value"] - rule["max"] if above else rule["value"] - rule["min"]
        gains = [0.0 if value is None else (rule["value"] - value) / excess for value in without]
        best = sorted(range(len(parts)), key=lambda at: -gains[at])[:_PLACES]
        if gains[best[0]] > 0:
            found[name] = [
                {"spans": parts[at], "without": without[at]}
                for at in sorted(best)
                if gains[at] >= _MATERIAL
            ]
    return found


def _without(text: str, spans: Sequence[Span]) -> str:
    kept, last = [], 0
    for start, end in spans:
        kept.append(text[last:start])
        last = end
    return "".join([*kept, text[last:]])
