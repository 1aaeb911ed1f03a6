"""Write classes.npz: what the regular expressions of byte-pair tokenizers call a letter, a mark, a space.

The tables of Python and of the tokenizers' regex engine are of different Unicode versions, and a
tokenizer is what its engine does. So each class is asked of the engine itself: tiktoken encodes only
what its pattern matches. Run: ``python -m curate.tokens._generate_classes``
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tiktoken

from curate.tokens import pattern

_ASKED = {
    pattern.RAISED: r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
    pattern.LOWERED: r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
    pattern.LETTER: r"\p{L}",
    pattern.NUMBER: r"\p{N}",
    pattern.SPACE: r"\s",
    pattern.NEWLINE: r"[\r\n]",
    pattern.SLASH: "/",
}


def classes() -> np.ndarray:
    """Ask for each class over all code points that can stand in a text."""
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    found = np.zeros(0x110000, np.uint8)
    for bit, asked in _ASKED.items():
        ranks = {bytes([byte]): byte for byte in range(256)}
        engine = tiktoken.Encoding("probe", pat_str=asked, mergeable_ranks=ranks, special_tokens={})
        matched = bytes(engine.encode_ordinary(every)).decode()
        found[np.frombuffer(matched.encode("utf-32-le"), np.uint32)] |= bit
    return found


if __name__ == "__main__":
    np.savez_compressed(Path(__file__).with_name("classes.npz"), classes=classes())
