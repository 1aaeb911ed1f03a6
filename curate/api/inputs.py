"""Paths without a recipe: each file is read by the source of its own format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from curate.errors import RecipeError, without_secrets
from curate.logging_setup import LOGGER
from curate.plan import registry
from curate.recipe import locate
from curate.sources.base import InputFile
from curate.sources.files import Listing, list_files
from curate.sources.streams import Block, blocks, plain_name

#: Endings of files by format, in the order in which they are tried.
_ENDINGS = {
    "wet": (".wet",),
    "warc": (".warc", ".arc"),
    "wikipedia": (".xml",),
    "wikipedia_html": (".json.tar", ".ndjson.tar", ".zim"),
    "parquet": (".parquet", ".parq", ".pq"),
    "text": (".txt",),
    "csv": (".csv", ".tsv"),
    "jsonl": (".jsonl", ".ndjson", ".jsonlines", ".ldjson", ".jl", ".json"),
}

#: Files that stand beside data and are none, by their names without ending.
_BESIDE = re.compile(
    r"(readme|licen[sc]e|notice|copying|authors|citation|contributing|changelog|changes|checksums"
    r"|md5sums?|sha\d+sums?|dataset_infos?|dataset_dict|state|manifest|_.*)([._-].*)?"
    r"|(metadata|config|stats|croissant|datapackage|package)\.json",
    re.IGNORECASE,
)
#: Archives, of which only the content tells what they hold.
_TAR = re.compile(r"\.(tar(\.\w+)?|tgz)\Z", re.IGNORECASE)
#: The names that a recipe accepts for a source.
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN = 5


def format_of_name(name: str) -> str | None:
    """Return the format that a file's ending states, in any case and packed or not; else None.

    >>> format_of_name("A.WARC.WET.gz"), format_of_name("x.ndjson.zst"), format_of_name("x.docx")
    ('wet', 'jsonl', None)
    """
    plain = plain_name(name.lower())
    format = next((format for format, ends in _ENDINGS.items() if plain.endswith(ends)), None)
    return None if format == "parquet" and plain != name.lower() else format


def sources_of(
    paths: Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Sort the files that paths name into sources of a recipe, one per name and format.

    ``NAME=PATH`` names the source; else it is named after its format. A path that exists as written
    has no name, because folders may be named date=2024-01-01. ``options`` are those of a source, by
    format. What is left out is logged; RecipeError where a file that is named has no format, a path
    names no data, or a source would have files of two formats.
    """
    sources: dict[str, dict[str, Any]] = {}
    for given in paths:
        name, path = _named(given)
        for format, files in by_format(path).items():
            _check_names(files)
            spec = {"format": format, "path": [], **options.get(format, {})}
            source = sources.setdefault(name or format, spec)
            if source["format"] != format:
                raise RecipeError(
                    f"source '{name or format}' has files of two formats:"
                    f" {source['format']} and {format}",
                    where=path,
                    hint="name them apart, or give the path without a name",
                )
            source["path"] += files
    return sources


def _check_names(paths: Sequence[str]) -> None:
    """Raise RecipeError for a path that no recipe and no manifest can state."""
    for path in paths:
        shown = path.encode(errors="backslashreplace").decode()
        if shown != path:
            raise RecipeError(
                "the path has bytes that are no UTF-8, which a recipe cannot state",
                where=shown,
                hint="rename it, or name a folder above it that holds files of one format",
            )


def _named(given: str) -> tuple[str, str]:
    name, equals, path = given.partition("=")
    if not equals or not _NAME.fullmatch(name):
        return "", given
    try:
        exists = bool(list_files(locate.data_path(given)).files)
    except RecipeError:
        exists = False
    return ("", given) if exists else (name, path)


def by_format(path: str) -> dict[str, list[str]]:
    """Return the paths that together name the files of a path, by format.

    Where a format's files are all that its reader finds there, that is the path itself.
    """
    located = locate.data_path(path)
    listing = list_files(located)
    if listing.kind == "file":
        return {_format_of_file(listing.files[0], path): [path]}
    found: dict[str, list[InputFile]] = {}
    left_out: list[str] = []
    for file in listing.files:
        format = _format_in_folder(file)
        if format is None:
            left_out.append(file.name)
        else:
            found.setdefault(format, []).append(file)
    texts: list[InputFile] = []
    if len(found) > 1:
        # Lists of addresses, notes and requirements stand beside data.
        texts = found.pop("text", [])
        left_out += [file.name for file in texts]
    if not found:
        raise _no_data(path, listing, left_out)
    _report(path, listing, left_out, bool(texts))
    return {format: _paths(path, format, listing, files) for format, files in sorted(found.items())}


