"""The notebook runs, and shows what it was stored with; ``python docs/execute.py`` stores anew."""

import json
import runpy
from pathlib import Path

import pytest

EXECUTE = Path(__file__).resolve().parents[2] / "docs" / "execute.py"


def outputs(notebook) -> list[list[dict[str, str]]]:
    """Return what each cell shows, as text and as HTML."""
    return [
        [
            {kind: "".join(text) for kind, text in dict(one["data"]).items()}
            for one in cell["outputs"]
        ]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


@pytest.mark.thorough
def test_the_tour_shows_what_it_shows(monkeypatch):
    pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    for name in ("PYTHONPATH", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, "")  # what is set while it runs ends with the test
    module = runpy.run_path(str(EXECUTE))
    stored = outputs(json.loads(module["NOTEBOOK"].read_text("utf-8")))
    assert len(stored) == 6
    assert outputs(module["executed"]()) == stored
