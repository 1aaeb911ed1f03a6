"""Url_filter: drops documents by their address."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

import pyarrow as pa

from curate.protocol.stage import MapStage
from curate.protocol.tables import drop, on_alive
from curate.recipe.profile import Profile, Profiles, UrlSection


@dataclass(frozen=True)
class UrlFilter(MapStage):
    """Drop documents whose address breaks a rule of the profile's ``[url]``, by the first of them.

    ``url_filter:refused_address``: it begins with an address of ``refused``; ``no_host``: there is
    no address, or none with a host in it; ``top_level_domain``: the last label of the host is not
    in ``top_level_domains``. A profile without ``[url]`` drops nothing.
    """

    profiles: Profiles
    name: str = "url_filter"

    profile_parts: ClassVar[tuple[str, ...]] = ("url",)
    reads: ClassVar[tuple[str, ...]] = ("url", "source", "dropped_by", "dropped_value")
    rewrites: ClassVar[tuple[str, ...]] = ("dropped_by", "dropped_value")
    idempotent: ClassVar[bool] = True

    def apply(self, table: pa.Table, tally: Counter[str]) -> pa.Table:
        """Drop active rows that break a rule."""
        return on_alive(table, lambda active: self.profiles.map(active, self._judge))

    def _judge(self, profile: Profile, table: pa.Table) -> pa.Table:
        section = profile.url
        if not (section.refused or section.top_level_domains):
            return table
        rules = [broken_rule(url, section) for url in table.column("url").to_pylist()]
        nothing = pa.nulls(table.num_rows, pa.float64())
        return drop(table, self.name, pa.array(rules, pa.string()), nothing)


def broken_rule(url: str | None, section: UrlSection) -> str | None:
    """Return the rule that an address breaks; None where it breaks none.

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