def _format_of_file(file: InputFile, path: str) -> str:
    """Return the format of a file that is named itself; its first bytes go before its ending."""
    stated = format_of_name(file.name)
    found = _format_of_content(file)
    if found == "parquet" or stated == "parquet":
        # Parquet is told by its first bytes; damaged files keep the format that their ending names.
        return found if found and file.size else "parquet"
    format = stated or found
    if format is None:
        raise RecipeError(
            f"'{file.name[:100]}' has no format that can be read",
            where=path,
            hint="formats by ending: " + _known() + "; convert it, or rename it",
        )
    return format


def _format_in_folder(file: InputFile) -> str | None:
    *folders, name = file.name.split("/")
    if any(folder.startswith("_") and "=" not in folder for folder in folders):
        return None  # _delta_log, _temporary: what engines write for themselves
    format = format_of_name(name)
    if format in ("jsonl", "text", None, "parquet") and _BESIDE.fullmatch(plain_name(name)):
        lines = plain_name(name.lower()).endswith((".jsonl", ".ndjson", ".parquet"))
        return format if format and lines else None
    plain = PurePosixPath(plain_name(name.lower()))
    # part-00000, part-00000.gz; pandas writes df.parquet.gzip.
    if format is None and (
        not plain.suffix or plain.suffixes[:1] == [".parquet"] or _TAR.search(name)
    ):
        return _format_of_content(file)
    return format


def _format_of_content(file: InputFile) -> str | None:
    """Return the format that the first bytes state; None where they state none."""
    try:
        with file.open() as handle:
            if handle.read(4) == b"PAR1":
                return "parquet"
            handle.seek(0)
            block = next(blocks(handle, ""), Block(0, b"")).data
    except Exception:
        return None  # each store has its own errors; whoever reads the file reports them
    if block[257:262] == b"ustar":
        return "wikipedia_html" if b'"article_body"' in block else None
    head = block[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"WARC/"):
        return "warc"
    if head.startswith(b"<mediawiki"):
        return "wikipedia"
    return "jsonl" if re.match(rb'\{\s*["}]|\[\s*\{', head) else None


def _paths(path: str, format: str, listing: Listing, files: list[InputFile]) -> list[str]:
    """Return the path itself where it names just these files to the format's reader, else each."""
    natural = listing.files
    if listing.kind == "folder":
        suffixes = tuple(registry.build("source", format, {}).suffixes)
        natural = [file for file in natural if file.name.lower().endswith(suffixes)]
    if len(natural) == len(files):
        return [path]
    root = PurePosixPath(listing.root)
    return [
        f"{listing.root.rstrip('/')}/./{PurePosixPath(file.path).relative_to(root)}"
        for file in files
    ]


def _report(path: str, listing: Listing, left_out: list[str], texts: bool) -> None:
    """Log what a folder or pattern holds besides data."""
    parts = [name[:100] for name in left_out[:_SHOWN]]
    if len(left_out) > _SHOWN:
        parts.append(f"{len(left_out) - _SHOWN} more")
    if listing.hidden:
        parts.append(f"{len(listing.hidden)} hidden")
    if parts:
        endings = Counter(PurePosixPath(name).suffix or "no ending" for name in left_out)
        most = ", ".join(f"{count} with {end}" for end, count in endings.most_common(3))
        LOGGER.warning(
            "%s: left out %s%s%s",
            without_secrets(path),
            ", ".join(parts),
            f" ({most})" if len(left_out) > _SHOWN else "",
            "; plain text beside other data is read where you name its folder or files"
            if texts
            else "",
        )


def _no_data(path: str, listing: Listing, left_out: list[str]) -> RecipeError:
    if listing.runs:
        hint = "it holds the folder of a run: name that folder to read its product"
    elif left_out:
        hint = (
            f"it holds {', '.join(name[:100] for name in left_out[:_SHOWN])}; formats by ending: "
        )
        hint += _known()
    else:
        hint = "see what is there, or name the files themselves; formats by ending: " + _known()
    what = (
        "no file matches the pattern" if listing.kind == "pattern" else "no file of a known format"
    )
    if listing.kind == "pattern" and listing.files:
        what = "no file that matches the pattern has a known format"
    return RecipeError(what, where=path, hint=hint)


def _known() -> str:
    return ", ".join(f"{ends[0]} ({format})" for format, ends in _ENDINGS.items())


def files_by_format(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each format and path of :func:`by_format`, in the order of the paths given."""
    for path in paths:
        for format, found in by_format(path).items():
            for one in found:
                yield format, one
