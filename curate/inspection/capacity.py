"""Whether a run can fit the disk and the memory of this machine, before it begins."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from curate.errors import ResourceError
from curate.report.format import size

#: Files in which Linux states the memory that a container may use.
CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def check(estimate: Mapping[str, int], output: str, workers: int) -> None:
    """Raise ResourceError where the estimate of a run (``plan/estimate.py``) is more than is here.

    Disk is compared with what is free at ``output`` and what an earlier attempt wrote there, memory
    with what ``workers`` tasks need at a time (0: they run elsewhere).
    """
    if "://" not in output:
        _check_disk(output, estimate["disk_bytes"])
    needed, has = estimate["memory_bytes_per_worker"] * workers, memory_bytes()
    if has is not None and needed > has:
        fewer = f"--workers {max(1, has * workers // needed)}, " if workers > 1 else ""
        raise ResourceError(
            f"{workers} {'task' if workers == 1 else 'tasks'} at a time would need about"
            f" {size(needed)} of memory, this machine has {size(has)}",
            hint=f"{fewer}smaller shards.output_bytes, or --force to try",
        )


def _check_disk(output: str, needed: int) -> None:
    folder = Path(output.removeprefix("file://")).absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free
    if needed > free and needed > free + _written(folder):
        raise ResourceError(
            f"the run would write about {size(needed)} at a time, {size(free)} are free",
            where=output,
            hint="free some space, choose another --output, take less input, or --force to try",
        )


def _written(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def memory_bytes() -> int | None:
    """Return the memory of this machine or container, in bytes; None where it is unknown."""
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (ValueError, OSError):
        return None
    for file in CGROUP_LIMITS:
        try:
            found.append(int(file.read_text()))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return min(found)
