"""Build the report's values from a manifest: every count is derived here, once.

Counts of stages and files come from the manifest's ledger, the rows of the product from its totals,
sizes of evaluation sets from its facts, so the Markdown, the HTML and the JSON cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from curate import schema
from curate.protocol import tallies
from curate.protocol.ledger import Amount, FileCounts, StageCounts
from curate.protocol.tallies import counts_of, tally_key
from curate.report.flows import flows, taken_cells
from curate.report.model import (
    Benchmark,
    Declared,
    Dedup,
    Example,
    License,
    Outcome,
    Packed,
    Report,
    Rule,
    StageRow,
)
from curate.report.signals import judged
from curate.report.timing import time_spent
from curate.storage.entries import SAMPLE_CHARACTERS, Manifest, RejectExample
from curate.tokens.rates import Fertility

NOTHING = Amount(0, 0)


def build_report(manifest: Manifest, timings: Iterable[Mapping[str, Any]]) -> Report:
    """Return the values of a report from a manifest and its timings (which may be empty)."""
    ledger, names = manifest.ledger, list(manifest.stages)
    stages = [(name, ledger.stages.get(name, StageCounts())) for name in names]
    time = time_spent(names, timings)
    stage_rows = tuple(
        _stage_row(name, counts, after, time.stages.get(name))
        for (name, counts), (_, after) in zip(stages, [*stages[1:], ("", None)])
    )
    dedup_stages = _dedup_stages(manifest, names)
    files = ledger.files
    run = _outcome(stages, files.values(), None, manifest.totals.rows)
    sources = {
        source: _outcome(
            stages,
            [counts for name, counts in files.items() if schema.source_of(name) == source],
            source,
            None,
        )
        for source in sorted({schema.source_of(name) for name in files})
    }
    languages = _languages(stages)
    rates = _tokens_per_byte(stages)
    taken = taken_cells(stages)
    dedup_languages = {
        lang: dedup
        for lang in filter(None, languages)
        if (dedup := _dedup(stages, dedup_stages, lang, rates.get(lang))).before.documents
    }
    sizes = {
        name: _cluster_sizes(ledger.stages[name]) for name in dedup_stages if name in ledger.stages
    }
    return Report(
        manifest=manifest,
        run=run,
        stages=stage_rows,
        sources=sources,
        languages=languages,
        rules=_rules(stages, manifest.samples),
        dedup=_all_dedup(stages, dedup_stages, dedup_languages.values()) if dedup_stages else None,
        dedup_languages=dedup_languages,
        clusters=sizes if any(sizes.values()) else None,
        candidates={
            name: (counts.tally[tallies.PAIRS_COMPARED], counts.tally[tallies.PAIRS_VERIFIED])
            for name, counts in stages
            if counts.tally[tallies.PAIRS_COMPARED]
        },
        shared=_shared(stages),
        quarantined=_by_reason((name, counts.quarantined) for name, counts in files.items()),
        time=time,
        fertility=_fertility(stages),
        relabelled=_relabelled(stages),
        declared=_declared(stages),
        benchmarks=_benchmarks(stages, manifest.facts),
        packed=_packed(stages),
        licenses=_licenses(stages),
        judged=judged(stages, manifest.facts),
        flows=flows(stages, taken, rates),
        taken=taken,
    )


_Stages = Sequence[tuple[str, StageCounts]]


def _sum(amounts: Iterable[Amount]) -> Amount:
    documents = size = 0
    for amount in amounts:
        documents += amount.documents
        size += amount.bytes
    return Amount(documents, size)


def _stage_row(
    name: str, counts: StageCounts, after: StageCounts | None, seconds: float | None
) -> StageRow:
    received = _sum(counts.input.values())
    dropped: dict[str, Amount] = {}
    for (_, _, rule), amount in sorted(counts.dropped.items()):
        dropped[rule] = _sum([dropped.get(rule, NOTHING), amount])
    removed = _sum(dropped.values())
    kept = Amount(received.documents - removed.documents, received.bytes - removed.bytes)
    if after is not None:
        kept = Amount(kept.documents, _sum(after.input.values()).bytes)
    most_first = dict(sorted(dropped.items(), key=lambda item: (-item[1].documents, item[0])))
    # Which examples were found is reported with the evaluation sets.
    tally = dict(sorted(tallies.without_details(counts.tally).items()))
    return StageRow(name, received, most_first, kept, tally, seconds)


def _input(counts: StageCounts, source: str | None = None, lang: str | None = None) -> Amount:
    return _sum(
        amount
        for (origin, label), amount in counts.input.items()
        if source in (None, origin) and lang in (None, label)
    )


def _outcome(
    stages: _Stages, files: Iterable[FileCounts], source: str | None, rows: int | None
) -> Outcome:
    """Add up the counts of files, with bytes from the counts of stages."""
    skipped: Counter[str] = Counter()
    quarantined: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    read = documents = curated = taken = 0
    for counts in files:
        skipped.update(counts.skipped)
        quarantined.update(counts.quarantined)
        noted.update(counts.noted)
        read += counts.records
        documents += counts.documents
        curated += counts.curated
        taken += counts.taken
    return Outcome(
        documents=Amount(documents, _input(stages[0][1], source).bytes),
        dropped=_dropped(stages, source),
        curated=Amount(curated, _input(stages[-1][1], source).bytes),
        read=read,
        skipped=dict(sorted(skipped.items())),
        quarantined=dict(sorted(quarantined.items())),
        noted=dict(sorted(noted.items())),
        taken=taken,
        rows=rows,
    )


def _dropped(
    stages: _Stages, source: str | None = None, lang: str | None = None
) -> dict[str, Amount]:
    dropped: dict[str, Amount] = {}
    for name, counts in stages:
        cells = [c for c in counts.dropped if source in (None, c[0]) and lang in (None, c[1])]
        for cell in sorted(cells):
            key = f"{name}:{cell[2]}"
            dropped[key] = _sum([dropped.get(key, NOTHING), counts.dropped[cell]])
    return dropped


def _languages(stages: _Stages) -> dict[str, Outcome]:
    """Count per final language label; bytes from the first stage after labels are known."""
    labels = {lang for _, counts in stages for _, lang in counts.input}
    labels |= {lang for _, counts in stages for _, lang, _ in counts.dropped}
    known = next(
        (at for at, (_, counts) in enumerate(stages) if any(lang for _, lang in counts.input)), 0
    )
    outcomes = {}
    for label in labels:
        dropped = _dropped(stages, lang=label)
        left = _input(stages[-1][1], lang=label)
        documents = left.documents + sum(amount.documents for amount in dropped.values())
        # Before labels were known: what was dropped with this label.
        early = [amount.bytes for amount in _dropped(stages[:known], lang=label).values()]
        raw = sum(early) + _input(stages[known][1], lang=label).bytes
        if documents:
            outcomes[label] = Outcome(Amount(documents, raw), dropped, left)
    return dict(sorted(outcomes.items(), key=lambda item: (-item[1].documents.documents, item[0])))


def _dedup_stages(manifest: Manifest, names: Sequence[str]) -> list[str]:
    uses = {spec.get("name") or spec["use"]: spec["use"] for spec in manifest.recipe["stages"]}
    return [name for name in names if str(uses.get(name, name)).endswith("_dedup")]


def _dedup(
    stages: _Stages, dedup_stages: Sequence[str], label: str | None, rate: float | None = None
) -> Dedup:
    """Add up the losses of the dedup stages only."""
    before: Amount | None = None
    documents = size = 0
    kinds: Counter[str] = Counter()
    for at, (name, counts) in enumerate(stages):
        if name not in dedup_stages:
            continue
        before = before or _input(counts, lang=label)
        removed = [
            (rule, a) for (_, lang, rule), a in counts.dropped.items() if label in (None, lang)
        ]
        for rule, amount in removed:
            kinds[rule] += amount.documents
        documents += sum(amount.documents for _, amount in removed)
        after = _input(stages[at + 1][1], lang=label) if at + 1 < len(stages) else NOTHING
        size += _input(counts, lang=label).bytes - after.bytes
    before = before or NOTHING
    after_all = Amount(before.documents - documents, before.bytes - size)
    tokens = None if rate is None else (rate * before.bytes, rate * after_all.bytes)
    exact = sum(n for rule, n in kinds.items() if rule.startswith("duplicate_"))
    near = sum(n for rule, n in kinds.items() if rule.startswith(("near_duplicate", "contained")))
    return Dedup(before, after_all, exact, near, tokens)


def _tokens_per_byte(stages: _Stages) -> dict[str, float]:
    """Return tokens per byte of the input of the stage that tallied ``tokens:<language>``."""
    rates: dict[str, float] = {}
    for _, counts in stages:
        counted = counts_of(counts.tally, tallies.TOKENS)
        sizes: Counter[str] = Counter()
        for (_, lang), amount in counts.input.items():
            sizes[lang] += amount.bytes
        rates |= {lang: n / sizes[lang] for lang, n in counted.items() if sizes[lang]}
    return rates


def _fertility(stages: _Stages) -> tuple[Fertility, ...]:
    """Return what the last stage that counts tokens tallied, per language."""
    counted = [counts for _, counts in stages if counts_of(counts.tally, tallies.WORDS)]
    if not counted:
        return ()
    counts = counted[-1]
    rows = []
    for lang in {lang for _, lang in counts.input}:
        received, name = _input(counts, lang=lang), lang or "und"
        kinds = (tallies.CHARACTERS, tallies.WORDS, tallies.TOKENS)
        lengths = [counts.tally[tally_key(kind, name)] for kind in kinds]
        rows.append(Fertility(name, received.documents, received.bytes, *lengths))
    return tuple(sorted(rows, key=lambda one: (-one.bytes, one.lang)))


def _relabelled(stages: _Stages) -> tuple[tuple[str, str, int], ...]:
    """Return how often the label differs from the model's, most frequent first."""
    pairs: Counter[tuple[str, str]] = Counter()
    for _, counts in stages:
        pairs.update(tallies.relabelled(counts.tally))
    rows = [(*pair, count) for pair, count in pairs.items()]
    return tuple(sorted(rows, key=lambda row: (-row[2], row[0], row[1])))


