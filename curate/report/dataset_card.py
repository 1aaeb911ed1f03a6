"""``README.md``: the dataset card, with the paths of phases for `datasets` and facts for people."""

from __future__ import annotations

import json

from curate.report.format import code, number, one_line, percent, ratio, size
from curate.report.model import Report
from curate.report.notes import (
    compare_note,
    counted_note,
    describe,
    packed_note,
    takedown_note,
)
from curate.report.to_markdown import MIXTURE_HEADER, licenses, mixture_rows, table
from curate.storage.entries import Manifest

#: Licences with an identifier on the Hub, as sources write them.
_HUB_LICENSES = {
    "apache-2.0", "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "gfdl",
    "mit",
    "odc-by",
}  # fmt: skip

#: Documents held out are files like a phase of this name, and a split of every configuration.
VALIDATION = "validation"

#: The configuration of a card that has the documents of every phase.
ALL = "all"

#: Folders of formats other than Parquet (`curate/storage/formats`).
_FORMS = {"jsonl", "ds", "megatron", "mds"}
#: Folder of packed sequences, and the beginning of the names of their configurations.
_PACKED = "packed"

_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"), (100_000_000_000, "10B<n<100B"),
)  # fmt: skip


def dataset_card(report: Report) -> str:
    """Return the card: YAML for machines, then what a person must know before training on it."""
    parts = [
        _front_matter(report),
        _opening(report),
        _loading(report),
        _mixture(report),
        licenses(report),
        _languages(report),
        _sources(report),
        _making(report),
        _columns(),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def phases(report: Report) -> list[str]:
    """Return the phases that have files, in the order of the recipe's mixture table.

    An empty phase has no folder, and `datasets` refuses a configuration without files.
    """
    written = _written(report) - {VALIDATION}
    order = dict.fromkeys(str(row["phase"]) for row in report.mixture)
    return [phase for phase in order if phase in written] + sorted(written - set(order))


def _written(report: Report, folder: str = "mixture") -> set[str]:
    paths = [entry.path for entry in report.manifest.files]
    return {path.split("/")[1] for path in paths if path.startswith(f"{folder}/")}


def _front_matter(report: Report) -> list[str]:
    labels = _languages_taken(report) - {"", "und"}
    languages = sorted({label.partition("_")[0] for label in labels})
    lines = ["---", f"pretty_name: {_quoted(report.name)}"]
    if languages:
        lines += ["language:", *(f"- {_quoted(language)}" for language in languages)]
    lines += [f"license: {_license(report)}", "task_categories:", "- text-generation"]
    lines += ["size_categories:", f"- {_size(report.run.rows or 0)}", "tags:", "- curate"]
    names = phases(report)
    if names:
        lines.append("configs:")
    for at, (name, of) in enumerate(configurations(report).items()):
        lines += [f"- config_name: {_quoted(name)}"]
        lines += ["  default: true"] if at == 0 else []
        paths = [_quoted(f"mixture/{phase}/*.parquet") for phase in of]
        path = paths[0] if len(paths) == 1 else f"[{', '.join(paths)}]"
        lines += ["  data_files:", "  - split: train", f"    path: {path}"]
        if VALIDATION in _written(report):
            lines += [f"  - split: {VALIDATION}"]
            lines += [f"    path: {_quoted(f'mixture/{VALIDATION}/*.parquet')}"]
    packed = sorted(_written(report, _PACKED))
    lines += ["configs:"] if packed and not names else []
    for phase in packed:
        lines += [f"- config_name: {_quoted(f'{_PACKED}-{phase}')}"]
        lines += ["  data_files:", "  - split: train"]
        lines += [f"    path: {_quoted(f'{_PACKED}/{phase}/*.parquet')}"]
    return [*lines, "---"]


def configurations(report: Report) -> dict[str, list[str]]:
    """Return the phases of each configuration, the default first.

    With several phases that is all of them, so that nobody gets the first one without asking.
    """
    names = phases(report)
    together = {ALL: names} if len(names) > 1 and ALL not in names else {}
    return together | {phase: [phase] for phase in names}


def _languages_taken(report: Report) -> set[str]:
    """Return the languages of the product; of an older run, which counted none, the possible."""
    if report.taken:
        return {lang for _, lang in report.taken}
    mixed = _mixed(report.manifest)
    return {
        lang
        for lang, outcome in report.languages.items()
        if outcome.curated.documents and (mixed is None or lang in mixed)
    }


def _mixed(manifest: Manifest) -> set[str] | None:
    """Return the languages that the mixture's groups name; None if a group matches any."""
    groups = ((manifest.recipe.get("mixture") or {}).get("groups") or {}).values()
    named = [group.get("languages") for group in groups]
    return {lang for names in named for lang in names} if named and all(named) else None


def _quoted(text: str) -> str:
    """Quote text for YAML: JSON strings are YAML strings."""
    return json.dumps(one_line(text), ensure_ascii=False)


def _license(report: Report) -> str:
    """Return the one licence of the product, else of all sources, as the Hub names it."""
    sources = report.manifest.recipe["sources"].values()
    named = {one.name for one in report.licenses} or {
        str(source.get("license") or "") for source in sources
    }
    name = named.pop().lower() if len(named) == 1 else ""
    return name if name in _HUB_LICENSES else "other"


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "n>1T")


