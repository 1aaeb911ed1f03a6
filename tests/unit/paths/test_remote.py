"""Which errors may pass, how long the pauses are, and that a library's file is read again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import httpx
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from curate.paths import open_filesystem, remote
from curate.paths.remote import Unreachable, in_order, patiently
from tests.unit.sources.web.crawl_mirror import serving


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were made, in seconds, none of which is waited for."""
    made = []
    monkeypatch.setattr(remote.time, "sleep", made.append)
    monkeypatch.setattr(remote.random, "uniform", lambda low, high: 1.0)
    return made


def answered(status, **headers):
    info = aiohttp.RequestInfo(URL("http://h/x"), "GET", CIMultiDictProxy(CIMultiDict()))
    return aiohttp.ClientResponseError(info, (), status=status, headers=CIMultiDict(headers))


def hub_error(status, **headers):
    request = httpx.Request("GET", "http://h/x")
    response = httpx.Response(status, headers=headers, request=request)
    return httpx.HTTPStatusError("said no", request=request, response=response)


def missing(cause):
    error = FileNotFoundError("http://h/x")
    error.__cause__ = cause
    return error


PASSING = [
    answered(503), answered(429), answered(500), hub_error(502), hub_error(429),
    aiohttp.ClientPayloadError("cut"), aiohttp.ServerDisconnectedError(), TimeoutError(),
    ConnectionResetError(), httpx.ReadTimeout("slow"),
    missing(answered(503)), missing(aiohttp.ClientConnectionError()),
]  # fmt: skip
LASTING = [
    answered(404), answered(403), hub_error(401), ValueError("a bug"), missing(answered(404)),
    missing(None), PermissionError("no"), KeyError("a"),
]  # fmt: skip


def failing(error, times):
    calls = []

    def request():
        calls.append(1)
        if len(calls) <= times:
            raise error
        return len(calls)

    return request, calls


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_an_error_that_may_pass_is_asked_again_with_growing_pauses(error, pauses):
    request, _ = failing(error, 4)
    assert patiently(request) == 5
    assert pauses == [1, 2, 4, 8]
    request, calls = failing(error, 100)
    with pytest.raises(Unreachable, match="no answer after 8 requests"):
        patiently(request)
    assert len(calls) == 8
    assert pauses[4:] == [1, 2, 4, 8, 16, 32, 60]


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_an_error_that_lasts_is_raised_at_once(error, pauses):
    request, calls = failing(error, 1)
    with pytest.raises(type(error)):
        patiently(request)
    assert (len(calls), pauses) == (1, [])


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), ConnectionRefusedError()], ids=repr)
def test_an_address_where_nobody_answers_is_soon_given_up(error, pauses):
    request, calls = failing(error, 100)
    with pytest.raises(Unreachable, match="no answer after 3 requests"):
        patiently(request)
    assert (len(calls), pauses) == (3, [1, 2])


def test_a_refusal_is_no_missing_file(pauses):
    request, _ = failing(missing(answered(403)), 1)
    with pytest.raises(OSError, match="the server answers 403") as raised:
        patiently(request)
    assert not isinstance(raised.value, FileNotFoundError)


@pytest.mark.parametrize(
    ("stated", "pause"), [("7", 7), ("0", 0), ("99999999999999", 600), ("soon", 1), ("-3", 1)]
)
def test_the_pause_that_a_server_states_goes_before_ours(stated, pause, pauses):
    for error in (
        answered(429, **{"Retry-After": stated}),
        hub_error(503, **{"retry-after": stated}),
    ):
        assert patiently(failing(error, 1)[0]) == 2
    assert pauses == [pause, pause]


def test_a_pause_may_be_a_date(pauses):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    patiently(failing(answered(503, **{"Retry-After": later}), 1)[0])
    patiently(failing(answered(503, **{"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}), 1)[0])
    assert 90 < pauses[0] <= 100
    assert pauses[1] == 0


def test_a_file_on_the_web_is_read_whatever_happens_on_the_way(tmp_path, pauses):
    data = bytes(range(256)) * 40
    (tmp_path / "a.bin").write_bytes(data)
    with serving(tmp_path) as (address, served):
        files, path = open_filesystem(f"{address}/a.bin")
        with files.open(path, "rb", cache_type="none") as handle:
            served.faults["a.bin"] = ["503", "cut", "429"]
            assert handle.read(100) == data[:100]
            served.faults["a.bin"] = ["cut", "500"]
            assert handle.read() == data[100:]
        served.faults["a.bin"] = ["404"]
        with pytest.raises(FileNotFoundError):
            files.cat_file(path)
    assert len(pauses) == 5


def test_results_come_in_order_and_few_wait():
    begun = []

    def work(n):
        begun.append(n)
        return n * n

    results = in_order(work, range(100), 3)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(begun) <= 3 + 2 * 3
    assert list(results) == [n * n for n in range(3, 100)]
