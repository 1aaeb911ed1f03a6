"""Keep a number of documents of each value of a column, of each host or domain; drop the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError, nearest
from curate.kernels.grouping import first_of_runs
from curate.mixture.sampling import sample_key
from curate.protocol.routing import decide, integers, read_docs
from curate.protocol.stage import Barrier, Inputs, Step
from curate.rights.addresses import host_of
from curate.rights.public_suffixes import digest_of_suffixes, public_suffixes
from curate.schema import whole
from curate.stages.verdicts import give_verdicts, partition_of_value

#: What is capped besides columns of the input.
_OURS = ("lang", "source", "origin", "license", "host", "domain")
#: What is capped of the address.
_OF_ADDRESS = ("host", "domain")

#: Rows that are sorted together, at least.
_TOGETHER = 1 << 16

_NO_ROWS = pa.schema(
    [
        ("doc", pa.int64()),
        ("id", pa.string()),
        ("value", pa.string()),
        ("u", pa.uint64()),
        ("size", pa.int64()),
    ]
).empty_table()


@dataclass(frozen=True)
class Cap(Barrier):
    """Keep the first `documents` or `bytes` of each value of a column, in a random order.

    The order is that of a hash of their ids.

    The others are dropped as `over_cap`. With `per = "host"` the value is the host of the address
    (`www.` aside), with `"domain"` the registered domain by the Public Suffix List (`bbc.co.uk` of
    `news.bbc.co.uk`), so that no site floods the corpus; documents without an address are all kept,
    and so are those of which no licence is known.
    The sample depends on the seed and the ids alone: more documents elsewhere, or other shards,
    change nothing, and a higher cap keeps a superset. Documents without a value of a column of the
    input are all kept. A cap on shares of a mixture is the mixture's
    (`max_share`).
    """

    documents: int | None = None
    """Documents to keep of each value. Example: 100000."""
    bytes: int | None = None
    """Instead: bytes of text to keep of each value. The document that reaches them is the last.
    Example: 50000000."""
    per: str = "lang"
    """What is capped: ``lang``, ``source``, ``origin``, ``license`` (as the stage ``rights`` names
    it), ``host`` or registered ``domain`` (of the address), or a column of the input.
    Example: "domain"."""
    private_suffixes: bool = True
    """Whether domains under which companies give names to others (``github.io``) end a registered
    domain as ``co.uk`` does, so that each of their users counts alone."""
    seed: int = 0
    own: tuple[str, ...] = field(default=(), metadata={"planned": True})
    name: str = "cap"

    def __post_init__(self) -> None:
        if (self.documents is None) == (self.bytes is None):
            raise RecipeError("a cap is one of documents and bytes", hint="documents = 100000")
        if self._most < 1:
            raise RecipeError(f"{self._unit} = {self._most}", hint="give 1 or more")
        if self.per not in (*_OURS, *self.own):
            hint = nearest(self.per, (*_OURS, *self.own))
            raise RecipeError(f"no cap per '{self.per}'", hint=hint)

    @property
    def reads(self) -> tuple[str, ...]:
        return ("id", self._column)

    @property
    def sketch_reads(self) -> tuple[str, ...]:
        return self.reads if self.bytes is None else (*self.reads, "text")

    @property
    def rewrites(self) -> tuple[str, ...]:
        return ("dropped_by", "dropped_value")

    @property
    def _unit(self) -> str:
        return "documents" if self.bytes is None else "bytes"

    @property
    def _most(self) -> int:
        return (self.documents if self.bytes is None else self.bytes) or 0

    @property
    def _column(self) -> str:
        if self.per in _OF_ADDRESS:
            return "url"
        return "signal_license" if self.per == "license" else self.per

    @property
    def model_digest(self) -> str | None:
        """The digest of the Public Suffix List; None where it decides nothing."""
        return digest_of_suffixes() if self.per == "domain" else None

    def sketch(self, table: pa.Table) -> pa.Table:
        """Return id, the value that is counted, and the place in the order."""
        ids = table.column("id")
        if self.per in _OF_ADDRESS:
            value = self._of_address(table)
        else:
            value = pc.fill_null(table.column(self._column).cast(pa.string()), "")
        size = np.ones(len(ids), np.int64)
        if self.bytes is not None:
            size = np.asarray(pc.fill_null(pc.binary_length(whole(table.column("text"))), 0))
        columns = {"id": ids, "value": value, "u": sample_key(ids, self.seed)}
        return pa.table(columns | {"size": size.astype(np.int64)})

    def steps(self) -> tuple[Step, ...]:
        """Return the steps: rows to the partition of their value, then the first of each value."""
        return (
            Step("route", "shard", ("sketch", "decided"), ("rows",), self._route),
            Step("choose", "partition", ("rows",), ("decisions",), self._choose),
        )

    def _route(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        decided = read_docs(inputs, "decided")
        for table in inputs.stream("sketch"):
            rows = table.filter(pa.array(~np.isin(integers(table, "doc"), decided)))
            if self.per in (*_OF_ADDRESS, "license") or self.per in self.own:
                rows = rows.filter(pc.not_equal(rows.column("value"), ""))
            part = partition_of_value(rows, "value", inputs.partitions)
            yield "rows", rows.select(_NO_ROWS.column_names).append_column("part", part)

    def _choose(self, inputs: Inputs) -> Iterator[tuple[str, pa.Table]]:
        # In memory are the cap of each value, and as many rows again: a row over the cap now stays
        # over it.
        kept, waiting = _NO_ROWS, 0
        for table in inputs.stream("rows"):
            kept = pa.concat_tables([kept, table.select(_NO_ROWS.column_names)])
            waiting += table.num_rows
            if 2 * waiting >= max(kept.num_rows, _TOGETHER):
                kept, over = self._divided(kept)
                waiting = 0
                yield from over
        yield from self._divided(kept)[1]

    def _divided(self, rows: pa.Table) -> tuple[pa.Table, list[tuple[str, pa.Table]]]:
        """Return the rows within the cap, and the decisions on the others."""
        keys = [("value", "ascending"), ("u", "ascending"), ("id", "ascending")]
        rows = rows.take(pc.sort_indices(rows, sort_keys=keys))
        which = np.asarray(whole(rows.column("value")).dictionary_encode().indices)
        first = first_of_runs(which)
        before = np.cumsum(integers(rows, "size")) - integers(rows, "size")
        inside = before - before[first][np.cumsum(first) - 1] < self._most
        over = rows.filter(pa.array(~inside))
        rules = pa.array(["over_cap"] * len(over), pa.string())
        columns = {"id": whole(over.column("id")), "dropped_by": rules}
        decisions = [("decisions", decide(integers(over, "doc"), columns))] if len(over) else []
        return rows.filter(pa.array(inside)).combine_chunks(), decisions

    def apply(self, table: pa.Table, decisions: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop the rows over the cap."""
        return give_verdicts(self.name, table, decisions, tally).select(table.column_names)

    def _of_address(self, table: pa.Table) -> pa.Array:
        """Return the host or domain of each address; empty where there is none."""
        hosts = [host_of(url or "") for url in table.column("url").to_pylist()]
        if self.per == "domain":
            registered = public_suffixes(private=self.private_suffixes).registered
            return pa.array([registered(host) if host else "" for host in hosts], pa.string())
        return pa.array([host.removeprefix("www.") for host in hosts], pa.string())
