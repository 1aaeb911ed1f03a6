"""Reports: from a manifest to a page, a text, a table of numbers and a dataset card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a command line that reports nothing starts without Arrow
    from curate.storage.entries import Manifest


def render(manifest: Manifest, timings: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the files of the report by name; the same manifest and timings give the same bytes.

    Everything is derived once (:mod:`curate.report.build`) and printed in several forms, so no two of
    them disagree. ``timings`` may be empty: then nothing is said about time.
    """
    from curate.report.build import derive
    from curate.report.dataset_card import card
    from curate.report.to_html import html
    from curate.report.to_json import as_json
    from curate.report.to_markdown import markdown

    report = derive(manifest, timings)
    pages = {
        "report.json": json.dumps(as_json(report), ensure_ascii=False, indent=1) + "\n",
        "report.md": markdown(report),
        "report.html": html(report),
        "README.md": card(report),
        "timings.jsonl": "".join(json.dumps(row, sort_keys=True) + "\n" for row in timings),
    }
    return {name: body.encode("utf-8", "replace") for name, body in pages.items()}
