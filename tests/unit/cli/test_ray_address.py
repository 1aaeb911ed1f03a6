"""Which Ray a command uses: what is given, else RAY_ADDRESS, else one of its own."""

import socket
import threading

import pytest

from curate.api.engines import cluster_of
from tests.unit.cli.commands import curate


@pytest.fixture(autouse=True)
def lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"text": "one two three"}\n')


@pytest.mark.parametrize(
    ("given", "environment", "used"),
    [
        (None, None, None),
        (None, "", None),
        (None, " ", None),
        (None, "local", None),
        (None, "auto", "auto"),
        (None, "10.0.0.1:6379", "10.0.0.1:6379"),
        ("local", "10.0.0.1:6379", None),
        ("10.0.0.2:6379", "10.0.0.1:6379", "10.0.0.2:6379"),
    ],
)
def test_the_rule(monkeypatch, given, environment, used):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if environment is not None:
        monkeypatch.setenv("RAY_ADDRESS", environment)
    assert cluster_of(given) == used


def refused(address, *arguments):
    result = curate("dedup", "a.jsonl", "--output", "out", *arguments)
    assert result.code == 5
    assert f"at: {address}" in result.err
    assert "--address local" in result.err
    assert "Traceback" not in result.err
    return result.err


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:9", "no Ray cluster answers: "),
        ("localhost:9", "no Ray cluster answers: "),
        ("[::1]:9", "no Ray cluster answers: "),
        ("nosuchhost.invalid:6379", "no Ray cluster answers: "),
        ("127.0.0.1:99999", "no Ray cluster answers: "),
        ("http://127.0.0.1:9", "no address of a Ray cluster"),
    ],
)
def test_an_address_where_nobody_answers(monkeypatch, address, said):
    monkeypatch.setenv("RAY_ADDRESS", address)
    errors = refused(address)
    assert errors.splitlines()[0] == f"engine: Ray at {address} (RAY_ADDRESS)"
    assert said in errors
    monkeypatch.delenv("RAY_ADDRESS")
    assert f"engine: Ray at {address} (--address)" in refused(address, "--address", address)


def test_what_listens_and_is_no_ray():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(64)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert "what listens there is no Ray cluster" in refused(address, "--address", address)
        thread.join()


def test_the_other_engine_needs_no_ray(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    result = curate("dedup", "a.jsonl", "--output", "out", "--engine", "in-process")
    assert result.code == 0


def test_a_client_address_is_refused(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    result = curate("dedup", "a.jsonl", "--output", "out")
    assert result.code == 2
    assert "at: RAY_ADDRESS" in result.err
