"""A task of a plan declares its memory to Ray, so that a node runs as many as it has room for."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from curate.engine.commit import Task

pytest.importorskip("ray", reason="needs ray")
pytestmark = pytest.mark.ray

MB = 1 << 20


@dataclass(frozen=True)
class Seen:
    """Notes how many tasks run beside it, and what Ray assigned to it."""

    folder: str

    def run(self, assignment, attempt):
        import ray

        here = Path(self.folder, "running", str(assignment))
        here.touch()
        at_once = 0
        for _ in range(300):  # long enough for others to begin
            at_once = max(at_once, len(os.listdir(here.parent)))
            sum(range(20_000))
        here.unlink()
        assigned = ray.get_runtime_context().get_assigned_resources()
        Path(self.folder, f"seen-{assignment}").write_text(f"{at_once} {assigned['memory']:.0f}")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=4, memory=1000 * MB)
    yield cluster
    cluster.shutdown()


def seen(cluster, folder, memory):
    from curate.engine.ray_tasks import RayTasks

    (folder / "running").mkdir()
    engine = RayTasks(address=cluster.address, memory=memory)
    try:
        tasks = [Task("s", number, f"key{number}", number) for number in range(12)]
        assert len(list(engine.run(str(folder / "out"), Seen(str(folder)), tasks))) == 12
    finally:
        engine.close()
    notes = [path.read_text().split() for path in folder.glob("seen-*")]
    return max(int(at_once) for at_once, _ in notes), {int(assigned) for _, assigned in notes}


@pytest.mark.parametrize(("memory", "at_once"), [(100 * MB, 4), (400 * MB, 2)])
def test_a_node_runs_as_many_tasks_as_it_has_memory_for(cluster, tmp_path, memory, at_once):
    most, assigned = seen(cluster, tmp_path, memory)
    assert assigned == {memory}
    assert most <= at_once


def test_a_task_that_no_node_has_memory_for_runs_alone_and_one_line_says_so(
    cluster, tmp_path, caplog
):
    most, assigned = seen(cluster, tmp_path, 3000 * MB)
    assert (most, assigned) == (1, {1000 * MB})
    (line,) = [record.getMessage() for record in caplog.records if "memory" in record.getMessage()]
    assert "a task may need 3.15 GB of memory, and the largest node has 1.05 GB" in line
