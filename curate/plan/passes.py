"""How rows get from the tasks of one step to those of the next: in one pass, or in two.

A block for each pair of tasks is too many, and too small, where both are many. Then rows go to
groups of readers first, and a task per group sorts them by reader.
"""

import math

#: The largest number of partitions of a barrier: a generation of a dedup store has as many files,
#: and whoever reads it knows all of them.
MOST_PARTITIONS = 4096

#: The most blocks that go from tasks to tasks in one pass: a request each, and a row of an index.
ONE_PASS = 1 << 20


def readers_together(writers: int, readers: int) -> int:
    """Return for how many readers a writer's rows lie in one block; 1: each has blocks of its own.

    >>> [readers_together(writers, 1600) for writers in (500, 100_000)]
    [1, 40]
    """
    return 1 if writers * readers <= ONE_PASS else math.isqrt(readers - 1) + 1
