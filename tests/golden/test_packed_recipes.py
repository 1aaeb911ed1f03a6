"""The packed products of shipped recipes, read as a trainer reads them, token by token."""

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import datasets
import pytest

from curate import api
from tests.engines.test_packed import expected, rows, tekken

PACKED = ["output.formats=['packed']", "output.template='mistral'"]


@pytest.mark.parametrize(
    "name, length, trained", [("suzume", 256, "answers"), ("sherkala", 512, "all")]
)
def test_every_token_is_there_with_its_mask(tmp_path, name, length, trained):
    settings = [*PACKED, f"output.length={length}"]
    out = tmp_path / "out"
    result = api.run(name, output=out, engine="in-process", settings=settings)
    assert result.exit_code == 0, result.complaints
    files = sorted(map(str, Path(out, "packed").rglob("*.parquet")))
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    pieces = defaultdict(list)
    for sequence in loaded:
        assert len(sequence["input_ids"]) == len(sequence["loss_mask"]) == length
        edges = sequence["document_offsets"]
        ends = pairwise(edges)
        starts = sequence["document_starts"]
        for id, start, (begin, end) in zip(sequence["document_ids"], starts, ends, strict=True):
            both = [sequence[column][begin:end] for column in ("input_ids", "loss_mask")]
            pieces[id].append((start, *both))
        assert not any(sequence["loss_mask"][edges[-1] :])  # padding
    tokens = tekken()
    documents = {row["id"]: row for row in rows(out)}
    assert pieces.keys() == documents.keys()
    for id, parts in pieces.items():
        parts.sort()
        ids, mask = expected(documents[id], tokens)
        assert [one for _, part, _ in parts for one in part] == ids, id
        assert [one for _, _, part in parts for one in part] == mask, id
        assert all(mask) == (trained == "all") and any(mask)
