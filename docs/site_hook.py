"""What the site changes in pages: links to files outside docs/ lead to the repository."""

import re
from typing import Any

REPOSITORY = "https://github.com/curate-corpus/curate/blob/main/"


def on_page_markdown(markdown: str, page: Any, **others: Any) -> str:
    """Return a page whose links out of docs/ are addresses."""
    depth = page.file.src_uri.count("/") + 1
    out = "../" * depth
    return re.sub(rf"\]\({re.escape(out)}(?!\.\.)", f"]({REPOSITORY}", markdown)
