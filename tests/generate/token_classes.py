"""Write ``curate/tokens/classes.npz``: letters, marks and spaces as the regex engine has them.

Python and the tokenizers' regex engine use different Unicode versions, and a tokenizer does what
its engine does. Each class is therefore read from the engine: tiktoken encodes only what its
pattern matches. Run: ``python -m tests.generate.token_classes``
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tiktoken

from curate.tokens import pattern

_PATTERNS = {
    pattern.RAISED: r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
    pattern.LOWERED: r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
    pattern.LETTER: r"\p{L}",
    pattern.NUMBER: r"\p{N}",
    pattern.SPACE: r"\s",
    pattern.NEWLINE: r"[\r\n]",
    pattern.SLASH: "/",
}


def classes() -> np.ndarray:
    """Match each class against all code points that can occur in a text."""
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    table = np.zeros(0x110000, np.uint8)
    for bit, regex in _PATTERNS.items():
        ranks = {bytes([byte]): byte for byte in range(256)}
        engine = tiktoken.Encoding("probe", pat_str=regex, mergeable_ranks=ranks, special_tokens={})
        matched = bytes(engine.encode_ordinary(every)).decode()
        table[np.frombuffer(matched.encode("utf-32-le"), np.uint32)] |= bit
    return table


if __name__ == "__main__":
    np.savez_compressed(Path(pattern.__file__).with_name("classes.npz"), classes=classes())
