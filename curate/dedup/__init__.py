"""Deduplication: shingles, signatures, bands, components, and removal that is verified.

Read PRIMER.md beside this file first. Everything here is pure: tables in, tables out; the engine
owns the files.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.dedup.in_memory import find_duplicates

__all__ = ["find_duplicates"]


def __getattr__(name: str) -> object:
    # The kernels need numba; `import curate.dedup` does not.
    if name == "find_duplicates":
        from curate.dedup.in_memory import find_duplicates

        return find_duplicates
    raise AttributeError(f"module 'curate.dedup' has no attribute '{name}'")


class _Callable(types.ModuleType):
    """``curate.dedup`` is this package, and the function ``curate.dedup(table)`` that users call.

    Importing any module of the package sets the attribute ``curate.dedup`` to it, whatever
    ``curate/__init__.py`` says; so the package answers calls itself.
    """

    def __call__(self, table: Any, **options: Any) -> Any:
        from importlib import import_module

        return import_module("curate.api").dedup(table, **options)


sys.modules[__name__].__class__ = _Callable
