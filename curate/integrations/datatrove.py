"""Steps of a datatrove pipeline that do what curate's stages do.

They run under any executor of datatrove, write what its users look for into ``metadata``
(``language``, ``token_count``, ``filter_reason``), and count in its statistics: ``total``,
``forwarded``, ``dropped``, ``dropped_<rule>`` and what a stage counts by itself. The other way,
blocks of datatrove as stages of a recipe, is ``curate/stages/datatrove_block.py``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.io import get_datafolder
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.batching import batched
from datatrove.utils.typeshelper import StatHints

from curate import schema
from curate.api.jobs import dedup_paths
from curate.api.tables import all_profiles
from curate.errors import CurateError, RecipeError
from curate.plan import registry
from curate.recipe import locate
from curate.storage.dedup_store import listing, parameters_of
from curate.storage.store import open_store

#: Rows of a row group of the texts that are deduplicated: a row's number follows from its locator.
_GROUP = 256
_TEXTS, _DROPPED = "texts", "dropped"


class _Stages(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """Runs map stages on batches of documents."""

    stages: tuple[str, ...] = ()

    def __init__(
        self, profile: str | None = None, exclusion_writer: Any = None, batch_size: int = 256
    ) -> None:
        super().__init__()
        self.profile = None if profile is None else locate.profile_name(profile)
        self.exclusion_writer = exclusion_writer
        self.batch_size = batch_size
        self._built: list[Any] = []

    def __getstate__(self) -> dict[str, Any]:
        # Each worker builds its own stages.
        return self.__dict__ | {"_built": []}

    def options(self, stage: str) -> dict[str, Any]:
        """Return the options of a stage."""
        return {}

    def update(self, document: Document, row: dict[str, Any]) -> None:
        """Write what the stages found into a document."""

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents that no stage drops."""
        if not self._built:
            profiles = all_profiles(self.profile)
            self._built = [
                registry.build(
                    "stage", name, self.options(name), given={"profiles": profiles, "name": name}
                )
                for name in self.stages
            ]
        with self.exclusion_writer or nullcontext() as writer:
            for batch in batched(data, self.batch_size):
                with self.track_time("batch"):
                    tally: Counter[str] = Counter()
                    table = _table(batch)
                    for stage in self._built:
                        table = stage.apply(table, tally)
                    rows = table.to_pylist()
                for name, count in sorted(tally.items()):
                    self.stat_update(name, value=count, unit="batch")
                for document, row in zip(batch, rows, strict=True):
                    self.update(document, row)
                    yield from _forwarded(self, document, row["dropped_by"], writer, rank)


def _forwarded(
    step: Any, document: Document, dropped_by: str | None, writer: Any, rank: int
) -> Iterator[Document]:
    """Yield a document that is kept, and count it; write one that is dropped."""
    step.stat_update(StatHints.total)
    if dropped_by is None:
        step.stat_update(StatHints.forwarded)
        step.update_doc_stats(document)
        yield document
        return
    reason = dropped_by.partition(":")[2] or dropped_by
    step.stat_update(StatHints.dropped, f"dropped_{reason}")
    if writer is not None:
        document.metadata["filter_reason"] = reason
        writer.write(document, rank)


def _number(value: float | None) -> float:
    """Return a number that may be missing: writers of Parquet take no null before they know a type.

    NaN is null in JSON.
    """
    return math.nan if value is None else value


def _table(documents: list[Document]) -> pa.Table:
    """Return documents as a Document table; their languages, if they have any, are in ``lang``."""
    rows = []
    for document in documents:
        about = document.metadata
        own = {name: str(about[name]) for name in ("source", "url") if about.get(name) is not None}
        rows.append({"id": str(document.id), "text": document.text, "source": ""} | own)
    langs = [_lang(document.metadata) for document in documents]
    table = schema.documents(rows)
    return table.append_column("lang", pa.array(langs, pa.string())) if any(langs) else table


