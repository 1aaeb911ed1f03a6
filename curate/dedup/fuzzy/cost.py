"""The resources of a fuzzy dedup: arithmetic fitted to runs of one to ten million documents.

Measured in November 2026 with ``python -m tests.benchmarks.dedup_scale`` on two shared cores: 1 M
documents of 136 bytes took 2.16 kB of disk each, 10 M 2.39 kB, against 2.4 kB here. Time is from
two runs in one process, without start-up: 300,000 of those documents took 9.7 CPU seconds, 40,000
of 4.7 kB about 10. The figures for larger corpora are extrapolated and were never measured.
"""

from __future__ import annotations

from typing import NamedTuple

#: Bytes per band key sent to its partition: 128 bits, document, part.
KEY_BYTES = 28
#: Bytes per document besides signature, keys and text: ids, ranks, hashes, product columns ...
ROW_BYTES = 1_000
#: Bytes on disk per byte of text: survivors and product, compressed.
TEXT_BYTES = 1.5
#: Bytes of text per word shingle, and bytes per shingle that is sent.
TEXT_PER_SHINGLE, SHINGLE_BYTES = 6, 8
#: Bytes per clustered document in the one task that labels components.
LABEL_BYTES = 48
#: Core-seconds per byte of text and per document: read, hash, sign, sort, apply, write.
PER_BYTE, PER_DOCUMENT = 47e-9, 26e-6


class Cost(NamedTuple):
    """Bytes: on disk during the run, sent between tasks, in the largest task; core-hours."""

    disk: int
    shuffled: int
    label_task: int
    core_hours: float


def cost(documents: float, text: float, bands: int, rows: int, clustered: float = 0.3) -> Cost:
    """Estimate a fuzzy dedup from the number of documents and the bytes of text.

    ``clustered`` is the share of documents that are in a component with another one; their shingles
    are sent once.

    >>> cost(1e9, 3e12, 20, 8).disk // 10**12
    6
    """
    signature = 4 * bands * rows
    keys = KEY_BYTES * bands
    candidates = clustered * (text / TEXT_PER_SHINGLE * SHINGLE_BYTES + documents * signature)
    seconds = text * PER_BYTE + documents * PER_DOCUMENT
    return Cost(
        disk=round(text * TEXT_BYTES + documents * (signature + keys + ROW_BYTES)),
        shuffled=round(documents * keys + candidates),
        label_task=round(clustered * documents * LABEL_BYTES),
        core_hours=round(seconds / 3600, 2),
    )
