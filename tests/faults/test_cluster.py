"""Clusters of several raylets: one is killed and one joins, and the answer stays the same."""

import os
import subprocess
import sys
import time

import pytest

from tests.faults.test_kill import check_equal

pytest.importorskip("ray", reason="needs ray")
pytestmark = pytest.mark.ray


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    yield cluster
    cluster.shutdown()


def run(cluster, *arguments, **environment):
    line = [
        sys.executable,
        "-m",
        "curate",
        "run",
        *map(str, arguments),
        "--address",
        cluster.address,
    ]
    return subprocess.Popen(
        line,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_raylet_is_killed_and_another_joins(cluster, golden, out):
    first = cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1)
    started = run(cluster, golden[0], "--output", out)
    while started.poll() is None and not list((out / "commits").glob("*/*.json")):
        time.sleep(0.05)
    cluster.remove_node(first, allow_graceful=False)
    cluster.add_node(num_cpus=1)
    said, _ = started.communicate(timeout=120)
    assert started.returncode == 0, said
    check_equal(out, golden)


def test_a_cluster_without_cpus_is_waited_for_as_long_as_allowed(cluster, golden, out):
    started = run(cluster, golden[0], "--output", out, "--wait", 1)
    said, _ = started.communicate(timeout=120)
    assert started.returncode == 5, said
    assert "waiting for CPUs" in said
    assert "had no CPU for" in said


def test_a_lost_head_ends_the_run_in_words(cluster, golden, out):
    started = run(cluster, golden[0], "--output", out)
    for line in started.stdout:
        if "waiting for CPUs" in line:
            break
    cluster.head_node.kill_gcs_server()
    said, _ = started.communicate(timeout=120)
    assert started.returncode == 5, said
    assert "the head of the Ray cluster was lost" in said


def test_after_a_ray_of_its_own_a_process_can_use_a_cluster(golden, out):
    from ray._private import ray_constants

    from curate import api

    api.run(golden[0], output=out, engine="ray", workers=1)
    assert ray_constants.ENABLE_RAY_CLUSTER
