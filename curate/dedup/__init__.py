"""Deduplication: shingles, signatures, bands, components, and verified removal.

Read PRIMER.md and reference.py, both in this folder, first. Everything here is pure: tables in,
tables out; the engine owns the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.dedup.in_memory import find_duplicates

__all__ = ["find_duplicates"]


def __getattr__(name: str) -> object:
    # Imported here because the kernels need numba and `import curate.dedup` does not.
    if name == "find_duplicates":
        from curate.dedup.in_memory import find_duplicates

        return find_duplicates
    raise AttributeError(f"module 'curate.dedup' has no attribute '{name}'")
