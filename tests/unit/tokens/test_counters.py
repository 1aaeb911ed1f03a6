from __future__ import annotations

import json
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.errors import RecipeError
from curate.stages.count import Count
from curate.tokens import counter, tiktoken_bpe
from tests.examples import examples

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def count(name: str, texts: list[str | None]) -> list[int]:
    counts = counter(name).count(pa.array(texts, pa.large_string()))
    assert counts.dtype == np.int64
    return counts.tolist()


@examples()  # the first call loads
@given(st.lists(TEXT | st.none()))
def test_plain_counters_are_what_python_counts(texts: list[str | None]) -> None:
    assert count("bytes", texts) == [len((text or "").encode()) for text in texts]
    assert count("characters", texts) == [len(text or "") for text in texts]
    assert count("words", texts) == [len((text or "").split()) for text in texts]


def tokenizer_json(folder: Path) -> Path:
    """Write a tokenizer of words, cut at spaces; it truncates, which a count must not."""
    vocabulary = {"бір": 0, "екі": 1, "[UNK]": 2, "[BOS]": 3}
    content = {
        "version": "1.0",
        "truncation": {
            "max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Right",
        },
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "BertProcessing", "sep": ["[BOS]", 3], "cls": ["[BOS]", 3],
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }  # fmt: skip
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_tokenizer_file_counts_without_marks_and_without_truncation(tmp_path: Path) -> None:
    path = tokenizer_json(tmp_path)
    texts: list[str | None] = ["бір екі үш", None, "", "екі"] * 700
    assert count(str(path), texts) == [3, 0, 0, 1] * 700
    loaded = counter(str(path))
    assert len(loaded.digest) == 32
    again = pickle.loads(pickle.dumps(loaded))
    assert again.count(pa.array(["а б"], pa.large_string())).tolist() == [2]


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "tokenizer.json"
    wrong.write_text("{}", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"not a tokenizer\.json"):
        counter(str(wrong))
    with pytest.raises(RecipeError, match="cannot read"):
        counter(str(tmp_path / "none.json"))
    with pytest.raises(RecipeError, match="did you mean 'tekken'"):
        counter("teken")
    with pytest.raises(RecipeError, match="did you mean 'o200k_base'"):
        counter("tiktoken:o200k_bas")
    with pytest.raises(RecipeError):
        counter("hf:not/a/repository/name")


def test_an_encoding_of_tiktoken_counts_runs_of_spaces_that_tiktoken_cannot() -> None:
    import tiktoken

    ranks = {bytes([byte]): byte for byte in range(256)} | {b"  ": 256, b"    ": 257, b"ab": 258}
    encoding = tiktoken.Encoding(
        "small", pat_str=r" ?\w+|\s*[\r\n]+|\s+(?!\S)|\s+", mergeable_ranks=ranks, special_tokens={}
    )
    small = tiktoken_bpe.TiktokenCounter("small", "", encoding)

    def counted(text: str) -> int:
        return int(small.count(pa.array([text], pa.large_string()))[0])

    short, long = "ab" + " " * 50_001 + "ab\n ab", "ab" + " " * 3_000_001 + "ab\n ab"
    assert counted(short) == len(encoding.encode_ordinary(short))
    assert counted(long) == counted(short) + (3_000_000 - 50_000) // 4
    for text in (
        "x " * 60_000,
        " " * 150_000,
        " " * 1_500_000 + "\nab",
        "ab\u3000" * 40_000 + " " * 100_000 + "\n",
    ):
        assert counted(text) == len(encoding.encode_ordinary(text))


def test_the_stage_counts_active_rows_and_names_the_tokenizer() -> None:
    table = schema.documents(
        [
            {"id": "a#0", "text": "бір екі"},
            {"id": "a#1", "text": "үш", "dropped_by": "judge:too_few_words"},
            {"id": "a#2", "text": None},
        ]
    )
    stage = Count("words")
    counted = schema.check(stage.apply(table, Counter()))
    assert counted.column("n_tokens").to_pylist() == [2, None, 0]
    assert counted.select(table.column_names).equals(table)
    assert stage.apply(counted, Counter()).equals(counted)
    assert stage.product_metadata == {"tokenizer": "words", "tokenizer_digest": "words"}
    empty = stage.apply(table.slice(0, 0), Counter())
    assert empty.schema.equals(counted.schema)
