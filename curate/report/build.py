"""From a manifest to what the report says: every count is derived here, once.

All counts come from the manifest's ledger, so the terminal, the Markdown, the HTML and the JSON cannot
disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from curate import schema
from curate.protocol.ledger import Amount, FileCounts, StageCounts
from curate.protocol.tallies import (
    CHARACTERS,
    CLUSTER_SIZE,
    CUT,
    DOCUMENTS,
    PAIRS_COMPARED,
    PAIRS_VERIFIED,
    TOKENS,
    WORDS,
    counts_of,
    found_rows,
    relabelled,
    tally_key,
    without_found,
)
from curate.report.diff import compare
from curate.report.model import (
    Benchmark,
    Cluster,
    Dedup,
    Example,
    Fate,
    Report,
    Rule,
    StageRow,
)
from curate.report.timing import time_spent
from curate.storage.entries import ClusterExample, Manifest, Sample
from curate.tokens.rates import Fertility

#: Longest excerpt of a document in a report.
SAMPLE_CHARACTERS = 400

NOTHING = Amount(0, 0)


def derive(manifest: Manifest, timings: Sequence[Mapping[str, Any]]) -> Report:
    """Derive everything that a report says from a manifest and its timings (which may be empty)."""
    ledger, names = manifest.ledger, list(manifest.stages)
    books = [(name, ledger.stages.get(name, StageCounts())) for name in names]
    time = time_spent(names, timings)
    stages = tuple(
        _stage(name, book, after, time.stages.get(name))
        for (name, book), (_, after) in zip(books, [*books[1:], ("", None)])
    )
    deduping = _dedup_stages(manifest, names)
    files = ledger.files
    run = _fate(books, files.values(), None, manifest.totals.rows)
    sources = {
        source: _fate(
            books,
            [book for name, book in files.items() if schema.source_of(name) == source],
            source,
            None,
        )
        for source in sorted({schema.source_of(name) for name in files})
    }
    languages = _languages(books)
    rates = _tokens_per_byte(books)
    dedup_languages = {
        lang: found
        for lang in filter(None, languages)
        if (found := _dedup(books, deduping, lang, rates.get(lang))).before.documents
    }
    sizes = {
        name: _cluster_sizes(ledger.stages[name]) for name in deduping if name in ledger.stages
    }
    return Report(
        manifest=manifest,
        run=run,
        stages=stages,
        sources=sources,
        languages=languages,
        rules=_rules(books, manifest.samples),
        dedup=_all_dedup(books, deduping, dedup_languages.values()) if deduping else None,
        dedup_languages=dedup_languages,
        clusters=sizes if any(sizes.values()) else None,
        largest=tuple(_cluster(row) for row in manifest.clusters),
        candidates={
            name: (book.tally[PAIRS_COMPARED], book.tally[PAIRS_VERIFIED])
            for name, book in books
            if book.tally[PAIRS_COMPARED]
        },
        damaged=_by_reason((name, book.quarantined) for name, book in files.items()),
        passed_over=_by_reason((name, book.skipped) for name, book in files.items()),
        time=time,
        fertility=_fertility(books),
        heard=_heard(books),
        benchmarks=_benchmarks(books, manifest.facts),
    )


_Books = Sequence[tuple[str, StageCounts]]


def _plus(amounts: Iterable[Amount]) -> Amount:
    documents = size = 0
    for amount in amounts:
        documents += amount.documents
        size += amount.bytes
    return Amount(documents, size)


def _stage(
    name: str, book: StageCounts, after: StageCounts | None, seconds: float | None
) -> StageRow:
    came = _plus(book.input.values())
    dropped: dict[str, Amount] = {}
    for (_, _, rule), amount in sorted(book.dropped.items()):
        dropped[rule] = _plus([dropped.get(rule, NOTHING), amount])
    gone = _plus(dropped.values())
    kept = Amount(came.documents - gone.documents, came.bytes - gone.bytes)
    if after is not None:
        kept = Amount(kept.documents, _plus(after.input.values()).bytes)
    most_first = dict(sorted(dropped.items(), key=lambda item: (-item[1].documents, item[0])))
    # Which examples were found is told with the evaluation sets.
    tally = dict(sorted(without_found(book.tally).items()))
    return StageRow(name, came, most_first, kept, tally, seconds)


def _came(book: StageCounts, source: str | None = None, lang: str | None = None) -> Amount:
    return _plus(
        amount
        for (origin, label), amount in book.input.items()
        if source in (None, origin) and lang in (None, label)
    )


def _fate(books: _Books, files: Iterable[FileCounts], source: str | None, rows: int | None) -> Fate:
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
        cells = [c for c in book.dropped if source in (None, c[0]) and lang in (None, c[1])]
        for cell in sorted(cells):
            key = f"{name}:{cell[2]}"
            found[key] = _plus([found.get(key, NOTHING), book.dropped[cell]])
    return found


def _languages(books: _Books) -> dict[str, Fate]:
    """Count per language, by the label at the end; bytes from the first stage that knows labels."""
    labels = {lang for _, book in books for _, lang in book.input}
    labels |= {lang for _, book in books for _, lang, _ in book.dropped}
    known = next(
        (at for at, (_, book) in enumerate(books) if any(lang for _, lang in book.input)), 0
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


def _dedup_stages(manifest: Manifest, names: Sequence[str]) -> list[str]:
    uses = {spec.get("name") or spec["use"]: spec["use"] for spec in manifest.recipe["stages"]}
    return [name for name in names if str(uses.get(name, name)).endswith("_dedup")]


def _dedup(
    books: _Books, deduping: Sequence[str], label: str | None, rate: float | None = None
) -> Dedup:
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
            kinds[rule] += amount.documents
        documents += sum(amount.documents for _, amount in gone)
        after = _came(books[at + 1][1], lang=label) if at + 1 < len(books) else NOTHING
        size += _came(book, lang=label).bytes - after.bytes
    before = before or NOTHING
    after_all = Amount(before.documents - documents, before.bytes - size)
    tokens = None if rate is None else (rate * before.bytes, rate * after_all.bytes)
    exact = sum(n for rule, n in kinds.items() if rule.startswith("duplicate_"))
    near = kinds["near_duplicate"] + kinds["contained"]
    return Dedup(before, after_all, exact, near, tokens)


def _tokens_per_byte(books: _Books) -> dict[str, float]:
    """Tokens per byte of each language's survivors, where a stage tallied ``tokens:<language>``."""
    rates: dict[str, float] = {}
    for _, book in books:
        counted = counts_of(book.tally, TOKENS)
        sizes: Counter[str] = Counter()
        for (_, lang), amount in book.input.items():
            sizes[lang] += amount.bytes
        rates |= {lang: n / sizes[lang] for lang, n in counted.items() if sizes[lang]}
    return rates


