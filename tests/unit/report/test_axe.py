"""The report in a browser, checked by axe-core: what a screen reader or weak eyes would miss.

It needs chromium and CURATE_AXE, the path of axe-core's axe.min.js (``npm pack axe-core``).
"""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.commands import demo_run

AXE, CHROMIUM = os.environ.get("CURATE_AXE"), shutil.which("chromium")
CHECK = (
    "axe.run().then(r => document.body.innerText = 'axe' + JSON.stringify(r.violations) + 'end')"
)


@pytest.mark.skipif(not (AXE and CHROMIUM), reason="needs chromium, and axe.min.js as CURATE_AXE")
@pytest.mark.parametrize(("spoilt", "faults"), [("", []), (' lang="en"', ["html-has-lang"])])
def test_axe_finds_no_fault(tmp_path, spoilt, faults):
    page = (demo_run()[0] / "report.html").read_text(encoding="utf-8")
    page = re.sub(r"<meta[^>]*Content-Security-Policy[^>]*>", "", page).replace(spoilt, "", 1)
    scripts = f"<script>{Path(AXE).read_text(encoding='utf-8')}</script><script>{CHECK}</script>"
    file = tmp_path / "page.html"
    file.write_text(page.replace("</body>", f"{scripts}</body>"), encoding="utf-8")
    read = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000",
            f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", file.as_uri(),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(html.unescape(re.search(r"axe(\[.*\])end", read.stdout, re.DOTALL)[1]))
    assert [one["id"] for one in found] == faults
