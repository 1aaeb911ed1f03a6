"""Any filter or formatter of datatrove as a stage, so that a pipeline of its blocks can move here.

In a recipe::

    [[stages]]
    datatrove = "GopherQualityFilter"
    min_doc_words = 40

A block gets one document at a time, with ``url`` and ``source`` in its metadata. The rows that it
drops get ``<stage>:<its reason>``. Source of the blocks: the package ``datatrove``,
pipeline.filters and pipeline.formatters. A block runs as fast as it does there; stages of curate do
the same work much faster.
"""

from __future__ import annotations

import copy
import inspect
import json
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import FrameType
from typing import Any, ClassVar

import pyarrow as pa

from curate.errors import CurateError, RecipeError, nearest
from curate.protocol.stage import MapStage
from curate.protocol.tables import drop, on_alive, rewrite_text, texts, with_text

#: Seconds of the processor that a block may take for one document.
SECONDS = 5

#: Blocks that would break a guarantee of curate, with what to do instead.
_REFUSED = {
    "LambdaFilter": "a recipe holds no code: write a signal and a rule, or a block in a package",
    "SamplerFilter": "it draws by the order of documents: give the mixture a budget instead",
}


@cache
def blocks() -> dict[str, type[Any]]:
    """Return the filters and formatters of the installed datatrove, by name."""
    from datatrove.pipeline import filters, formatters

    members = {**vars(filters), **vars(formatters)}
    return {
        name: member
        for name, member in sorted(members.items())
        if inspect.isclass(member) and hasattr(member, "run") and name not in _REFUSED
    }


class _TooSlow(BaseException):
    """A block did not end; no block catches it."""


@contextmanager
def _bounded() -> Iterator[None]:
    """Raise _TooSlow after SECONDS of the processor, also inside a regular expression.

    Signals reach the main thread alone, in which Ray and the engine of this process run tasks.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class _Excluded:
    """Takes the place of the writer for documents that a filter drops; keeps the reason."""

    reason: str | None = None

    def __enter__(self) -> _Excluded:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def write(self, document: Any, rank: int = 0) -> None:
        self.reason = document.metadata.get("filter_reason") or "rejected"


@cache
def _block(name: str, parameters: str) -> tuple[Any, _Excluded | None]:
    """Build a block once per process, with the writer to which a filter gives its reason."""
    block, excluded = blocks()[name], _Excluded()
    if "exclusion_writer" in inspect.signature(block).parameters:
        return block(exclusion_writer=excluded, **json.loads(parameters)), excluded
    return block(**json.loads(parameters)), None


@dataclass(frozen=True)
class DatatroveBlock(MapStage):
    """Run a datatrove filter or formatter on each active document.

    A block that fails on a document stops the run with the document's id: a bug of a block is no
    reason to drop text. So does one that takes over 5 seconds of the processor for a document.
    """

    block: str
    """The class of the block. Example: "GopherQualityFilter"."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Parameters of the block. Example: { min_doc_words = 40 }."""
    name: str = "datatrove"

    reads: ClassVar[tuple[str, ...]] = ("id", "text", "messages", "source", "url", "dropped_by")
    rewrites: ClassVar[tuple[str, ...]] = ("text", "messages", "dropped_by", "dropped_value")

    def __post_init__(self) -> None:
        if self.block in _REFUSED:
            raise RecipeError(f"datatrove's {self.block}: {_REFUSED[self.block]}")
        if self.block not in blocks():
            hint = nearest(self.block, blocks())
            raise RecipeError(f"datatrove has no filter or formatter '{self.block}'", hint=hint)
        known = set(inspect.signature(blocks()[self.block]).parameters) - {"exclusion_writer"}
        for key in self.parameters:
            if key not in known:
                raise RecipeError(
                    f"{self.block} has no parameter '{key}'", hint=nearest(key, known)
                )
        self._built()

    def _built(self) -> tuple[Any, _Excluded | None]:
        try:
            return _block(self.block, json.dumps(self.parameters, sort_keys=True))
        except Exception as error:  # a package that is missing, a value that the block refuses
            reason = " ".join(str(error).split())[:300]
            raise RecipeError(
                f"datatrove's {self.block} cannot be made: {type(error).__name__}: {reason}"
            ) from None

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop or rewrite active rows."""
        return on_alive(table, self._run)

    def _run(self, table: pa.Table) -> pa.Table:
        block, excluded = self._built()
        if excluded is None:
            return rewrite_text(table, lambda whole: self._format(block, whole))
        return self._filter(block, excluded, table)

    def _format(self, block: Any, whole: pa.LargeStringArray) -> pa.LargeStringArray:
        # A fresh copy for each: PIIFormatter cycles through its replacements.
        formatted = [
            None if text is None else self._one(copy.deepcopy(block), text, {}, f"text {row}")
            for row, text in enumerate(whole.to_pylist())
        ]
        return pa.array(formatted, pa.large_string())

    def _filter(self, block: Any, excluded: _Excluded, table: pa.Table) -> pa.Table:
        rules: list[str | None] = []
        after: list[str | None] = []
        before = texts(table).to_pylist()
        about = table.select(["id", "source", "url", "messages"]).to_pylist()
        for text, row in zip(before, about, strict=True):
            excluded.reason = None
            metadata = {"source": row["source"], "url": row["url"] or ""}
            kept = None if text is None else self._one(block, text, metadata, row["id"])
            if kept not in (None, text) and row["messages"] is not None:
                raise CurateError(
                    f"datatrove's {self.block} cuts text out of a conversation",
                    where=row["id"],
                    hint="keep chat sources out of this recipe, or use trim and judge",
                )
            rules.append(None if text is None or kept is not None else _slug(excluded.reason))
            after.append(text if kept is None else kept)
        if after != before:
            table = with_text(table, pa.array(after, pa.large_string()))
        nothing = pa.nulls(table.num_rows, pa.float64())
        return drop(table, self.name, pa.array(rules, pa.string()), nothing)

    def _one(self, block: Any, text: str, metadata: dict[str, Any], key: str) -> str | None:
        from datatrove.data import Document

        try:
            with _bounded():
                left = list(block.run(iter([Document(text=text, id=key, metadata=metadata)])))
        except _TooSlow:
            raise RecipeError(
                f"datatrove's {self.block} took over {SECONDS} s for one document",
                where=f"stage '{self.name}', document {key}",
                hint="a pattern such as (a+)+ takes twice as long with each letter: write it"
                " without a repetition inside a repetition",
            ) from None
        except Exception as error:
            raise CurateError(
                f"datatrove's {self.block} failed: {type(error).__name__}: {error}",
                where=f"stage '{self.name}', document {key}",
            ) from error
        return left[0].text if left else None


def _slug(reason: str | None) -> str:
    return re.sub(r"[^a-z0-9]+", "_", (reason or "").lower()).strip("_") or "rejected"
