"""Robots_txt: drops pages that the robots.txt of their host closes to AI crawlers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar
from urllib.parse import urljoin

import pyarrow as pa

from curate.errors import CurateError, RecipeError
from curate.logging_setup import LOGGER
from curate.protocol.stage import MapStage
from curate.protocol.tables import drop, on_alive
from curate.recipe import locate
from curate.rights.robots_txt import (
    AI_AGENTS,
    MOST_BYTES,
    Hosts,
    Redirect,
    hosts_of,
    path_of,
)
from curate.sources import files
from curate.sources.base import Damage, InputFile, Piece
from curate.sources.web.http_message import HttpDamage, parse_response
from curate.sources.web.warc import Warc, archive_date, target_url
from curate.sources.web.warc_records import MAX_RECORD_BYTES, ArchiveRecord, archive_records

_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class RobotsTxt(MapStage):
    """Drop documents whose address the robots.txt of their host closes to an agent.

    Crawls keep robots.txt in web archives of their own (Common Crawl: the subset ``robotstxt``).
    Rules are matched by RFC 9309; of a host the latest answer with status 200 counts, whatever its
    scheme, and a host without any closes nothing. The rule is the first agent that may not read the
    page, in lower case, or ``everyone`` where that is said to all crawlers without rules of their
    own. A host without one, but with a redirect to the robots.txt of another host, has that one, up
    to five redirects far.
    """

    archives: tuple[str, ...]
    """Web archives with robots.txt: files, folders, patterns or addresses.
    Example: ["crawl/robotstxt/*.warc.gz"]."""
    agents: tuple[str, ...] = AI_AGENTS
    """The agents whose rules count, by the names that robots.txt files use.
    Example: ["GPTBot", "CCBot"]."""
    name: str = "robots_txt"

    reads: ClassVar[tuple[str, ...]] = ("url", "dropped_by", "dropped_value")
    rewrites: ClassVar[tuple[str, ...]] = ("dropped_by", "dropped_value")
    idempotent: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.agents:
            raise RecipeError(
                "agents = [] names no agent", hint='["GPTBot", "CCBot"], or leave out'
            )

    @property
    def model_digest(self) -> str:
        """A digest of the archives."""
        return self._digest

    @property
    def manifest_facts(self) -> Mapping[str, Any]:
        """How many robots.txt were read, records were damaged, and hosts have rules that count."""
        hosts, damaged = self._read_once()
        return {
            "robots_txt": hosts.files,
            "hosts_with_rules": len(hosts.keys),
            "damaged_records": damaged,
        }

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop active rows whose address is closed."""
        hosts, _ = self._read_once()

        def judge(rows: pa.Table) -> pa.Table:
            agents = pa.array(hosts.refusing(rows.column("url").to_pylist()), pa.string())
            return drop(rows, self.name, agents, pa.nulls(rows.num_rows, pa.float64()))

        return on_alive(table, judge)

    @cached_property
    def _digest(self) -> str:
        found = "\n".join(files.identity(file) for file in _files(self.archives))
        return hashlib.blake2b(found.encode(), digest_size=16).hexdigest()

    def _read_once(self) -> tuple[Hosts, int]:
        return _read(self.archives, self.agents, self._digest)


def _files(archives: tuple[str, ...]) -> list[InputFile]:
    return files.expand([locate.data_path(one) for one in archives], Warc().suffixes)


@lru_cache(maxsize=4)
def _read(archives: tuple[str, ...], agents: tuple[str, ...], digest: str) -> tuple[Hosts, int]:
    """Read the archives once per process; ``digest`` is that of their contents.

    Return the rules of their hosts and how many records were damaged.
    """
    damaged: Counter[str] = Counter()
    hosts = hosts_of(_robots_files(archives, damaged), agents)
    if damaged:
        LOGGER.warning("robots.txt: damaged records that count for nothing: %s", dict(damaged))
    return hosts, damaged.total()


def _robots_files(
    archives: tuple[str, ...], damaged: Counter[str]
) -> Iterator[tuple[str, int, bytes] | Redirect]:
    """Yield host, time and body of each answer with status 200 for /robots.txt, and redirects.

    Records that cannot be read are counted in ``damaged``, by reason.
    """
    for file in _files(archives):
        usable = False
        with file.open() as handle:
            records = archive_records(
                handle, file.size, Piece(0, file.size), name=file.name,
                max_record_bytes=MAX_RECORD_BYTES, check_digests=False,
            )  # fmt: skip
            for record in records:
                usable = usable or isinstance(record, ArchiveRecord)
                if isinstance(record, Damage):
                    damaged[record.reason] += 1
                if not isinstance(record, ArchiveRecord) or record.kind != "response":
                    continue
                address = target_url(record) or ""
                host, where = path_of(address)
                if not host or where != "/robots.txt":
                    continue
                answer = parse_response(record.block, MAX_RECORD_BYTES)
                if isinstance(answer, HttpDamage):
                    damaged[answer.reason] += 1
                    continue
                time = archive_date(record.headers.get(b"warc-date", b"")) or 0
                if answer.status == 200:
                    yield host, time, answer.body[: MOST_BYTES + 1]
                elif answer.status in _REDIRECTS:
                    other, where = path_of(_location(address, answer.headers))
                    if where == "/robots.txt" and other != host:
                        yield Redirect(host, time, other)
        if not usable:
            raise CurateError("no record of a web archive in it", where=file.path)


def _location(address: str, headers: Mapping[bytes, bytes]) -> str:
    """Return the address that an answer leads to; nothing where it names none."""
    try:
        return urljoin(address, headers.get(b"location", b"").decode("utf-8", "replace").strip())
    except ValueError:
        return ""
