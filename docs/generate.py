"""Write the generated pages and marked regions of the documentation.

    python3 tasks.py docs            write what is out of date
    python3 tasks.py docs --check    only report it; exit code 1 where there is any

A page is generated as a whole; a region lies between ``<!-- begin NAME: ... -->`` and
``<!-- end NAME -->`` in a page that is written by hand. ``PAGES`` and ``REGIONS`` name the function
that returns the text of each.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import commands
import keys

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # describe this checkout, whatever is installed


def import_law() -> dict[str, Any]:
    """Return docs/rooms.toml, the rooms without the modules ``__init__`` and ``__main__``."""
    law = tomllib.loads((ROOT / "docs/rooms.toml").read_text(encoding="utf-8"))
    law["rooms"] = {name: room for name, room in law["rooms"].items() if not name.startswith("__")}
    return law


def arrows(rooms: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return, for each room, the rooms it may use."""
    return {name: {used.split(".")[0] for used in room["uses"]} for name, room in rooms.items()}


def below(room: str, arrows: dict[str, set[str]]) -> set[str]:
    """Return all rooms that can be reached from a room."""
    return arrows[room].union(*(below(used, arrows) for used in arrows[room]))


def floors(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return the rooms by floor, lowest first: a room is one floor above the highest it uses."""
    floor: dict[str, int] = {}

    def of(room: str) -> int:
        if room not in floor:
            floor[room] = 1 + max((of(used) for used in arrows[room]), default=-1)
        return floor[room]

    return [
        sorted(room for room in arrows if of(room) == number)
        for number in range(1 + max(map(of, arrows)))
    ]


def rooms_drawing() -> str:
    """Return the drawing of the rooms: an arrow where no other chain of arrows implies it."""
    law = import_law()
    uses = arrows(law["rooms"])
    lines = ["```mermaid", "flowchart TD"]
    for number, floor in reversed(list(enumerate(floors(uses)))):
        lines.append(f"  subgraph floor{number}[ ]")
        lines.append("    direction LR")
        lines += [f"    {room}" for room in floor]
        lines.append("  end")
    for room in uses:
        implied = set().union(*(below(used, uses) for used in uses[room]))
        lines += [f"  {room} --> {used}" for used in sorted(uses[room] - implied)]
    for module, named in law["by_name"].items():
        room = module.split(".")[1]
        lines += [f"  {room} -. by name .-> {used}" for used in named if used not in uses[room]]
    lines.append("```")
    return "\n".join(lines)


def rooms_table() -> str:
    """Return the table of rooms, top floor first."""
    described = import_law()["rooms"]
    uses = arrows(described)
    lines = ["| floor | room | is | may use |", "| --- | --- | --- | --- |"]
    for number, floor in reversed(list(enumerate(floors(uses)))):
        for room in floor:
            used = ", ".join(f"`{name}`" for name in described[room]["uses"]) or "no other room"
            lines.append(f"| {number} | `{room}/` | {described[room]['is']} | {used} |")
    return "\n".join(lines)


def column_table(columns: Mapping[str, Any]) -> str:
    """Return a table of columns of curate.schema."""
    lines = ["| column | type | written by | meaning |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{name}` | {type_name(column.type)} | {column.writer} | {column.description} |"
        for name, column in columns.items()
    ]
    return "\n".join(lines)


def type_name(type: Any) -> str:
    """Return an Arrow type as the tables show it."""
    return (
        "`"
        + str(type).replace(" not null", "").replace("item: ", "").replace("element: ", "")
        + "`"
    )


def documents_table() -> str:
    """Return the columns of documents."""
    from curate import schema

    signals = {"signal_<name>": schema.SIGNAL_COLUMN}
    by_stages = {name: one for name, one in schema.COLUMNS.items() if one.writer != "product"}
    product = {name: one for name, one in schema.COLUMNS.items() if one.writer == "product"}
    return column_table(by_stages | signals | product)


def signals_table() -> str:
    """Return the columns of signals."""
    from curate.signals import SIGNALS, card, signal_type

    lines = ["| column | type | meaning |", "| --- | --- | --- |"]
    for name in SIGNALS:
        meaning = card(name).what.replace("|", r"\|")
        lines.append(f"| `signal_{name}` | {type_name(signal_type(name))} | {meaning} |")
    return "\n".join(lines)


def quarantine_table() -> str:
    """Return the columns of quarantine/."""
    from curate import schema

    return column_table(schema.QUARANTINE_COLUMNS)


def decisions_table() -> str:
    """Return the columns of decisions."""
    from curate import schema

    return column_table(schema.DECISION_COLUMNS)


def clusters_table() -> str:
    """Return the columns of clusters.parquet."""
    import pyarrow as pa

    from curate import schema

    stage = schema.Column(pa.string(), "dedup", "The dedup stage that found the cluster.")
    names = ("id", "cluster", "cluster_size", "duplicate_of", "jaccard")
    return column_table({"stage": stage} | {name: schema.COLUMNS[name] for name in names})


#: Pages that are generated as a whole: path → function that returns the text.
PAGES: dict[str, Callable[[], str]] = {
    "docs/cli.md": commands.command_line,
    **keys.PAGES,
}

#: Regions of pages: (path, name) → function that returns the text.
REGIONS: dict[tuple[str, str], Callable[[], str]] = {
    ("docs/architecture.md", "drawing"): rooms_drawing,
    ("docs/architecture.md", "rooms"): rooms_table,
    ("docs/data-format.md", "documents"): documents_table,
    ("docs/data-format.md", "signals"): signals_table,
    ("docs/data-format.md", "quarantine"): quarantine_table,
    ("docs/data-format.md", "clusters"): clusters_table,
    ("docs/data-format.md", "decisions"): decisions_table,
}


def replace_region(page: str, name: str, body: str, where: str) -> str:
    """Return a page with the body of a marked region replaced."""
    marked = re.compile(rf"(<!-- begin {name}\b[^\n]*-->\n).*?(<!-- end {name} -->)", re.DOTALL)
    if not marked.search(page):
        raise SystemExit(f"{where} has no region '{name}'")
    return marked.sub(lambda found: f"{found[1]}\n{body}\n\n{found[2]}", page)


def generated() -> dict[Path, str]:
    """Return the text that every generated or partly generated page should have."""
    texts = {ROOT / path: text().rstrip("\n") + "\n" for path, text in PAGES.items()}
    for (path, name), body in REGIONS.items():
        page = texts.get(ROOT / path) or (ROOT / path).read_text(encoding="utf-8")
        texts[ROOT / path] = replace_region(page, name, body(), path)
    return texts


def stale() -> list[str]:
    """Return the pages whose text is not what the code gives now."""
    return [
        str(path.relative_to(ROOT))
        for path, text in generated().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write the pages, or check them."""
    old = stale()
    if "--check" in sys.argv[1:]:
        for path in old:
            print(f"{path} is out of date: run python3 tasks.py docs", file=sys.stderr)
        return 1 if old else 0
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
