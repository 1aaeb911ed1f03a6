"""Check that every function on text is linear, on hostile text too. Run on demand, never in CI.

    python tests/benchmarks/text_scaling.py [--kilobytes 64 128 256 512]

Doubles the length of each generator's text and prints, per function, the worst ratio of times
between neighbouring sizes that two steps in a row reached, and the slowest throughput. A ratio of 2
is linear, 4 quadratic; above 2.6 the function is reported as too slow and the exit code is 1.
"""

import argparse
import itertools
import sys
import time

import pyarrow as pa

from curate.protocol.span_offsets import move_spans
from curate.recipe.profile import StandardizeSection
from curate.text.fixes import FIXES
from curate.text.pii import KINDS
from curate.text.repair import repair
from curate.text.standardize import standardize_with_spans
from curate.text.trim import RULES

LIMIT = 2.6
GENERATORS = {
    "spaces": " ", "newlines": "\n", "letter": "a",
    "letter dash": "a-", "letter dot": "a.", "letter at": "a@",
    "digits": "1", "digit dots": "1.", "hex colons": "2a:",
    "plus digits": "+7 ", "eight": "8 (", "IBAN": "KZ86125 ",
    "punctuation": "!?.", "brackets": "[", "citations": "[1",
    "pipes": "a | ", "arrows": "« ", "marks": "\u0316\u0301",
    "CJK": "漢字", "mixed scripts": "aЖ", "twins": "сo",
    "tatweel": "هـ", "joiners": "ک\u200c\u200b", "half-width": "ｶﾞﾞ",
    "shaped": "\ufe76\ufc5e", "no-break": "\xa0",
    "entities": "&#129;", "nested entities": "amp;", "misread": "Ãƒ",
    "misread tail": "ƒ", "misread nulls": "À\x80",
    "misread pairs": "í ½í¸", "escapes": "\x1b[1;", "returns": "\r\x00",
    "real": "The river Ертіс rose by 3 m in May [2],"
    " said A. Lee (ann@curate.dev, +7 727 250 11 22) | 河川\n",
}  # fmt: skip
#: Text before the repeated part: chains need a first link.
HEADS = {"misread tail": "Ã", "nested entities": "&"}


EVERYTHING = StandardizeSection(fixes=tuple(FIXES), mask=tuple(KINDS))


def mask_and_move(texts: pa.LargeStringArray) -> None:
    """Apply every fix and mask, then move the masks' spans to the text without its last line."""
    standardized, spans, _ = standardize_with_spans(texts, EVERYTHING)
    text = standardized[0].as_py()
    move_spans(spans.get(0, ()), text, text.rpartition("\n")[0])


def works() -> dict[str, object]:
    on_arrays = {"repair": repair, "standardize": mask_and_move}
    on_arrays |= {f"trim {name}": rule for name, rule in RULES.items()}
    named = {
        name: (lambda text, f=f: f(pa.array([text], pa.large_string())))
        for name, f in on_arrays.items()
    }
    return (
        named
        | {f"fix {name}": fix for name, fix in FIXES.items()}
        | {f"mask {name}": mask for name, mask in KINDS.items()}
    )


def best_of_three(work, text: str) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        work(text)
        times.append(time.process_time() - start)
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kilobytes", type=int, nargs="+", default=[64, 128, 256, 512])
    sizes = [kilobytes * 1024 for kilobytes in parser.parse_args().kilobytes]
    failed = 0
    print(f"{'function':34}{'ratio':>7}{'on':>18}{'MB/s':>9}{'on':>18}")
    for name, work in works().items():
        ratios, speeds = {}, {}
        for kind, unit in GENERATORS.items():
            head = HEADS.get(kind, "")
            texts = [head + (unit * (size // len(unit.encode()) + 1)) for size in sizes]
            work(texts[0][:64])
            times = [best_of_three(work, text) for text in texts]
            speeds[kind] = len(texts[-1].encode()) / 1e6 / max(times[-1], 1e-9)
            # Below a millisecond the clock decides, not the function.
            steps = [b / a if a > 1e-3 else 0.0 for a, b in itertools.pairwise(times)]
            ratios[kind] = max((min(pair) for pair in itertools.pairwise(steps)), default=0.0)
        worst, slow = max(ratios, key=ratios.get), min(speeds, key=speeds.get)
        failed += ratios[worst] > LIMIT
        print(f"{name:34}{ratios[worst]:7.2f}{worst:>18}{speeds[slow]:9.2f}{slow:>18}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
