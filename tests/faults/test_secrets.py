"""A credential that comes in by an address is in nothing that a run writes or prints."""

import contextlib
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from curate import api
from curate.errors import CurateError, without_secrets
from tests.runs import tree

CANARY = "CANARY9f8e7d"
BODY = b"".join(b'{"text": "document number %d of the web"}\n' % n for n in range(20))


class Files(BaseHTTPRequestHandler):
    """Serve one file at every address, in ranges, whoever asks; nobody once ``allowed`` is 0."""

    allowed = 1 << 30

    def do_HEAD(self):
        self._answer(b"", len(BODY), 200)

    def do_GET(self):
        Files.allowed -= 1
        if Files.allowed < 0:
            self._answer(b"", 0, 403)
            return
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
        Files.allowed = 1 << 30
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
        ("run", "demo", "--output", "OUT", "--input", f"web=http://a:{CANARY}/{CANARY}@127.0.0.1:1/x.gz"),
        ("run", "demo", "--output", f"memory://x?token={CANARY}"),
        ("run", "demo", "--output", "OUT", "--address", f"ann:{CANARY}@127.0.0.1:1"),
        ("run", "demo", "--output", "OUT", "--address", f"http://127.0.0.1:1/?token={CANARY}"),
        ("run", "demo", "--output", "OUT", "--set", f"stages.fuzzy_dedup.store=memory://x?sig={CANARY}"),
        ("run", "demo", "--output", "OUT", "--set", f"stages.fuzzy_dedup.store=s3://KEY:{CANARY}@bucket/x"),
        ("run", "demo", "--output", "OUT", "--set", f"stages.identify.model=http://ann:{CANARY}@127.0.0.1:1/m.bin"),
        ("run", "demo", "--output", "OUT", "--set", f"stages.identify.model=s3://KEY:{CANARY}@bucket/m.bin"),
        ("store", f"s3://KEY:{CANARY}@bucket/store"),
        ("push", f"s3://KEY:{CANARY}@bucket/out", "team/mix"),
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
    "environment",
    [
        {"RAY_ADDRESS": f"http://ann:{CANARY}@127.0.0.1:1"},
        {"RAY_ADDRESS": f"127.0.0.1:1?token={CANARY}"},
        {"AWS_SECRET_ACCESS_KEY": CANARY, "RAY_ADDRESS": f"{CANARY}:1"},
    ],
)  # fmt: skip
def test_a_credential_of_the_environment(curate, out, environment):
    done = curate("run", "demo", "--output", out, **environment)
    assert done.returncode in (2, 5), done.stderr
    assert "Traceback" not in done.stderr
    check(done, out)


def test_every_place_of_a_recipe(curate, address, out, tmp_path):
    """What the product quotes of a recipe has no credential either; nor do the profiles."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'name = "case"\ndescribes = "see {address}"\n'
        f'[compare]\nkept_of_raw = 0.5\nsource = "{address}"\n[sources.a]\nformat = "jsonl"\n'
        f'path = "{address}"\nlicense = "{address}"\nprofile = "own"\n'
        f'[[stages]]\nuse = "decontaminate"\nbenchmarks = {{ set = "{address}" }}\n'
    )
    (tmp_path / "filters").mkdir()
    (tmp_path / "filters" / "own.toml").write_text(
        f'[classifiers.own]\nmodel = "{address}"\nlabel = "x"\n'
        f'[rules.words]\nsignal = "n_words"\nmin = 1\nwhy = "{address}"\nsource = "{address}"\n'
    )
    done = curate(
        "run", recipe, "--output", out, "--engine", "in-process", "--keep-work",
        CURATE_HOME=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "http://127.0.0.1" in (out / "filters" / "own.toml").read_text()
    check(done, out)


@pytest.mark.parametrize("allowed", [0, 1, 2, 3])
def test_a_server_that_denies_ends_a_run_that_resumes_with_another_signature(
    curate, address, out, tmp_path, allowed
):
    recipe = tmp_path / "recipe.toml"

    def write(address):
        recipe.write_text(f'name = "x"\n[sources.a]\nformat = "jsonl"\npath = "{address}"\n')

    write(address)
    arguments = ("run", recipe, "--engine", "in-process", "--output")
    whole = curate(*arguments, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    Files.allowed = allowed
    done = curate(*arguments, out)
    assert done.returncode in (2, 5), done.stderr
    assert "Traceback" not in done.stderr
    assert "403" in done.stderr or "cannot be read" in done.stderr
    check(done, out)
    Files.allowed = 1 << 30
    write(address.replace(f"={CANARY}", f"=another{CANARY}"))
    again = curate(*arguments, out)
    assert again.returncode == 0, again.stderr
    assert tree(out) == tree(tmp_path / "whole")
    check(again, out)


@pytest.mark.parametrize(
    "call",
    [
        lambda address, out: api.run("demo", output=out, inputs={"web": address}),
        lambda address, out: api.run("demo", output=address),
        lambda address, out: api.run("demo", output=f"s3://K:{CANARY}@bucket/x"),
        lambda address, out: api.run("demo", output=out, address=f"a:{CANARY}@127.0.0.1:1"),
        lambda address, out: api.rebuild_report(f"s3://K:{CANARY}@bucket/x"),
        lambda address, out: api.identify(["a"], model=f"s3://K:{CANARY}@bucket/x.bin"),
        lambda address, out: api.identify(["a"], model=address),
        lambda address, out: api.fertility(["words"], [address]),
        lambda address, out: api.dedup_paths([address], output=out),
    ],
)
def test_no_traceback_of_the_python_interface_has_a_credential(address, out, call):
    Files.allowed = 1
    with pytest.raises(CurateError) as raised:
        call(address, out)
    assert CANARY not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("http://u:p/w@h:80/x", "http://h:80/x"),
        ("http://u:p/w@h:80/x?@y", "http://h:80/x"),
        ("https://h:80/@user/x", "https://h:80/@user/x"),
        ("abfs://container@account.dfs.core.windows.net/x", "abfs://container@account.dfs.core.windows.net/x"),
        ("abfs://c:SECRET@account/x", "abfs://account/x"),
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
)  # fmt: skip
def test_addresses_in_a_text(text, clean):
    assert without_secrets(text) == clean
    error = CurateError(text, where=text, hint=text)
    assert (error.what, error.where, error.hint) == (clean, clean, clean)


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI", True),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE1", True),
        ("HF_TOKEN", "hf_abcdefgh", True),
        ("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=abc", True),
        ("AZURE_STORAGE_SAS_TOKEN", "sv=2024&sig=abc", True),
        ("RAY_AUTH_TOKEN_PATH", "/home/ann/token", False),
        ("TOKENIZERS_PARALLELISM", "falsefalse", False),
        ("HF_TOKEN", "short", False),
    ],
)
def test_values_of_the_environment_that_are_credentials(monkeypatch, name, value, hidden):
    monkeypatch.setenv(name, value)
    assert without_secrets(f"with {value}.") == ("with ***." if hidden else f"with {value}.")
