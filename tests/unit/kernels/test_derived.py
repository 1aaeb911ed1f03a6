"""Tables that are computed once: what is stored is what was computed; damage is made good."""

import numpy as np
import pytest

from curate.kernels import cache, folding
from curate.kernels.derived import derived

MODULE = "curate.kernels.utf8"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def counted(calls):
    def compute():
        calls.append(1)
        return {"a": np.arange(5, dtype=np.uint16), "b": np.array([[1.5], [2.5]])}

    return compute


def test_the_second_time_they_are_read(folder):
    calls = []
    first, second = (derived(MODULE, "numbers", counted(calls)) for _ in range(2))
    assert len(calls) == 1
    assert second.keys() == first.keys() == {"a", "b"}
    for name in first:
        assert second[name].dtype == first[name].dtype
        assert np.array_equal(second[name], first[name])


def test_names_tell_tables_apart(folder):
    calls = []
    derived(MODULE, "one", counted(calls))
    derived(MODULE, "two", counted(calls))
    assert len(calls) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "planted"])
def test_damage_is_computed_anew(folder, damage):
    calls = []
    derived(MODULE, "numbers", counted(calls))
    (path,) = folder.rglob("*.arrays")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-9])
    elif damage == "flipped":
        content[60] ^= 1
        path.write_bytes(content)
    else:
        cache.write(path, b"\x80\x04N.")  # a pickle, with a right digest
    assert np.array_equal(derived(MODULE, "numbers", counted(calls))["a"], np.arange(5))
    assert len(calls) == 2


def test_without_a_folder_they_are_computed(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "file"))
    calls = []
    assert np.array_equal(derived(MODULE, "numbers", counted(calls))["a"], np.arange(5))
    assert len(calls) == 1


def test_a_stored_table_of_words_is_the_computed_one(folder):
    fold = ("case", "width", "punctuation", "diacritics", "numbers")
    computed = folding._word_table(fold, signs=False, values=False)
    for _ in range(2):
        stored = folding.word_table.__wrapped__(fold)
        assert stored.dtype == computed.dtype
        assert np.array_equal(stored, computed)
    assert len(list(folder.rglob("words-*.arrays"))) == 1
    other = folding.word_table.__wrapped__(fold, values=True)
    assert np.array_equal(other, folding._word_table(fold, signs=False, values=True))
    assert not np.array_equal(other, computed)