def _lang(metadata: dict[str, Any]) -> str | None:
    """Return the label that a language filter of datatrove, or `Identify`, has written."""
    language, script = metadata.get("language"), metadata.get("language_script")
    if not isinstance(language, str):
        return None
    return f"{language}_{script}" if isinstance(script, str) and script else language


class Identify(_Stages):
    """Write the language of each document into its metadata, as datatrove's language filter does.

    ``language`` is ISO 639-3 or ``und``, ``language_script`` ISO 15924, ``language_score`` from 0
    to 1; `curate.identify` says what they mean. The statistics count ``lang:<label>``.

    Parameters
    ----------
    model : str, optional
        Path or ``hf://`` name of a fastText model; default: lid.176.ftz.
    batch_size : int, default 256
        Documents that are identified together.
    """

    name = "🌍 curate: identify"
    type = "🏷 - LABEL"
    stages = ("identify",)

    def __init__(self, model: str | None = None, batch_size: int = 256) -> None:
        super().__init__(None, None, batch_size)
        self.model = model

    def options(self, stage: str) -> dict[str, Any]:
        return {} if self.model is None else {"model": self.model}

    def update(self, document: Document, row: dict[str, Any]) -> None:
        language, _, script = row["lang"].partition("_")
        document.metadata["language"] = language
        document.metadata["language_script"] = script
        document.metadata["language_score"] = row["lang_score"]


class Standardize(_Stages):
    """Repair texts, then apply the fixes and masks of each document's profile.

    A document without a visible character is dropped as ``empty_text``. Put `Identify`, or a
    language filter of datatrove with scripts, before it. The statistics count each fix and mask.

    Parameters
    ----------
    profile : str, optional
        Name or path of the profile for all documents; default: that of the document's language.
    exclusion_writer : DiskWriter, optional
        Gets what is dropped, with ``filter_reason``.
    batch_size : int, default 256
        Documents that are standardized together.
    """

    name = "🧹 curate: standardize"
    type = "✂️ - FORMAT"
    stages = ("repair", "standardize")

    def update(self, document: Document, row: dict[str, Any]) -> None:
        document.text = row["text"]


class Judge(_Stages):
    """Measure the signals of each document and drop it by the first rule of its profile it breaks.

    ``filter_reason`` and ``dropped_<rule>`` of the statistics are the names of rules;
    ``filter_value`` is the measured number (NaN where there is none).

    Parameters
    ----------
    profile : str, optional
        Name or path of the profile for all documents; default: that of the document's language.
    exclusion_writer : DiskWriter, optional
        Gets what is dropped, with ``filter_reason``.
    batch_size : int, default 256
        Documents that are measured together.
    keep_signals : bool, default False
        Write the signals (``signal_<name>``) into the metadata, too.
    """

    name = "⚖️ curate: judge"
    type = "🔻 - FILTER"
    stages = ("measure", "judge")

    def __init__(
        self,
        profile: str | None = None,
        exclusion_writer: Any = None,
        batch_size: int = 256,
        keep_signals: bool = False,
    ) -> None:
        super().__init__(profile, exclusion_writer, batch_size)
        self.keep_signals = keep_signals

    def update(self, document: Document, row: dict[str, Any]) -> None:
        if self.keep_signals:
            document.metadata |= {k: v for k, v in row.items() if k.startswith("signal_")}
        if row["dropped_by"] is not None:
            document.metadata["filter_value"] = _number(row["dropped_value"])


class CountTokens(_Stages):
    """Write ``token_count`` into the metadata, as datatrove's counter does; count ``tokens``.

    Parameters
    ----------
    tokenizer : str, optional
        What ``curate tokenizers`` lists; default: tekken.
    batch_size : int, default 256
        Documents that are counted together.
    """

    name = "📊 curate: count tokens"
    type = "🔢 - TOKENIZER"
    stages = ("count",)

    def __init__(self, tokenizer: str | None = None, batch_size: int = 256) -> None:
        super().__init__(None, None, batch_size)
        self.tokenizer = tokenizer

    def options(self, stage: str) -> dict[str, Any]:
        return {} if self.tokenizer is None else {"tokenizer": self.tokenizer}

    def update(self, document: Document, row: dict[str, Any]) -> None:
        document.metadata["token_count"] = row["n_tokens"]
        self.stat_update("tokens", value=row["n_tokens"])


