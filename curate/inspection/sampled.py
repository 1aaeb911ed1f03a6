"""What the documents of a plan's sources are like, measured on a few megabytes of each."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.dedup.fuzzy.minhash import band_keys, signature_array
from curate.engine.reading import document_schema, read_shard
from curate.inspection.dry_run import MOST_SHARDS, applied, is_for_samples
from curate.mixture.sampling import order_key
from curate.plan.estimate import Sampled
from curate.plan.model import Plan, PlannedPiece, Shard
from curate.protocol.stage import Barrier
from curate.sources.base import InputFile, Piece

#: Bytes of text that are read of all sources together, and of one at least.
TEXT_BYTES, LEAST = 16 << 20, 1 << 20

#: Documents that the map stages are tried on, in all.
DOCUMENTS = 1000

#: Seconds after which no other piece of a source is begun.
SECONDS = 5.0

#: Formats whose pieces are ranges of row groups: how far a file was read says nothing there.
_GROUPED = ("parquet", "run")


def sample_sources(
    plan: Plan, enlarged: Collection[str] = (), documents: int = DOCUMENTS
) -> dict[str, Sampled]:
    """Read a few megabytes of each source, run the map stages on some documents, and measure.

    A source that yields no document is left out. Sidecars are not read. Of the sources
    ``enlarged`` even all files are but a part, so that like documents may lie outside them.
    """
    found = {}
    for name in plan.sources:
        one = _read(plan, name, max(LEAST, TEXT_BYTES // len(plan.sources)))
        if one.table.num_rows:
            one = one._replace(whole=one.whole and name not in enlarged)
            found[name] = _measured(plan, one, max(20, documents // len(plan.sources)))
    return found


class _Part(NamedTuple):
    """Some of a source's documents."""

    table: pa.Table
    text_per_stored: float | None
    whole: bool  #: whether they are all


