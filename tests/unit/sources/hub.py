"""A hub on the loopback: the part of the Hugging Face Hub's API that reading datasets needs."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

REPOSITORY = "team/corpus"


class Hub(BaseHTTPRequestHandler):
    """Serve one dataset, whose revisions are the folders below ``root``."""

    protocol_version = "HTTP/1.1"
    root: ClassVar[Path]
    faults: ClassVar[list[int]]
    asked: ClassVar[list[str]]
    listed: ClassVar[dict[str, Any]]  #: of ``data`` by revision, in the place of what is there

    def do_HEAD(self) -> None:
        self._serve(b"")

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _serve(self, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path)
        self.asked.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
        if self.faults and self.command == "GET":
            self._json({"error": "busy"}, self.faults.pop(0))
            return
        api, files = f"/api/datasets/{REPOSITORY}", f"/datasets/{REPOSITORY}/resolve/"
        if path.startswith(files):
            revision, _, name = path.removeprefix(files).partition("/")
            self._file(self.root / revision / name)
            return
        found = re.fullmatch(rf"{api}(?:/(revision|tree|paths-info)/([^/]+)(/.*)?)?", path)
        folder = self.root / ((found and found[2]) or "main")
        if not found:
            self._json({"error": "Repository not found"}, 404, "RepoNotFound")
        elif found[1] == "tree" and found[2] in self.listed and found[3] == "/data":
            self._json(self.listed[found[2]])
        elif not folder.is_dir():
            self._json({"error": "Invalid rev id"}, 404, "RevisionNotFound")
        elif found[1] == "tree":
            below = folder / (found[3] or "").strip("/")
            deep = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower()
            if not below.is_dir():
                self._json({"error": "Entry not found"}, 404, "EntryNotFound")
                return
            paths = below.rglob("*") if deep in ("true", "1") else below.iterdir()
            self._json([_entry(folder, each) for each in sorted(paths)])
        elif found[1] == "paths-info":
            fields = parse_qs(body.decode())
            asked = fields.get("paths") or json.loads(body)["paths"]
            self._json([_entry(folder, folder / n) for n in asked if (folder / n).exists()])
        else:
            self._json({"id": REPOSITORY, "sha": "0" * 40, "siblings": [], "private": False})

    def _file(self, path: Path) -> None:
        if not path.is_file():
            self._json({"error": "Entry not found"}, 404, "EntryNotFound")
            return
        data = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = data[int(found[1]) : int(found[2]) + 1] if found else data
        headers = {"ETag": f'"{_oid(path)}"', "X-Repo-Commit": "0" * 40, "Accept-Ranges": "bytes"}
        if found:
            headers["Content-Range"] = f"bytes {found[1]}-{found[2]}/{len(data)}"
        self._answer(206 if found else 200, part, headers)

    def _json(self, value: Any, status: int = 200, error: str = "") -> None:
        headers = {"Content-Type": "application/json", "Retry-After": "0"}
        self._answer(status, json.dumps(value).encode(), headers | {"X-Error-Code": error})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _oid(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()


def _entry(folder: Path, path: Path) -> dict[str, Any]:
    name = path.relative_to(folder).as_posix()
    if path.is_dir():
        return {"type": "directory", "oid": "0" * 40, "size": 0, "path": name}
    return {"type": "file", "oid": _oid(path), "size": path.stat().st_size, "path": name}


@contextmanager
def serving_hub(root: Path) -> Iterator[tuple[str, type[Hub]]]:
    """Yield the address of a hub whose dataset is below ``root``, and its class."""
    handler = type("ServedHub", (Hub,), {"root": root, "faults": [], "asked": [], "listed": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
