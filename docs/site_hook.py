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
    """Return a page whose tables take the focus (the theme does it for code), and whose dialog has a name."""
    output = output.replace("<table>", '<table tabindex="0">')
    return re.sub(
        r'(data-md-component="search") (role="dialog")', r'\1 aria-label="Search" \2', output
    )
