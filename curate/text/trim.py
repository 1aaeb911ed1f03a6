r"""Remove lines that do not belong to the document: menus, notices, leftovers of scripts.

A rule takes the lines of all texts of a batch at once: it returns them with null for each removed
line, or with a part cut out. A profile names its rules, in order, with options. What a rule removes
is counted in lines and in bytes, so that a report shows what it costs.

Each rule is a compromise that its source chose for English web text. On poetry, dialogue, lists,
code and languages with short lines some of them remove what you want.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels.arrow import replace_rows
from curate.protocol.tallies import TRIMMED_BYTES, TRIMMED_LINES, tally_key
from curate.recipe.profile import TrimSection
from curate.text import named_steps, trim_scan

#: Marks that end a sentence, in every script with its own, and what may close after them.
TERMINAL = ".!?…。．！？｡؟۔।॥։።፧፨៕។༎"
CLOSING = "\"'”’»›」』）)]】〉》"

#: Notices that C4 removes, and their equivalents in other languages (lower case).
POLICY_PHRASES = (
    *("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies"),
    *("use cookies", "политика конфиденциальности", "использует cookie", "использует файлы cookie"),
    *("құпиялылық саясаты", "gizlilik politikası", "çerez politikası", "سياسة الخصوصية"),
    *("ملفات تعريف الارتباط", "プライバシーポリシー", "개인정보처리방침", "隐私政策", "隱私政策"),
)

#: A cut within a line may reveal what another rule removes; so there are rounds, but few.
ROUNDS = 4

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"


def trim(
    texts: pa.LargeStringArray, section: TrimSection
) -> tuple[pa.LargeStringArray, Counter[str]]:
    r"""Apply line rules to texts, in order.

    A text of which no line is left becomes the empty text. Blank lines are kept between the lines
    that stay, at most two in a row, and none at the ends of a text that lost a line. Nulls stay.

    Counts: ``lines:<rule>`` lines removed or changed, ``bytes:<rule>`` bytes removed with them.

    >>> page = "Home | News | About\nThe river rose in May.[1]\nThis site uses cookies."
    >>> section = TrimSection(rules=("navigation_lines", "cookie_policy_lines", "citation_marks"))
    >>> done, tally = trim(pa.array([page], pa.large_string()), section)
    >>> done.to_pylist(), tally["lines:navigation_lines"], tally["bytes:citation_marks"]
    (['The river rose in May.'], 1, 3)
    """
    check_names(section)
    tally: Counter[str] = Counter()
    if not section.rules:
        return texts, tally
    if any(_hint(rule, section) is None for rule in section.rules):
        rows = np.arange(len(texts))
    else:
        signs = sum(trim_scan.RULES[rule] for rule in set(section.rules))
        rows = np.flatnonzero(trim_scan.scan(texts) & signs)
        if not len(rows):
            return texts, tally
    trimmed = texts
    for _ in range(ROUNDS):
        part = trimmed.take(pa.array(rows)) if len(rows) < len(texts) else trimmed
        touched, better, cut = _trim_once(part, section, tally)
        trimmed = replace_rows(trimmed, rows[touched], better)
        rows = rows[cut]
        if not len(rows):
            break
    return trimmed, tally


def _trim_once(
    texts: pa.LargeStringArray, section: TrimSection, tally: Counter[str]
) -> tuple[np.ndarray, pa.LargeStringArray, np.ndarray]:
    """Apply the rules; return the rows that changed, their texts, and which have a cut line.

    A rule may now match a cut line.
    """
    cut_texts = np.zeros(len(texts), bool)
    split = pc.split_pattern(texts, "\n")
    before: pa.LargeStringArray = split.flatten()
    counts = pc.fill_null(pc.list_value_length(split), 0).to_numpy()
    text_of = np.repeat(np.arange(len(texts)), counts)
    blank = pc.equal(pc.binary_length(before), 0).to_numpy(zero_copy_only=False)
    left = ~blank
    lines = before
    touched = np.zeros(len(texts), bool)
    signs = trim_scan.scan(before)
    for rule in section.rules:
        rows = np.flatnonzero(left)
        if (hint := _hint(rule, section)) is not None:
            # Rules are slow on long lines, and few lines are theirs.
            rows = np.flatnonzero(left & (signs & trim_scan.RULES[rule] > 0))
            if not len(rows):
                continue
            rows = rows[_matches(lines.take(pa.array(rows)), hint)]
            if not len(rows):
                continue
        old: pa.LargeStringArray = lines.take(pa.array(rows))
        new: pa.LargeStringArray = RULES[rule](old, **section.options.get(rule, {}))
        differs = ~pc.fill_null(pc.equal(old, new), False).to_numpy(zero_copy_only=False)
        if not differs.any():
            continue
        stays = pc.is_valid(new).to_numpy(zero_copy_only=False)
        lost = pc.subtract(_bytes(old), _bytes(new)).as_py()
        tally[tally_key(TRIMMED_LINES, rule)] += int(differs.sum())
        tally[tally_key(TRIMMED_BYTES, rule)] += lost
        touched[text_of[rows[differs]]] = True
        cut_texts[text_of[rows[differs & stays]]] = True
        left[rows] = stays
        lines = replace_rows(lines, rows, pc.fill_null(new, ""))
        signs[rows[differs]] = trim_scan.scan(lines.take(pa.array(rows[differs])))
    changed = np.flatnonzero(touched)
    return changed, _joined(changed, lines, left | blank, counts), cut_texts


def _hint(rule: str, section: TrimSection) -> str | None:
    return None if rule in section.options else HINTS.get(rule)


def _matches(texts: pa.LargeStringArray, pattern: str) -> np.ndarray:
    matched = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
    return np.asarray(matched)


def _bytes(lines: pa.LargeStringArray) -> pa.Scalar:
    return pc.fill_null(pc.sum(pc.binary_length(lines)), 0)


def check_names(section: TrimSection, *, where: str | None = None) -> None:
    """Raise RecipeError for a rule that does not exist, or an option that it does not have."""
    options = section.options
    named_steps.check_names("line rule", section.rules, RULES, options=options, where=where)


def _joined(
    rows: np.ndarray, lines: pa.LargeStringArray, kept: np.ndarray, counts: np.ndarray
) -> pa.LargeStringArray:
    """Join the kept lines of some texts."""
    ends = np.cumsum(counts)
    rebuilt: list[str] = []
    for row in rows.tolist():
        first, last = int(ends[row] - counts[row]), int(ends[row])
        text = "\n".join(lines[first:last].filter(pa.array(kept[first:last])).to_pylist())
        rebuilt.append(_BLANK_RUN.sub("\n\n\n", text).strip("\n"))
    return pa.array(rebuilt, pa.large_string())


_BLANK_RUN = re.compile("\n{4,}")


def _without(lines: pa.LargeStringArray, removed: pa.BooleanArray) -> pa.LargeStringArray:
    return pc.if_else(removed, pa.scalar(None, pa.large_string()), lines)


def pipe_lines(
    lines: pa.LargeStringArray, *, min_pipes: int = 2, max_item_chars: int = 60
) -> pa.LargeStringArray:
    """Remove lines of short items between vertical bars: menus, footers, rows of tables.

    There must be two bars, and no item longer than ``max_item_chars``, because crawls have whole
    documents in one line, with a menu somewhere in it. Our own rule, from what WET files contain.
    Wrong for Markdown tables and for shell commands.

    >>> pipe_lines(pa.array(["Home | News | About", "a | b"], pa.large_string())).to_pylist()
    [None, 'a | b']
    """
    item = rf"[^|｜]{{0,{max_item_chars}}}"
    menu = f"^{item}(?:[|｜]{item}){{{min_pipes},}}$"
    return _without(lines, pc.match_substring_regex(lines, menu))


def javascript_lines(lines: pa.LargeStringArray) -> pa.LargeStringArray:
    """Remove lines with the word JavaScript: notices that it must be enabled.

    C4 (Raffel et al. 2020, section 2.2). Wrong for texts about programming: a profile for code or
    for technical writing omits this rule.

    >>> lines = pa.array(["Please enable JavaScript.", "Java"], pa.large_string())
    >>> javascript_lines(lines).to_pylist()
    [None, 'Java']
    """
    return _without(lines, pc.match_substring(lines, "javascript", ignore_case=True))


def cookie_policy_lines(
    lines: pa.LargeStringArray, *, phrases: list[str] | tuple[str, ...] = POLICY_PHRASES
) -> pa.LargeStringArray:
    """Remove lines with a notice about cookies, privacy or terms of use.

    The English phrases are C4's (in its code, not in the paper); those of other languages are ours.
    ``phrases`` replaces the list. Wrong for articles about privacy law.

    >>> lines = pa.array(["We use cookies.", "Bake cookies."], pa.large_string())
    >>> cookie_policy_lines(lines).to_pylist()
    [None, 'Bake cookies.']
    """
    if not phrases:
        return lines
    pattern = "|".join(re.escape(phrase) for phrase in phrases)
    return _without(lines, pc.match_substring_regex(lines, pattern, ignore_case=True))


def citation_marks(lines: pa.LargeStringArray) -> pa.LargeStringArray:
    """Cut the marks that Wikipedia leaves in a copied text: [1], [], [edit], [citation needed].

    C4's code. A line of only marks is removed. Wrong for code (``a[1]``), for mathematics and for
    editions that number their lines in this way.

    >>> citation_marks(pa.array(["Rice is grown.[2][13]", "[edit]"], pa.large_string())).to_pylist()
    ['Rice is grown.', None]
    """
    cut = pc.replace_substring_regex(lines, r"\[\d*\]|\[edit\]|\[citation needed\]", "")
    cut = pc.if_else(pc.equal(cut, lines), lines, pc.utf8_rtrim_whitespace(cut))
    return _without(cut, pc.and_(pc.equal(pc.binary_length(cut), 0), pc.not_equal(cut, lines)))


def navigation_lines(
    lines: pa.LargeStringArray, *, max_item_chars: int = 40, min_separators: int = 2
) -> pa.LargeStringArray:
    """Remove menus and breadcrumbs: short items with separators between, not a sentence.

    Separators are | › » > / • · → with a space on both sides (or at the line's end, as in "Older
    posts »"); there must be two of them, no item longer than ``max_item_chars``, and no full stop,
    question or exclamation mark at the end. A line of one short item before or after a guillemet or
    an arrow ("« Previous", "Next →") is also removed. Our own rule, from what WET files contain.

    Wrong for lines of verse with slashes between, and for fractions spelt with spaces.

    >>> lines = ["Home » Blog » 2024", "Next »", "A river / a road", "He said »no«. She left."]
    >>> navigation_lines(pa.array(lines, pa.large_string())).to_pylist()
    [None, None, 'A river / a road', 'He said »no«. She left.']
    """
    mark = r"[|｜›»>/•·→]"
    item = rf"[^|｜›»>•·→]{{0,{max_item_chars}}}"
    menu = rf"^\s*{item}(?:(?:^|\s){mark}(?:\s{item}|$)){{{min_separators},}}\s*$"
    step = rf"^\s*(?:[«‹←]\s*{item}|{item}\s[»›→])\s*$"
    ended = pc.match_substring_regex(lines, rf"[{TERMINAL}]\s*$")
    matched = pc.or_(pc.match_substring_regex(lines, menu), pc.match_substring_regex(lines, step))
    quoted = pc.match_substring_regex(lines, r"«[^«»]*»|»[^«»]*«|‹[^‹›]*›|›[^‹›]*‹")
    return _without(lines, pc.and_(pc.and_not(matched, ended), pc.invert(quoted)))


def terminal_punctuation_lines(
    lines: pa.LargeStringArray, *, marks: str = TERMINAL
) -> pa.LargeStringArray:
    """Keep only lines that end in a mark that ends a sentence, closing quotes and brackets aside.

    C4 (Raffel et al. 2020): . ! ? or a quotation mark, and not "..."; here with the marks of other
    scripts, and with "…". It removed more of C4 than any other rule, and later pipelines omit it
    (FineWeb measures instead). Wrong for headings, lists, verse, chat, and for Korean and Thai,
    whose web text mostly has no such marks.

    >>> rows = ["Ол келді.", "Бас бет", "なぜ？」", "more..."]
    >>> terminal_punctuation_lines(pa.array(rows, pa.large_string())).to_pylist()
    ['Ол келді.', None, 'なぜ？」', None]
    """
    bare = pc.utf8_rtrim(pc.utf8_rtrim_whitespace(lines), CLOSING)
    ends = pc.match_substring_regex(bare, f"[{re.escape(marks)}]$")
    quote = pc.match_substring_regex(lines, "[\"'”’»」』]\\s*$")
    removed = pc.or_(
        pc.invert(pc.or_(ends, quote)), pc.ends_with(pc.utf8_rtrim_whitespace(lines), "...")
    )
    return _without(lines, removed)


def few_words_lines(lines: pa.LargeStringArray, *, min_words: int = 5) -> pa.LargeStringArray:
    """Remove lines of fewer than five words; in scripts without spaces each character is a word.

    C4 (Raffel et al. 2020); datatrove's version requires three. Wrong for headings, dialogue, verse
    and lists, and stricter for languages that put much into one word (Kazakh, Turkish, Korean).

    >>> lines = pa.array(["Read more", "It rained all day again"], pa.large_string())
    >>> few_words_lines(lines).to_pylist()
    [None, 'It rained all day again']
    """
    words = pc.count_substring_regex(lines, rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
    return _without(lines, pc.less(words, min_words))


#: Every line rule by its name in profiles.
RULES: Mapping[str, Callable[..., Any]] = {
    rule.__name__: rule
    for rule in (
        *(pipe_lines, javascript_lines, cookie_policy_lines, citation_marks, navigation_lines),
        *(terminal_punctuation_lines, few_words_lines),
    )
}

#: For rules that few texts need, a pattern (RE2) that matches every line they could change, and
#: every text with such a line; `trim_scan` finds the lines that they could match.
HINTS = {
    "pipe_lines": "[|｜]",
    "javascript_lines": "(?i:javascript)",
    "cookie_policy_lines": f"(?i:{'|'.join(re.escape(phrase) for phrase in POLICY_PHRASES)})",
    "citation_marks": r"\[(?:\d*|edit|citation needed)\]",
    "navigation_lines": r"(?:^|\s)[|｜›»>/•·→](?:\s|$)|(?m:^)\s*[«‹←]",
}
