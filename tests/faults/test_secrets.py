"""A credential that comes in by an address is in nothing that a run writes or prints."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from curate.errors import CurateError, without_secrets

CANARY = "CANARY"
BODY = b"".join(b'{"text": "document number %d of the web"}\n' % n for n in range(20))


class Files(BaseHTTPRequestHandler):
    """Serve one file at every address, in ranges, whoever asks."""

    def do_HEAD(self):
        self._answer(b"", len(BODY), 200)

    def do_GET(self):
        first, last = 0, len(BODY) - 1
        if wanted := self.headers.get("Range"):
            begin, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last = int(begin), min(int(end or last), last)
            self._answer(
                BODY[first : last + 1], last + 1 - first, 206, f"bytes {first}-{last}/{len(BODY)}"
            )
        else:
            self._answer(BODY, len(BODY), 200)

    def _answer(self, body, length, status, content_range=None):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def address():
    """Yield an address of a file with a password and a signature."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://ann:{CANARY}@127.0.0.1:{server.server_port}/a.jsonl?X-Amz-Signature={CANARY}"
        server.shutdown()


def check(done, *folders):
    """Raise AssertionError where the credential was written or printed."""
    assert CANARY not in done.stdout + done.stderr
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                assert CANARY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("by", ["recipe", "input"])
def test_an_input_with_a_password_and_a_signature(curate, address, out, tmp_path, by):
    recipe = tmp_path / "recipe.toml"
    path = address if by == "recipe" else []
    recipe.write_text(
        f'name = "case"\n[sources.a]\nformat = "jsonl"\npath = {path!r}\n'
        '[[stages]]\nuse = "exact_dedup"\n'
    )
    more = () if by == "recipe" else ("--input", f"a={address}")
    done = curate("run", recipe, "--output", out, "--engine", "in-process", "--keep-work", *more)
    assert done.returncode == 0, done.stderr
    check(done, out)
    check(curate("plan", recipe, *more))
    check(curate("report", out), out)
    found = curate("explain", out, "a/a.jsonl#0")
    assert found.returncode == 0, found.stderr
    check(found)
    check(curate("push", out, "team/mix", "--dry-run"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "demo", "--output", f"s3://KEY:{CANARY}@bucket/out", "--engine", "in-process"),
        ("run", "demo", "--output", f"nosuch://KEY:{CANARY}@bucket/out"),
        ("run", "demo", "--output", "OUT", "--input", f"web=s3://KEY:{CANARY}@bucket/x.warc.gz"),
        ("run", "demo", "--output", "OUT", "--input", f"web=http://127.0.0.1:1/x.warc.gz?sig={CANARY}"),
        ("run", "demo", "--output", "OUT", "--set", f"stages.count.tokenizer=hf://KEY:{CANARY}@host/x"),
        ("dedup", f"http://ann:{CANARY}@127.0.0.1:1/a.jsonl", "--output", "OUT"),
        ("verify", f"s3://KEY:{CANARY}@bucket/out"),
        ("report", f"s3://KEY:{CANARY}@bucket/out"),
        ("identify", f"http://ann:{CANARY}@127.0.0.1:1/a.jsonl"),
    ],
)  # fmt: skip
def test_an_address_that_fails(curate, out, arguments):
    done = curate(*(str(out) if word == "OUT" else word for word in arguments))
    assert done.returncode in (2, 4, 5), done.stderr
    assert "Traceback" not in done.stderr
    check(done, out)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://u:p@h/x?y=1#z", "https://h/x"),
        ("https://h?y=1", "https://h"),
        ("'s3://K:S@b/x' and s3://K2:S2@b/y", "'s3://b/x' and s3://b/y"),
        ("S3://K:S@b", "S3://b"),
        ("s3://b/p-?.gz", "s3://b/p-?.gz"),
        ("s3://b/x?versionId=SECRET", "s3://b/x"),
        ("s3a+x://K:S@b/x", "s3a+x://b/x"),
        ("a@b.c and /x?y=1", "a@b.c and /x?y=1"),
        ("https://h/@user/x", "https://h/@user/x"),
    ],
)
def test_addresses_in_a_text(text, clean):
    assert without_secrets(text) == clean
    error = CurateError(text, where=text, hint=text)
    assert (error.what, error.where, error.hint) == (clean, clean, clean)
