"""What an engine is: it runs tasks, in any order, anywhere, and says when each is committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from curate.engine.commit import Finished, Task


class Engine(Protocol):
    """Runs tasks through ``commit.execute``; the answer never depends on which engine it was."""

    name: str

    def run(self, address: str, tasks: Sequence[Task]) -> Iterator[Finished]:
        """Run all tasks; yields as they are committed. Raises the first error that retries don't cure."""
        ...

    def close(self) -> None:
        """Give back what the engine holds."""
        ...
