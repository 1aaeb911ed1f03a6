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
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    owner_name, _, revision = repository.partition("@")
    try:
        path = hf_hub_download(owner_name, "tokenizer.json", revision=revision or None)
    except HFValidationError as error:
        raise RecipeError(str(error), where=f"hf:{repository}") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ResourceError(
            f"cannot fetch the tokenizer: {error}",
            where=f"hf:{repository}",
            hint="for a gated model log in with `hf auth login`, "
            "or give the path of a tokenizer.json",
        ) from None
    return from_file(Path(path), name=f"hf:{repository}")


def beside(counting: HuggingFaceCounter, name: str) -> bytes | None:
    """Return a file of the folder or repository of a ``tokenizer.json``; None if it has none."""
    path = Path(counting.path).with_name(name)
    if counting.name.startswith("hf:"):
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

        repository, _, revision = counting.name.removeprefix("hf:").partition("@")
        try:
            path = Path(hf_hub_download(repository, name, revision=revision or None))
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