class DedupTexts(PipelineStep):  # type: ignore[misc]
    """First step of a verified dedup: each task writes its texts; documents pass through.

    Then a pipeline of one task with `DedupDecide`, then, with as many tasks as here and the same
    documents, `DedupFilter`.

    Parameters
    ----------
    folder : str
        Folder or address that the three steps share; new for each dedup.
    """

    name = "🫂 curate: texts to compare"
    type = "🫂 - DEDUP"

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield all documents, and write id, text and language of each."""
        columns = {"doc_id": pa.string(), "text": pa.large_string(), "language": pa.string()}
        own = pa.schema(list(columns.items()))
        path = f"{_TEXTS}/{rank:05d}.parquet"
        files = get_datafolder(self.folder)
        with files.open(path, "wb") as sink, pq.ParquetWriter(sink, own) as writer:
            for batch in batched(data, _GROUP):
                with self.track_time("batch"):
                    rows = [
                        {"doc_id": str(d.id), "text": d.text or "", "language": _lang(d.metadata)}
                        for d in batch
                    ]
                    table = pa.Table.from_pylist(rows, schema=own)
                    writer.write_table(table, row_group_size=_GROUP)
                for document in batch:
                    self.stat_update(StatHints.total)
                    self.update_doc_stats(document)
                    yield document


class DedupDecide(PipelineStep):  # type: ignore[misc]
    """Second step: decide what is removed, over the texts of all tasks. Run it with one task.

    Exact copies and near duplicates are removed whose similarity to a kept document was computed
    exactly. It is a run of curate in ``<folder>/run``, with its report; killed, it resumes.

    Parameters
    ----------
    folder : str
        The folder of `DedupTexts`.
    source : str, default 'datatrove'
        The source of the documents in the run and in a dedup store, where each needs its own.
    engine : {'auto', 'ray', 'in-process'}, default 'auto'
        Where the work is done; the result is the same.
    **options : object
        As for :func:`curate.api.dedup_paths`: ``threshold``, ``store``, ``keep`` and others.
    """

    name = "🎯 curate: verified duplicates"
    type = "🫂 - DEDUP"

    def __init__(
        self, folder: str, source: str = "datatrove", engine: str = "auto", **options: Any
    ) -> None:
        super().__init__()
        self.folder, self.source, self.engine, self.given = folder, source, engine, options

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        """Write the decisions of each task's documents."""
        if world_size != 1:
            raise RecipeError(
                f"DedupDecide compares the texts of all tasks, and there are {world_size} of it",
                where=self.folder,
                hint="give it an executor of its own, with tasks=1",
            )
        root = self.folder.rstrip("/")
        files = get_datafolder(self.folder)
        self._check_source(files)
        with self.track_time("run"):
            result = dedup_paths(
                [f"{self.source}={root}/{_TEXTS}"],
                output=f"{root}/run",
                engine=self.engine,
                **self.given,
            )
        totals = result.manifest["totals"]
        self.stat_update(StatHints.total, value=totals["documents"])
        self.stat_update(StatHints.forwarded, value=totals["curated"])
        self.stat_update(StatHints.dropped, value=totals["dropped"])
        ids: dict[int, list[str]] = {}

        def own_id(task: int, row: int) -> str:
            if task not in ids:
                with files.open(f"{_TEXTS}/{task:05d}.parquet", "rb") as source:
                    ids[task] = [row["doc_id"] for row in _rows(source, ["doc_id"])]
            return ids[task][row]

        decisions: dict[int, list[dict[str, Any]]] = {}
        for name in files.list_files("run/rejected", recursive=True, glob_pattern="**/*.parquet"):
            with files.open(name, "rb") as source:
                columns = ["id", "dropped_by", "duplicate_of", "jaccard"]
                rows = _rows(source, columns)
            for row in rows:
                task, number = _place(row["id"])
                witness = row["duplicate_of"]
                if witness is not None and schema.source_of(witness) == self.source:
                    witness = own_id(*_place(witness))
                decision = row | {"row": number, "id": own_id(task, number)}
                decisions.setdefault(task, []).append(decision | {"duplicate_of": witness})
        for task, rows in sorted(decisions.items()):
            with files.open(f"{_DROPPED}/{task:05d}.parquet", "wb") as sink:
                ordered = sorted(rows, key=lambda row: row["row"])
                pq.write_table(pa.Table.from_pylist(ordered, schema=_DECISIONS), sink)

    def _check_source(self, files: Any) -> None:
        """Refuse a source that a dedup store has from elsewhere: ids would name two documents."""
        store = self.given.get("store") or self.given.get("against")
        if not store or files.isdir("run") or parameters_of(open_store(store)) is None:
            return
        if any(self.source in row["sources"] for row in listing(store)["generations"]):
            raise RecipeError(
                f"the dedup store has documents of a source '{self.source}' already",
                where=store,
                hint='give these another name: DedupDecide(..., source="february")',
            )


