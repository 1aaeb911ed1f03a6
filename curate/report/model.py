"""What a run did, derived once from its manifest; every page of the report only prints it.

All counts come from the manifest's ledger, so the terminal, the Markdown, the HTML and the JSON cannot
disagree. Documents and bytes are counted apart: rewriting stages change bytes without dropping anyone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curate.ledger import Amount, FileBook, Ledger, StageBook
from curate.report.timing import Time, time_spent

#: Longest excerpt of a document in a report.
SAMPLE_CHARACTERS = 400

NOTHING = Amount(0, 0)


def share(part: float, whole: float) -> float | None:
    """Divide; None where there is nothing to divide by, for a share of nothing is not 0.

    >>> share(1, 4), share(0, 0)
    (0.25, None)
    """
    return part / whole if whole else None


@dataclass(frozen=True)
class Fate:
    """What became of the records of a run, a source or a language; None where nobody counts it."""

    documents: Amount
    dropped: dict[str, Amount]  #: by ``stage:rule``
    curated: Amount
    read: int | None = None
    skipped: dict[str, int] | None = None
    quarantined: dict[str, int] | None = None
    taken: int | None = None
    rows: int | None = None

    @property
    def kept(self) -> float | None:
        """Kept of raw: curated / documents."""
        return share(self.curated.documents, self.documents.documents)

    @property
    def kept_bytes(self) -> float | None:
        """Kept of raw by bytes of text, rewriting included."""
        return share(self.curated.bytes, self.documents.bytes)

    @property
    def lost(self) -> int:
        """Documents that any rule dropped."""
        return sum(amount.documents for amount in self.dropped.values())


@dataclass(frozen=True)
class StageRow:
    """What came to a stage, what its rules dropped, and what it handed on."""

    stage: str
    came: Amount
    dropped: dict[str, Amount]  #: by rule
    kept: Amount
    tally: dict[str, int]
    seconds: float | None  #: None where the stage shares a pass over the text with others

    @property
    def rewritten(self) -> int:
        """Bytes of text that rewriting removed from the documents that lived (negative: added)."""
        gone = sum(amount.bytes for amount in self.dropped.values())
        return self.came.bytes - gone - self.kept.bytes


@dataclass(frozen=True)
class Example:
    """An excerpt of a rejected document, chosen by the hash of its id."""

    id: str
    lang: str
    url: str
    value: float | None
    duplicate_of: str
    jaccard: float | None
    text: str
    whole: bool  #: whether ``text`` is all of it


@dataclass(frozen=True)
class Rule:
    """A rule that dropped documents."""

    name: str  #: ``stage:rule``
    dropped: Amount
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Dedup:
    """What the dedup barriers alone did."""

    before: Amount
    after: Amount
    exact: int
    near: int
    tokens: tuple[float, float] | None = None  #: estimated, before and after

    @property
    def kept(self) -> float | None:
        """Documents after / before."""
        return share(self.after.documents, self.before.documents)

    @property
    def kept_bytes(self) -> float | None:
        """Bytes after / before."""
        return share(self.after.bytes, self.before.bytes)


@dataclass(frozen=True)
class Report:
    """Everything that the pages say."""

    manifest: Mapping[str, Any]
    run: Fate
    stages: tuple[StageRow, ...]
    sources: dict[str, Fate]
    languages: dict[str, Fate]  #: "" = dropped before the language was known
    rules: tuple[Rule, ...]
    dedup: Dedup | None  #: None: the recipe has no dedup
    dedup_languages: dict[str, Dedup]
    clusters: dict[str, dict[int, int]] | None  #: per stage, size → clusters; None: not counted
    damaged: tuple[tuple[str, str, int], ...]  #: reason, file, records
    passed_over: tuple[tuple[str, str, int], ...]  #: reason, file, records
    time: Time

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.manifest["recipe"]["name"])

    @property
    def mixture(self) -> list[dict[str, Any]]:
        """The mixture table, as :mod:`curate.mixture.table` gives it."""
        return list(self.manifest["mixture"])

    @property
    def tokens(self) -> int:
        """Tokens of the product; 0 where none were counted."""
        return sum(row["tokens"] or 0 for row in self.mixture)

    @property
    def largest_cluster(self) -> int | None:
        """Documents of the largest cluster."""
        if self.clusters is None:
            return None
        return max((size for sizes in self.clusters.values() for size in sizes), default=0)

    @property
    def cluster_count(self) -> int | None:
        """Clusters of two or more documents, over the dedup stages."""
        if self.clusters is None:
            return None
        return sum(sum(sizes.values()) for sizes in self.clusters.values())

    @property
    def identities(self) -> list[tuple[str, bool]]:
        """The accounting in words, each with whether it holds."""
        run = self.run
        read, taken = run.read or 0, run.taken or 0
        skipped = sum((run.skipped or {}).values())
        damaged = sum((run.quarantined or {}).values())
        documents, curated = run.documents.documents, run.curated.documents
        over = sum(book["over_budget"] for book in self.manifest["ledger"]["files"].values())
        return [
            (
                f"{read:,} records read = {documents:,} documents + {skipped:,} skipped"
                f" + {damaged:,} quarantined",
                read == documents + skipped + damaged,
            ),
            (
                f"{documents:,} documents = {run.lost:,} dropped + {curated:,} curated",
                documents == run.lost + curated,
            ),
            (
                f"{curated:,} curated = {taken:,} taken + {over:,} over budget",
                curated == taken + over,
            ),
            (
                f"{run.rows or 0:,} rows written = every epoch of {taken:,} documents taken",
                (run.rows or 0) == sum(row["documents"] for row in self.mixture),
            ),
        ]


def derive(manifest: Mapping[str, Any], timings: Sequence[Mapping[str, Any]]) -> Report:
    """Derive everything that a report says from a manifest and its timings (which may be empty)."""
    ledger = Ledger.from_json(manifest["ledger"])
    names = [str(name) for name in manifest["stages"]]
    books = [(name, ledger.stages.get(name, StageBook())) for name in names]
    time = time_spent(names, timings)
    stages = tuple(
        _stage(name, book, after, time.stages.get(name))
        for (name, book), (_, after) in zip(books, [*books[1:], ("", None)])
    )
    deduping = _dedup_stages(manifest, names)
    files = ledger.files
    run = _fate(books, files.values(), None, manifest["totals"]["rows"])
    sources = {
        source: _fate(
            books,
            [book for name, book in files.items() if name.partition("/")[0] == source],
            source,
            None,
        )
        for source in sorted({name.partition("/")[0] for name in files})
    }
    languages = _languages(books)
    sizes = {
        name: _cluster_sizes(ledger.stages[name]) for name in deduping if name in ledger.stages
    }
    return Report(
        manifest=manifest,
        run=run,
        stages=stages,
        sources=sources,
        languages=languages,
        rules=_rules(books, manifest.get("samples", [])),
        dedup=_dedup(books, deduping, None) if deduping else None,
        dedup_languages={
            lang: found
            for lang in languages
            if lang and (found := _dedup(books, deduping, lang)).before.documents
        },
        clusters=sizes if any(sizes.values()) else None,
        damaged=_by_reason((name, book.quarantined) for name, book in files.items()),
        passed_over=_by_reason((name, book.skipped) for name, book in files.items()),
        time=time,
    )


_Books = Sequence[tuple[str, StageBook]]


def _plus(amounts: Iterable[Amount]) -> Amount:
    documents = size = 0
    for amount in amounts:
        documents += amount.documents
        size += amount.bytes
    return Amount(documents, size)


def _stage(name: str, book: StageBook, after: StageBook | None, seconds: float | None) -> StageRow:
    came = _plus(book.came.values())
    dropped: dict[str, Amount] = {}
    for (_, _, rule), amount in sorted(book.dropped.items()):
        dropped[rule] = _plus([dropped.get(rule, NOTHING), amount])
    gone = _plus(dropped.values())
    kept = Amount(came.documents - gone.documents, came.bytes - gone.bytes)
    if after is not None:
        kept = Amount(kept.documents, _plus(after.came.values()).bytes)
    most_first = dict(sorted(dropped.items(), key=lambda item: (-item[1].documents, item[0])))
    return StageRow(name, came, most_first, kept, dict(sorted(book.tally.items())), seconds)


def _came(book: StageBook, source: str | None = None, lang: str | None = None) -> Amount:
    return _plus(
        amount
        for (origin, label), amount in book.came.items()
        if source in (None, origin) and lang in (None, label)
    )


def _fate(books: _Books, files: Iterable[FileBook], source: str | None, rows: int | None) -> Fate:
    """Sum up the files' books, with bytes from the stages' books."""
    skipped: Counter[str] = Counter()
    quarantined: Counter[str] = Counter()
    read = documents = curated = taken = 0
    for book in files:
        skipped.update(book.skipped)
        quarantined.update(book.quarantined)
        read += book.records
        documents += book.documents
        curated += book.curated
        taken += book.taken
    return Fate(
        documents=Amount(documents, _came(books[0][1], source).bytes),
        dropped=_dropped(books, source),
        curated=Amount(curated, _came(books[-1][1], source).bytes),
        read=read,
        skipped=dict(sorted(skipped.items())),
        quarantined=dict(sorted(quarantined.items())),
        taken=taken,
        rows=rows,
    )


def _dropped(
    books: _Books, source: str | None = None, lang: str | None = None
) -> dict[str, Amount]:
    found: dict[str, Amount] = {}
    for name, book in books:
        for (origin, label, rule), amount in sorted(book.dropped.items()):
            if source in (None, origin) and lang in (None, label):
                key = f"{name}:{rule}"
                found[key] = _plus([found.get(key, NOTHING), amount])
    return found


def _languages(books: _Books) -> dict[str, Fate]:
    """Count per language, by the label at the end; bytes from the first stage that knows labels."""
    labels = {lang for _, book in books for _, lang in book.came}
    labels |= {lang for _, book in books for _, lang, _ in book.dropped}
    known = next(
        (at for at, (_, book) in enumerate(books) if any(lang for _, lang in book.came)), 0
    )
    fates = {}
    for label in labels:
        dropped = _dropped(books, lang=label)
        left = _came(books[-1][1], lang=label)
        documents = left.documents + sum(amount.documents for amount in dropped.values())
        # Before the label was known: what was dropped with it there and then.
        early = [amount.bytes for amount in _dropped(books[:known], lang=label).values()]
        raw = sum(early) + _came(books[known][1], lang=label).bytes
        if documents:
            fates[label] = Fate(Amount(documents, raw), dropped, left)
    return dict(sorted(fates.items(), key=lambda item: (-item[1].documents.documents, item[0])))


def _dedup_stages(manifest: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    uses = {spec.get("name") or spec["use"]: spec["use"] for spec in manifest["recipe"]["stages"]}
    return [name for name in names if str(uses.get(name, name)).endswith("_dedup")]


def _dedup(books: _Books, deduping: Sequence[str], label: str | None) -> Dedup:
    """Measure across the dedup barriers alone, whatever stands between them."""
    before: Amount | None = None
    documents = size = 0
    kinds: Counter[str] = Counter()
    for at, (name, book) in enumerate(books):
        if name not in deduping:
            continue
        before = before or _came(book, lang=label)
        gone = [(rule, a) for (_, lang, rule), a in book.dropped.items() if label in (None, lang)]
        for rule, amount in gone:
            kinds["near" if rule == "near_duplicate" else rule.split("_")[0]] += amount.documents
        documents += sum(amount.documents for _, amount in gone)
        after = _came(books[at + 1][1], lang=label) if at + 1 < len(books) else NOTHING
        size += _came(book, lang=label).bytes - after.bytes
    before = before or NOTHING
    after_all = Amount(before.documents - documents, before.bytes - size)
    tokens = _tokens(books, label, before, after_all) if label else _all_tokens(books, deduping)
    return Dedup(before, after_all, kinds["duplicate"], kinds["near"], tokens)


def _tokens_per_byte(books: _Books) -> dict[str, float]:
    """Tokens per byte of each language's survivors, where a stage tallied ``tokens:<language>``."""
    rates: dict[str, float] = {}
    for _, book in books:
        for key, tokens in book.tally.items():
            what, _, lang = key.partition(":")
            size = sum(amount.bytes for (_, name), amount in book.came.items() if name == lang)
            if what == "tokens" and size:
                rates[lang] = tokens / size
    return rates


