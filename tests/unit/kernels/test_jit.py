"""The kernel cache: what a module's digest depends on."""

import ast
import os
import subprocess
import sys

from curate.kernels import cache, jit


def test_a_closure_holds_helpers_of_other_modules():
    assert {"curate.text.words", "curate.kernels.unicode"} <= set(jit.closure("curate.text.counts"))


def test_a_closure_holds_no_stranger():
    assert "curate.langid.fasttext.predict" not in jit.closure("curate.text.words")
    assert "curate.text.mojibake_scan" not in jit.closure("curate.dedup.shingles")


def test_imports_are_read_as_the_parser_reads_them():
    for path in sorted(jit._PACKAGE.rglob("*.py")):
        module = ".".join(("curate", *path.relative_to(jit._PACKAGE).with_suffix("").parts))
        module = module.removesuffix(".__init__")
        parsed = set()
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "curate":
                parsed |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
            elif isinstance(node, ast.Import):
                parsed |= {name.name for name in node.names if name.name.split(".")[0] == "curate"}
        assert {name for name in parsed if jit._source(name)} <= jit.imports(module), module


def test_a_digest_follows_every_source_and_table_of_the_closure(tmp_path, monkeypatch):
    room = tmp_path / "text"
    room.mkdir()
    (tmp_path / "__init__.py").write_text("")
    (room / "__init__.py").write_text("")
    (room / "helper.py").write_text("ONE = 1\n")
    (room / "stranger.py").write_text("TWO = 2\n")
    (room / "kernel.py").write_text("def f():\n    from curate.text import helper\n")
    (room / "table.npz").write_bytes(b"1")
    monkeypatch.setattr(jit, "_PACKAGE", tmp_path)

    def forget():
        for cached in (jit.imports, jit._source, jit._tables, jit._digest):
            cached.cache_clear()

    def digest():
        forget()
        return jit.digest.__wrapped__("curate.text.kernel")

    first = digest()
    (room / "stranger.py").write_text("TWO = 3\n")
    assert digest() == first
    (room / "helper.py").write_text("ONE = 2\n")
    second = digest()
    assert second != first
    (room / "table.npz").write_bytes(b"2")
    assert digest() not in (first, second)
    forget()


LOADING = """
import sys
import numpy as np
from curate.kernels.blake2b import digests
print(digests(np.frombuffer(b"abc", np.uint8), np.array([0, 3])).tobytes().hex())
print("numba.np.arrayobj" in sys.modules)
"""


def test_a_stored_kernel_is_loaded_without_the_compiler(tmp_path):
    def run():
        environment = os.environ | {"CURATE_CACHE": str(tmp_path)}
        command = [sys.executable, "-c", LOADING]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert run() == ["cf4ab791c62b8d2b2109c90275287816", "True"]
    assert run() == ["cf4ab791c62b8d2b2109c90275287816", "False"]


LINKING = """
import numba
import numpy as np
from curate.kernels.hashing import hash_span

@numba.njit
def both(data, at):
    return hash_span(data, 0, at) ^ hash_span(data, at, len(data))

data = np.frombuffer(b"abcdefgh" * 9, np.uint8)
print(hash_span(data, 0, len(data)), sum(hash_span.stats.cache_hits.values()))
print(both(data, 40) ^ hash_span(data, 0, 40), hash_span(data, 40, len(data)))
"""


def test_a_stored_kernel_is_linked_into_one_that_is_compiled(tmp_path):
    def run():
        environment = os.environ | {"CURATE_CACHE": str(tmp_path)}
        command = [sys.executable, "-c", LINKING]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    whole, hits, rest, expected = run()
    assert (hits, rest) == ("0", expected)
    again = run()
    assert int(again[1]) > 0
    assert [again[0], *again[2:]] == [whole, rest, expected]


def test_a_kernel_that_is_called_is_compiled_once_and_has_no_machine_code(tmp_path):
    def run():
        environment = os.environ | {"CURATE_CACHE": str(tmp_path)}
        command = [sys.executable, "-c", LOADING]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob(f"*{cache.SUFFIX}")}
        return done.stdout.split()[0], files

    digest, files = run()
    entries = [path for path in files if b"\x7fELF" in path.read_bytes()]
    assert [path.name.partition("-")[0] for path in entries] == ["_digests"]
    assert len(files) > 1
    entries[0].unlink()
    again, files_again = run()
    assert again == digest == "cf4ab791c62b8d2b2109c90275287816"
    assert {path for path in files if files[path] != files_again[path]} == set(entries)