def _rows(source: Any, columns: list[str] | None = None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        pq.ParquetFile(source).read(columns=columns, use_threads=False).to_pylist()
    )
    return rows


_DECISIONS = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.string()),
        ("dropped_by", pa.string()),
        ("duplicate_of", pa.string()),
        ("jaccard", pa.float64()),
    ]
)


def _place(id: str) -> tuple[int, int]:
    """Return the task and the number of a document from its id in the run."""
    _, file, locator = schema.split_id(id)
    group, _, row = locator.partition(":")
    return int(file.removesuffix(".parquet")), int(group) * _GROUP + int(row)


class DedupFilter(PipelineStep):  # type: ignore[misc]
    """Third step: drop the duplicates among the same documents in the same tasks.

    ``filter_reason`` is the rule (``duplicate``, ``near_duplicate_words``, ...); a dropped
    document's metadata also has ``duplicate_of`` (the id of the kept document; empty for a text
    without words) and ``jaccard`` (NaN for an exact copy).

    Parameters
    ----------
    folder : str
        The folder of `DedupTexts` and `DedupDecide`.
    exclusion_writer : DiskWriter, optional
        Gets what is dropped.
    """

    name = "🎯 curate: drop duplicates"
    type = "🫂 - DEDUP"

    def __init__(self, folder: str, exclusion_writer: Any = None) -> None:
        super().__init__()
        self.folder, self.exclusion_writer = folder, exclusion_writer

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents that are kept; CurateError where they are not those compared."""
        files = get_datafolder(self.folder)
        if not files.isfile("run/manifest.json"):
            raise CurateError(
                "the duplicates of this folder are not decided yet",
                where=self.folder,
                hint="run DedupDecide with one task before",
            )
        decisions: dict[int, dict[str, Any]] = {}
        if files.isfile(f"{_DROPPED}/{rank:05d}.parquet"):
            with files.open(f"{_DROPPED}/{rank:05d}.parquet", "rb") as source:
                decisions = {row["row"]: row for row in _rows(source)}
        with files.open(f"{_TEXTS}/{rank:05d}.parquet", "rb") as source:
            compared = pq.read_metadata(source).num_rows
        number = -1
        with self.exclusion_writer or nullcontext() as writer:
            for number, document in enumerate(data):
                decision = decisions.get(number)
                if decision is not None and decision["id"] != str(document.id):
                    raise self._others(rank)
                if decision is not None:
                    document.metadata["duplicate_of"] = decision["duplicate_of"] or ""
                    document.metadata["jaccard"] = _number(decision["jaccard"])
                dropped_by = None if decision is None else decision["dropped_by"]
                yield from _forwarded(self, document, dropped_by, writer, rank)
        if number + 1 != compared:
            raise self._others(rank)

    def _others(self, rank: int) -> CurateError:
        return CurateError(
            f"task {rank} has other documents than those that were compared",
            where=self.folder,
            hint="give DedupTexts and DedupFilter the same reader and number of tasks",
        )
