"""A file of texts to label: where the work stands, and each answer saved at once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.errors import RecipeError, RefusedError, ResourceError
from curate.paths import local_path
from curate.sources import fields
from curate.sources.streams import compression

#: The answers, as the file holds them.
GOOD, BAD = "good", "bad"


class Session:
    """The rows of a label file, the current one, and the answers.

    The file is rewritten under a temporary name and renamed after each answer, so that it is whole
    at any moment. Rows that are not answered keep their bytes.
    """

    def __init__(self, path: str, *, text: str = "text", again: bool = False) -> None:
        self.path = local_path(path)
        self._text = text
        self._file = self.path.resolve()  # the file that a symbolic link names is replaced
        try:
            data = self._file.read_bytes()
        except OSError as error:
            raise RecipeError(
                f"cannot read the file of labels: {error.strerror}",
                where=path,
                hint=f"curate sample RUN --out {self.path.name} makes one",
            ) from None
        if compression(data[:64]):
            raise RecipeError(
                "a compressed file cannot be labelled in place", where=path, hint="unpack it first"
            )
        self._stamp = self._now()
        self._lines = [line for line in data.split(b"\n") if line.strip()]
        self.rows = [self._parsed(line, n) for n, line in enumerate(self._lines, 1)]
        if not self.rows:
            raise RecipeError(
                "the file of labels is empty", where=path, hint="curate sample RUN --out FILE"
            )
        open_rows = [at for at, row in enumerate(self.rows) if not _is_answered(row)]
        self.at = 0 if again else next(iter(open_rows), len(self.rows))
        self._again = again

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        where = f"{self.path}, line {number}"
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise RecipeError(
                "labels are JSON lines, and this is none",
                where=where,
                hint="one object per line, with the text to label in the field `text`",
            )
        if not isinstance(fields.at(row, self._text), str):
            have = ", ".join(map(fields.shown, list(row)[:20]))
            raise RecipeError(
                f"the row has no text in the field '{self._text}'",
                where=where,
                hint=f"it has {have or 'no field'}: name the text with --text-field",
            )
        return row

    @property
    def current(self) -> dict[str, Any] | None:
        """The row to label; None at the end."""
        return self.rows[self.at] if self.at < len(self.rows) else None

    @property
    def text(self) -> str:
        """The text of the current row."""
        return str(fields.at(self.rows[self.at], self._text))

    def counts(self) -> dict[str, int]:
        """Return how many rows are good, bad, skipped and open."""
        labels = [row.get("label") for row in self.rows]
        skipped = sum(bool(row.get("skipped")) for row in self.rows if row.get("label") is None)
        found = {"good": labels.count(GOOD), "bad": labels.count(BAD), "skipped": skipped}
        return found | {"open": sum(not _is_answered(row) for row in self.rows)}

    def answer(self, label: str) -> None:
        """Label the current row, save, and go on."""
        row = self.rows[self.at]
        row.pop("skipped", None)
        row["label"] = label
        self._save()
        self._next()

    def skip(self) -> None:
        """Leave the current row without a label, or with the one that it has, and go on."""
        row = self.rows[self.at]
        if row.get("label") is None:
            row["skipped"] = True
            self._save()
        self._next()

    def give_reason(self, reason: str) -> None:
        """Write down why, for the current row; an empty reason removes it."""
        row = self.rows[self.at]
        if reason.strip():
            row["reason"] = reason.strip()
        else:
            row.pop("reason", None)
        self._save()

    def back(self) -> None:
        """Go to the row before, if there is one."""
        self.at = max(0, self.at - 1)

    def _next(self) -> None:
        self.at += 1
        while not self._again and self.current is not None and _is_answered(self.current):
            self.at += 1

    def _now(self) -> tuple[int, int, int]:
        found = self._file.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _save(self) -> None:
        row = self.rows[self.at]
        self._lines[self.at] = as_line(row)
        try:
            if self._now() != self._stamp:
                raise RefusedError(
                    "another program changed the file meanwhile; this answer is not saved",
                    where=str(self.path),
                    hint=f"curate label {self.path}",
                )
            write_whole(self._file, b"\n".join(self._lines) + b"\n")
            self._stamp = self._now()
        except OSError as error:
            raise ResourceError(
                f"the answer cannot be saved: {error.strerror}",
                where=str(self.path),
                hint="make room or get permission, and run the same command again",
            ) from error


def as_line(row: Mapping[str, Any]) -> bytes:
    r"""Return a row as a line of JSON in UTF-8; halves of surrogate pairs stay escaped.

    >>> as_line({"text": "қ"}) == '{"text": "қ"}'.encode(), as_line({"text": "\ud800"})
    (True, b'{"text": "\\ud800"}')
    """
    try:
        return json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(row).encode()


def _is_answered(row: dict[str, Any]) -> bool:
    return row.get("label") is not None or bool(row.get("skipped"))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name and rename it, so that nobody sees a part of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        if path.exists():
            partial.chmod(path.stat().st_mode & 0o7777)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
