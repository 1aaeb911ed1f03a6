"""The command line: a file per command, only formatting. Data to stdout, progress to stderr."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

#: Commands that list what there is to name, in ``curate/cli/list_commands.py``.
LISTS = ("recipes", "languages", "stages", "sources", "tokenizers")

#: Commands in the order of the help; each is in ``curate/cli/<name>_command.py``. One of two words
#: (``store query``) goes before the one of the first word.
COMMANDS = (
    "init", "run", "plan", "bench", "stage", "dedup", "store", "store query", "mix", "identify",
    "fertility", "tokenizer extend", "report", "explain", "compare", "sample", "label", "evaluate",
    "sweep", "check", "calibrate", "train", "verify", "doctor", "top", "takedown", "push",
    "signals",
    *LISTS,
)  # fmt: skip

#: What a shell reports for a process that SIGINT ended; returned for SIGTERM as well.
INTERRUPTED = 130

EXIT_CODES = {
    0: "done",
    1: "internal",
    2: "usage or recipe",
    3: "finished above a tolerance",
    4: "refused",
    5: "resources (resumable)",
    INTERRUPTED: "interrupted (resumable)",
}

# Newer versions of typer carry a click of their own, so click's classes are found from a public
# one: BadParameter is a UsageError, and that a ClickException.
_BAD_USAGE: type[Exception] = typer.BadParameter.__mro__[2]

_EPILOG = f"""Begin with: curate run demo --output out/demo

Exit codes: {", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())}."""


def main() -> None:
    """Run the command line and exit with one of EXIT_CODES."""
    signal.signal(signal.SIGTERM, _terminate)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us: >&-
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot display Kazakh must not stop a run.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_main(sys.argv[1:]))


def _main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    from curate.cli.terminal import complain
    from curate.errors import CurateError, ResourceError, without_secrets

    try:
        if any(word.endswith("-completion") for word in arguments[:1]):
            from curate.cli.completion import complete_at_first_tab

            complete_at_first_tab()
        code = app()(args=list(arguments), prog_name="curate", standalone_mode=False)
        sys.stdout.flush()
    except CurateError as error:
        complain(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            return 0  # the reader of the output closed the pipe
        # Ray replaces the handler of SIGTERM; its own raises SystemExit.
        return _interrupted() if end.code == signal.SIGTERM else _code(end.code)
    except _BAD_USAGE as error:
        return _explain(error, arguments)
    except BrokenPipeError:
        # As above; Python must not flush into the pipe again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        from curate.storage.store import as_resource_error

        complain(str(as_resource_error(error, "the file system")))
        return ResourceError.exit_code
    except MemoryError as error:
        hint = (
            "fewer --workers, a smaller shards.batch_bytes, or more memory; it goes on from there"
        )
        complain(str(ResourceError(f"memory does not suffice: {error}", hint=hint)))
        return ResourceError.exit_code
    except Exception:
        import traceback

        sys.stderr.write(without_secrets(traceback.format_exc()))
        complain(
            "this is a fault of curate's, not of the data or the recipe\n"
            "  next: report the lines above together with the command; what was committed stays"
        )
        return 1
    return _interrupted() if code == INTERRUPTED else _code(code)


def app() -> typer.Typer:
    """Return the command line with all commands."""
    commands = typer.Typer(
        name="curate",
        cls=_Commands,
        help="Turn raw crawls into the training data of language models.",
        epilog=_EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    commands.callback(invoke_without_command=True)(_callback)
    for name in COMMANDS:
        command = command_of(name)
        commands.command(name, cls=_Command, help=help_of(command))(command)
    return commands


def command_of(name: str) -> Any:
    """Return the function of a command."""
    module = "list_commands" if name in LISTS else f"{name.replace(' ', '_')}_command"
    return getattr(import_module(f"curate.cli.{module}"), name if name in LISTS else "command")


class _Commands(TyperGroup):
    """Commands of one word, and of two."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        both = " ".join(args[:2])
        return super().resolve_command(ctx, [both, *args[2:]] if both in self.commands else args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return one word at a time: ``tokenizer``, and after it ``extend``."""
        from curate.cli.completion import second_words

        if before := [*ctx._protected_args, *ctx.args]:
            item_type = type(super().shell_complete(ctx, "")[0])
            words = second_words(self.commands, before[0], incomplete)
            return [item_type(word) for word in words]
        found: dict[str, Any] = {}
        for item in super().shell_complete(ctx, incomplete):
            item.value, *more = item.value.split(" ")
            if more:
                item.help = None
            found.setdefault(item.value, item)
        return list(found.values())


class _Command(TyperCommand):
    """A command whose help shows the placeholders of its arguments without Python's types."""

    def get_help(self, ctx: Any) -> str:
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                setattr(parameter, "display_type_rich", lambda ctx: "")  # noqa: B010
        return super().get_help(ctx)


def help_of(command: Any) -> str:
    r"""Return a command's docstring as help; the example is not re-wrapped, so it can be copied.

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
    """Print what is wrong with the command line, the nearest known name, and where help is."""
    from curate.cli.terminal import complain, say
    from curate.errors import nearest

    context: Any = getattr(error, "ctx", None)
    message: str = error.format_message()
    if "Usage:" in message:
        # Without a command the message is the help.
        say(message)
        return 2
    path = context.command_path if context else "curate"
    lines = [message.removesuffix(".")]
    if message.startswith("No such command"):
        name = next(word for word in arguments if not word.startswith("-"))
        longer = [known for known in COMMANDS if known.startswith(f"{name} ")]
        meant = f"it is 'curate {longer[0]}'" if longer else nearest(name, COMMANDS)
        lines = [f"no command '{name}'", f"  next: {meant}"]
    elif getattr(error, "option_name", None) and message.startswith("No such option"):
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
    # A second signal must not interrupt the clean-up that the first one started.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
