"""Reports: from a manifest to HTML, Markdown, JSON and a dataset card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a command line that reports nothing starts without Arrow
    from curate.storage.entries import Manifest


def render(
    manifest: Manifest, timings: Iterable[Mapping[str, Any]], *, slides: bool = False
) -> dict[str, bytes]:
    """Return the files of the report by name; the same manifest and timings give the same bytes.

    Everything is derived once (:mod:`curate.report.build`) and printed in several formats, so that
    they agree. Without ``timings`` the report has no section about time. With ``slides`` there are
    ``slide-funnel.svg``, ``slide-mixture.svg`` and ``slide-rules.svg``, those that the run has
    something for.
    """
    from curate.report.build import build_report
    from curate.report.dataset_card import dataset_card
    from curate.report.to_html import to_html
    from curate.report.to_json import to_json
    from curate.report.to_markdown import to_markdown

    report = build_report(manifest, timings)
    files = {
        "report.json": json.dumps(to_json(report), ensure_ascii=False, indent=1) + "\n",
        "report.md": to_markdown(report),
        "report.html": to_html(report),
        "README.md": dataset_card(report),
        "timings.jsonl": "".join(json.dumps(row, sort_keys=True) + "\n" for row in timings),
    }
    if slides:
        from curate.report.slides import slides as pictures

        files |= pictures(report)
    return {name: body.encode("utf-8", "replace") for name, body in files.items()}
