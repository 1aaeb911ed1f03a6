"""Compare token counting with tiktoken and tokenizers, on the same vocabulary and texts.

Run: ``CURATE_SHARED_DATA=... python tests/benchmarks/tokens.py``. One process, CPU seconds; every
count is compared before a speed is printed. The tokenizers library gets Tekken as a
``tokenizer.json`` built here from the same ranks.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from itertools import pairwise
from pathlib import Path
from time import process_time

import numpy as np
import pyarrow as pa
import tiktoken

from curate.tokens import counter
from curate.tokens.pattern import TEKKEN_PATTERN

FILES = {
    "kk": "kk*", "ru": "ru-rurebus*", "tr": "tr-*", "en": "en-*", "ar": "ar-*", "ko": "ko-*",
    "ja": "ja-*", "zh": "zh-laws*", "all": "*",
}  # fmt: skip


def vocabulary() -> list[bytes]:
    path = resources.files("mistral_common") / "data" / "tekken_240911.json"
    fields = json.loads(path.read_bytes())
    size = fields["config"]["default_vocab_size"] - fields["config"]["default_num_special_tokens"]
    return [base64.b64decode(token["token_bytes"]) for token in fields["vocab"][:size]]


def as_tokenizer_json(tokens: list[bytes]) -> dict[str, object]:
    """Return Tekken for the tokenizers library: bytes as letters, merges derived from the ranks."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    letters |= {b: chr(256 + i) for i, b in enumerate(x for x in range(256) if x not in letters)}
    ranks = {token: rank for rank, token in enumerate(tokens)}

    def spelled(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    merges = []
    for rank, token in enumerate(tokens):
        parts = [token[i : i + 1] for i in range(len(token))]
        while len(parts) > 2:
            joins = [ranks.get(a + b, rank) for a, b in pairwise(parts)]
            at = joins.index(min(joins))
            if joins[at] >= rank:
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            merges.append([spelled(parts[0]), spelled(parts[1])])
    split = {
        "type": "Split",
        "pattern": {"Regex": TEKKEN_PATTERN},
        "behavior": "Isolated",
        "invert": False,
    }
    to_bytes = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }
    vocab = {spelled(token): rank for token, rank in ranks.items()}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "post_processor": None, "decoder": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, to_bytes]},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges, "ignore_merges": True},
    }  # fmt: skip


def speed(name: str, count: Callable[[], Sequence[int]], megabytes: float) -> Sequence[int]:
    start = process_time()
    counts = count()
    print(f"  {name:<12}{megabytes / (process_time() - start):8.1f} MB/s")
    return counts


def one_by_one(encoding: tiktoken.Encoding, texts: list[str]) -> list[int]:
    return [len(encoding.encode_ordinary(text)) for text in texts]


def main() -> None:
    tokens = vocabulary()
    plain = tiktoken.Encoding(
        "tekken",
        pat_str=TEKKEN_PATTERN,
        mergeable_ranks={token: rank for rank, token in enumerate(tokens)},
        special_tokens={},
    )
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tokenizer.json")
        path.write_text(json.dumps(as_tokenizer_json(tokens)), encoding="utf-8")
        hugging_face = counter(str(path))
        counter().count(pa.array(["compile"], pa.large_string()))
        for name, pattern in FILES.items():
            texts = []
            for file in sorted(
                Path(os.environ["CURATE_SHARED_DATA"], "text").glob(pattern + ".jsonl.gz")
            ):
                with gzip.open(file, "rt", encoding="utf-8") as lines:
                    texts += [json.loads(line)["text"] for line in lines]
            column = pa.array(texts, pa.large_string())
            megabytes = sum(len(text.encode()) for text in texts) / 1e6
            print(f"{name}: {megabytes:.1f} MB")
            runs: dict[str, Callable[[], Sequence[int]]] = {
                "curate": partial(counter().count, column),
                "tiktoken": partial(one_by_one, plain, texts),
                "tokenizers": partial(hugging_face.count, column),
            }
            ours, by_tiktoken, by_tokenizers = (
                speed(who, count, megabytes) for who, count in runs.items()
            )
            assert np.array_equal(ours, by_tiktoken)
            print(
                f"  {int((np.asarray(by_tokenizers) != ours).sum())} texts counted differently"
                " by tokenizers"
            )


if __name__ == "__main__":
    main()
