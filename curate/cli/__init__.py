"""The command line: one file per command, no logic. Data to stdout, progress to stderr.

Exit codes: 0 done · 1 internal · 2 usage or recipe · 3 finished above tolerance · 4 refused ·
5 resources, resumable · 130 interrupted, resumable.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from types import FrameType

#: Command → module; a command's imports wait until it is called.
COMMANDS = (
    "run",
    "plan",
    "stage",
    "dedup",
    "mix",
    "identify",
    "report",
    "explain",
    "check",
    "verify",
    "signals",
)


def main() -> None:
    """Run the command line and exit with a code that says what happened."""
    sys.exit(_main())


def _main() -> int:
    import click
    import typer

    from curate.cli.terminal import complain
    from curate.errors import CurateError

    app = typer.Typer(
        name="curate",
        help="Turn raw crawls into the training data of language models.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_callback)
    for name in COMMANDS:
        module = import_module(f"curate.cli.{name}_command")
        app.command(name)(module.command)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(standalone_mode=False)
    except CurateError as error:
        complain(str(error))
        return error.exit_code
    except click.exceptions.Abort:
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stderr.close()
        return 0
    return code if isinstance(code, int) else 0


def _callback(version: bool = False) -> None:
    """Turn raw crawls into the training data of language models."""
    import typer

    if version:
        from curate import __version__

        typer.echo(f"curate {__version__}")
        raise typer.Exit(0)


def _interrupted() -> int:
    from curate.cli.terminal import complain

    complain("interrupted; run the same command again: it goes on where it was")
    return 130


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
