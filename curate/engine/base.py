"""What an engine is: it runs tasks, in any order, anywhere, and reports when each is committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from curate.engine.commit import Finished, Task


class Engine(Protocol):
    """Runs tasks through ``commit.execute``; the answer never depends on the engine."""

    name: str

    def run(self, address: str, tasks: Sequence[Task]) -> Iterator[Finished]:
        """Run all tasks; yield each when committed. Raise an error that retries do not cure."""

    def close(self) -> None:
        """Release the engine's resources."""
