"""Repair what is wrong in any language: mojibake, Unicode form, controls and whitespace.

What a language needs besides (no-break spaces, homoglyphs, presentation forms) is in its profile:
see curate.text.fixes. Repair runs before language identification and does not depend on it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels.arrow import buffers, from_buffers, replace_rows
from curate.kernels.jit import kernel
from curate.kernels.utf8 import decode
from curate.protocol.tallies import REPAIR, tally_key
from curate.text import misreadings, mojibake_scan

#: ftfy is not idempotent on one adversarial text in a thousand; the second round settles nearly
#: all.
ROUNDS = 4
#: Rounds for texts that were misread twice.
MISREAD_ROUNDS = 3

#: How tidying altered a text: only spaces and newlines were removed, or anything else as well.
SPACES, OTHER = 1, 2


def repair(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, Counter[str]]:
    r"""Repair texts, and count them by kind of change.

    First, controls that stand between lines or words become a newline or a space
    (``separate``). Then in this order, until nothing changes, at most four times:

    0. Before the others: texts that were read in a wrong code page, where that is certain
       (``curate.text.misreadings``); and again where the others reveal that, at most three times.
    1. ftfy with FineWeb2's options (mojibake, HTML entities where the text is no markup, terminal
       escapes), line by line: quotes, ligatures and character widths stay.
    2. NFC. Runs of more than 30 combining marks are cut first.
    3. Controls, noncharacters, byte order marks and the like are removed.
    4. CR, CRLF and form feed become a newline; spaces and tabs at the end of lines are removed; at
       most two blank lines in a row stay, and none at the start or the end of the text.

    An empty text stays empty, null stays null. Only what the scan flags is decoded; if nothing is
    flagged the same array is returned.

    Counts: ``repair:changed`` texts in all, ``repair:code_page`` texts that step 0 changed,
    ``repair:letters`` texts that step 0, ftfy or NFC changed,
    ``repair:spacing`` texts that only steps 3 and 4 changed, and ``repair:unsettled`` texts
    that would change once more after four rounds.

    Where it goes wrong: see ``fix_line``. Trailing spaces mean something in Markdown, form feeds in
    a few old file formats.

    >>> done, tally = repair(pa.array(["schÃ¶n &amp; gut \r\n", "schön"], pa.large_string()))
    >>> done.to_pylist(), dict(tally)
    (['schön & gut', 'schön'], {'repair:changed': 1, 'repair:letters': 1})
    """
    if texts.null_count:
        filled, tally = repair(pc.fill_null(texts, ""))
        return pc.if_else(pc.is_valid(texts), filled, pa.scalar(None, pa.large_string())), tally
    done = _repaired(texts)
    misread = done.misread.copy()
    rows = np.flatnonzero(done.opened & done.doubts)
    for _ in range(MISREAD_ROUNDS):
        if len(rows):
            rows = rows[misreadings.mend(done.texts.take(pa.array(rows)))[1]]
        if not len(rows):
            break
        again = _repaired(done.texts.take(pa.array(rows)))
        done = done._replace(texts=replace_rows(done.texts, rows, again.texts))
        misread[rows] = done.letters[rows] = done.changed[rows] = True
        rows = rows[again.doubts]
    counts = {
        "code_page": misread.sum(),
        "changed": done.changed.sum(),
        "letters": done.letters.sum(),
        "spacing": (done.changed & ~done.letters).sum(),
        "unsettled": done.unsettled,
    }
    return done.texts, +Counter({tally_key(REPAIR, kind): int(n) for kind, n in counts.items()})


class _Repaired(NamedTuple):
    """Texts after one pass, and which of them it changed, by kind of change."""

    texts: pa.LargeStringArray
    misread: np.ndarray  #: were read in another code page
    changed: np.ndarray
    letters: np.ndarray  #: changed in more than spacing
    opened: np.ndarray  #: may look misread only now
    doubts: np.ndarray  #: look misread at the end
    unsettled: int  #: how many would change once more


def _repaired(texts: pa.LargeStringArray) -> _Repaired:
    scanned = mojibake_scan.scan(texts)
    texts, lettered = misreadings.mend(texts, np.flatnonzero(scanned.doubts))
    misread, changed, opened, unsettled = lettered.copy(), lettered.copy(), lettered.copy(), 0
    if lettered.any():
        scanned = _scanned_again(scanned, np.flatnonzero(lettered), texts)
    doubts = scanned.doubts
    if not scanned.texts.any():
        return _Repaired(texts, misread, changed, lettered, opened, doubts, unsettled)
    rows, work, flags = _flagged(np.arange(len(texts)), texts, scanned)
    rounds: list[tuple[np.ndarray, pa.LargeStringArray]] = [(np.arange(len(texts)), texts)]
    separated = _separated(work, flags.texts)
    if separated is not work:
        differs = rows[np.asarray(pc.not_equal(work, separated))]
        changed[differs] = opened[differs] = True
        rounds.append((rows, separated))
        scanned = mojibake_scan.scan(separated)
        doubts[rows] = scanned.doubts
        rows, work, flags = _flagged(rows, separated, scanned)
    for _ in range(ROUNDS):
        fixed, touched = _fix_lines(work, flags.lines)
        tidied, altered = _tidy(fixed)
        differs = touched | (altered > 0)
        lettered[rows[touched]] = True
        opened[rows[touched | (altered > SPACES)]] = True
        changed[rows[differs]] = True
        rounds.append((rows[differs], tidied.filter(pa.array(differs))))
        # Where ftfy saw nothing bad, removing spaces at the ends of lines reveals nothing new.
        bad = flags.texts & mojibake_scan.FIX_MOJIBAKE > 0
        open_again = touched | (altered > SPACES) | (differs & bad)
        left, composed = tidied.filter(pa.array(open_again)), altered[open_again] <= SPACES
        rows, scanned = rows[open_again], mojibake_scan.scan(left)
        doubts[rows] = scanned.doubts  # spaces at the ends of lines make none
        rows, work, flags = _flagged(rows, left, scanned, composed)
        if not len(rows):
            break
    else:
        again, touched = _fix_lines(work, flags.lines)
        unsettled = int((touched | (_tidy(again)[1] > 0)).sum())
    rows, work = rounds.pop()
    while rounds:  # each round's rows are some of the round before
        all_rows, all_work = rounds.pop()
        work = replace_rows(all_work, np.searchsorted(all_rows, rows), work)
        rows = all_rows
    return _Repaired(work, misread, changed, lettered, opened, doubts, unsettled)


def separate(text: str) -> str:
    r"""Turn the controls that separate lines and words into newlines and spaces.

    Vertical tabs and the separators of files, groups and records (U+001C to U+001E) are line ends,
    that of units (U+001F) is a space; removed, they would glue words together. U+0085 is a line end
    where every one in the text has a character behind it that is no space, and no other C1 control
    is there. Elsewhere it is the ellipsis of windows-1252, and ftfy restores that. U+0002 and
    U+FFFE at the end of a line are what PDF programs write for a hyphen that splits a word: they
    become the soft hyphen, and the fix ``soft_hyphens`` joins the word. BEL, which ends cells of
    Word's tables, and U+FFFC, which stands for an object, are spaces between words. Of letters that
    were typed over each other (``N\bN``, ``_\bN``) the last stays. Where U+0019 is an apostrophe,
    or U+001C and U+001D are quotation marks, a program has cut U+2019 and its like to one byte: all
    such signs are restored. Escape sequences of terminals (ECMA-48) are removed as a whole.

    >>> separate("one\vtwo\x1fthree\x85four"), separate("so\x85 then")
    ('one\ntwo three\nfour', 'so\x85 then')
    >>> separate("It\x19s \x1b]0;sh\x07done"), separate("N\bNA\bA"), separate("a cell\x07next")
    ('It’s done', 'NA', 'a cell next')
    """
    if "\x1b" in text and "\x1b$" not in text:  # that is ISO-2022
        text = _ESCAPE.sub("", text)
    if "\b" in text:
        text = _TYPED_OVER.sub("", text)
    if _ONE_BYTE_SIGN.search(text):
        text = text.translate(_ONE_BYTE_SIGNS)
    text = _BETWEEN_WORDS.sub(" ", text)
    text = _SPLIT_WORD.sub("\u00ad", text.translate(_SEPARATORS))
    if "\x85" in text and not _ELLIPSIS.search(text):
        text = text.replace("\x85", "\n")
    return text


_SEPARATORS = {0x0B: "\n", 0x1C: "\n", 0x1D: "\n", 0x1E: "\n", 0x1F: " "}
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[()][0AB]|[=>78])"
)
_TYPED_OVER = re.compile("[^\b\n]\b(?=[^\b\n])")
_ONE_BYTE_SIGN = re.compile(
    r"(?<=[^\W\d_])\x19(?=[^\W\d_])|(?<!\S)\x1c(?=\w)[^\x1c\x1d\n]*\x1d(?!\w)"
)
_ONE_BYTE_SIGNS = dict(zip((0x13, 0x14, 0x18, 0x19, 0x1C, 0x1D), "–—‘’“”"))
_BETWEEN_WORDS = re.compile(  # Chinese and Japanese words have nothing between them
    r"(?<=\w\w)\x07+(?=\w)|(?<=\w)\x07+(?=\w\w)|(?<=[^\W\u2e80-\uffff])\ufffc+(?=[^\W\u2e80-\uffff])"
)
_SPLIT_WORD = re.compile(r"(?<=[^\W\d_])[\x02\ufffe](?=\r?\n[^\W\d_])")
_ELLIPSIS = re.compile(r"\x85(?:[\s\x85]|$)|[\x80-\x84\x86-\x9f]")


#: Of texts that have what ``separate`` changes; RE2.
_SEPARATES = r"[\v\x02\x07\x08\x19\x1b-\x1f\x{85}\x{fffc}\x{fffe}]"


def _separated(texts: pa.LargeStringArray, flags: np.ndarray) -> pa.LargeStringArray:
    removed = mojibake_scan.FIX_MOJIBAKE | mojibake_scan.TIDY  # has what separates
    rows = np.flatnonzero(flags & removed == removed)
    if not len(rows):
        return texts
    found = pc.match_substring_regex(texts.take(pa.array(rows)), _SEPARATES)
    rows = rows[np.asarray(found)]
    if not len(rows):
        return texts
    parts = [separate(texts[row].as_py()) for row in rows.tolist()]
    done = replace_rows(texts, rows, pa.array(parts, pa.large_string()))
    return texts if done.equals(texts) else done


def _scanned_again(
    flags: mojibake_scan.Flags, rows: np.ndarray, texts: pa.LargeStringArray
) -> mojibake_scan.Flags:
    """Return the flags of texts of which some rows changed."""
    bits, lines, doubts = mojibake_scan.scan(texts.take(pa.array(rows)))
    flags.texts[rows], flags.doubts[rows] = bits, doubts
    lines[:, 0] = rows[lines[:, 0]]
    lines = np.concatenate([flags.lines[~np.isin(flags.lines[:, 0], rows)], lines])
    lines = lines[np.argsort(lines[:, 0], kind="stable")]
    return flags._replace(lines=lines)


def _flagged(
    rows: np.ndarray,
    texts: pa.LargeStringArray,
    scanned: mojibake_scan.Flags,
    composed: np.ndarray | None = None,
) -> tuple[np.ndarray, pa.LargeStringArray, mojibake_scan.Flags]:
    """Return the rows that the scan flags, their texts, and the flagged lines renumbered.

    ``composed`` marks texts that the previous round left in NFC: nothing needs normalizing in them.
    """
    bits, lines, doubts = scanned
    if composed is not None:
        bits[composed] &= ~np.uint8(mojibake_scan.NORMALIZE)
        lines = lines[(lines[:, 3] & mojibake_scan.FIX_MOJIBAKE > 0) | ~composed[lines[:, 0]]]
    kept = bits > 0
    lines[:, 0] = (np.cumsum(kept) - 1)[lines[:, 0]]
    return (
        rows[kept],
        texts.filter(pa.array(kept)),
        mojibake_scan.Flags(bits[kept], lines, doubts[kept]),
    )


def _fix_lines(
    texts: pa.LargeStringArray, lines: np.ndarray
) -> tuple[pa.LargeStringArray, np.ndarray]:
    """Fix the flagged lines; also return which texts changed."""
    touched = np.zeros(len(texts), bool)
    if not len(lines):
        return texts, touched
    from curate.text.mojibake import fix_line, normalize

    array, offsets = buffers(texts)
    data = memoryview(array.data)
    pieces: list[bytes | memoryview] = []
    growth = np.zeros(len(texts), np.int64)
    copied = 0
    text = -1
    for number, begin, end, bits in lines.tolist():
        if number != text:
            text, first, last = number, int(offsets[number]), int(offsets[number + 1])
            markup = bytes(data[first:last]).find(b"<")
            markup = last if markup < 0 else first + markup
        begin, end = first + begin, first + end
        line = str(data[begin:end], "utf-8")
        better = line if bits & mojibake_scan.FIX_MOJIBAKE else normalize(line)
        if bits & mojibake_scan.FIX_MOJIBAKE or (
            better != line and ("&" in better or mojibake_scan.is_bad(better))
        ):
            better = fix_line(better, unescape=end <= markup)
        if better != line:
            new = better.encode()
            pieces += [data[copied:begin], new]
            copied = end
            touched[text] = True
            growth[text] += len(new) - (end - begin)
    if not touched.any():
        return texts, touched
    pieces.append(data[copied : offsets[-1]])
    new_offsets = offsets - int(offsets[0])
    new_offsets[1:] += np.cumsum(growth)
    whole = pa.py_buffer(b"".join(pieces)).slice(int(offsets[0]))
    return from_buffers(whole, new_offsets), touched


def _tidy(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, np.ndarray]:
    """Remove controls and spare whitespace; also return for each text 0, SPACES or OTHER."""
    data, offsets = buffers(texts)
    out = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    new_offsets = np.zeros(len(texts) + 1, np.int64)
    changed = np.zeros(len(texts), np.uint8)
    size = _tidy_kernel(data, offsets, mojibake_scan.tables().entry, out, new_offsets, changed)
    if not changed.any():
        return texts, changed
    return from_buffers(out[:size], new_offsets), changed


@kernel
def _tidy_kernel(
    data: np.ndarray,
    offsets: np.ndarray,
    entry: np.ndarray,
    out: np.ndarray,
    new_offsets: np.ndarray,
    changed: np.ndarray,
) -> int:
    """Write each text without what ``repair`` removes; ``out`` has the size of the input."""
    w = 0
    for text in range(len(offsets) - 1):
        i, end = offsets[text], offsets[text + 1]
        start = w
        altered = 0
        after_return = False  # ignoring what is removed
        crowded = i  # before this place no block is plain
        while i < end:
            if i >= crowded and data[i] < 128:  # plain ASCII is copied in blocks
                first = i
                while i + 64 < end and mojibake_scan.plain(data, i, 64):
                    i += 64
                while i + 8 < end and mojibake_scan.plain(data, i, 8):
                    i += 8
                crowded = i + 8
                if i > first:
                    for k in range(i - first):  # numba takes two seconds to compile a slice
                        out[w + k] = data[first + k]
                    w += i - first
                    after_return = False
            code, length = decode(data, i)
            i += length
            if entry[code] & mojibake_scan.REMOVED:
                altered = OTHER
                continue
            if code != 10 and code != 12 and code != 13:
                out[w] = data[i - length]
                for k in range(1, length):
                    out[w + k] = data[i - length + k]
                w += length
                after_return = False
                continue
            if code != 10:
                altered = OTHER
            if after_return and code == 10:
                after_return = False
                continue
            after_return = code == 13
            while w > start and (out[w - 1] == 32 or out[w - 1] == 9):
                w -= 1
                altered = max(altered, SPACES)
            if w == start or (
                w - start >= 3 and out[w - 1] == 10 and out[w - 2] == 10 and out[w - 3] == 10
            ):
                altered = max(altered, SPACES)
                continue
            out[w] = 10
            w += 1
        while w > start and (out[w - 1] == 32 or out[w - 1] == 9 or out[w - 1] == 10):
            w -= 1
            altered = max(altered, SPACES)
        new_offsets[text + 1] = w
        changed[text] = altered
    return w
