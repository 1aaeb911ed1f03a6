"""The agents that a local Ray leaves behind are ended; nothing else is."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from curate.engine import agent_reaper

AGENT, RAYLET = "ray::DashboardAgent\0", "/x/raylet/raylet\0--port=1\0"


def process(folder, number, command, *, parent, group):
    own = folder / str(number)
    own.mkdir()
    (own / "stat").write_text(f"{number} (a name) with) S {parent} {group} 1 0")
    (own / "cmdline").write_text(command)


def test_only_agents_of_the_group_without_a_raylet_are_orphans(tmp_path):
    process(tmp_path, 5, RAYLET, parent=1, group=5)
    process(tmp_path, 10, AGENT, parent=1, group=7)  # its parent is gone: init has it
    process(tmp_path, 11, AGENT, parent=5, group=7)  # a raylet still owns it
    process(tmp_path, 12, AGENT, parent=1, group=8)  # of another run
    process(tmp_path, 13, "ray::IDLE\0", parent=1, group=7)
    process(tmp_path, 14, "python\0Agent\0", parent=1, group=7)
    (tmp_path / "15").mkdir()  # ended in between
    assert list(agent_reaper.orphans(7, tmp_path)) == [10]


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_the_script_ends_an_agent_when_the_driver_says_so():
    shell = shutil.which("bash")
    agent = subprocess.Popen(
        [shell, "-c", "exec -a ray::TestAgent sleep 60"], start_new_session=True
    )
    try:
        while not agent_reaper._command(agent_reaper.Path(f"/proc/{agent.pid}")).startswith("ray"):
            time.sleep(0.01)
        line = [sys.executable, "-I", "-S", agent_reaper.__file__, str(agent.pid)]
        subprocess.run(line, input=b"done\n", check=True, timeout=30)
        assert agent.wait(timeout=10) == -9
    finally:
        agent.kill()
