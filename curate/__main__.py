"""`python -m curate` is the command line."""

import sys


def main() -> None:
    """Run the command line; an interrupt while it is imported ends in one sentence as well."""
    try:
        from curate.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.stderr.write("curate: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
