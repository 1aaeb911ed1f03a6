"""The command line: one file per command, no logic. Data to stdout, progress to stderr.

Exit codes: 0 done · 1 internal · 2 usage or recipe · 3 finished above tolerance · 4 refused ·
5 resources, resumable · 130 interrupted, resumable.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

#: Commands in the order of the help; each lives in ``curate/cli/<name>_command.py``.
COMMANDS = (
    "run",
    "plan",
    "stage",
    "dedup",
    "store",
    "mix",
    "identify",
    "fertility",
    "report",
    "explain",
    "check",
    "calibrate",
    "verify",
    "push",
    "signals",
)

#: What a shell reports of a process that SIGINT ended; ours says so whichever signal it was.
INTERRUPTED = 130

# Newer versions of typer carry a click of their own, so click's classes are found from a public one:
# BadParameter is a UsageError, and that a ClickException.
_BAD_USAGE: type[Exception] = typer.BadParameter.__mro__[2]

_EPILOG = """Begin with: curate run demo --output out/demo

Exit codes: 0 done, 1 internal, 2 usage or recipe, 3 finished above a tolerance, 4 refused,
5 resources (resumable), 130 interrupted (resumable)."""


def main() -> None:
    """Run the command line and exit with a code that says what happened."""
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show Kazakh is no reason to stop.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_main(sys.argv[1:]))


def _main(arguments: Sequence[str]) -> int:
    """Run one command; give the exit code."""
    from curate.cli.terminal import complain
    from curate.errors import CurateError

    try:
        code = _app()(args=list(arguments), prog_name="curate", standalone_mode=False)
        sys.stdout.flush()
    except CurateError as error:
        complain(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            return 0  # whoever read our output has seen enough
        # Ray puts its own handler of SIGTERM in the place of ours, and that ends with SystemExit.
        return _interrupted() if end.code == signal.SIGTERM else _code(end.code)
    except _BAD_USAGE as error:
        return _explain(error, arguments)
    except BrokenPipeError:
        # As above; Python must not flush into the pipe again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        import traceback

        traceback.print_exc()
        complain(
            "this is a fault of curate's, not of the data or the recipe\n"
            "  next: report the lines above together with the command; what was committed stays"
        )
        return 1
    return _interrupted() if code == INTERRUPTED else _code(code)


def _app() -> typer.Typer:
    app = typer.Typer(
        name="curate",
        help="Turn raw crawls into the training data of language models.",
        epilog=_EPILOG,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback(invoke_without_command=True)(_callback)
    for name in COMMANDS:
        command = import_module(f"curate.cli.{name}_command").command
        app.command(name, cls=_Command, help=help_of(command))(command)
    return app


class _Command(TyperCommand):
    """A command whose help shows the placeholders that we wrote, and not Python's types."""

    def get_help(self, ctx: Any) -> str:
        return re.sub(r"^(  [A-Z]+) <[^>\n]*>", r"\1", super().get_help(ctx), flags=re.MULTILINE)


def help_of(command: Any) -> str:
    r"""Give a command's docstring as help; its example keeps its lines, so that it can be copied.

    >>> def command() -> None:
    ...     '''Do it.
    ...
    ...     Example: curate do it
    ...     '''
    >>> help_of(command)
    'Do it.\n\n\x08\nExample: curate do it'
    """
    import inspect

    return (inspect.getdoc(command) or "").replace("\n\nExample:", "\n\n\b\nExample:").strip()


def _callback(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, help="Log what is done; twice: also details."),
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log errors only.")] = False,
) -> None:
    """Turn raw crawls into the training data of language models."""
    from curate.cli.terminal import say
    from curate.logging_setup import show_records

    show_records(say, -1 if quiet else verbose)
    if version:
        from curate._version import __version__

        typer.echo(f"curate {__version__}")
        raise typer.Exit(0)


def _explain(error: Any, arguments: Sequence[str]) -> int:
    """Say what is wrong with the command line, the nearest name, and where help is."""
    from curate.cli.terminal import complain, say
    from curate.errors import nearest

    context: Any = getattr(error, "ctx", None)
    said: str = error.format_message()
    if "Usage:" in said:
        # No command at all: the message is the help.
        say(said)
        return 2
    path = context.command_path if context else "curate"
    lines = [said.removesuffix(".")]
    if said.startswith("No such command"):
        name = next(word for word in arguments if not word.startswith("-"))
        lines = [f"no command '{name}'", f"  next: {nearest(name, COMMANDS)}"]
    elif getattr(error, "option_name", None) and said.startswith("No such option"):
        known = [name for each in context.command.params for name in each.opts]
        options = [name for name in known if name.startswith("--")]
        lines = [f"no option '{error.option_name}'"]
        lines.append(f"  next: {nearest(error.option_name, options)}")
    complain("\n".join([*lines, f"  help: {path} --help"]))
    return 2


def _code(value: object) -> int:
    return value if isinstance(value, int) else 0


def _interrupted() -> int:
    from curate.cli.terminal import complain

    complain("interrupted; run the same command again: it goes on where it was")
    return INTERRUPTED


def _terminate(number: int, frame: FrameType | None) -> None:
    # Once is enough: a second signal must not break the tidying up that the first one began.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
