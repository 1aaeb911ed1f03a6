"""What work costs on one core: seconds per byte, measured on this machine or as shipped.

`curate bench` measures a machine and keeps its rates beside the compiled kernels. Where nobody
measured, the shipped ones are used: `curate bench` on two shared cores of a cloud machine, English,
Kazakh and Japanese, the mean of their seconds per byte.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from curate._version import __version__
from curate.paths import user_cache

#: Core-seconds per byte of text that was read, by stage, and for what is no stage: decisions of
#: dedup and mixture, intermediate files, the product ("rest").
SHIPPED = {
    "repair": 0.0012e-6,
    "identify": 0.0036e-6,
    "standardize": 0.0032e-6,
    "trim": 0.0027e-6,
    "measure": 0.0093e-6,
    "judge": 0.0003e-6,
    "count": 0.0143e-6,
    "rest": 0.0389e-6,
}

#: Core-seconds per stored byte of reading: HTML to text, wiki markup to text.
READING = {
    "warc": 0.12e-6,
    "commoncrawl": 0.12e-6,
    "wikipedia": 0.43e-6,
    "wikipedia_html": 0.06e-6,
}

#: The same per byte of text, for formats without markup.
READING_PLAINLY = 0.0085e-6

#: A stage that nobody measured costs what the dearest of the shipped ones does.
UNKNOWN = max(seconds for stage, seconds in SHIPPED.items() if stage != "rest")


@dataclass(frozen=True)
class Rates:
    """Core-seconds per byte of text: of reading, of each stage, and of the rest.

    Attributes
    ----------
    measured : str
        Day of the measurement; empty: as shipped.
    reading : float
        Seconds per byte of text of a format without markup.
    stages : dict of str to float
        Seconds per byte of text that was read, by ``use``; ``rest`` is what is no stage.
    """

    measured: str
    reading: float
    stages: dict[str, float]

    def of(self, use: str) -> float:
        """Return the seconds per byte of a stage."""
        return self.stages.get(use, UNKNOWN)

    def reading_of(self, format: str) -> float | None:
        """Return the seconds per stored byte of a format with markup; None for any other."""
        known = READING.get(format)
        return None if known is None else known * self.reading / READING_PLAINLY


def rates() -> Rates:
    """Return this machine's rates, if this version of curate measured them, else the shipped."""
    try:
        kept = json.loads(file().read_text())
        if kept.pop("version") == __version__:
            found = Rates(**kept)
            return Rates(found.measured, float(found.reading), SHIPPED | dict(found.stages))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    return Rates("", READING_PLAINLY, SHIPPED)


def file() -> Path:
    """Return where `curate bench` keeps this machine's rates."""
    return user_cache() / "rates.json"
