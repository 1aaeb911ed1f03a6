"""Fix one line as ftfy does, but in a bounded number of passes.

The judgement is ftfy's (Robyn Speer, 2012-2024): its badness pattern runs as the automaton of the
scan; its character tables, its sloppy codecs and its byte fixes are called as installed, in the
same order. Tests compare both on real mojibake and generated strings. What differs is the control
flow. ftfy loops until nothing changes, and a line can be built so that each pass changes one
letter: "Ã" followed by n times "ƒ" takes n passes over n letters, and so does "&amp;amp;amp; ...".
Crawled text is untrusted input, so passes are counted here, and runs of combining marks are cut
before normalization, which sorts them in quadratic time.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from ftfy import fixes
from ftfy.chardata import (
    ALTERED_UTF8_RE,
    C1_CONTROL_RE,
    CHARMAP_ENCODINGS,
    CONTROL_CHARS,
    UTF8_DETECTOR_RE,
    possible_encoding,
)

from curate.text.mojibake_scan import LONGEST_LINE, MARK_RUN, is_bad, marks_and_controls, tables

#: How many times each character of a line may be processed. Real mojibake was misread once or
#: twice, very seldom three times.
PASSES = 12

# What ftfy's remove_control_chars removes, as a pattern: str.translate is slow beyond ASCII.
_CONTROLS = re.compile("[" + re.escape("".join(map(chr, CONTROL_CHARS))) + "]")

# ftfy's decoder copies the rest of its input at each surrogate pair, so it gets pieces. A piece
# ends before a byte that starts a character and is not the second half of a pair.
_PIECES = re.compile(rb"(?s:.{1,4096})(?:[\x80-\xbf]|\xed[\xb0-\xbf])*")


def fix_line(line: str, *, unescape: bool = True) -> str:
    """Undo mojibake, entities and terminal escapes in one line, and return it in NFC.

    An empty line stays empty. ``unescape=False`` keeps HTML entities: ftfy does so from the first
    ``<`` of a text on, because the text is markup itself.

    The options are those of FineWeb2 (datatrove's FTFYFormatter): quotes, ligatures, character
    widths and line breaks keep their form. Wrong on text that quotes mojibake on purpose, and on
    tables of accented capitals beside symbols.

    >>> fix_line("Р”РѕР±СЂРѕ РїРѕР¶Р°Р»РѕРІР°С‚СЊ &hellip; “ﬁn”")
    'Добро пожаловать … “ﬁn”'
    """
    if len(line) > LONGEST_LINE:
        cuts = range(0, len(line), LONGEST_LINE)
        pieces = [fix_line(line[at : at + LONGEST_LINE], unescape=unescape) for at in cuts]
        return normalize("".join(pieces))
    line = cut_mark_runs(line)
    unescape = unescape and "<" not in line
    budget = _Budget(PASSES * len(line))
    while budget.affords(line):
        before = line
        if unescape:
            line = fixes.unescape_html(line)
        line = _undo_misreadings(line, budget)
        if marks_and_controls(line)[1]:
            line = fixes.remove_terminal_escapes(fixes.fix_c1_controls(line))
            line = _CONTROLS.sub("", line)
        line = normalize(line)
        if line == before:
            break
    return line


def normalize(line: str) -> str:
    """Return a line in NFC, with runs of combining marks cut to a length that sorts quickly.

    Idempotent: some marks become two, so a run that grew is cut again, and a part of a text in NFC
    is in NFC.

    >>> normalize("e\u0301") == "\u00e9", len(normalize("a" + "\u0316" * 10_000))
    (True, 31)
    """
    cut = cut_mark_runs(line)
    composed = unicodedata.normalize("NFC", cut)
    return composed if composed == cut else cut_mark_runs(composed)


def cut_mark_runs(line: str) -> str:
    """Cut each run of more than 30 combining marks to its first 30.

    Python's normalizer sorts a run by insertion: 320 kB of marks took 13 s. No script stacks more;
    30 is the limit of UAX #15 for stream-safe text.

    >>> len(cut_mark_runs("e" + "\u0301" * 100))
    31
    """
    if len(line) <= MARK_RUN or line.isascii() or not marks_and_controls(line)[0]:
        return line
    return _mark_flood().sub(r"\1", line)


@lru_cache(maxsize=1)
def _mark_flood() -> re.Pattern[str]:
    marks = np.flatnonzero(tables().combining)
    runs = np.split(marks, np.flatnonzero(np.diff(marks) != 1) + 1)
    inside = "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in runs)
    return re.compile(f"([{inside}]{{{MARK_RUN}}})[{inside}]+")


@dataclass
class _Budget:
    """How many characters may still be processed."""

    left: int

    def affords(self, text: str) -> bool:
        """Subtract the length of a text, and return whether enough was left."""
        self.left -= len(text)
        return self.left >= 0


def _undo_misreadings(text: str, budget: _Budget) -> str:
    """Undo decodings with the wrong encoding, as many times as they happened."""
    while budget.affords(text):
        before = text
        text = _undo_one_misreading(text, budget)
        if text == before:
            break
    return text


def _undo_one_misreading(text: str, budget: _Budget) -> str:
    if text.isascii() or not is_bad(text):
        return text
    latin_1 = False
    for name in CHARMAP_ENCODINGS:
        if possible_encoding(text, name):
            decoded = _read_as_utf8(text.encode(name), name)
            if decoded is not None:
                return decoded
            latin_1 = latin_1 or name == "latin-1"

    def embedded(match: re.Match[str]) -> str:
        found = match.group()
        if len(found) < len(text) and is_bad(found):
            return _undo_misreadings(found, budget)
        return found

    parts: str = UTF8_DETECTOR_RE.sub(embedded, text)
    if parts != text:
        return parts
    if latin_1:
        # Latin-1 letters with C1 controls between them: it was Windows-1252.
        try:
            windows = text.encode("latin-1").decode("windows-1252")
        except UnicodeDecodeError:
            windows = text
        if windows != text:
            return windows
    return fixes.fix_c1_controls(text) if C1_CONTROL_RE.search(text) else text


def _read_as_utf8(data: bytes, encoding: str) -> str | None:
    """Read bytes as UTF-8, where no-break spaces may have become spaces and some bytes are lost."""
    if encoding != "macroman" and ALTERED_UTF8_RE.search(data):
        data = fixes.restore_byte_a0(data)
    if encoding.startswith("sloppy"):
        data = fixes.replace_lossy_sequences(data)
    try:
        if 0xED in data or 0xC0 in data:
            return "".join(piece.decode("utf-8-variants") for piece in _PIECES.findall(data))
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None