def _declared(stages: _Stages) -> tuple[Declared, ...]:
    """Return what records declare beside what they were identified as, most documents first."""
    cells: Counter[tuple[str, str, str]] = Counter()
    for _, counts in stages:
        cells.update(tallies.declared(counts.tally))
    rows = [Declared(*cell, count) for cell, count in cells.items()]
    return tuple(sorted(rows, key=lambda row: (-row.documents, row[:3])))


def _benchmarks(stages: _Stages, facts: Mapping[str, Any]) -> tuple[Benchmark, ...]:
    """Join what a stage recorded about its evaluation sets with what it counted."""
    rows = []
    for stage, counts in stages:
        for name, recorded in facts.get(stage, {}).get("benchmarks", {}).items():
            dropped = [amount for (_, _, rule), amount in counts.dropped.items() if rule == name]
            rows.append(
                Benchmark(
                    stage=stage,
                    name=name,
                    examples=recorded["examples"],
                    too_short=tuple(recorded["too_short"]),
                    searchable=recorded["looked_for"],
                    found=tallies.found_rows(counts.tally, name),
                    documents=counts.tally[tally_key(tallies.DOCUMENTS, name)],
                    dropped=_sum(dropped),
                    cut=Amount(
                        counts.tally[tally_key(tallies.CUT, "documents", name)],
                        counts.tally[tally_key(tallies.CUT, "bytes", name)],
                    ),
                )
            )
    return tuple(rows)


