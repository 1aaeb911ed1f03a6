"""Lists of addresses: domains, hosts, pages, words of addresses, and ids, millions of them.

A list is kept as sorted 64-bit hashes (the first half of BLAKE2b's 128 bits), 8 bytes per entry,
and looked up in one pass over all documents of a batch. Of a million entries and a billion
documents, one in twenty thousand such runs takes one document for another.

A domain matches itself and every host below it; an entry without a dot, itself alone: no list
takes out a whole top-level domain. The other kinds match whole: a host, a page in
`addresses.normal_address`'s form, a word between characters that are no letters or digits.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import importlib.util
import lzma
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Literal, get_args
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError
from curate.kernels.arrow import buffers, from_buffers
from curate.paths import local_path
from curate.rights.addresses import host_and_parents, host_of, normal_address, normal_host

Kind = Literal["domain", "host", "url", "word", "part", "id"]
Keys = npt.NDArray[np.uint64]

#: Kinds of entries that an address can match, in the order in which the first is named.
KINDS: tuple[Kind, ...] = get_args(Kind)

#: The lists that come with datatrove, by kind: file below its assets, and member of an archive.
_ADULT = "url_filterblacklistsv0_3_0.tar.gz"
DATATROVE: dict[Kind, tuple[str, str]] = {
    "domain": (_ADULT, "domains"),
    "url": (_ADULT, "urls"),
    "word": ("banned_words.txt", ""),
    "part": ("banned_subwords.txt", ""),
}

#: Parts are searched for one after the other, in every address.
MOST_PARTS = 10_000

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_BLOCK = 4 << 20
_PLAIN_HOST = r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$"
#: Before a name in a hosts file, and around one in a list for a browser.
_HOSTS_FILE = re.compile(r"(?:0\.0\.0\.0|127\.0\.0\.1|::1?)\s+(\S+)(?:\s+#.*)?")
_NOT_OF_WORDS = re.compile(r"[\W_]+")


def keys_of(values: Sequence[str] | pa.Array) -> Keys:
    """Return the 64-bit key of each text; a null counts as empty.

    >>> [hex(key) for key in keys_of(["example.kz"]).tolist()]
    ['0x87f25cbe10021ee8']
    """
    from curate.kernels.blake2b import digests  # not before it is needed: it loads the compiler

    column = pa.array(values, pa.large_string()) if not isinstance(values, pa.Array) else values
    keys: Keys = digests(*buffers(column.cast(pa.large_string())))[:, 0]
    return keys


def contains(keys: Keys, looked_up: Keys) -> npt.NDArray[np.bool_]:
    """Return which of the keys that are looked up are among sorted keys."""
    if not len(keys):
        return np.zeros(len(looked_up), np.bool_)
    at = np.minimum(np.searchsorted(keys, looked_up), len(keys) - 1)
    return np.asarray(keys[at] == looked_up)


def united(keys: Sequence[Keys]) -> Keys:
    """Return all keys, sorted, each once."""
    together = np.sort(np.concatenate([np.empty(0, np.uint64), *keys]))
    if not len(together):
        return together
    # np.unique takes five times as long: it hashes the hashes.
    return np.asarray(together[np.append(True, together[1:] != together[:-1])])


@dataclass(frozen=True)
class Entries:
    """What a list holds: for parts the texts, for the other kinds their sorted keys."""

    kind: Kind
    keys: Keys
    parts: tuple[str, ...] = ()
    unusable: int = 0  #: lines that are no entry of this kind
    example: str = ""  #: the first of them

    def __len__(self) -> int:
        return len(self.parts) or len(self.keys)


class Looked:
    """The addresses of a batch of documents, in the form in which each kind is looked up.

    What a kind needs is computed when a list of that kind is first looked up.
    """

    def __init__(self, urls: Sequence[str | None], ids: pa.Array | None = None) -> None:
        self._urls = [url or "" for url in urls]
        self._ids = ids
        self._cached: dict[str, tuple[Keys, npt.NDArray[np.int64]]] = {}

    def matching(self, entries: Entries) -> npt.NDArray[np.bool_]:
        """Return which documents match an entry of a list."""
        found = np.zeros(len(self._urls), np.bool_)
        if entries.kind == "part":
            if entries.parts:
                pattern = re.compile("|".join(map(re.escape, entries.parts)))
                found[:] = [pattern.search(_run(url)) is not None for url in self._urls]
            return found
        if entries.kind not in self._cached:
            self._cached[entries.kind] = self._keys(entries.kind)
        keys, rows = self._cached[entries.kind]
        found[rows[contains(entries.keys, keys)]] = True
        return found

    def _keys(self, kind: Kind) -> tuple[Keys, npt.NDArray[np.int64]]:
        if kind == "id":
            assert self._ids is not None
            return keys_of(self._ids), np.arange(len(self._ids))
        forms = [_forms(kind, url) for url in self._urls]
        rows = np.repeat(np.arange(len(forms)), [len(each) for each in forms])
        return keys_of([form for each in forms for form in each]), rows


def _forms(kind: Kind, url: str) -> list[str]:
    """Return what of an address an entry can be; nothing of an address without a host."""
    if kind == "url":
        address = normal_address(url)
        return [address] if address else []
    if kind == "word":
        return [word for word in _NOT_OF_WORDS.split(_readable(url)) if word]
    host = host_of(url)
    if not host:
        return []
    if kind == "host":
        return [host]
    return [name for name in host_and_parents(host) if name == host or "." in name]


def _readable(url: str) -> str:
    return unquote(url).casefold()


def _run(url: str) -> str:
    return _NOT_OF_WORDS.sub("", _readable(url))


#: Where a document's address is: ours, or a column of the input that the recipe did not name.
URL_COLUMNS = ("url", "input_url")


def urls_of(table: pa.Table) -> list[str | None]:
    """Return the addresses of documents, None where there is none."""
    urls: list[str | None] = [None] * table.num_rows
    for name in URL_COLUMNS:
        if name in table.column_names and (
            pa.types.is_string(table.schema.field(name).type)
            or pa.types.is_large_string(table.schema.field(name).type)
        ):
            more = table.column(name).to_pylist()
            urls = [url or other for url, other in zip(urls, more, strict=True)]
    return urls


def entries_of(kind: Kind, lines: Iterable[str]) -> Entries:
    """Return the entries of a list that is given line by line.

    >>> listed = entries_of("domain", ["Example.KZ", "# a remark", "no domain!"])
    >>> len(listed), listed.unusable, listed.example
    (1, 1, 'no domain!')
    """
    return _united(kind, [_entries(kind, pa.array(list(lines), pa.large_string()))])


def read_lines(address: str) -> list[str]:
    """Return the lines of a file that a user wrote; raise RecipeError where it cannot be read."""
    path = local_path(address)
    try:
        return [line for lines in _lines(path, "") for line in lines.to_pylist()]
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"cannot read the list: {error}", where=address, hint="an entry per line, UTF-8"
        ) from None


@lru_cache(maxsize=64)
def read_list(kind: Kind, address: str, digest: str) -> Entries:
    """Return the entries of a list, read once per process; ``digest`` is that of its file.

    ``address`` is a path (plain, .gz, .bz2, .xz or .zst; UTF-8, an entry per line, lines that begin
    with # are remarks), ``package://<installed package>/<path in it>``, or ``datatrove``: the list
    of this kind that comes with it. Raise RecipeError where it cannot be read.
    """
    path, member = _file_of(kind, address)
    try:
        return _united(kind, (_entries(kind, lines) for lines in _lines(path, member)))
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError, KeyError, tarfile.TarError) as e:
        raise RecipeError(
            f"cannot read the list of {kind}s: {e}",
            where=str(path),
            hint="an entry per line, UTF-8",
        ) from None


def digest_of_list(kind: Kind, address: str) -> str:
    """Return a digest of the file of a list; raise RecipeError where there is none."""
    path, _ = _file_of(kind, address)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError as error:
        raise RecipeError(
            f"cannot read the list of {kind}s: {error.strerror}", where=address
        ) from None


def _file_of(kind: Kind, address: str) -> tuple[Path, str]:
    """Return the file of a list, and its member where that is an archive."""
    member = ""
    if address == "datatrove":
        if kind not in DATATROVE:
            raise RecipeError(
                f"datatrove has no list of {kind}s", hint=f"it has {', '.join(DATATROVE)}"
            )
        name, member = DATATROVE[kind]
        address = f"package://datatrove/assets/{name}"
    scheme, _, rest = address.rpartition("://")
    if scheme not in ("", "package"):
        raise RecipeError(
            f"'{address}' is no list of {kind}s",
            hint="a path, datatrove, or package://<installed package>/<path in it>",
        )
    if not scheme:
        return local_path(rest), member
    package, _, inside = rest.partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError(
            f"the package {package} is not installed", where=address, hint=f"pip install {package}"
        )
    return Path(spec.submodule_search_locations[0]) / inside, member


def _lines(path: Path, member: str) -> Iterator[pa.Array]:
    """Yield the lines of a file in blocks of bounded size."""
    with ExitStack() as opened:
        file = _opened(path, member, opened)
        rest = b""
        while block := file.read(_BLOCK):
            whole, newline, tail = block.rpartition(b"\n")
            if newline:
                yield _as_column(rest + whole)
                rest = tail
            else:
                rest += block
            if len(rest) > _BLOCK:
                raise OSError(f"a line of over {_BLOCK >> 20} MiB")
        if rest:
            yield _as_column(rest)


def _opened(path: Path, member: str, opened: ExitStack) -> IO[bytes]:
    if member:
        archive = opened.enter_context(tarfile.open(path, "r|gz"))  # noqa: SIM115
        for entry in archive:
            if entry.name == member and (file := archive.extractfile(entry)) is not None:
                return file
        raise KeyError(f"no {member} in it")
    if path.suffix == ".zst":
        import zstandard

        reader: IO[bytes] = zstandard.open(path, "rb")
        return opened.enter_context(reader)
    if path.suffix not in _OPENERS:
        return opened.enter_context(path.open("rb"))
    unpacked: IO[bytes] = opened.enter_context(_OPENERS[path.suffix](path, "rb"))
    return unpacked


def _as_column(lines: bytes) -> pa.Array:
    data = np.frombuffer(lines, np.uint8)
    ends = np.append(np.flatnonzero(data == ord("\n")), len(data))
    offsets = np.concatenate([[0], ends[:-1] + 1, [len(data)]]).astype(np.int64)
    lines.decode()  # what is no UTF-8 is told with its place
    return from_buffers(pa.py_buffer(lines), offsets)


def _entries(kind: Kind, lines: pa.Array) -> Entries:
    """Return the entries among lines. Plain names of hosts, nearly all of a list, stay in Arrow."""
    lines = pc.utf8_trim_whitespace(lines)
    lines = lines.filter(pc.not_equal(pc.binary_length(lines), 0))
    lines = lines.filter(pc.invert(pc.starts_with(lines, "#")))
    if kind == "id":
        return Entries(kind, keys_of(lines))
    lower = pc.utf8_lower(lines)
    plain = pc.match_substring_regex(lower, _PLAIN_HOST)
    if kind in ("url", "part"):
        plain = pc.and_(plain, False)
    if kind == "word":
        plain = pc.and_(plain, pc.invert(pc.match_substring_regex(lower, "[._-]")))
    odd = lines.filter(pc.invert(plain)).to_pylist()
    forms = [_entry(kind, line) for line in odd]
    bad = [line for line, form in zip(odd, forms, strict=True) if not form]
    usable = [form for form in forms if form]
    example = bad[0] if bad else ""
    if kind == "part":
        return Entries(kind, np.empty(0, np.uint64), tuple(usable), len(bad), example)
    keys = np.concatenate([keys_of(lower.filter(plain)), keys_of(usable)])
    return Entries(kind, keys, (), len(bad), example)


def _entry(kind: Kind, line: str) -> str:
    """Return an entry in the form that is looked up; empty where the line is none."""
    if kind == "url":
        return normal_address(line) if not re.search(r"\s", line) else ""
    if kind in ("word", "part"):
        word = _readable(line)
        return "" if kind == "word" and _NOT_OF_WORDS.search(word) else _NOT_OF_WORDS.sub("", word)
    if found := _HOSTS_FILE.fullmatch(line):
        line = found[1]
    line = line.removeprefix("||").removesuffix("^").removeprefix("*.").lstrip(".")
    if re.search(r"[\s/?#]", line.rstrip("/").partition("://")[2] or line.rstrip("/")):
        return ""
    host = host_of(line) if "://" in line else normal_host(line.rstrip("/"))
    return host if re.fullmatch(_PLAIN_HOST, host) else ""


def _united(kind: Kind, pieces: Iterable[Entries]) -> Entries:
    keys: list[Keys] = []
    parts: set[str] = set()
    unusable, example = 0, ""
    for piece in pieces:
        keys.append(piece.keys)
        parts.update(piece.parts)
        unusable += piece.unusable
        example = example or piece.example
    if len(parts) > MOST_PARTS:
        raise RecipeError(
            f"{len(parts):,} parts of addresses, and {MOST_PARTS:,} are the most",
            hint="whole words are looked up by hash: give them as words",
        )
    return Entries(kind, united(keys), tuple(sorted(parts)), unusable, example)
