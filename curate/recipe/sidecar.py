"""What a recipe asks of a sidecar: files with more columns for documents that are elsewhere."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from curate.recipe.section import Section

#: The hashes of a text that a sidecar may be joined by.
HASHES = ("md5", "sha1", "sha256")


class Sidecar(Section):
    """Columns that files beside the inputs have for documents, found by a key.

    They become columns of the documents of all sources before the first stage, as if the inputs had
    them: null where no row has the document's key. Keys that match nothing are counted on both
    sides; a key that two rows have is an error.
    """

    path: tuple[str, ...] = Field(min_length=1)
    """Files, folders, patterns or addresses. Example: "scores/*.parquet"."""
    format: Literal["parquet", "jsonl"] | None = None
    """The format of the files; without it what their endings say. Example: "jsonl"."""
    by: Literal["id", "own_id", "url", "md5", "sha1", "sha256"] = "id"
    """What the key is: the document's ``id``, the ``own_id`` that the record itself has (where its
    source names an ``id`` field), its ``url`` as written, or a hash of the UTF-8 bytes of the text
    as it was read, in hex or as bytes. Example: "url"."""
    key: str | None = None
    """The field of the key; without it ``id`` (also of own ids), ``url``, or the name of the hash.
    Example: "meta.url"."""
    columns: tuple[str, ...] | dict[str, str] = Field(min_length=1)
    """Fields to take, in dotted steps where they are nested; a table gives them other names:
    { quality = "score" }. Example: ["score"]."""

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @property
    def key_field(self) -> str:
        """The field of the key."""
        return self.key or self.by.removeprefix("own_")

    @property
    def fields(self) -> dict[str, str]:
        """The field of each column that is taken."""
        if isinstance(self.columns, dict):
            return self.columns
        return {name: name for name in self.columns}
