"""Damaged input files of each format are read to their end, and cost only themselves."""

import os

import pytest

from tests.faults import mutants


@pytest.mark.parametrize("name", mutants.FORMATS)
def test_every_mutant_of_a_format_is_read(name):
    assert [found for found in mutants.outcomes(name, range(60)) if found[1]] == []


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
