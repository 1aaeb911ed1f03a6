"""Damaged input files of each format are read to their end, and cost only themselves."""

import os
import random

import pytest

from curate.sources import json_objects, members, streams
from curate.sources.web import warc, warc_records
from tests.faults import mutants


@pytest.mark.parametrize("name", mutants.FORMATS)
def test_every_mutant_of_a_format_is_read(name):
    assert [found for found in mutants.outcomes(name, range(60)) if found[1]] == []


BLOCKS = [
    (streams, "BLOCK"), (streams, "_FEED"), (streams, "RUN"), (json_objects, "LARGE"),
    (members, "_BLOCK"), (members, "_SLICE"), (members, "_CHUNK"), (warc_records, "_CHUNK"),
    (warc, "_BATCH_BYTES"),
]  # fmt: skip


@pytest.mark.parametrize("name", [n for n, f in mutants.FORMATS.items() if not callable(f.reader)])
def test_small_blocks_give_what_large_ones_give(name, monkeypatch, tmp_path):
    content, pack, _ = mutants.FORMATS[name]
    for seed in range(12):
        whole = content
        if isinstance(content, (bytes, list)):
            whole = b"".join(content) if isinstance(content, list) else content
            whole = mutants.mutate(whole, random.Random(seed), words=True) if seed else whole
            whole = [whole] if isinstance(content, list) else whole
        file = mutants.stored(tmp_path, name, pack(whole))
        found = mutants.fates(mutants.FORMATS[name].read(file))
        with monkeypatch.context() as patched:
            for module, constant in BLOCKS:
                # The first block of a CSV file tells how its lines end.
                size = (700 if name.startswith("csv") else 70) + 3 * seed
                assert getattr(module, constant) > size
                patched.setattr(module, constant, size)
            assert mutants.fates(mutants.FORMATS[name].read(file)) == found, seed


def test_a_reader_that_raises_dies_or_hangs_is_found(monkeypatch):
    def check(name, seed, folder):
        if seed == 3:
            os._exit(1)
        while seed == 4:
            pass
        return "raised" if seed == 1 else ""

    monkeypatch.setattr(mutants, "check", check)
    monkeypatch.setattr(mutants, "SECONDS", 3)
    assert list(mutants.outcomes("txt", [1, 2, 3, 4, 5])) == [
        (1, "raised"), (2, ""), (3, "the process died"), (4, "hangs"), (5, ""),
    ]  # fmt: skip


def test_memory_that_a_reader_takes_is_counted_and_not_what_the_test_has(monkeypatch):
    held = bytearray(mutants.MEMORY)
    taken = []
    monkeypatch.setattr(
        mutants, "check", lambda name, seed, folder: taken.append(b"x" * (seed << 20)) or ""
    )
    assert list(mutants.outcomes("txt", [1, 800])) == [(1, ""), (800, "more than 768 MiB")]
    assert held
