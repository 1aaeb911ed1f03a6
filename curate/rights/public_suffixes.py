"""Registered domains: the part of a host that somebody registered, by the Public Suffix List.

Under a public suffix (``kz``, ``co.uk``, of the private part of the list ``github.io``) people
register names; the registered domain is the suffix and one label more. The list (publicsuffix.org,
Mozilla) is the copy that the package ``tld`` brings, read as a file: nothing is fetched. Its rules,
the longest of which counts: a name, ``*.ck`` (any label below), ``!www.ck`` (an exception).
"""

from __future__ import annotations

import hashlib
import importlib.util
import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from curate.errors import CurateError
from curate.rights.addresses import normal_host

#: No rule of the list has as many labels: only so many of a host are looked at.
_LABELS = 16


@dataclass(frozen=True)
class PublicSuffixes:
    """The rules of the list, their labels in the form of `addresses.normal_host`."""

    names: frozenset[str]
    wildcards: frozenset[str]  #: what is below ``*.``
    exceptions: frozenset[str]

    def registered(self, host: str) -> str:
        """Return the registered domain of a host in `normal_host`'s form.

        An IP address, a single label and a host that is a public suffix stand for themselves. A
        top-level domain that the list does not have is a public suffix.
        """
        if ":" in host or (host.rpartition(".")[2].isdigit() and _is_ip(host)):
            return host
        labels = host.rsplit(".", _LABELS)[-_LABELS:]
        for at in range(len(labels)):
            name = ".".join(labels[at:])
            if name in self.exceptions:
                return name
            below = ".".join(labels[at + 1 :])
            if name in self.names or below in self.wildcards or not below:
                return ".".join(labels[at - 1 :]) if at else host
        return host


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def parsed(text: str, *, private: bool) -> PublicSuffixes:
    r"""Return the rules of a list's text, those of its private part only if asked for.

    >>> rules = parsed("uk\nco.uk\n*.ck\n!www.ck", private=True)
    >>> [rules.registered(host) for host in ("a.b.co.uk", "a.b.c.ck", "a.www.ck", "co.uk")]
    ['b.co.uk', 'b.c.ck', 'www.ck', 'co.uk']
    """
    names, wildcards, exceptions = set(), set(), set()
    for line in text.splitlines():
        if "BEGIN PRIVATE DOMAINS" in line and not private:
            break
        rule = line.split(maxsplit=1)[0] if line.strip() else "//"
        if rule.startswith("//"):
            continue
        if rule.startswith("!"):
            exceptions.add(normal_host(rule[1:]))
        elif rule.startswith("*."):
            wildcards.add(normal_host(rule[2:]))
        else:
            names.add(normal_host(rule))
    return PublicSuffixes(frozenset(names), frozenset(wildcards), frozenset(exceptions))


@lru_cache(maxsize=2)
def public_suffixes(*, private: bool) -> PublicSuffixes:
    """Return the rules of the installed list, read once per process."""
    return parsed(_file().read_text("utf-8"), private=private)


@lru_cache(maxsize=1)
def digest_of_suffixes() -> str:
    """Return a digest of the installed list: other rules give other domains."""
    return hashlib.blake2b(_file().read_bytes(), digest_size=16).hexdigest()


def _file() -> Path:
    spec = importlib.util.find_spec("tld")
    found = Path(spec.origin or "").parent / "res/effective_tld_names.dat.txt" if spec else None
    if found is None or not found.is_file():
        raise CurateError(
            "registered domains need the Public Suffix List of the package tld",
            hint="pip install 'tld>=0.13,<1'",
        )
    return found
