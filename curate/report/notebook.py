"""A run as a notebook shows it: one table of HTML, without styles or scripts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

from curate.report.format import number, percent, visible

_HEAD = ("phase", "group", "unit", "asked", "got", "share asked", "share got", "epochs")


def notebook_table(caption: str, mixture: Iterable[Mapping[str, Any]]) -> str:
    """Return the mixture of a manifest, asked and got, below a caption; all text is escaped.

    >>> notebook_table("<b>", [])
    '<p>&lt;b&gt;</p>'
    """
    above = f"<p>{_text(caption)}</p>"
    rows = [
        "".join(
            f'<td style="text-align: {"left" if at < 3 else "right"}">{_text(cell)}</td>'
            for at, cell in enumerate(
                (
                    row["phase"],
                    row["group"],
                    row["unit"],
                    number(row["asked"]),
                    number(row["amount"]),
                    percent(row["asked_share"]),
                    percent(row["share"]),
                    f"{row['epochs']:.3f}",
                )
            )
        )
        for row in mixture
    ]
    if not rows:
        return above
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEAD)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"{above}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(text: str) -> str:
    return html.escape(visible(text))