def _licenses(stages: _Stages) -> tuple[License, ...]:
    """Return what the product has under each licence, most bytes first."""
    found: dict[str, Counter[str]] = {}
    for _, counts in stages:
        for key, count in counts_of(counts.tally, tallies.MIXED_LICENSE).items():
            what, _, name = key.partition(":")
            found.setdefault(name, Counter())[what] += count
    rows = [License(name, n["documents"], n["bytes"], n["tokens"]) for name, n in found.items()]
    return tuple(sorted(rows, key=lambda one: (-one.bytes, one.name)))


def _packed(stages: _Stages) -> tuple[Packed, ...]:
    """Return what packing counted, by phase in the order of their names."""
    phases: dict[str, Counter[str]] = {}
    for _, counts in stages:
        for key, count in counts_of(counts.tally, tallies.PACKED).items():
            phase, _, what = key.partition(":")
            phases.setdefault(phase, Counter())[what] += count
    return tuple(
        Packed(
            phase,
            sequences=counted["sequences"],
            documents=counted["documents"],
            tokens=counted["tokens"],
            trained=counted["trained"],
            padding=counted["padding"],
            split=counted["split"],
            pieces=counted["pieces"],
            left_out=dict(sorted(counts_of(counted, "left_out").items())),
        )
        for phase, counted in sorted(phases.items())
    )