def _tokens(books: _Books, label: str, before: Amount, after: Amount) -> tuple[float, float] | None:
    rate = _tokens_per_byte(books).get(label)
    return None if rate is None else (rate * before.bytes, rate * after.bytes)


def _all_tokens(books: _Books, deduping: Sequence[str]) -> tuple[float, float] | None:
    rates = _tokens_per_byte(books)
    if not rates:
        return None
    before = after = 0.0
    labels = {lang for name, book in books if name in deduping for _, lang in book.came}
    for label in labels:
        found = _dedup(books, deduping, label) if label else None
        if found and found.tokens:
            before, after = before + found.tokens[0], after + found.tokens[1]
    return before, after


def _cluster_sizes(book: StageBook) -> dict[int, int]:
    said = {key: n for key, n in book.tally.items() if key.startswith("cluster_size:")}
    return dict(sorted((int(key.partition(":")[2]), n) for key, n in said.items()))


def _rules(books: _Books, samples: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """All rules that dropped anything, the greediest first, with their examples."""
    rules = []
    for name, amount in _dropped(books).items():
        shown = tuple(_example(row) for row in samples if row["dropped_by"] == name)
        rules.append(Rule(name, amount, shown))
    return tuple(sorted(rules, key=lambda rule: (-rule.dropped.documents, rule.name)))


def _example(row: Mapping[str, Any]) -> Example:
    text = str(row.get("text") or "")
    excerpt = text[:SAMPLE_CHARACTERS]
    return Example(
        id=str(row["id"]),
        lang=str(row.get("lang") or ""),
        url=str(row.get("url") or ""),
        value=row.get("dropped_value"),
        duplicate_of=str(row.get("duplicate_of") or ""),
        jaccard=row.get("jaccard"),
        text=excerpt,
        whole=len(excerpt.encode(errors="replace")) >= int(row.get("bytes") or 0),
    )


def _by_reason(books: Iterable[tuple[str, Counter[str]]]) -> tuple[tuple[str, str, int], ...]:
    rows = [(reason, name, n) for name, reasons in books for reason, n in reasons.items() if n]
    return tuple(sorted(rows, key=lambda row: (row[0], -row[2], row[1])))
