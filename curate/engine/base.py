"""What an engine is: it runs tasks, in any order, anywhere, and reports when each is committed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from curate.engine.commit import Finished, Job, Task


class Engine(Protocol):
    """Runs tasks through ``commit.execute``; the answer never depends on the engine."""

    name: str

    def run(self, address: str, job: Job, tasks: Iterable[Task]) -> Iterator[Finished]:
        """Run all tasks of a job; yield each when committed.

        Raise an error that retries do not cure.
        """

    def close(self) -> None:
        """Release the engine's resources."""