def _opening(report: Report) -> list[str]:
    run = report.run
    tokens = f" and {number(report.tokens)} tokens" if report.tokens else ""
    lines = [f"# {code(report.name)}", ""]
    lines += [code(describe(report)), ""] if describe(report) else []
    lines.append(
        f"{number(run.rows)} rows{tokens}, made by curate {code(report.manifest.curate)} from"
        f" {number(run.documents.documents)} raw documents, of which {percent(run.kept)} were kept"
        f" ({percent(run.kept_bytes)} of the bytes)."
    )
    if counted_note(report, code):
        lines += ["", counted_note(report, code)]
    if takedown_note(report):
        lines += ["", takedown_note(report)]
    if compare_note(report, code):
        lines += ["", compare_note(report, code)]
    return lines


def _loading(report: Report) -> list[str]:
    names = phases(report)
    if not names:
        return []
    lines = ["## Load it", "", "```python", "import datasets", ""]
    for phase in configurations(report):
        lines.append(f'data = datasets.load_dataset("PATH/OF/THIS/FOLDER", {_quoted(phase)})')
    lines.append("```")
    if VALIDATION in _written(report):
        lines += [
            "",
            "Each configuration has the split `train` and the same split `validation`, whose"
            " documents are in no phase. Which side a document is on is a hash of its cluster of"
            " near duplicates, else of its text, so one text is never on both. Less alike texts may"
            " be, and near duplicates that the search of fuzzy dedup missed: it is told below with"
            " its threshold and recall.",
        ]
    others = sorted({entry.path.split("/")[0] for entry in report.manifest.files} & _FORMS)
    if others:
        lines += ["", f"The same rows, part by part, as {', '.join(map(code, others))}."]
    if packed := sorted(_written(report, _PACKED)):
        told = ", ".join(code(f"{_PACKED}-{phase}") for phase in packed)
        lines += ["", f"As token sequences of one length: {told}. {packed_note(report, code)}"]
    return lines


def _mixture(report: Report) -> list[str]:
    if not report.mixture:
        return []
    rows = table(MIXTURE_HEADER, mixture_rows(report), 2)
    return ["## Mixture", "", f"Shares are by {code(str(report.mixture[0]['unit']))}.", "", *rows]


def _languages(report: Report) -> list[str]:
    taken = _languages_taken(report)
    lengths = {
        one.lang: (number(one.tokens), ratio(one.tokens_per_word)) for one in report.fertility
    }
    rows = [
        (
            code(lang),
            number(outcome.curated.documents),
            size(outcome.curated.bytes),
            *lengths.get(lang, ("–", "–")),
            percent(outcome.kept),
        )
        for lang, outcome in report.languages.items()
        if lang and outcome.curated.documents and (lang in taken or not report.taken)
    ]
    if not rows:
        return []
    header = ("language", "curated documents", "text", "tokens", "tokens per word", "kept of raw")
    words = "Labels are ISO 639-3 and script; `und` where no language could be told."
    return ["## Languages", "", words, "", *table(header, rows)]


def _sources(report: Report) -> list[str]:
    specs = report.manifest.recipe["sources"]
    rows = []
    for name, outcome in report.sources.items():
        source = specs.get(name, {})
        rows.append(
            (
                code(name),
                code(str(source.get("format") or "")),
                code(str(source.get("origin") or "")),
                code(str(source.get("license") or "")) or "not given",
                number(outcome.documents.documents),
                number(outcome.curated.documents),
                percent(outcome.kept),
            )
        )
    header = ("source", "format", "origin", "licence", "documents", "curated", "kept of raw")
    return [
        "## Sources",
        "",
        "Licences are as the recipe gives them, or the field of the records that does. The rights"
        " to the texts stay with their authors.",
        "",
        *table(header, rows, 4),
    ]


def _making(report: Report) -> list[str]:
    lines = ["## How it was made", ""]
    for spec in report.manifest.recipe["stages"]:
        options = {
            key: value
            for key, value in spec.items()
            if key not in ("use", "name") and value is not None
        }
        words = ", ".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
        label = str(spec.get("name") or spec["use"])
        row = next((row for row in report.stages if row.stage == label), None)
        dropped = row.input.documents - row.kept.documents if row else 0
        effect = f"dropped {number(dropped)} documents" if dropped else ""
        facts = ": " + "; ".join(filter(None, (code(words), effect))) if words or effect else ""
        lines.append(f"- {code(label)}{facts}")
    if report.dedup:
        lines += [
            "",
            f"Dedup alone kept {percent(report.dedup.kept)} of the documents and"
            f" {percent(report.dedup.kept_bytes)} of the bytes that came to it"
            f" ({number(report.dedup.exact)} exact and {number(report.dedup.near)} near copies"
            " went).",
        ]
    lines += [
        "",
        "`recipe.toml` and `filters/` hold every setting and threshold, `report.html` what each"
        " rule dropped, `rejected/` the rows themselves, `manifest.json` inputs, versions and"
        " digests.",
    ]
    return lines


def _columns() -> list[str]:
    return [
        "## Columns",
        "",
        "`text` is the document (with `messages`, and maybe `tools` and `rejected`, where it is a"
        " conversation). `id`, `phase` and `epoch` are the key. `lang` and"
        " `lang_score` say what it was identified as, `n_tokens`"
        " its length, `signal_*` what the filters measured (null is undefined), `cluster_size` how"
        " many copies of it were found.",
    ]
