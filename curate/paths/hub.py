"""Files of the Hugging Face Hub: fetched, or taken from the cache where the hub cannot be reached.

The hub's library asks six times, with half a minute of pauses, before it says that nobody answers.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

#: Times that a connection is tried, and seconds that one may take.
ATTEMPTS, SECONDS = 2, 5.0


def fetch_file(repository: str, name: str, *, revision: str | None = None) -> str:
    """Return the path of a file of ``owner/name`` in the local cache, fetched if need be.

    Raises the errors of huggingface_hub; where the hub cannot be reached and the file is not in the
    cache, LocalEntryNotFoundError.
    """
    from huggingface_hub import constants, hf_hub_download

    offline = not _answers(constants.ENDPOINT)
    path: str = hf_hub_download(repository, name, revision=revision, local_files_only=offline)
    return path


def _answers(endpoint: str) -> bool:
    """Return whether a connection to an address can be opened; behind a proxy the proxy decides."""
    place = urlsplit(endpoint)
    if place.hostname is None or place.scheme in getproxies():
        return True
    port = place.port or (443 if place.scheme == "https" else 80)
    for _ in range(ATTEMPTS):
        try:
            socket.create_connection((place.hostname, port), timeout=SECONDS).close()
        except OSError:
            continue
        return True
    return False
