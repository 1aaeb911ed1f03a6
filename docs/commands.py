"""The command line as a page: each command with its arguments and options, from the commands."""

from __future__ import annotations

import re
from typing import Any

INTRODUCTION = """# The command line

`curate COMMAND --help` prints the same in the terminal. Data is on stdout, progress and messages
are on stderr; with `--json` stdout is JSON."""


def command_line() -> str:
    """Return the page of all commands."""
    import typer

    from curate.cli import COMMANDS, EXIT_CODES, app

    commands: dict[str, Any] = typer.main.get_command(app()).commands  # type: ignore[attr-defined]
    links = [
        f"| [`{name}`](#curate-{name.replace(' ', '-')}) | {summary(commands[name])} |"
        for name in COMMANDS
    ]
    codes = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    parts = [
        INTRODUCTION,
        "\n".join(["| command | does |", "| --- | --- |", *links]),
        "## Exit codes",
        "\n".join(["| code | meaning |", "| --- | --- |", *codes]),
        *(section(name, commands[name]) for name in COMMANDS),
    ]
    return "\n\n".join(parts)


def summary(command: Any) -> str:
    """Return the first sentence of a command's help."""
    return str(command.help).partition("\n")[0]


def section(name: str, command: Any) -> str:
    """Return a command: what it does, an example, its arguments and options."""
    text, _, example = command.help.partition("\n\n\b\nExample: ")
    arguments = [one for one in command.params if not one.opts[0].startswith("-")]
    options = [one for one in command.params if one.opts[0].startswith("-")]
    needed = [f"{one.opts[-1]} {one.metavar}" for one in options if one.required]
    usage = " ".join(["curate", name, *map(placeholder, arguments), *needed, "[OPTIONS]"])
    parts = [f"## curate {name}", escaped(text), f"```text\n{usage}\n```"]
    parts.append(f"Example:\n\n```console\n$ {example}\n```")
    if arguments:
        rows = [f"| `{one.metavar}` | {escaped(one.help)} |" for one in arguments]
        parts.append("\n".join(["| argument | meaning |", "| --- | --- |", *rows]))
    rows = [
        f"| {names(one)} | {default(one)} | {escaped(one.help)}{bounds(one)} |" for one in options
    ]
    parts.append("\n".join(["| option | default | meaning |", "| --- | --- | --- |", *rows]))
    return "\n\n".join(parts)


def placeholder(argument: Any) -> str:
    """Return an argument as the usage shows it."""
    shown = argument.metavar if argument.required else f"[{argument.metavar}]"
    return f"{shown}..." if argument.nargs == -1 else shown


def names(option: Any) -> str:
    """Return an option's names, with the placeholder of its value."""
    value = "" if option.is_flag else f" {option.metavar}"
    return ", ".join(f"`{name}{value}`".replace("|", "\\|") for name in option.opts)


def default(option: Any) -> str:
    """Return an option's default."""
    if option.required:
        return "required"
    return "" if option.default is None or option.is_flag else f"`{option.default}`"


def bounds(option: Any) -> str:
    """Return the range of a number, if it has one."""
    kind = getattr(option, "type", option)  # newer versions of typer keep both on the option
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    if low is None and high is None:
        return ""
    return f" At least {low}." if high is None else f" From {low} to {high}."


def escaped(text: str) -> str:
    """Return text whose characters are not read as Markdown or HTML."""
    return re.sub(r"([|*<>])", r"\\\1", text)