def _all_dedup(stages: _Stages, dedup_stages: Sequence[str], languages: Iterable[Dedup]) -> Dedup:
    """Measure all languages together; tokens are estimated language by language."""
    estimates = [dedup.tokens for dedup in languages if dedup.tokens is not None]
    tokens = (sum(e[0] for e in estimates), sum(e[1] for e in estimates)) if estimates else None
    return replace(_dedup(stages, dedup_stages, None), tokens=tokens)


def _cluster_sizes(counts: StageCounts) -> dict[int, int]:
    sizes = counts_of(counts.tally, tallies.CLUSTER_SIZE)
    return dict(sorted((int(size), n) for size, n in sizes.items()))


def _shared(stages: _Stages) -> dict[tuple[str, str], Amount]:
    """Return what of a source stands in another one, as the last dedup counted it."""
    counted = [counts.tally for _, counts in stages if counts_of(counts.tally, tallies.SHARED)]
    if not counted:
        return {}
    documents, sizes = (
        counts_of(counted[-1], kind) for kind in (tallies.SHARED, tallies.SHARED_BYTES)
    )
    shared = {
        (of, inside): Amount(n, sizes[key])
        for key, n in sorted(documents.items())
        for of, _, inside in [key.partition(":")]
    }
    return shared if len({of for of, _ in shared}) > 1 else {}


def _rules(stages: _Stages, samples: Sequence[RejectExample]) -> tuple[Rule, ...]:
    """Return the rules that dropped anything, most documents first, with their examples."""
    rules = []
    for name, amount in _dropped(stages).items():
        examples = tuple(_example(row) for row in samples if row.dropped_by == name)
        rules.append(Rule(name, amount, examples))
    return tuple(sorted(rules, key=lambda rule: (-rule.dropped.documents, rule.name)))


def _example(row: RejectExample) -> Example:
    excerpt = row.text[:SAMPLE_CHARACTERS]
    return Example(
        id=row.id,
        lang=row.lang or None,
        url=row.url or None,
        value=row.dropped_value,
        duplicate_of=row.duplicate_of or None,
        jaccard=row.jaccard,
        text=excerpt,
        whole=len(excerpt.encode(errors="replace")) >= row.bytes,
    )


def _by_reason(files: Iterable[tuple[str, Counter[str]]]) -> tuple[tuple[str, str, int], ...]:
    rows = [(reason, name, n) for name, reasons in files for reason, n in reasons.items() if n]
    return tuple(sorted(rows, key=lambda row: (row[0], -row[2], row[1])))
