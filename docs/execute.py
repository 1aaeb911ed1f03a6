"""Run the notebook and store what it shows: ``python docs/execute.py``, after outputs changed."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "notebooks" / "tour.ipynb"


def executed() -> Any:
    """Return the notebook, run from its first cell in a new folder and a new kernel."""
    import nbclient
    import nbformat

    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    notebook = nbformat.reads(NOTEBOOK.read_text("utf-8"), as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JUPYTER_RUNTIME_DIR"] = f"{folder}/runtime"
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(
            notebook, timeout=600, resources=resources, record_timing=False
        ).execute()
    return notebook


def main() -> int:
    """Write the notebook with its outputs; the kernel's own version is no part of it."""
    import nbformat

    notebook = executed()
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, NOTEBOOK)
    return 0


if __name__ == "__main__":
    sys.exit(main())
