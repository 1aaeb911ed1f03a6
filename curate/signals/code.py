"""RedPajama's rules for source code, as llm-jp-corpus v1 applies them to The Stack."""

from __future__ import annotations

from curate.signals.formula import Floats, Integers, ratio


def longest_line(longest_line_chars: Integers) -> Integers:
    """Characters of the longest line; 0 for the empty text.

    Why: minified scripts and embedded data have lines that are not meant to be read.
    Wrong: prose with one paragraph per line.
    Source: RedPajama, at most 1,000 for code.
    """
    return longest_line_chars


def mean_line_length(n_chars: Integers, newlines: Integers, lines: Integers) -> Floats:
    """Mean number of characters of a line, blank ones too; undefined without lines.

    Why: generated code and data files have long lines throughout.
    Wrong: prose with one paragraph per line.
    Source: RedPajama, at most 100 for code.

    >>> import numpy as np
    >>> mean_line_length(np.array([11]), np.array([1]), np.array([2]))
    array([5.])
    """
    return ratio(n_chars - newlines, lines)


def alphanumeric_share(letters: Integers, digits: Integers, n_chars: Integers) -> Floats:
    """Letters and digits among all characters, whitespace too; undefined for the empty text.

    Why: data in symbols, drawings in characters.
    Wrong: deeply indented code is mostly spaces.
    Source: RedPajama, at least 0.25 for code.
    """
    return ratio(letters + digits, n_chars)
