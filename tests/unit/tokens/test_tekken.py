from __future__ import annotations

import gzip
import json
import os
import pickle
import warnings
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate.tokens import counter
from curate.tokens.pattern import classes, piece_end
from tests.examples import examples
from tests.generate.token_classes import classes as classes_of_the_engine

DATA = os.environ.get("CURATE_SHARED_DATA")


@cache
def reference() -> Any:
    """Load mistral_common's own tokenizer from the same file."""
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = resources.files("mistral_common") / "data" / "tekken_240911.json"
        return Tekkenizer.from_file(Path(str(file)))


def counted(texts: list[str | None]) -> list[int]:
    return counter().count(pa.array(texts, pa.large_string())).tolist()


def expected(text: str) -> int:
    return len(reference().encode(text, bos=False, eos=False))


def pieces(text: str) -> list[str]:
    data, at, parts = np.frombuffer(text.encode(), np.uint8), 0, []
    while at < len(data):
        stop = piece_end(data, at, len(data), classes())
        parts.append(bytes(data[at:stop]).decode())
        at = stop
    return parts


# What is in both bracketed classes (marks, modifier and other letters) makes the engine back up.
CROSSING = st.sampled_from(
    "abАбZЯ中文かㅏʰ  \t\n\r/.,!-1٣½①_ǅ😀\u0301\u0651\u00a0\u3000\u200b\u200d"
)  # fmt: skip


@examples(300)
@given(st.text(CROSSING, max_size=60))
@example("中ABC")
@example("\u0301ABC def")
@example(" \u0301")
@example("A\u0301B\u0301CD")
@example("x  \n \n  y")
@example("  ...\n\n//\n/a")
@example("<s>[INST] special tokens are text [/INST]</s>")
def test_hard_texts_count_as_with_mistral_common(text: str) -> None:
    assert counted([text]) == [expected(text)]


@examples(200)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), max_size=4))
def test_any_texts_count_as_with_mistral_common(texts: list[str]) -> None:
    assert counted(list(texts)) == [expected(text) for text in texts]


@examples(30)
@given(st.text("abcdefgh", min_size=240, max_size=700), st.sampled_from(["", "ж", "中"]))
def test_pieces_around_the_bound_of_the_heap_count_the_same(text: str, last: str) -> None:
    assert counted([text + last]) == [expected(text + last)]


@pytest.mark.parametrize(
    "text", ["", "қазақ тілі", "The end.\n\n\nNew  page\t1984", "한국어 日本語 العربية"]
)
def test_pieces_put_together_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_pieces_of_a_sentence() -> None:
    assert pieces('Сөз "HTTPServer" 2024:\n\n  ok') == [
        "Сөз", ' "', "HTTPServer", '"', " ", "2", "0", "2", "4", ":\n\n", " ", " ok",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000, "A" * 200_000, "中" * 50_000, " " * 200_000, "\n" * 200_000, " \n" * 100_000,
        " " * 100_000 + "x", "\n" + " " * 100_000 + "x", "." * 200_000, "/\n" * 100_000,
        "1" * 100_000, "a" + "\u0301" * 100_000, "Aa" * 50_000, "中A" * 50_000,
        "A" * 100_000 + "中", "=-" * 90_000,
    ],
    ids=lambda text: ascii(text[:3] + text[-1:]),
)  # fmt: skip
def test_hostile_texts_count_as_with_mistral_common(text: str) -> None:
    assert counted([text]) == [expected(text)]


def test_a_run_of_spaces_that_crashes_the_engine_of_tiktoken_is_counted() -> None:
    # All but the last are one piece. 2^20 spaces are 2^20 / 64 of the longest token of spaces.
    spaces = " " * ((1 << 20) + 1)
    assert counted([spaces + "x"]) == [expected(" " * (1 << 17)) * 8 + expected(" x")]


def test_slices_nulls_and_damaged_bytes() -> None:
    texts = pa.array(["бір", None, "", "екі үш", "төрт"], pa.large_string())
    whole = counter().count(texts)
    assert whole[1] == whole[2] == 0
    assert counter().count(texts.slice(2, 3)).tolist() == whole[2:].tolist()
    assert len(counter().count(texts.slice(0, 0))) == 0
    raw = b"ab\xff\xd0" + b"\xe4\xb8" + b"\xf7\xbf\xbf\xbf" + b"\xf0"
    offsets = pa.array([0, len(raw)], pa.int64()).buffers()[1]
    damaged = pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(raw))
    assert 0 < counter().count(damaged)[0] <= len(raw)


def test_classes_are_those_of_the_regex_engine() -> None:
    # A newer engine may know more letters; then write classes.npz again, with a changelog entry.
    changed = np.flatnonzero(classes_of_the_engine() != classes())
    assert [hex(point) for point in changed.tolist()] == []


def test_name_and_digest_identify_the_vocabulary() -> None:
    assert counter("tekken").name == "tekken"
    assert counter("tekken").digest == "cc8d5c10d35fed7970387ff1b2d97285"
    again = pickle.loads(pickle.dumps(counter("tekken")))
    assert again is counter("tekken") is counter()


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_real_texts_of_many_languages_count_as_with_mistral_common() -> None:
    texts: list[str | None] = []
    for path in sorted((Path(str(DATA)) / "text").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for _, line in zip(range(8), lines)]
    assert len(texts) > 100
    assert counted(texts) == [expected(text or "") for text in texts]
