"""Build the sample containers from the texts, with planted oddities and a list of them.

``python sample_data/build.py`` writes the containers and ``planted.json`` beside this file. The
same texts give the same bytes with the same zlib, zstandard and pyarrow, and the same contents with
any.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from builder.crawl import web
from builder.instructions import instructions
from builder.labels import labels
from builder.listing import planted
from builder.plain import news, wet
from builder.plan import HERE, Plan
from builder.recipes import recipes
from builder.shelf import books, chat, notes, wiki


def build() -> dict[str, bytes]:
    """Build every file, by path relative to the sample data."""
    plan = Plan()
    for part in (web, wet, news, books, wiki, notes, chat, recipes, instructions, labels):
        part(plan)
    listing = planted(plan)
    rows = ",\n".join(
        "  " + json.dumps(row, ensure_ascii=False) for row in listing.pop("documents")
    )
    head = json.dumps(listing, ensure_ascii=False, indent=1)
    plan.files["planted.json"] = f'{head[:-2]},\n "documents": [\n{rows}\n ]\n}}\n'.encode()
    return plan.files


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description="Build the sample containers from the texts.")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write to")
    output = parser.parse_args().output
    files = build()
    for name, data in files.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{len(files)} files, {sum(map(len, files.values())):,} bytes")


if __name__ == "__main__":
    main()
