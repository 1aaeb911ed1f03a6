"""The engine for tests, dry runs and debugging: one task after another, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from curate.engine.commit import Finished, Job, Task, execute


class InProcess:
    """Runs tasks one by one."""

    name = "in-process"

    def run(self, address: str, job: Job, tasks: Iterable[Task]) -> Iterator[Finished]:
        """Run tasks in order."""
        for task in tasks:
            yield execute(address, job, task)

    def close(self) -> None:
        """Do nothing: there are no resources."""
