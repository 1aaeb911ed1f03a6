"""What is printed at the end of a run: the counts, the mixture, and the paths of the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from curate.api import RunResult
from curate.cli import terminal
from curate.report.format import unmatched

#: Rules that are named at the end of a run.
RULES = 3


def print_result(result: RunResult, json: bool) -> int:
    """Print how a run ended, paths on stdout and the rest on stderr; return its exit code."""
    manifest, base = result.manifest, result.output.rstrip("/")
    if result.reused:
        terminal.say("this run was finished before; nothing to do")
    for complaint in result.complaints:
        terminal.complain(complaint)
    if json:
        fields = {
            "output": base,
            "reused": result.reused,
            "totals": manifest["totals"],
            "mixture": manifest["mixture"],
            "load": load_lines(result),
            "complaints": result.complaints,
        }
        terminal.answer(terminal.as_json(fields))
        return result.exit_code
    totals = manifest["totals"]
    records = "1 record" if totals["records"] == 1 else f"{totals['records']} records"
    terminal.say(
        f"{records}: {totals['skipped']} skipped,"
        f" {totals['quarantined']} quarantined, {totals['documents']} documents;"
        f" {totals['dropped']} dropped, {totals['curated']} curated, {totals['taken']} taken"
    )
    by_rule: Counter[str] = Counter()
    for counts in manifest["ledger"]["files"].values():
        by_rule.update(counts["dropped"])
    if by_rule:
        shown = (f"{rule} {count}" for rule, count in by_rule.most_common(RULES))
        more = ", …" if len(by_rule) > RULES else ""
        terminal.say(f"dropped most by {', '.join(shown)}{more}")
    for counts in manifest.get("sidecars", ()):
        terminal.say(f"sidecar {counts['sidecar']}: {unmatched(counts)}")
    terminal.answer(f"mixture: {base}/mixture")
    for line in load_lines(result):
        terminal.answer(f"load:    {line}")
    terminal.answer(f"report:  {base}/report.html")
    terminal.say(f"next:    curate report {base} --open, curate verify {base}")
    terminal.say(f"         curate explain {base} ID says what became of a document, and why")
    return result.exit_code


def load_lines(result: RunResult) -> list[str]:
    """Return a line of Python per phase that loads it; it has the split validation where held out.

    Packed sequences are configurations of their own.

    `datasets` finds phases and splits through the README.md of the run's folder, not in mixture/,
    where a folder named validation would be all that it reads. Addresses have no such page.
    """
    manifest, base = result.manifest, result.output.rstrip("/")
    written = [
        file["path"].split("/")[1] for file in manifest["files"] if file["dataset"] == "mixture"
    ]
    ordered = [row["phase"] for row in manifest["mixture"]] + written
    phases = [phase for phase in dict.fromkeys(ordered) if phase in written]
    if "://" in base:
        files = [(phase, f"{base}/mixture/{phase}/*.parquet") for phase in phases]
        return [f"datasets.load_dataset({'parquet'!r}, data_files={dict([f])!r})" for f in files]
    packed = {
        file["path"].split("/")[1] for file in manifest["files"] if file["dataset"] == "packed"
    }
    names = [phase for phase in phases if phase != "validation"]
    names += [f"packed-{phase}" for phase in phases if phase in packed]
    return [f"datasets.load_dataset({base!r}, {name!r})" for name in names]


def mixture(rows: list[dict[str, Any]], write: terminal.Write) -> None:
    """Print the table of a mixture: what each group should have, and has."""
    if not rows:
        return
    unit = rows[0]["unit"]
    header = ("phase", "group", f"available {unit}", "asked", "got", "share asked", "share got")
    # Columns of nothing but zeros are left out.
    more = {"shortage": "short of", "reused": "reused"}
    shown = [key for key in more if any(row.get(key) for row in rows)]
    extra = ("epochs", *(more[key] for key in shown))
    terminal.table(
        (*header, *extra),
        [
            (
                row["phase"],
                row["group"],
                row["available"],
                "-" if row["asked"] is None else row["asked"],
                row["amount"],
                terminal.fixed(row["asked_share"]),
                terminal.fixed(row["share"]),
                terminal.fixed(row["epochs"], 3),
                *(row[key] for key in shown),
            )
            for row in _with_parts(rows)
        ],
        write,
    )
    for row in rows:
        if row.get("scarcest") and row["available"] and len(rows) > 1:
            hint = "a lower weight gives more of the others"
            if row["epochs"] <= 1:
                hint += ', shortage = "repeat" with max_epochs takes it several times'
            write(f"{row['group']} limits the mixture, all of it is taken: {hint}")
    empty = dict.fromkeys(row["group"] for row in rows if not row["available"])
    for group in empty:
        terminal.complain(f"group {group} of the mixture has no documents")
    has = {
        (row["group"], part["value"]): part["available"]
        for row in rows
        for part in row.get("parts") or ()
    }
    for group in dict.fromkeys(group for group, _ in has if group not in empty):
        values = {value: has[of, value] for of, value in has if of == group}
        missing = [value for value, available in values.items() if value and not available]
        if not any(available for value, available in values.items() if value is not None):
            terminal.complain(f"no document of group {group} has a value that it is split by")
        elif missing:
            terminal.complain(f"group {group} has no documents of the value {', '.join(missing)}")


def candidates(rows: list[dict[str, Any]], write: terminal.Write) -> None:
    """Print the weights of candidate mixtures, a line each, and how often each group comes."""
    groups = list(dict.fromkeys(row["group"] for row in rows))
    by_candidate: dict[int, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_candidate.setdefault(row["candidate"], {})[row["group"]] = row
    unit = rows[0]["unit"]
    terminal.table(
        ("candidate", unit, *groups, *(f"epochs of {group}" for group in groups)),
        [
            (
                number,
                sum(row["amount"] for row in of.values()),
                *(terminal.fixed(of[group]["weight"]) for group in groups),
                *(terminal.fixed(of[group]["epochs"], 3) for group in groups),
            )
            for number, of in by_candidate.items()
        ],
        write,
    )


def _with_parts(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each row, and below it those of its values where its group is split."""
    nothing = {"asked_share": None, "share": None, "reused": 0}
    for row in rows:
        yield row
        for part in row.get("parts") or ():
            value = "(others)" if part["value"] is None else part["value"]
            name = f"{row['group']}: {value}"
            yield {**nothing, **part, "phase": row["phase"], "group": name}