def _read(plan: Plan, name: str, text_bytes: int) -> _Part:
    """Read some of a source's documents, about so many bytes of text."""
    source, shards = plan.sources[name], [s for s in plan.shards if s.source == name]
    grouped = plan.recipe.sources[name].format in _GROUPED
    whole = pa.schema([*document_schema(plan.columns), *plan.brought])
    tables = [whole.empty_table()]
    text, stored = 0, 0.0
    ends = time.monotonic() + SECONDS
    for planned, size in _pieces(source.reader, shards, text_bytes // 4):
        file = _Counted(**asdict(planned.file))
        shard, before = Shard(name, (planned._replace(file=file),)), text
        marks = []  # bytes of text, and bytes read for it: readers are ahead
        for batch in read_shard(source, shard, text_bytes // 8):
            tables.append(schema.conform(batch.documents, whole))
            text += _text_bytes(batch.documents)
            marks.append((text - before, file.read_bytes[0]))
            if text >= text_bytes and size > text_bytes and not grouped:
                size = _stored_bytes(marks)
                break
        stored += size
        if text >= text_bytes or time.monotonic() > ends:
            break
    known = plan.recipe.sources[name].format != "commoncrawl"  # which reads from other files
    size = sum({p.file.path: p.file.size for s in shards for p in s.pieces}.values())
    per_stored = text / stored if known and text and stored else None
    return _Part(pa.concat_tables(tables), per_stored, stored >= size)


def _pieces(
    reader: Any, shards: list[Shard], target_bytes: int
) -> Iterator[tuple[PlannedPiece, float]]:
    """Yield pieces in an order given by hash, small where that costs nothing, and their bytes."""
    pieces = [piece for shard in shards for piece in shard.pieces]
    ends: dict[str, int] = {}
    for one in pieces:
        ends[one.file.path] = max(ends.get(one.file.path, 0), one.piece.end)
    numbers = pa.array([str(number) for number in range(len(pieces))], pa.string())
    splits: dict[str, list[Piece]] = {}
    taken: set[tuple[str, Piece]] = set()
    for number in np.argsort(order_key(numbers, 1), kind="stable")[:MOST_SHARDS]:
        planned = pieces[int(number)]
        file, piece = planned.file, planned.piece
        cuts, end = [piece], ends[file.path]
        if not file.is_remote:
            if file.path not in splits:
                large = file.size > target_bytes
                splits[file.path] = reader.split(file, target_bytes) if large else [Piece(0, end)]
            every = splits[file.path]
            # Of a smaller piece, the one in which it lies: each read looks at the whole file again.
            inside = [cut for cut in every if piece.start <= cut.start < piece.end]
            cuts = inside or [cut for cut in every if cut.start < piece.start < cut.end] or cuts
            end = every[-1].end
        for cut in cuts[:: -(-len(cuts) // 4)]:
            if (file.path, cut) not in taken:
                taken.add((file.path, cut))
                share = (min(cut.end, end) - cut.start) / max(1, end)
                yield planned._replace(piece=cut), file.size * share


def _stored_bytes(marks: list[tuple[int, int]]) -> float:
    """Return the stored bytes of the text read so far, by what its later parts took.

    >>> _stored_bytes([(10, 100), (20, 100), (30, 104)])
    6.0
    >>> _stored_bytes([(10, 100)])
    100
    """
    (first, ahead), (text, read) = marks[0], marks[-1]
    return text * (read - ahead) / (text - first) if read > ahead else read


def _measured(plan: Plan, part: _Part, documents: int) -> Sampled:
    """Measure documents, and what the map stages leave of the first of them."""
    table, chosen = part.table, part.table.slice(0, documents)
    whole = part.whole and len(chosen) == len(table)
    usual = Sampled()
    tokens, shingles, clustered, rows = 0, 0, usual.clustered, chosen
    for stage in plan.stages:
        if is_for_samples(stage):
            rows = applied(stage, rows, Counter())
            rows = rows.filter(schema.alive(rows))
            if "n_tokens" in stage.adds:
                tokens = pc.sum(rows.column("n_tokens")).as_py() or 0
            continue
        for name, kind in stage.added_types.items():  # a later stage may read them
            if name not in rows.column_names:
                rows = rows.append_column(name, pa.nulls(len(rows), kind))
        if isinstance(stage, Barrier) and stage.near_duplicates is not None:
            sketch = stage.sketch(rows)
            shingles = pc.sum(sketch.column("n_shingles")).as_py() or 0
            if whole:  # else like documents lie outside the sample
                clustered = _clustered(sketch, *stage.near_duplicates.band_shape)
    left, all_text = _text_bytes(rows), _text_bytes(table)
    before = max(1, _text_bytes(chosen))
    return Sampled(
        text_per_document=max(1, all_text / table.num_rows),  # all may be empty
        kept=left / before,
        tokens=tokens / max(1, left) if tokens else usual.tokens,
        shingles=shingles / max(1, left) if shingles else usual.shingles,
        clustered=clustered,
        lz4=_stored(table, pa.Codec("lz4")),
        zstd=_stored(table, pa.Codec("zstd", 3)),  # levels as in storage/parquet_sink.py
        zstd_1=_stored(table, pa.Codec("zstd", 1)),
        text_per_stored=part.text_per_stored,
        documents=table.num_rows,
    )


def _clustered(sketch: pa.Table, bands: int, rows: int) -> float:
    """Return the share of documents that share a band key with another one."""
    keys = band_keys(signature_array(sketch), bands, rows).reshape(-1, 2)
    _, number, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    shared = (count[number.ravel()] > 1).reshape(-1, bands).any(axis=1)
    return float(shared.sum() / max(1, sketch.num_rows))


def _stored(table: pa.Table, codec: pa.Codec) -> float:
    """Return the stored bytes per byte of text, compressed as pages of 1 MiB."""
    texts = b"\n".join(t.encode() for t in table.column("text").to_pylist() if t)
    pages = (texts[at : at + (1 << 20)] for at in range(0, len(texts), 1 << 20))
    stored: int = sum(codec.compress(page).size for page in pages)
    return stored / max(1, len(texts))


def _text_bytes(table: pa.Table) -> int:
    return pc.sum(pc.binary_length(table.column("text"))).as_py() or 0


@dataclass(frozen=True, slots=True)
class _Counted(InputFile):
    """An input file that counts the stored bytes that are read of it."""

    read_bytes: list[int] = field(default_factory=lambda: [0], compare=False)

    def open(self, *, ahead: bool = True) -> IO[bytes]:
        """Open the file; see InputFile."""
        raw = _CountingReader(InputFile.open(self, ahead=ahead), self.read_bytes)
        return cast(IO[bytes], io.BufferedReader(raw, 1 << 16))


class _CountingReader(io.RawIOBase):
    def __init__(self, handle: IO[bytes], count: list[int]) -> None:
        self._handle, self._count = handle, count

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._handle.seekable()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._handle.seek(offset, whence)

    def tell(self) -> int:
        return self._handle.tell()

    def readinto(self, buffer: Any, /) -> int:
        data = self._handle.read(len(buffer))
        buffer[: len(data)] = data
        self._count[0] += len(data)
        return len(data)

    def close(self) -> None:
        self._handle.close()
        super().close()
