"""Push to a local hub that implements the part of the protocol that an upload needs."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from curate import api
from curate.errors import RecipeError, RefusedError
from tests.runs import write_corpus, write_recipe


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("push")
    write_corpus(folder / "in", documents=60)
    api.run(
        str(write_recipe(folder / "small.toml", folder / "in")),
        output=folder / "out",
        engine="in-process",
    )
    return folder / "out"


class Hub(BaseHTTPRequestHandler):
    """Accept repositories and commits; every file is inside the commit."""

    created: list[dict] = []
    files: dict[str, bytes] = {}
    tokens: set[str] = set()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.tokens.add(self.headers.get("Authorization", ""))
        if self.path == "/api/repos/create":
            self.created.append(json.loads(body))
            self._answer({"url": f"{self.address}/datasets/team/mix", "name": "team/mix"})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            paths = [file["path"] for file in json.loads(body)["files"]]
            self._answer(
                {
                    "files": [
                        {"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths
                    ]
                }
            )
        elif "/commit/" in self.path:
            for line in body.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    self.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            self._answer(
                {
                    "commitUrl": f"{self.address}/datasets/team/mix/commit/1",
                    "commitOid": "1",
                    "success": True,
                }
            )
        else:
            self._answer({}, 404)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def do_GET(self):
        self._answer({"id": "team/mix", "sha": "0", "siblings": []})

    def _answer(self, fields, code=200):
        body = json.dumps(fields).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_the_product_is_uploaded_and_nothing_that_was_dropped(finished):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        # The endpoint is read when huggingface_hub is imported.
        done = subprocess.run(
            [sys.executable, "-m", "curate", "push", str(finished), "team/mix"],
            env={**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
                 "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    finally:
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert f":{server.server_port}/datasets/team/mix/commit/1" in done.stdout
    assert Hub.tokens == {"Bearer hf_test"}
    (created,) = Hub.created
    # The field had another name before huggingface_hub 1.
    assert created.get("visibility", created.get("private")) in ("private", True)
    assert created["type"] == "dataset"
    sent = {path: body for path, body in Hub.files.items() if path != ".gitattributes"}
    expected = [
        p
        for p in finished.rglob("*")
        if p.is_file()
        and re.match(r"README|recipe|filters/|mixture/", str(p.relative_to(finished)))
    ]
    assert sent == {str(p.relative_to(finished)): p.read_bytes() for p in expected}
    assert any(path.startswith("mixture/main/") for path in sent)


def test_a_hub_that_is_not_there_is_one_sentence(finished, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        nowhere = f"http://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", nowhere)
    pushed = subprocess.run(
        [sys.executable, "-m", "curate", "push", finished, "team/mix"],
        capture_output=True, text=True, check=False, env={**os.environ, "HF_TOKEN": "hf_x"},
    )  # fmt: skip
    assert pushed.returncode == 5, pushed.stderr
    assert "curate: the Hub does not answer: " in pushed.stderr
    assert "see whether this machine has a connection; then push again" in pushed.stderr
    assert "Traceback" not in pushed.stderr


def test_a_dry_run_lists_what_would_be_uploaded(finished):
    plain = api.push(str(finished), "team/mix", dry_run=True)
    with_reports = api.push(str(finished), "team/mix", reports=True, dry_run=True)
    assert plain.address is None
    more = {path for path, _ in with_reports.files} - {path for path, _ in plain.files}
    assert more == {"manifest.json", "report.json", "report.md", "report.html"}
    assert not [
        path
        for path, _ in with_reports.files
        if path.startswith(("rejected", "quarantine", "work"))
    ]


def test_an_unpublished_or_damaged_run_is_refused(finished, tmp_path):
    with pytest.raises(RefusedError, match="no finished run"):
        api.push(str(tmp_path), "team/mix", dry_run=True)
    with pytest.raises(RecipeError, match="Repo id"):
        api.push(str(finished), "a/b/c", dry_run=True)
    part = next((finished / "mixture" / "main").iterdir())
    whole = part.read_bytes()
    try:
        part.write_bytes(whole[:-1])
        with pytest.raises(RefusedError, match="not what its manifest promises"):
            api.push(str(finished), "team/mix", dry_run=True)
    finally:
        part.write_bytes(whole)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('path = "https://me:hunter2@example.org/a.jsonl"', "a password in an address"),
        ("# hf_" + "a" * 34, "a Hugging Face token"),
        ("key = 'AKIA" + "A" * 16 + "'", "an AWS access key"),
        ('client_secret = "swordfish"', "a secret in a setting"),
        ('path = "https://x.example/a?X-Amz-Signature=00"', "a signed address"),
    ],
)
def test_secrets_are_refused(finished, line, what):
    card = finished / "README.md"
    clean = card.read_text()
    try:
        card.write_text(clean + line + "\n")
        with pytest.raises(RefusedError, match=f"README.md seems to hold {what}"):
            api.push(str(finished), "team/mix", dry_run=True)
    finally:
        card.write_text(clean)
    assert Path(finished, "manifest.json").exists()


def test_only_what_the_run_wrote_is_sent_and_links_are_not_followed(finished, tmp_path):
    before = api.push(str(finished), "team/mix", reports=True, dry_run=True).files
    secret = tmp_path / "passwd"
    secret.write_text("root")
    foreign = {"filters/private-notes.txt", "filters/new.toml", "notes.html", "recipe.toml.bak"}
    for name in foreign:
        (finished / name).write_text("aws_secret_access_key = wJalrXUtnFEMIEXAMPLEKEY")
    (finished / "filters/link.toml").symlink_to(secret)
    try:
        sent = api.push(str(finished), "team/mix", reports=True, dry_run=True).files
        assert sent == before
        assert not foreign & {path for path, _ in sent}
        written = finished / "filters/_default.toml"
        body = written.read_bytes()
        written.unlink()
        (tmp_path / "same").write_bytes(body)
        written.symlink_to(tmp_path / "same")
        with pytest.raises(RefusedError, match=r"_default\.toml is a link"):
            api.push(str(finished), "team/mix", dry_run=True)
        written.unlink()
        written.write_bytes(body)
    finally:
        for name in [*foreign, "filters/link.toml"]:
            (finished / name).unlink()


def test_a_changed_filter_or_recipe_is_not_what_the_run_wrote(finished):
    for name in ("recipe.toml", "filters/_default.toml"):
        body = (finished / name).read_bytes()
        (finished / name).write_bytes(body.replace(b"=", b":", 1))
        with pytest.raises(RefusedError, match=f"{name}: its bytes changed"):
            api.push(str(finished), "team/mix", dry_run=True)
        (finished / name).write_bytes(body)
