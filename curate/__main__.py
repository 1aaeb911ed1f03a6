"""`python -m curate` is the command line."""

import gc
import sys


def main() -> None:
    """Run the command line; an interrupt while it is imported ends in one sentence as well."""
    # This process is the command's own. Little of what it makes is cyclic, and by default Python
    # would search for it 400 times in a run of seconds.
    gc.set_threshold(100_000, 20, 20)
    try:
        from curate.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.stderr.write("curate: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
