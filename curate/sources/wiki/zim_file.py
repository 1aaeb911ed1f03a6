"""The pages in a ZIM file, in the order in which they are stored, in bounded memory.

The format is that of https://wiki.openzim.org/wiki/ZIM_file_format (versions 5 and 6): a directory
of entries, each with a namespace, a path, a title and a media type, and their contents in clusters
that are compressed one by one. It is read here because libzim, the library for it, is under the GPL
and native code, which files of others may attack. Every number of the file is checked before it is
used; a damaged cluster costs its pages, a damaged entry itself.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

import numpy as np

from curate.sources import streams
from curate.sources.base import Damage, Piece
from curate.sources.wiki.tar_members import PlainBytes

MAGIC = b"ZIM\x04"
_HEADER = struct.Struct("<4sHH16sIIQQQQIIQ")
#: Of an entry: media type, length of parameters, namespace, revision.
_ENTRY = struct.Struct("<HBcI")
_CONTENT = struct.Struct("<II")  # cluster and blob
_REDIRECT, _LINK, _DELETED = 0xFFFF, 0xFFFE, 0xFFFD
#: Compressions by number: none (two of them), xz and zstd; two older ones are no longer written.
_PACKED: dict[int, str | None] = {0: None, 1: None, 4: "xz", 5: "zstd"}
_WIDE = 0x10  # offsets in the cluster have eight bytes

#: Entries that are read together, bytes that may lie between the first and the last of them, bytes
#: of one entry, of the list of media types, and of a cluster's table of offsets.
_TOGETHER, _SPAN, _LONGEST, _TYPES, _TABLE = 1 << 16, 64 << 20, 1 << 13, 1 << 16, 4 << 20
#: Pages, and bytes of their paths and titles, of the clusters that begin in one piece.
_PAGES, _NAMES = 1 << 20, 128 << 20


class Page(NamedTuple):
    """An entry of the directory with HTML."""

    cluster: int
    blob: int
    path: str
    title: str
    #: The path; of an entry behind which it should stand in the sorted directory (one that stands
    #: there twice, say) with the entry's number.
    locator: str


class Content(NamedTuple):
    """A page with its bytes; None where they are more than the limit."""

    page: Page
    offset: int  #: of the cluster in the file
    length: int
    data: bytes | None


def is_zim(head: bytes) -> bool:
    """Return whether a file begins as a ZIM file does."""
    return head.startswith(MAGIC)


@dataclass
class Found:
    """What the directory has: pages of some clusters, other entries by kind, what is damaged."""

    pages: list[Page]
    facts: dict[str, Page]  #: entries of the metadata, by name
    redirects: int = 0
    others: int = 0  #: pictures, styles, metadata, indexes
    name_bytes: int = 0
    last_path: str = ""  #: of all pages until now


class Zim:
    """An open ZIM file; raise `Broken` where it is none."""

    def __init__(self, handle: IO[bytes], size: int, name: str) -> None:
        self._handle, self._size, self._name = handle, size, name
        self._unpacked = 0
        header = self._read(0, _HEADER.size)
        if len(header) < _HEADER.size or not is_zim(header):
            raise self._broken(0, "the header is cut off, or that of another format")
        fields = _HEADER.unpack(header)
        major, minor, entries, clusters = fields[1], fields[2], fields[4], fields[5]
        self._entries_at, clusters_at, types_at = fields[6], fields[8], fields[9]
        if major not in (5, 6):
            raise self._broken(0, f"version {major} of the format is not known")
        self._articles = b"C" if (major, minor) >= (6, 1) else b"A"
        for what, at, count in (
            ("entries", self._entries_at, entries),
            ("clusters", clusters_at, clusters),
        ):
            if at + 8 * count > size:
                raise self._broken(0, f"{count} {what} do not fit into the file: it is a part")
        self._count = entries
        self._clusters = np.frombuffer(self._read(clusters_at, 8 * clusters), "<u8")
        kinds = self._read(types_at, _TYPES).split(b"\0\0")[0].split(b"\0")
        self._is_html = [kind.partition(b";")[0].strip().lower() == b"text/html" for kind in kinds]

    def find(self, piece: Piece) -> Generator[Damage, None, Found]:
        """Read the directory; return the pages whose clusters begin in a piece.

        Entries without content are counted in the piece that begins the file, which yields damaged
        ones. Raise `Broken` where there are more pages than a piece can have.
        """
        found = Found([], {})
        inside = (self._clusters >= piece.start) & (self._clusters < piece.end)
        if not piece.start:  # behind the file: damage, once
            inside |= self._clusters >= self._size
        for first in range(0, self._count, _TOGETHER):
            size = 8 * min(_TOGETHER, self._count - first)
            places = np.frombuffer(self._read(self._entries_at + 8 * first, size), "<u8")
            for number, (place, data, at) in enumerate(self._entries(places), first):
                damage = self._sort(number, min(place, self._size), data, at, inside, found)
                if damage and not piece.start:
                    yield damage
        if piece.start:
            found.redirects, found.others = 0, 0
        return found

    def contents(self, pages: list[Page], limit: int) -> Iterator[Content | Damage]:
        """Yield pages with their contents, cluster by cluster in the order of the file."""
        wanted: dict[int, list[Page]] = defaultdict(list)
        for page in pages:
            wanted[page.cluster].append(page)
        for cluster in sorted(wanted, key=lambda cluster: int(self._clusters[cluster])):
            yield from self._cluster(cluster, sorted(wanted[cluster]), limit)

    def text(self, page: Page) -> str:
        """Return a short content as text, such as an entry of the metadata; nothing if damaged."""
        for content in self.contents([page], 1 << 12):
            if isinstance(content, Content):
                return (content.data or b"").decode("utf-8", "replace")
        return ""

    def _read(self, at: int, size: int) -> bytes:
        self._handle.seek(min(at, self._size))  # a number of the file may be any
        return self._handle.read(size)

    def _broken(self, at: int, error: str) -> streams.Broken:
        at = min(at, self._size)
        return streams.Broken(Damage("bad_zim", at, self._size - at, error, self._read(at, 64)))

    def _entries(self, places: np.ndarray) -> Iterator[tuple[int, bytes, int]]:
        """Yield the place of each entry, and bytes with the index in them where it begins."""
        inside = places[places < self._size]
        low, high = (int(inside.min()), int(inside.max())) if len(inside) else (0, 0)
        whole = self._read(low, high - low + _LONGEST) if high - low <= _SPAN else None
        for place in map(int, places):
            if whole is not None and place < self._size:
                yield place, whole, place - low
            else:
                yield place, self._read(min(place, self._size), _LONGEST), 0

    def _sort(
        self, number: int, place: int, data: bytes, at: int, inside: np.ndarray, found: Found
    ) -> Damage | None:
        if at + _ENTRY.size + _CONTENT.size > len(data):
            return Damage("bad_zim_entry", place, 0, "an entry is outside of the file")
        kind, _, namespace, _ = _ENTRY.unpack_from(data, at)
        if kind == _REDIRECT and namespace == self._articles:
            found.redirects += 1
            return None
        is_fact = namespace == b"M"
        is_page = namespace == self._articles and kind < len(self._is_html) and self._is_html[kind]
        if kind in (_REDIRECT, _LINK, _DELETED) or not (is_fact or is_page):
            found.others += 1
            return None
        cluster, blob = _CONTENT.unpack_from(data, at + _ENTRY.size)
        begin = at + _ENTRY.size + _CONTENT.size
        end = data.find(b"\0", begin, begin + _LONGEST)
        after = data.find(b"\0", end + 1, begin + _LONGEST)
        if min(end, after) < 0 or cluster >= len(self._clusters):
            what = "an entry without an end, or of a cluster that the file does not have"
            return Damage("bad_zim_entry", place, 0, what, data[at : at + 64])
        path = data[begin:end].decode("utf-8", "replace")
        title = data[end + 1 : after].decode("utf-8", "replace") or path
        is_sorted = is_fact or path > found.last_path
        page = Page(cluster, blob, path, title, path if is_sorted else f"{path}:{number}")
        if is_fact:
            found.others += 1
            found.facts[path] = page
            return None
        found.last_path = max(path, found.last_path)
        if inside[cluster]:
            found.pages.append(page)
            found.name_bytes += after - begin
            if len(found.pages) > _PAGES or found.name_bytes > _NAMES:
                raise self._broken(0, f"more than {_PAGES} pages, or {_NAMES} bytes of their names")
        return None

    def _cluster(self, number: int, pages: list[Page], limit: int) -> Iterator[Content | Damage]:
        at = int(self._clusters[number])
        done = 0
        try:
            for content in self._blobs(at, pages, limit):
                self._spend(at, content.length)
                done += 1
                yield content
            return
        except streams.Broken as broken:
            damage = broken.damage._replace(offset=min(at, self._size), length=0)
        for _ in pages[done:]:  # each page of a damaged cluster is a record
            yield damage

    def _spend(self, at: int, length: int) -> None:
        """Count what came of the file: entries may have one content, clusters the same bytes."""
        self._unpacked += length
        if self._unpacked > max(streams.FREE, streams.MAX_RATIO * self._size):
            what = f"pages of {self._unpacked} bytes out of a file of {self._size}"
            raise streams.Broken(Damage("bomb", at, 0, what))

    def _blobs(self, at: int, pages: list[Page], limit: int) -> Iterator[Content]:
        head = self._read(at, 17)
        packing = head[0] & 0x0F if head else -1
        kind = _PACKED.get(packing, "unknown")
        if kind is not None and streams.compression(head[1:]) != kind:
            raise self._broken(at, f"the bytes are no cluster of compression {packing}")
        blocks = streams.blocks(self._handle, "", start=at + 1, is_plain=kind is None)
        reader = PlainBytes(blocks)
        width = "<u8" if head[0] & _WIDE else "<u4"
        size = np.dtype(width).itemsize
        first = int.from_bytes(reader.peek(size)[:size], "little")
        if first < size or first % size or first > _TABLE:
            raise self._broken(at, f"a table of {first} bytes is none of a cluster")
        table = b"".join(iter(lambda: reader.take(first - reader.position), b""))
        offsets = np.frombuffer(table[: len(table) // size * size], width).astype(np.int64)
        last: Content | None = None
        for page in pages:
            if last is not None and last.page.blob == page.blob:  # two entries of one content
                yield last._replace(page=page)
                continue
            if page.blob + 1 >= len(offsets):
                raise self._broken(at, f"the cluster has no content {page.blob}")
            start, end = int(offsets[page.blob]), int(offsets[page.blob + 1])
            if end < start or start < 0:
                raise self._broken(at, f"content {page.blob} ends before it begins")
            if end - start > limit:
                last = Content(page, at, end - start, None)
                yield last
                continue
            if start < reader.position:
                raise self._broken(at, f"content {page.blob} begins inside another")
            self._spend(at, start - reader.position)
            missing = reader.skip(start - reader.position)
            parts, left = [], end - start
            while left and (data := reader.take(left)):
                parts.append(data)
                left -= len(data)
            if missing or left:
                raise self._broken(at, f"the file ends before content {page.blob} does")
            last = Content(page, at, end - start, b"".join(parts))
            parts.clear()
            yield last
