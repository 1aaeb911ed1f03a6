"""What the site changes in pages.

Links to files outside docs/ lead to the repository. What scrolls is reached by the keyboard, and
the dialog of the search has a name for screen readers: the theme has neither.
"""

import re
from typing import Any

REPOSITORY = "https://github.com/curate-corpus/curate/blob/main/"


def on_page_markdown(markdown: str, page: Any, **others: Any) -> str:
    """Return a page whose links out of docs/ are addresses."""
    depth = page.file.src_uri.count("/") + 1
    out = "../" * depth
    return re.sub(rf"\]\({re.escape(out)}(?!\.\.)", f"]({REPOSITORY}", markdown)


def on_post_page(output: str, **others: Any) -> str:
    """Return a page whose tables and code take the focus, and whose dialog has a name."""
    output = re.sub(r"<(table|pre)(| class=\"mermaid\")>", r'<\1\2 tabindex="0">', output)
    return output.replace(
        'data-md-component="search" role="dialog"',
        'data-md-component="search" aria-label="Search" role="dialog"',
    )
