"""The kind ``fasttext`` of a classifier: trained by the package fasttext, read by our own kernels.

fasttext fills a tenth of its matrix with random numbers and leaves the rest as the allocator gives
it (`Matrix::uniform` with one thread), so a training in a process that has freed memory before is
not the same twice. It runs in a process of its own, where glibc takes each large block from the
system, which gives zeros. Such an allocation is what `MALLOC_MMAP_THRESHOLD_` asks for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import ResourceError
from curate.recipe.profile import ClassifierSection
from curate.signals import classifiers, measure
from curate.tuning.labelling import write_whole

Floats = npt.NDArray[np.float64]

GOOD, BAD = "__label__good", "__label__bad"

#: One thread, because several would add in any order. Subwords of 2 to 5 letters serve languages
#: with rich forms; 16 dimensions and 2^17 rows make a file of 9 MB.
SETTINGS: Final = {
    "dim": 16, "epoch": 25, "lr": 0.3, "wordNgrams": 2, "minn": 2, "maxn": 5, "bucket": 1 << 17,
    "minCount": 1, "thread": 1, "verbose": 0,
}  # fmt: skip


class FastText:
    """Trains on chosen rows, and scores all of them."""

    def __init__(self, texts: Sequence[str], good: npt.NDArray[np.bool_], seed: int) -> None:
        self._texts, self._good, self._seed = texts, good, seed

    def scores(self, chosen: npt.NDArray[np.int64]) -> Floats:
        """Train on the chosen rows and return the scores of all."""
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder, "model.bin")
            model.write_bytes(self._trained(chosen))
            texts = pa.array(self._texts, pa.large_string())
            named = {"own": ClassifierSection(model=str(model), label=GOOD)}
            column = classifiers.scores(texts, named, {}, measure)["signal_own"]
        return np.asarray(column.fill_null(0.0), np.float64)

    def write(self, output: Path, card: Mapping[str, Any]) -> None:
        """Train on all rows; write the model, and beside it its card as JSON."""
        model = self._trained(np.arange(len(self._texts)))
        write_whole(
            output.with_suffix(".json"), json.dumps(card, indent=1, sort_keys=True).encode()
        )
        write_whole(output, model)

    def _trained(self, chosen: npt.NDArray[np.int64]) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            texts, model = Path(folder, "texts"), Path(folder, "model.bin")
            with texts.open("w", encoding="utf-8", newline="\n") as file:
                for row in chosen.tolist():
                    file.write(line_of(self._texts[row], bool(self._good[row])))
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "curate.tuning.fasttext_kind",
                    texts,
                    model,
                    str(self._seed),
                ],
                env=_environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode or not model.exists():
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise ResourceError(f"fasttext ended with code {done.returncode}: {last[:300]}")
            return model.read_bytes()


def _environment() -> dict[str, str]:
    """Return an environment in which large blocks of memory are zeros, whatever others say."""
    others = ("MALLOC_PERTURB_", "GLIBC_TUNABLES")
    kept = {name: value for name, value in os.environ.items() if name not in others}
    path = os.pathsep.join(filter(None, sys.path))
    return kept | {"MALLOC_MMAP_THRESHOLD_": "65536", "PYTHONPATH": path}


def line_of(text: str, good: bool) -> str:
    r"""Return a line of fasttext's training file; a label in the text is cut, so that it is none.

    >>> line_of("one\n__label__bad two", True)
    '__label__good one __label_ bad two\n'
    """
    body = text.replace("\n", " ").replace("__label__", "__label_ ")
    return f"{GOOD if good else BAD} {body}\n"


def main(texts: str, model: str, seed: str) -> None:
    """Train, in a process whose memory is new."""
    import fasttext

    fasttext.train_supervised(input=texts, seed=int(seed), **SETTINGS).save_model(model)


if __name__ == "__main__":
    main(*sys.argv[1:])
