"""Files of arrays that anybody may have written: arrays, or one kind of error; nothing is run."""

import builtins
import io
import zipfile

import numpy as np
import pytest

from curate.paths import arrays
from curate.paths.arrays import read_arrays


class Planted:
    def __reduce__(self):
        return exec, ("import builtins; builtins.planted = True",)


def packed(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def single(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return file.getvalue()


def test_arrays_come_back():
    assert read_arrays(io.BytesIO(single(np.arange(3)))).tolist() == [0, 1, 2]
    found = read_arrays(io.BytesIO(packed(a=np.arange(2), b=np.array(["x"]))))
    assert {name: array.tolist() for name, array in found.items()} == {"a": [0, 1], "b": ["x"]}


def test_any_damage_is_one_kind_of_error():
    data = packed(a=np.arange(300), card=np.frombuffer(b"{}", np.uint8))
    rng = np.random.default_rng(1)
    damaged = [data[:cut] for cut in range(0, len(data), 7)]
    for _ in range(400):
        bytes_ = bytearray(data if rng.random() < 0.5 else single(np.arange(30)))
        for at in rng.integers(0, len(bytes_), 4):
            bytes_[at] = rng.integers(256)
        damaged.append(bytes(bytes_))
    refused = 0
    for each in damaged:
        try:
            read_arrays(io.BytesIO(each))
        except ValueError as error:
            assert str(error)
            refused += 1
    assert refused > len(damaged) // 2


def claiming(count):
    """Return an array of three numbers whose header states another count."""
    data = single(np.arange(3))
    end = data.index(b"\n")
    stated = data[:end].rstrip().replace(b"(3,)", b"(%d,)" % count)
    return stated.ljust(end) + data[end:]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04}.",
        single(np.array([Planted()])),
        packed(weight=np.array([Planted()])),
        archive(weight="text"),
        single(np.arange(3)).replace(b"(3,)", b"(3, "),
        claiming(4),
        claiming(1 << 60),
        archive(**{"a.npy": claiming(1 << 60)}),
    ],
)
def test_what_is_no_array_is_refused_and_runs_nothing(data):
    with pytest.raises(ValueError, match=r"\w+"):
        read_arrays(io.BytesIO(data))
    assert not hasattr(builtins, "planted")


def test_an_archive_that_unpacks_to_very_much_is_refused(monkeypatch):
    data = packed(a=np.zeros(100_000))
    assert len(read_arrays(io.BytesIO(data))["a"]) == 100_000
    monkeypatch.setattr(arrays, "_FREE", 1000)
    with pytest.raises(ValueError, match="would unpack to 800128 bytes"):
        read_arrays(io.BytesIO(data))
