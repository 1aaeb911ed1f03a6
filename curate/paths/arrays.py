"""Arrays in numpy's files (.npy, .npz), which anybody may have written: no pickles, one error."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from typing import IO, Any

import numpy as np
import numpy.typing as npt

#: Bytes that an archive may unpack to, and to how many times its own where that is more.
_FREE, _RATIO = 1 << 30, 250
#: What numpy and zipfile raise for bytes that they cannot read.
_ERRORS = (
    ValueError, KeyError, OSError, EOFError, TypeError, AttributeError, RuntimeError,
    OverflowError, MemoryError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_arrays(file: IO[bytes]) -> npt.NDArray[Any] | dict[str, npt.NDArray[Any]]:
    """Return the array of a .npy file, or those of a .npz by name.

    Raise ValueError with a sentence for everything else.
    """
    try:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            members = loaded.zip.infolist()
            size = sum(member.file_size for member in members)
            if size > max(_FREE, _RATIO * sum(member.compress_size for member in members)):
                raise ValueError(f"it would unpack to {size} bytes")
            arrays = {name: loaded[name] for name in loaded.files}
    except _ERRORS as error:
        raise ValueError(str(error)[:200] or type(error).__name__) from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # bytes that are named as no array is
            raise ValueError(f"{name[:100]!r} is no array")
    return arrays
