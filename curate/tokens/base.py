"""The tokenizer that is extended: any byte-level BPE, as the content of a ``tokenizer.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.errors import RecipeError
from curate.tokens import TokenCounter, counter
from curate.tokens.byte_level import ALPHABET, read, tokenizer_json
from curate.tokens.huggingface import HuggingFaceCounter, beside, load
from curate.tokens.rank_file import RankFileCounter, read_rank_file
from curate.tokens.tekken import TekkenCounter, tekken_encoding
from curate.tokens.tiktoken_bpe import TiktokenCounter

#: Files beside a ``tokenizer.json`` that a model's tokenizer is made of, too.
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")

#: What the pre-tokenizer ByteLevel splits text with, where it does: GPT-2's pattern.
_GPT_2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

#: Models of a tokenizer.json that are no BPE, with what they are.
_OTHER_KINDS = {
    "Unigram": "Unigram, as SentencePiece trains it",
    "WordPiece": "WordPiece, as BERT has it",
    "WordLevel": "WordLevel, a list of words",
}


@dataclass(frozen=True)
class Base:
    """A byte-level BPE tokenizer; its numbers are those of the model's embeddings."""

    counter: TokenCounter
    config: Mapping[str, Any]  #: the content of its tokenizer.json
    beside: Mapping[str, bytes]  #: the files beside it
    begin: str | None = None  #: the special token that begins a text, where only the base says it
    end: str | None = None  #: and the one that ends it

    @cached_property
    def specials(self) -> dict[str, int]:
        """The added tokens, special or not: text is never merged with them."""
        added = self.config.get("added_tokens") or []
        return {str(token["content"]): int(token["id"]) for token in added}

    @cached_property
    def tokens(self) -> dict[int, bytes]:
        """The ordinary tokens by number."""
        vocabulary: dict[str, int] = self.config["model"]["vocab"]
        return {
            number: read(token)
            for token, number in sorted(vocabulary.items(), key=lambda item: item[1])
            if token not in self.specials
        }

    @cached_property
    def first(self) -> int:
        """The first number behind all tokens, special ones too."""
        vocabulary: dict[str, int] = self.config["model"]["vocab"]
        return max([*vocabulary.values(), *self.specials.values()]) + 1

    @cached_property
    def merges(self) -> list[tuple[str, str]]:
        """The merges in their order, as pairs of written tokens."""
        merges = self.config["model"]["merges"]
        pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in merges)
        return [(left, right) for left, right in pairs]

    def merged_numbers(self) -> npt.NDArray[np.int32]:
        """Return the merges as rows of (left, right, joined)."""
        vocabulary = self.config["model"]["vocab"]
        rows = [(vocabulary[a], vocabulary[b], vocabulary[a + b]) for a, b in self.merges]
        return np.array(rows, np.int32).reshape(-1, 3)

    @property
    def whole(self) -> bool:
        """Whether a piece that is a token is this token, whether merges lead to it or not."""
        return bool(self.config["model"].get("ignore_merges"))

    @cached_property
    def pattern(self) -> str | None:
        """The one pattern that splits text, or None where more than that is done to a text."""
        first = self.config.get("pre_tokenizer") or {}
        steps = first.get("pretokenizers", [first])
        last = steps[-1]
        if self.config.get("normalizer") or last.get("add_prefix_space"):
            return None
        if len(steps) == 1 and last["type"] == "ByteLevel" and last.get("use_regex", True):
            return _GPT_2_PATTERN
        if [step["type"] for step in steps] == ["Split", "ByteLevel"] and not last["use_regex"]:
            split = steps[0]
            pattern: str | None = split["pattern"].get("Regex")
            return pattern if split["behavior"] == "Isolated" and not split["invert"] else None
        return None


def load_base(name: str) -> Base:
    """Load the base by a counter's name; raise RecipeError where it is no byte-level BPE."""
    counting = counter(name)
    if isinstance(counting, TekkenCounter):
        return _tekken(counting)
    if isinstance(counting, RankFileCounter):
        found = read_rank_file(counting.name)
        config = tokenizer_json(found.ranks, found.specials, found.pattern, found.begin)
        return Base(counting, config, {}, found.begin, found.end)
    if isinstance(counting, TiktokenCounter):
        encoding = counting.encoding
        numbers = {text: encoding.encode_single_token(text) for text in encoding.special_tokens_set}
        specials = dict(sorted(numbers.items(), key=lambda item: item[1]))
        config = tokenizer_json(encoding._mergeable_ranks, specials, encoding._pat_str)
        return Base(counting, config, {}, end="<|endoftext|>")
    if isinstance(counting, HuggingFaceCounter):
        return _hugging_face(counting)
    raise RecipeError(f"'{counting.name}' has no vocabulary", hint="give a tokenizer.json")


def _tekken(counting: TekkenCounter) -> Base:
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    encoding, first = tekken_encoding()
    known = {int(t["rank"]): str(t["token_str"]) for t in Tekkenizer.DEPRECATED_SPECIAL_TOKENS}
    names = [known.get(number, f"<SPECIAL_{number}>") for number in range(first)]
    tokens = {token: rank + first for token, rank in encoding._mergeable_ranks.items()}
    specials = {name: number for number, name in enumerate(names)}
    config = tokenizer_json(tokens, specials, encoding._pat_str, "<s>")
    return Base(counting, config, {}, "<s>", "</s>")


def _hugging_face(counting: HuggingFaceCounter) -> Base:
    config = json.loads(Path(counting.path).read_bytes())
    model = config["model"]
    kind = model.get("type") or "BPE"
    where = counting.name
    if kind in _OTHER_KINDS:
        raise RecipeError(
            f"this tokenizer is {_OTHER_KINDS[kind]}; only byte-level BPE can be extended",
            where=where,
            hint="BPE as in GPT-2, Llama 3, Qwen, Tekken: its merges go on where they ended",
        )
    first = config.get("pre_tokenizer") or {}
    steps = {step.get("type") for step in first.get("pretokenizers", [first])}
    if model.get("byte_fallback") or "ByteLevel" not in steps:
        raise RecipeError(
            "this tokenizer is BPE of characters, as SentencePiece trains it; only byte-level BPE"
            " can be extended",
            where=where,
            hint="its pre_tokenizer must be, or end with, ByteLevel",
        )
    odd = [
        key
        for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix")
        if model.get(key)
    ]
    if odd:
        raise RecipeError(f"a BPE with {odd[0]} cannot be extended", where=where)
    added = {token["content"]: token["id"] for token in config.get("added_tokens") or []}
    written = set(model["vocab"]) - set(added)
    missing = ALPHABET - written
    strange = sorted(token for token in written if not token or not set(token) <= ALPHABET)
    if missing or strange:
        what = (
            f"the token '{strange[0]}' is not written in the byte alphabet"
            if strange
            else f"{len(missing)} of the 256 bytes are no tokens, so not every text has tokens"
        )
        raise RecipeError(what, where=where)
    loaded = load(counting.path, counting.digest)
    for token, number in added.items():
        if loaded.token_to_id(token) != number:
            raise RecipeError(
                f"the added token '{token}' has the id {number} here, but the tokenizers library"
                f" gives it {loaded.token_to_id(token)}",
                where=where,
                hint="give each token that the model has its id in model.vocab",
            )
    files = {name: beside(counting, name) for name in _BESIDE}
    return Base(counting, config, {name: data for name, data in files.items() if data is not None})
