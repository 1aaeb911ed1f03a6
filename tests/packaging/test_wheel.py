"""The wheel contains ``curate`` alone, with recipes, profiles and samples, and runs on its own."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_contains_one_package(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"curate"}
    shipped = {name for name in names if name.startswith("curate/_shipped/")}
    for path in ("pipelines/demo.toml", "filters/kaz_Cyrl.toml", "sample_data/planted.json"):
        assert f"curate/_shipped/{path}" in shipped
    assert {"curate/recipe/recipe.schema.json", "curate/recipe/profile.schema.json"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_the_demo_runs_outside_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    outside = tmp_path / "away"
    outside.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(site), "CURATE_HOME": str(outside / "none")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "curate",
            "run",
            "demo",
            "--output",
            "out",
            "--engine",
            "in-process",
        ],
        cwd=outside,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (outside / "out" / "report.html").exists()
    where = subprocess.run(
        [sys.executable, "-c", "import curate; print(curate.__file__)"],
        cwd=outside,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(site))
