"""Url_filter: drops documents by their address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from curate.logging_setup import LOGGER
from curate.protocol.stage import MapStage
from curate.protocol.tables import drop, on_alive
from curate.recipe import locate
from curate.recipe.profile import BlockList, ListName, Profile, Profiles, UrlSection
from curate.rights.lists import Entries, Kind, Looked, digest_of_list, read_list


@dataclass(frozen=True)
class UrlFilter(MapStage):
    """Drop documents whose address breaks a rule of the profile's ``[url]``, or is on a list.

    ``url_filter:refused_address``: it begins with an address of ``refused``; ``no_host``: there is
    no address, or none with a host in it; ``top_level_domain``: the last label of the host is not
    in ``top_level_domains``; ``<list>_domain``, ``<list>_host``, ``<list>_url``, ``<list>_word``
    and ``<list>_part``: a block list has it. The first of these in this order is named. A profile
    without ``[url]`` drops nothing but what the stage's own lists have.
    """

    profiles: Profiles
    block_lists: dict[ListName, BlockList] = field(default_factory=dict)
    """Block lists for the documents of all profiles, by name; each has lists of ``domains``,
    ``hosts``, ``urls``, ``words`` or ``parts``. Example: { adult = { domains = ["datatrove"] } }.
    """
    name: str = "url_filter"

    profile_parts: ClassVar[tuple[str, ...]] = ("url",)
    reads: ClassVar[tuple[str, ...]] = ("url", "source", "dropped_by", "dropped_value")
    rewrites: ClassVar[tuple[str, ...]] = ("dropped_by", "dropped_value")
    idempotent: ClassVar[bool] = True

    @property
    def model_digest(self) -> str | None:
        """The digests of the lists; None without lists."""
        return " ".join(digest for _, digest in sorted(self._digests.items())) or None

    @property
    def manifest_facts(self) -> Mapping[str, Any] | None:
        """How many entries each list has, and how many of its lines were none."""
        facts = {
            f"{name}_{kind}": {"entries": sum(map(len, lists)), "unusable": _unusable(lists)}
            for name, kind, lists in self._read(self._all_lists)
        }
        return {"block_lists": facts} if facts else None

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop active rows that break a rule."""
        return on_alive(table, lambda active: self.profiles.map(active, self._judge))

    def _judge(self, profile: Profile, table: pa.Table) -> pa.Table:
        section = profile.url
        lists = self.block_lists | section.block_lists
        if not (section.refused or section.top_level_domains or lists):
            return table
        urls = table.column("url").to_pylist()
        rules = [broken_rule(url, section) for url in urls]
        looked = Looked(urls)
        for name, kind, of_kind in self._read(lists):
            hit = np.logical_or.reduce([looked.matching(entries) for entries in of_kind])
            for row in np.flatnonzero(hit):
                rules[row] = rules[row] or f"{name}_{kind}"
        nothing = pa.nulls(table.num_rows, pa.float64())
        return drop(table, self.name, pa.array(rules, pa.string()), nothing)

    @property
    def _all_lists(self) -> dict[str, BlockList]:
        found = dict(self.block_lists)
        for _, profile in sorted(self.profiles.by_name.items()):
            found |= profile.url.block_lists
        return found

    @cached_property
    def _digests(self) -> dict[tuple[str, str], str]:
        """The digest of each list's file, by kind and address."""
        blocks = [*self.block_lists.values()]
        for profile in self.profiles.by_name.values():
            blocks += profile.url.block_lists.values()
        return {
            (kind, address): digest_of_list(cast(Kind, kind), _located(address))
            for block in blocks
            for kind, address in block.lists()
        }

    def _read(self, lists: Mapping[str, BlockList]) -> Iterator[tuple[str, Kind, list[Entries]]]:
        """Yield the entries of block lists, by name and kind."""
        for name, block in lists.items():
            by_kind: dict[str, list[Entries]] = {}
            for kind, address in block.lists():
                digest = self._digests[kind, address]
                by_kind.setdefault(kind, []).append(_entries(kind, address, digest))
            for kind, entries in by_kind.items():
                yield name, cast(Kind, kind), entries


def _located(address: str) -> str:
    return address if "://" in address or address == "datatrove" else locate.data_path(address)


@lru_cache(maxsize=64)
def _entries(kind: str, address: str, digest: str) -> Entries:
    """Read a list once per process, and say what of it is no entry."""
    entries = read_list(cast(Kind, kind), _located(address), digest)
    if entries.unusable:
        LOGGER.warning(
            "%s: %d lines are no %s and count for nothing, such as %r",
            address,
            entries.unusable,
            kind,
            entries.example[:100],
        )
    return entries


def _unusable(lists: list[Entries]) -> int:
    return sum(entries.unusable for entries in lists)


def broken_rule(url: str | None, section: UrlSection) -> str | None:
    """Return the rule of a profile that an address breaks; None where it breaks none.

    >>> section = UrlSection(refused=("https://ja.example/",), top_level_domains=("jp", "com"))
    >>> urls = ("https://a.example.jp/b", "https://a.example:8080/", "/b", None)
    >>> [broken_rule(url, section) for url in urls]
    [None, 'top_level_domain', 'no_host', 'no_host']
    """
    if url is not None and url.startswith(section.refused):
        return "refused_address"
    if not section.top_level_domains:
        return None
    try:
        host = urlsplit(url or "").hostname
    except ValueError:  # brackets that are no IPv6 address
        host = None
    if not host:
        return "no_host"
    return None if host.rpartition(".")[2] in section.top_level_domains else "top_level_domain"
