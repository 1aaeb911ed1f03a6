"""What the site changes in pages.

Links to files outside docs/ lead to the repository. What scrolls is reached by the keyboard, and
the dialog of the search has a name for screen readers: the theme has neither. No page asks another
host for anything: the script that draws diagrams is part of the site (`tasks.py site` fetches it),
without it they are text; and the theme does not count the repository's stars.
"""

import re
import shutil
from pathlib import Path
from typing import Any

#: What draws diagrams, where it was fetched, and its place in the site.
SCRIPT, PLACE = Path(__file__).parent.parent / "out" / "mermaid.min.js", "assets/mermaid.min.js"

REPOSITORY = "https://github.com/curate-corpus/curate/blob/main/"


def on_config(config: Any) -> Any:
    """Let pages load the script of diagrams from the site."""
    if SCRIPT.exists():
        config.extra_javascript.append(PLACE)
    return config


def on_post_build(config: Any) -> None:
    """Put the script of diagrams into the site."""
    if SCRIPT.exists():
        shutil.copyfile(SCRIPT, Path(config.site_dir) / PLACE)


def on_page_markdown(markdown: str, page: Any, **others: Any) -> str:
    """Return a page whose links out of docs/ are addresses."""
    depth = page.file.src_uri.count("/") + 1
    out = "../" * depth
    return re.sub(rf"\]\({re.escape(out)}(?!\.\.)", f"]({REPOSITORY}", markdown)


def on_post_template(output: str, **others: Any) -> str:
    """Return the page for addresses that are not there, which is made of a template."""
    return on_post_page(output)


def on_post_page(output: str, **others: Any) -> str:
    """Return a page whose tables and code take the focus, and whose dialog has a name."""
    output = output.replace('data-md-component="source"', "")
    if not SCRIPT.exists():
        output = output.replace('<pre class="mermaid">', '<pre class="diagram">')
    output = re.sub(
        r"<(table|pre)(| class=\"(?:mermaid|diagram)\")>", r'<\1\2 tabindex="0">', output
    )
    return output.replace(
        'data-md-component="search" role="dialog"',
        'data-md-component="search" aria-label="Search" role="dialog"',
    )
