"""Reports: from a manifest to a page."""

from __future__ import annotations

import json
from typing import Any


def render(manifest: dict[str, Any], timings: list[dict[str, Any]]) -> dict[str, bytes]:
    """Give the files of the report, by name."""
    lines = "".join(json.dumps(row, sort_keys=True) + "\n" for row in timings)
    return {"timings.jsonl": lines.encode()}
