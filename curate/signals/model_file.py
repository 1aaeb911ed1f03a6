"""The file of a model of ours: named arrays and a card, in one .npz without pickles."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from curate.paths.arrays import read_arrays


def save(path: Path, card: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a model to a file under another name, then rename it: the same bytes each time.

    numpy writes the time 1980 into its archives.
    """
    packed = np.frombuffer(json.dumps(card, sort_keys=True).encode(), np.uint8)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        np.savez_compressed(file, card=packed, **arrays)  # type: ignore[arg-type]
    temporary.replace(path)


def read(data: bytes, names: Iterable[str]) -> tuple[Any, dict[str, np.ndarray]] | None:
    """Return the card, unchecked, and the arrays of these names; None where it is no such file."""
    try:
        stored = read_arrays(io.BytesIO(data))
        if isinstance(stored, dict):
            return json.loads(bytes(stored["card"])), {name: stored[name] for name in names}
    except (ValueError, KeyError, RecursionError):
        pass
    return None
