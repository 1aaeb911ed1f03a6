"""Requests to other machines: repeated with growing pauses, and several at a time, in order."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeVar

from curate.errors import without_secrets
from curate.logging_setup import LOGGER

Given = TypeVar("Given")
Result = TypeVar("Result")

#: Times that a request is made, and seconds before the second time; each pause is twice the one
#: before it. A pause that the server states (Retry-After) goes before ours.
ATTEMPTS, FIRST_PAUSE, LONGEST_PAUSE, LONGEST_STATED = 8, 1.0, 60.0, 600.0
#: The same where nothing answers at an address: it may be wrong.
ATTEMPTS_TO_CONNECT = 3

#: Answers of a server that is busy or restarts, and says nothing on what was asked for.
_BUSY = frozenset((408, 425, 429, 500, 502, 503, 504))
_GONE = (404, 410)
#: Errors of connections, by their names in several libraries (aiohttp, httpx, requests, fsspec),
#: of which none needs to be installed.
_NOBODY = frozenset(("ClientConnectorError", "ConnectError", "ConnectionRefusedError"))
_BROKEN = frozenset(
    (
        *("ClientConnectionError", "ClientPayloadError", "TransportError", "FSTimeoutError"),
        *("ConnectionError", "Timeout", "ChunkedEncodingError", "TimeoutError", "IncompleteRead"),
    )
)


class Unreachable(OSError):
    """A server did not answer as often as it was asked: it says nothing on what was asked for."""


def patiently(request: Callable[[], Result]) -> Result:
    """Return a request's result; repeat it where its error may pass, with growing pauses.

    Such errors are cut connections, timeouts, and servers that are busy (429, 503) or fail (500).
    Raise Unreachable after ATTEMPTS of them, OSError where the answer is a refusal that a library
    takes for a missing file, and any other error at once.
    """
    pause = FIRST_PAUSE
    for number in range(1, ATTEMPTS + 1):
        try:
            return request()
        except Exception as error:
            causes = list(_causes(error))
            answer = next(filter(None, map(_answer, causes)), None)
            cause, attempts = _may_pass(causes, answer)
            if cause is None:
                if isinstance(error, FileNotFoundError) and answer and answer.status not in _GONE:
                    raise OSError(f"the server answers {answer.status}") from error
                raise
            what = f"{type(cause).__name__}: {without_secrets(str(cause))}"[:300]
            if number >= attempts:
                raise Unreachable(f"no answer after {number} requests ({what})") from error
            stated = answer and _stated_pause(answer)
            level = logging.INFO if number < 3 else logging.WARNING
            LOGGER.log(level, "asking again (%d of %d): %s", number + 1, attempts, what)
            # Many that were refused together must not come again together.
            time.sleep(pause * random.uniform(0.75, 1.25) if stated is None else stated)
            pause = min(2 * pause, LONGEST_PAUSE)
    raise AssertionError("the last attempt returns or raises")


def may_pass(error: BaseException) -> bool:
    """Return whether an error is of a connection or a busy server, whatever library says so."""
    causes = list(_causes(error))
    answer = next(filter(None, map(_answer, causes)), None)
    return _may_pass(causes, answer)[0] is not None


class _Answer(NamedTuple):
    """What a library's error holds of a server's answer."""

    status: int
    headers: Mapping[str, str]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it: fsspec raises FileNotFoundError whatever failed."""
    cause: BaseException | None = error
    for _ in range(8):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__


def _answer(error: BaseException) -> _Answer | None:
    for of in (error, getattr(error, "response", None)):
        status = getattr(of, "status", None) or getattr(of, "status_code", None)
        if isinstance(status, int):
            return _Answer(status, getattr(of, "headers", None) or {})
    return None


def _may_pass(
    causes: list[BaseException], answer: _Answer | None
) -> tuple[BaseException | None, int]:
    """Return the error that may pass, and how often to ask; None where none may."""
    if answer is not None:
        return (causes[0] if answer.status in _BUSY else None), ATTEMPTS
    for cause in causes:
        names = {kind.__name__ for kind in type(cause).__mro__}
        if names & _NOBODY:
            return cause, ATTEMPTS_TO_CONNECT
        if names & _BROKEN:
            return cause, ATTEMPTS
    return None, ATTEMPTS


def _stated_pause(answer: _Answer) -> float | None:
    """Return the seconds that a server asks for, at most LONGEST_STATED; None where it does not."""
    value = str(answer.headers.get("Retry-After", ""))
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), LONGEST_STATED)


def in_order(
    function: Callable[[Given], Result], items: Iterable[Given], at_once: int
) -> Iterator[Result]:
    """Yield the function's results in the order of the items, ``at_once`` of them being computed.

    At most twice as many results wait to be taken.
    """
    if at_once <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 2 * at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
