"""Counters from a ``tokenizer.json`` (Hugging Face tokenizers)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError, ResourceError
from curate.paths.hub import fetch_file

#: Texts and characters per call; the library returns ids, which are larger than the text.
_TEXTS, _CHARACTERS = 512, 1 << 23


@dataclass(frozen=True)
class HuggingFaceCounter:
    """Counts with the tokenizers library, with the model and normalizer of the file."""

    name: str
    digest: str
    path: str

    def count(self, texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
        """Count each text without special tokens; null and empty are 0."""
        counts = np.zeros(len(texts), np.int64)
        tokenizer = load(self.path, self.digest)
        batch: list[str] = []
        rows: list[int] = []
        size = 0
        for row, text in enumerate(texts):
            content = text.as_py()
            if content:
                batch.append(content)
                rows.append(row)
                size += len(content)
            if batch and (row + 1 == len(texts) or len(batch) >= _TEXTS or size >= _CHARACTERS):
                encoded = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
                counts[rows] = [len(encoding) for encoding in encoded]
                batch, rows, size = [], [], 0
        return counts


def from_file(path: Path, name: str | None = None) -> HuggingFaceCounter:
    """Load a ``tokenizer.json`` on disk; the digest is of the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        what = f"cannot read the tokenizer: {error.strerror or error}"
        hint = "give the path of a tokenizer.json, or hf:<repository>"
        raise RecipeError(what, where=str(path), hint=hint) from None
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    load(str(path), digest)
    return HuggingFaceCounter(name=name or str(path), digest=digest, path=str(path))


def from_repository(repository: str) -> HuggingFaceCounter:
    """Fetch ``tokenizer.json`` of a Hugging Face Hub repository (``owner/name[@revision]``)."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    where = f"hf:{repository}"
    file = "or give the path of a tokenizer.json"
    owner_name, _, revision = repository.partition("@")
    try:
        path = fetch_file(owner_name, "tokenizer.json", revision=revision or None)
    except HFValidationError as error:
        raise RecipeError(str(error), where=where) from None
    except GatedRepoError:
        what = "the tokenizer is of a gated model, whose owner lets in who asked for access"
        hint = f"ask on the model's page and log in with `hf auth login`, {file}"
        raise ResourceError(what, where=where, hint=hint) from None
    except RepositoryNotFoundError:
        what = f"the hub has no model '{owner_name}', or it is private"
        hint = f"see how its page writes the name, log in with `hf auth login`, {file}"
        raise RecipeError(what, where=where, hint=hint) from None
    except LocalEntryNotFoundError:
        what = "the Hugging Face Hub cannot be reached, and the tokenizer is not in its cache"
        hint = f"see whether this machine has a connection, {file}"
        raise ResourceError(what, where=where, hint=hint) from None
    except (HfHubHTTPError, OSError) as error:
        what = f"cannot fetch the tokenizer: {' '.join(str(error).split())[:300]}"
        raise ResourceError(what, where=where, hint=file.removeprefix("or ")) from None
    return from_file(Path(path), name=f"hf:{repository}")


def beside(counting: HuggingFaceCounter, name: str) -> bytes | None:
    """Return a file of the folder or repository of a ``tokenizer.json``; None if it has none."""
    path = Path(counting.path).with_name(name)
    if counting.name.startswith("hf:"):
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

        repository, _, revision = counting.name.removeprefix("hf:").partition("@")
        try:
            path = Path(fetch_file(repository, name, revision=revision or None))
        except EntryNotFoundError:  # also where it is neither cached nor to be had
            return None
        except (HfHubHTTPError, OSError) as error:
            raise ResourceError(f"cannot fetch {name}: {error}", where=counting.name) from None
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def config_of(counting: HuggingFaceCounter) -> dict[str, Any]:
    """Return ``tokenizer_config.json``; empty where there is none."""
    try:
        config = json.loads(beside(counting, "tokenizer_config.json") or b"{}")
    except ValueError as error:
        what = f"the tokenizer_config.json beside it is no JSON: {error}"
        raise RecipeError(what, where=counting.path) from None
    return config if isinstance(config, dict) else {}


def named_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the tokens that a configuration names, by their names.

    >>> named_tokens({"eos_token": {"content": "</s>"}, "pad_token": None, "bos_token": "<s>"})
    {'eos_token': '</s>', 'bos_token': '<s>'}
    """
    named = {
        key: value.get("content") if isinstance(value, dict) else value
        for key, value in config.items()
        if key.endswith("_token")
    }
    return {key: value for key, value in named.items() if isinstance(value, str)}


@lru_cache(maxsize=4)
def load(path: str, digest: str) -> Any:
    """Load a tokenizer, once per process and digest."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(path)
    except Exception as error:  # the library raises a bare Exception for every kind of bad file
        raise RecipeError(f"not a tokenizer.json: {error}", where=path) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # one that stands in a text is text
    return tokenizer
