"""Byte ranges of files at an address, exactly as long as asked for, or the reason why not."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from curate._version import __version__
from curate.errors import without_secrets
from curate.paths import open_filesystem
from curate.paths.remote import patiently

#: Seconds to connect, between two bytes, and of a whole answer.
_CONNECT, _SILENCE, _WHOLE = 30, 60, 600

_PLACE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class Answer(NamedTuple):
    """Bytes from the begin of a range, fewer where the file ends; or why there are none."""

    data: bytes
    missing: str = ""  #: what the store says, where there is no such file


class Garbled(ConnectionError):
    """An answer that is not what it says, or not what was asked for; the next may be."""


class Ranges:
    """The files below an address: ``https://``, ``s3://``, a folder, or any other of fsspec."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        self._files, _ = open_filesystem(base)
        self._is_web = base.startswith(("http://", "https://"))

    def read(self, name: str, start: int, end: int) -> Answer:
        """Return the bytes [start, end) of a file, in one request if nothing fails.

        Raise OSError where the store does not say what is there: Unreachable after many requests,
        and at once where it refuses, sends elsewhere, or sends whole files instead of ranges.
        """
        address = f"{self._base}/{name}"
        try:
            if self._is_web:
                return patiently(lambda: self._over_http(address, start, end))
            return Answer(self._files.cat_file(address, start=start, end=end))
        except FileNotFoundError:
            return Answer(b"", "there is no such file")
        except OSError as error:
            if "InvalidRange" in str(error) or "not satisfiable" in str(error):
                return Answer(b"")  # the words of S3 and Azure, and of Google and HTTP
            raise
        except Exception as error:  # of aiohttp, with the whole address
            what = f"{type(error).__name__}: {without_secrets(str(error))}"
            raise OSError(what) from None

    def _over_http(self, address: str, start: int, end: int) -> Answer:
        import fsspec.asyn

        answer: Answer = fsspec.asyn.sync(
            self._files.loop, _ranged, self._files, address, start, end
        )
        return answer


async def _ranged(files: Any, address: str, start: int, end: int) -> Answer:
    import aiohttp

    session = await files.set_session()
    headers = {
        "Range": f"bytes={start}-{end - 1}",
        "Accept-Encoding": "identity",
        "User-Agent": f"curate/{__version__}",
    }
    limits = aiohttp.ClientTimeout(_WHOLE, sock_connect=_CONNECT, sock_read=_SILENCE)
    # Nothing but the base is contacted: a server that sends elsewhere is not followed.
    async with session.get(
        files.encode_url(address), headers=headers, timeout=limits, allow_redirects=False
    ) as answer:
        if answer.status in (404, 410):
            return Answer(b"", f"the server answers {answer.status}")
        if answer.status == 416:
            return Answer(b"")
        if 300 <= answer.status < 400:
            raise OSError(f"the server answers {answer.status}, and no redirect is followed")
        answer.raise_for_status()
        if answer.status != 206:
            raise OSError(f"the server answers {answer.status}: it does not send ranges of files")
        data = bytearray()
        length = _length(answer.headers.get("Content-Range", ""), start, end)
        while part := await answer.content.read(length + 1 - len(data)):
            data += part
        if len(data) != length:
            raise Garbled(f"an answer of {len(data)} bytes that states {length}")
        return Answer(bytes(data))


def _length(place: str, start: int, end: int) -> int:
    """Return the length that a Content-Range states, if the range is what was asked for.

    It ends earlier only where the file does.
    """
    found = _PLACE.fullmatch(place)
    first, last, size = map(int, found.groups()) if found else (-1, -1, -1)
    if first != start or last + 1 != min(end, size):
        raise Garbled(f"the range {place[:100]!r} for bytes {start} to {end - 1}")
    return last + 1 - first
