"""What a shell offers after Tab; where nothing is offered, it offers files.

``curate --install-completion`` writes the script of the shell that runs it (bash, zsh, fish).
"""

from __future__ import annotations

from collections.abc import Iterable

import typer

#: What typer's script for zsh lacks: zsh loads the file at the first Tab, and then calls nothing.
_AT_FIRST_TAB = """
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  %(complete_func)s "$@"
fi
"""


def complete_at_first_tab() -> None:
    """Let the script for zsh that typer prints and installs answer the first Tab of a shell."""
    from typer import _completion_shared

    scripts = getattr(_completion_shared, "_completion_scripts", {})
    if "loadautofunc" not in scripts.get("zsh", "loadautofunc"):
        scripts["zsh"] += _AT_FIRST_TAB


def recipes(incomplete: str) -> list[str]:
    """Return the names of recipes."""
    from curate.recipe.locate import recipe_names

    return _beginning(incomplete, recipe_names())


def stages(incomplete: str) -> list[str]:
    """Return the names of stages."""
    from curate.plan.registry import STAGES

    return _beginning(incomplete, STAGES)


def labels(incomplete: str) -> list[str]:
    """Return the labels of languages that have a profile."""
    from curate.recipe.locate import language_profiles

    return _beginning(incomplete, (name for name in language_profiles() if name[0] != "_"))


def engines(incomplete: str) -> list[str]:
    """Return the names of engines."""
    return _beginning(incomplete, ("auto", "in-process", "ray"))


def second_words(names: Iterable[str], first: str, incomplete: str) -> list[str]:
    """Return what follows the first word of commands of two.

    >>> second_words(["store", "store query", "run"], "store", "q")
    ['query']
    """
    pairs = (name.split(" ", 1) for name in names if " " in name)
    return _beginning(incomplete, (pair[1] for pair in pairs if pair[0] == first))


def after_first_word(context: typer.Context, incomplete: str) -> list[str]:
    """Return what may follow a command of one word beside its arguments, as in ``store query``."""
    assert context.parent is not None and context.info_name is not None
    commands: dict[str, object] = context.parent.command.commands  # type: ignore[attr-defined]
    return second_words(commands, context.info_name, incomplete)


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