def _fertility(books: _Books) -> tuple[Fertility, ...]:
    """Read what the last stage that counts tokens tallied, per language."""
    counted = [book for _, book in books if counts_of(book.tally, WORDS)]
    if not counted:
        return ()
    book = counted[-1]
    found = []
    for lang in {lang for _, lang in book.input}:
        came, name = _came(book, lang=lang), lang or "und"
        lengths = [book.tally[tally_key(what, name)] for what in (CHARACTERS, WORDS, TOKENS)]
        found.append(Fertility(name, came.documents, came.bytes, *lengths))
    return tuple(sorted(found, key=lambda one: (-one.bytes, one.lang)))


def _heard(books: _Books) -> tuple[tuple[str, str, int], ...]:
    """Read how often identify called a text another language than the model did, most first."""
    pairs: Counter[tuple[str, str]] = Counter()
    for _, book in books:
        pairs.update(relabelled(book.tally))
    rows = [(*pair, count) for pair, count in pairs.items()]
    return tuple(sorted(rows, key=lambda row: (-row[2], row[0], row[1])))


def _benchmarks(books: _Books, facts: Mapping[str, Any]) -> tuple[Benchmark, ...]:
    """Put what a stage knew of its evaluation sets beside what it counted."""
    rows = []
    for stage, book in books:
        for name, told in facts.get(stage, {}).get("benchmarks", {}).items():
            dropped = [amount for (_, _, rule), amount in book.dropped.items() if rule == name]
            rows.append(
                Benchmark(
                    stage=stage,
                    name=name,
                    examples=told["examples"],
                    too_short=tuple(told["too_short"]),
                    looked_for=told["looked_for"],
                    found=found_rows(book.tally, name),
                    documents=book.tally[tally_key(DOCUMENTS, name)],
                    dropped=_plus(dropped),
                    cut=Amount(
                        book.tally[tally_key(CUT, "documents", name)],
                        book.tally[tally_key(CUT, "bytes", name)],
                    ),
                )
            )
    return tuple(rows)


def _all_dedup(books: _Books, deduping: Sequence[str], languages: Iterable[Dedup]) -> Dedup:
    """Measure the whole; its tokens are estimated language by language."""
    told = [found.tokens for found in languages if found.tokens is not None]
    tokens = (sum(t[0] for t in told), sum(t[1] for t in told)) if told else None
    return replace(_dedup(books, deduping, None), tokens=tokens)


def _cluster_sizes(book: StageCounts) -> dict[int, int]:
    return dict(sorted((int(size), n) for size, n in counts_of(book.tally, CLUSTER_SIZE).items()))


def _cluster(shown: ClusterExample) -> Cluster:
    kept, removed = shown.kept, shown.removed
    return Cluster(
        stage=shown.stage,
        head=shown.cluster,
        documents=shown.documents,
        removed=shown.removed_id or "",
        jaccard=shown.jaccard,
        begins=shown.start,
        parts=() if kept is None or removed is None else compare(kept, removed),
    )


def _rules(books: _Books, samples: Sequence[Sample]) -> tuple[Rule, ...]:
    """All rules that dropped anything, the greediest first, with their examples."""
    rules = []
    for name, amount in _dropped(books).items():
        shown = tuple(_example(row) for row in samples if row.dropped_by == name)
        rules.append(Rule(name, amount, shown))
    return tuple(sorted(rules, key=lambda rule: (-rule.dropped.documents, rule.name)))


def _example(row: Sample) -> Example:
    excerpt = row.text[:SAMPLE_CHARACTERS]
    return Example(
        id=row.id,
        lang=row.lang or "",
        url=row.url or "",
        value=row.dropped_value,
        duplicate_of=row.duplicate_of or "",
        jaccard=row.jaccard,
        text=excerpt,
        whole=len(excerpt.encode(errors="replace")) >= row.bytes,
    )


def _by_reason(books: Iterable[tuple[str, Counter[str]]]) -> tuple[tuple[str, str, int], ...]:
    rows = [(reason, name, n) for name, reasons in books for reason, n in reasons.items() if n]
    return tuple(sorted(rows, key=lambda row: (row[0], -row[2], row[1])))
