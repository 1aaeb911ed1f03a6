"""What a stage would do, measured on a random sample of the real inputs; nothing is written."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.engine.reading import document_schema, read_shard
from curate.errors import EmptyGroupError, RecipeError, nearest
from curate.mixture.forecast import available_in, expected
from curate.mixture.sampling import order_key, sample_key
from curate.plan.model import Plan, Shard
from curate.protocol.in_memory import apply, resolve
from curate.protocol.ledger import Ledger
from curate.protocol.stage import Barrier, MapStage
from curate.protocol.tallies import without_details

#: Characters of an example, and examples per stage.
EXCERPT, EXAMPLES = 160, 5

#: Largest hash slice for a dedup estimate, in documents.
SLICE_DOCUMENTS = 20_000

#: Shards of a source, or pieces of files, that a sample is taken from.
MOST_SHARDS = 500


class Interval(NamedTuple):
    """A share with its 95 % interval."""

    share: float
    low: float
    high: float


class DryRun(NamedTuple):
    """What a stage did to the sample."""

    stage: str
    scanned: int  #: documents looked at to choose the sample from
    came: int  #: documents that reached the stage
    kept: Interval
    dropped: dict[str, tuple[int, Interval]]
    tally: dict[str, int]
    examples: list[dict[str, Any]]
    mixture: list[dict[str, Any]]
    note: str

    @property
    def short_tally(self) -> dict[str, int]:
        """The tally without the counts of single evaluation examples."""
        return without_details(self.tally)

    def as_json(self) -> dict[str, Any]:
        """Return all fields, the intervals with the names of their parts."""
        dropped = {
            rule: {"dropped": count, **share._asdict()}
            for rule, (count, share) in self.dropped.items()
        }
        return {**self._asdict(), "kept": self.kept._asdict(), "dropped": dropped}


def wilson(hits: int, of: int) -> Interval:
    """Return a share and its 95 % Wilson score interval (Wilson 1927); (0, 0, 1) of nothing.

    >>> [round(x, 3) for x in wilson(9, 10)]
    [0.9, 0.596, 0.982]
    """
    if not of:
        return Interval(0.0, 0.0, 1.0)
    z, share = 1.959964, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


def dry_run(
    plan: Plan, name: str, *, sample: int, scan: int, text_bytes: Mapping[str, int] | None = None
) -> DryRun:
    """Try one stage on ``sample`` documents, chosen by hash from up to ``scan`` bytes of text.

    Earlier map stages are run on the sample. Earlier dedup stages are skipped, because on a sample
    they would find almost nothing. A dedup stage is tried on a slice of *hash values* instead, so
    that all copies of a document are in the slice, wherever they are in the input; there the
    earlier dedup stages are run too. Without documents all shares are 0, with the interval (0, 1).

    The mixture is estimated source by source. ``text_bytes`` is the estimated text of each source,
    for the sources that are not scanned completely.
    """
    maps, barriers, stage = _until(plan, name)
    if is_for_samples(stage):
        chosen, scanned, _, _ = _sample(plan, sample, scan)
        table = _through(maps, chosen)
        tally: Counter[str] = Counter()
        out = applied(stage, table, tally)
        return _counted(name, scanned, out, tally, "")
    if stage.fills:
        chosen, scanned, _, _ = _sample(plan, sample, scan)
        return _counted(name, scanned, chosen, Counter(), "")
    if stage.makes_product:
        return _mixture(plan, stage, maps, sample, scan, text_bytes or {})
    return _duplicates(plan, name, stage, maps, barriers, scan)


def dry_run_all(
    plan: Plan, *, sample: int, scan: int, text_bytes: Mapping[str, int] | None = None
) -> list[DryRun]:
    """Try every stage, in order: map stages on one sample, the others as :func:`dry_run` does.

    A map stage behind a dedup stage gets the sample with its duplicates. Where the sample has
    nothing for a group of the mixture, the mixture's note says why and it has no rows.
    """
    table, scanned, _, _ = _sample(plan, sample, scan)
    tried = []
    for stage in plan.stages:
        if is_for_samples(stage):
            tally: Counter[str] = Counter()
            out = applied(stage, table, tally)
            tried.append(_counted(stage.name, scanned, out, tally, ""))
            table = out.filter(schema.alive(out))
            continue
        try:
            tried.append(dry_run(plan, stage.name, sample=sample, scan=scan, text_bytes=text_bytes))
        except EmptyGroupError as error:
            note = f"no mixture of {sample} documents: {error}"
            tried.append(DryRun(stage.name, scanned, 0, wilson(0, 0), {}, {}, [], [], note))
    return tried


def kept_of_raw(tried: list[DryRun]) -> Interval:
    """Return the share of documents that all stages keep, with the product of their intervals.

    That is wider than 95 %, as if the stages erred in the same direction.

    >>> half = Interval(0.5, 0.4, 0.6)
    >>> stage = DryRun("judge", 10, 10, half, {}, {}, [], [], "")
    >>> kept_of_raw([stage, stage])
    Interval(share=0.25, low=0.16, high=0.36)
    """
    share, low, high = (math.prod(one) for one in zip(*(each.kept for each in tried), strict=True))
    return Interval(round(share, 9), round(low, 9), round(high, 9))


def is_for_samples(stage: Any) -> bool:
    """Return whether a sample is enough for a stage: it compares no documents, or only ranks them.

    Quantiles of a sample are those of all documents, about.
    """
    return isinstance(stage, MapStage) or bool(stage.only_numbers)


def applied(stage: Any, table: pa.Table, tally: Counter[str]) -> pa.Table:
    """Return the rows after a stage that is for samples."""
    decisions = () if isinstance(stage, MapStage) else (resolve(stage, table)["decisions"],)
    out: pa.Table = stage.apply(table, *decisions, tally)
    return out


def _until(plan: Plan, name: str) -> tuple[list[Any], list[Barrier], Any]:
    """Return the stages before a stage that run on samples, the other barriers, and the stage."""
    if name not in plan.stage_names:
        raise RecipeError(f"the recipe has no stage '{name}'", hint=nearest(name, plan.stage_names))
    *before, stage = plan.stages[: plan.stage_names.index(name) + 1]
    maps = [one for one in before if is_for_samples(one)]
    barriers = [one for one in before if isinstance(one, Barrier)]
    return maps, [one for one in barriers if not (one.only_numbers or one.fills)], stage


def _documents(plan: Plan, scan: int, source: str | None = None) -> Iterator[pa.Table]:
    """Yield documents of shards, in an order given by hash, until ``scan`` bytes are read.

    At most `MOST_SHARDS` are read of each source: small ones cost their opening.

    With sidecars they come in one table, so that these are read once.
    """
    documents = _as_read(plan, scan, source)
    beside = [barrier for barrier in plan.barriers if barrier.fills]
    if beside and (tables := list(documents)):
        yield apply(beside[0], pa.concat_tables(tables))
    else:
        yield from documents


def _as_read(plan: Plan, scan: int, source: str | None) -> Iterator[pa.Table]:
    shards = _shards(plan, source)
    names = pa.array([f"{shard.source}#{number}" for number, shard in enumerate(shards)])
    left = scan
    read: Counter[str] = Counter()
    for number in np.argsort(order_key(names.cast(pa.string()), 1), kind="stable"):
        read[shards[int(number)].source] += 1
        if read[shards[int(number)].source] > MOST_SHARDS:
            continue
        shard = shards[int(number)]
        for batch in read_shard(plan.sources[shard.source], shard, plan.recipe.shards.batch_bytes):
            yield schema.conform(batch.documents, _schema(plan))
            left -= pc.sum(pc.binary_length(batch.documents.column("text"))).as_py() or 0
            if left <= 0:
                return


def _shards(plan: Plan, source: str | None) -> list[Shard]:
    return [shard for shard in plan.shards if source in (None, shard.source)]


def _schema(plan: Plan) -> pa.Schema:
    return pa.schema([*document_schema(plan.columns), *plan.brought])


class _Sample(NamedTuple):
    """The documents with the lowest hashes of ids among those scanned."""

    table: pa.Table
    scanned: int
    bytes: int  #: of text scanned
    ended: bool  #: whether everything was scanned


def _sample(plan: Plan, sample: int, scan: int, source: str | None = None) -> _Sample:
    lowest, scanned, seen = _schema(plan).empty_table(), 0, 0
    for table in _documents(plan, scan, source):
        scanned += table.num_rows
        seen += pc.sum(pc.binary_length(table.column("text"))).as_py() or 0
        both = pa.concat_tables([lowest, table])
        keys = sample_key(both.column("id"), 0)
        lowest = both.take(pa.array(np.sort(np.argsort(keys, kind="stable")[:sample])))
    most = max(Counter(shard.source for shard in _shards(plan, source)).values(), default=0)
    return _Sample(lowest, scanned, seen, seen < scan and most <= MOST_SHARDS)


def _through(stages: Sequence[Any], table: pa.Table, ledger: Ledger | None = None) -> pa.Table:
    for stage in stages:
        if ledger is not None:
            ledger.count_input(stage.name, table)
        table = applied(stage, table, Counter())
        if ledger is not None:
            ledger.count_dropped(table.filter(pc.invert(schema.alive(table))))
        table = table.filter(schema.alive(table))
    return table


def _counted(name: str, scanned: int, out: pa.Table, tally: Counter[str], note: str) -> DryRun:
    rejects = out.filter(pc.invert(schema.alive(out)))
    drops = Counter(rejects.column("dropped_by").to_pylist())
    order = np.argsort(sample_key(rejects.column("id"), 2), kind="stable")[:EXAMPLES]
    return DryRun(
        name,
        scanned,
        out.num_rows,
        wilson(out.num_rows - rejects.num_rows, out.num_rows),
        {rule: (count, wilson(count, out.num_rows)) for rule, count in drops.most_common()},
        {counted: times for counted, times in sorted(tally.items()) if times},
        [_example(rejects, int(row)) for row in order],
        [],
        note,
    )


def _example(rejects: pa.Table, row: int) -> dict[str, Any]:
    text = rejects.column("text")[row].as_py() or ""
    shown = {
        name: rejects.column(name)[row].as_py()
        for name in ("id", "lang", "dropped_by", "dropped_value", "duplicate_of")
        if name in rejects.column_names
    }
    return shown | {"text": " ".join(text[: 4 * EXCERPT].split())[:EXCERPT]}


def _duplicates(
    plan: Plan,
    name: str,
    barrier: Barrier,
    maps: Sequence[Any],
    earlier: list[Barrier],
    scan: int,
) -> DryRun:
    """Estimate a dedup stage from the documents whose hash values are in a slice of all values.

    Exact copies share their hash value, so the share found is unbiased for what was scanned. Near
    duplicates are sliced by the key of one band: pairs that share only other bands are missed, so
    that share is a lower bound. Repeats inside documents cannot be sliced by document: they are
    searched for among the first documents, and repeats outside these are not found.
    """
    cuts = barrier.removes_text
    documents: pa.Table | None = None
    slices, scanned = 1, 0
    for table in _documents(plan, scan):
        scanned += table.num_rows
        active = _through(maps, table)
        if slices > 1:
            active = _sliced(barrier, active, slices)
        documents = active if documents is None else pa.concat_tables([documents, active])
        if cuts and documents.num_rows >= SLICE_DOCUMENTS:
            documents = documents.slice(0, SLICE_DOCUMENTS)
            break
        while documents.num_rows > SLICE_DOCUMENTS:
            slices *= 2
            smaller = _sliced(barrier, documents, slices)
            if smaller.num_rows == documents.num_rows:
                break  # all are copies of one text, which no slice separates
            documents = smaller
    if documents is None:
        documents = _through(maps, _schema(plan).empty_table())
    for before in earlier:
        documents = apply(before, documents)
        documents = documents.filter(schema.alive(documents))
    tally: Counter[str] = Counter()
    out = barrier.apply(documents, resolve(barrier, documents)["decisions"], tally)
    kind = "" if slices == 1 else f"one {slices}th of the hash values; "
    if cuts:
        kind = f"a lower bound: repeats outside these {documents.num_rows} documents are not seen; "
    bound = "a lower bound: " if slices > 1 and barrier.compares_pairs else ""
    return _counted(name, scanned, out, tally, f"{kind}{bound}copies outside the scan are not seen")


def _sliced(barrier: Barrier, table: pa.Table, slices: int) -> pa.Table:
    return table.filter(pa.array(_slice_values(barrier, table) % np.uint64(slices) == 0))


def _slice_values(barrier: Any, table: pa.Table) -> np.ndarray:
    sketch = barrier.sketch(table)
    if "signature" in sketch.column_names:
        rows = schema.whole(sketch.column("signature"))
        width = rows.type.list_size
        first = rows.flatten().to_numpy().reshape(-1, width)[:, : max(1, width // 16)]
        keys = [b"".join(value.tobytes() for value in row) for row in first]
        return order_key(pa.array([key.hex() for key in keys]), 7)
    hashes = schema.whole(sketch.column("hash"))
    return order_key(pa.array([(value.as_py() or b"").hex() for value in hashes]), 7)


def _mixture(
    plan: Plan,
    mix: Any,
    before: Sequence[Any],
    sample: int,
    scan: int,
    text_bytes: Mapping[str, int],
) -> DryRun:
    """Estimate what is available of each leaf, and solve the mixture for that.

    Each source is sampled separately, so that a small one is not missed. Tokens are counted on the
    sample alone: the rest is assumed to have as many per byte in each source and language.
    """
    available: dict[Any, Any] = {}
    held_out: dict[Any, Any] = {}
    ledger = Ledger()
    tables, notes, scanned, partly = [], [], 0, []
    share = max(1, len(plan.sources))
    for source in plan.sources:
        sampled = _sample(plan, max(1, sample // share), max(1, scan // share), source)
        scanned += sampled.scanned
        table = _through(before, sampled.table, ledger)
        ledger.count_input(mix.name, table)
        factor = sampled.scanned / max(1, sampled.table.num_rows)
        if not sampled.ended:
            partly.append(source)
            factor *= max(1.0, text_bytes.get(source, 0) / max(1, sampled.bytes))
        leaves, out_of_leaves = available_in(mix.sketch(table), factor)
        available |= leaves
        held_out |= out_of_leaves
        tables.append(table)
    try:
        rows = expected(mix.mixture, available, held_out).to_pylist()
    except EmptyGroupError as error:
        group = mix.mixture.groups[error.group]
        raise error.with_fate(ledger.fate(group.sources, group.languages)) from None
    chosen = sum(table.num_rows for table in tables)
    notes.append(f"estimated from {chosen} active documents of {scanned} scanned")
    if partly:
        notes.append("only part was scanned of " + ", ".join(partly))
    notes.append("duplicates are still among them")
    return DryRun(
        mix.name, scanned, chosen, wilson(chosen, chosen), {}, {}, [], rows, "; ".join(notes)
    )
