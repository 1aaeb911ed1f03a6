"""From a recipe's template to the tokens of conversations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from curate.errors import RecipeError, nearest
from curate.protocol.chat import Messages
from curate.storage.packing.own_template import OwnTemplate
from curate.storage.packing.templates import NAMED, NamedTemplate, Piece, Unfit
from curate.tokens import counter
from curate.tokens.encode import Encoder, Masked, Section, encoder
from curate.tokens.huggingface import HuggingFaceCounter, beside, config_of, named_tokens

#: A recipe's name of the template that belongs to the tokenizer.
OWN = "tokenizer"

#: The deepest JSON that a template is given: how deep Python could go depends on the engine.
_DEPTH = 64

#: A conversation that any template can write, to try it before a run.
_PLAIN: Messages = [
    {"role": role, "content": content}
    for role, content in (("user", "a?"), ("assistant", "b."), ("user", "c?"), ("assistant", "d."))
]


@dataclass(frozen=True)
class ChatTemplate:
    """Writes conversations for one tokenizer."""

    template: NamedTemplate | OwnTemplate
    tokens: Encoder
    everything: bool  #: train on all but answers of weight 0, not on answers only

    def encode(self, conversations: Sequence[Sequence[Piece]]) -> list[Masked]:
        """Return the tokens of conversations that `pieces` returned."""
        divided = [list(self._divided(pieces)) for pieces in conversations]
        sections = [part for parts in divided for part in parts if isinstance(part, Section)]
        encoded = iter(self.tokens.encode_sections(sections))
        return [
            _joined([next(encoded) if isinstance(p, Section) else p for p in parts])
            for parts in divided
        ]

    @property
    def digest(self) -> str:
        """A digest of the tokenizer and the template."""
        own = self.template
        written = (own.source, own.variables) if isinstance(own, OwnTemplate) else ()
        parts = repr((self.tokens.digest, sorted(self.tokens.special.items()), written))
        return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()

    def pieces(self, messages: Messages, tools: str | None) -> list[Piece]:
        """Return a conversation's pieces; raise Unfit where the template cannot write it."""
        if any(map(_too_deep, _json_texts(messages, tools))):
            raise Unfit("nested_too_deep")
        unweighted = any(turn.get("weight") == 0 for turn in messages)
        answers = not self.everything or unweighted
        return self.template.pieces(messages, tools, answers=answers)

    def _divided(self, pieces: Sequence[Piece]) -> list[Section | Masked]:
        """Join the texts between two special tokens: a tokenizer reads them as one."""
        divided: list[Section | Masked] = []
        texts: list[tuple[str, bool]] = []
        if (begin := self._begin()) is not None:
            divided.append(([begin], np.array([self.everything])))
        for piece in chain(pieces, [None]):
            if piece is not None and not piece.special:
                if piece.text:
                    texts.append((piece.text, self._trained(piece)))
                continue
            if texts:
                divided.append(Section(tuple(texts), first=not divided))
                texts = []
            if piece is not None:
                token = self.tokens.special[piece.text]
                divided.append(([token], np.array([self._trained(piece)])))
        return divided

    def _begin(self) -> int | None:
        if isinstance(self.template, OwnTemplate):
            return None  # it writes the token itself
        return (
            self.tokens.special[self.template.begin] if self.template.begin else self.tokens.begin
        )

    def _trained(self, piece: Piece) -> bool:
        return piece.answer is not False if self.everything else piece.answer is True


def _json_texts(messages: Messages, tools: str | None) -> Iterator[str]:
    """Yield what a template may take apart: the tools, and the arguments of calls."""
    yield from [tools] if tools else []
    for message in messages:
        for call in json.loads(message.get("tool_calls") or "[]"):
            yield call["function"]["arguments"]


def _too_deep(text: str) -> bool:
    """Return whether JSON text is nested deeper than `_DEPTH`."""
    try:
        level = [json.loads(text)]
    except ValueError:
        return False
    except RecursionError:
        return True
    for _ in range(_DEPTH):
        objects = (value.values() if isinstance(value, dict) else value for value in level
                   if isinstance(value, dict | list))  # fmt: skip
        level = list(chain.from_iterable(objects))
        if not level:
            return False
    return True


def _joined(parts: Sequence[Masked]) -> Masked:
    ids = list(chain.from_iterable(ids for ids, _ in parts))
    return ids, np.concatenate([np.empty(0, np.bool_), *(trained for _, trained in parts)])


@lru_cache(maxsize=4)
def chat_template(
    name: str, tokenizer: str | None, end: str | None, *, everything: bool
) -> ChatTemplate:
    """Load a template for a tokenizer and try it; raise RecipeError where the two do not fit."""
    tokens = encoder(tokenizer, end)
    template = _own(tokens) if name == OWN else _named(name, tokens)
    found = ChatTemplate(template, tokens, everything)
    try:
        pieces = found.pieces(_PLAIN, None)
    except Unfit as unfit:
        raise RecipeError(_refused(name, unfit), where=tokens.name, hint=_HINT) from None
    _check_tokens(found, pieces)
    return found


_HINT = "template = 'llama-3', 'chatml' or 'mistral', or a template with {% generation %}"


def _refused(name: str, unfit: Unfit) -> str:
    if unfit.args[0] == "not_prefix_stable":
        return (
            "the tokenizer's chat template writes an answer otherwise once a later turn follows,"
            " so that its tokens cannot be told from the rest"
        )
    return f"template '{name}' refuses a plain conversation of two questions: {unfit.__cause__}"


def _check_tokens(found: ChatTemplate, pieces: Sequence[Piece]) -> None:
    """Raise RecipeError where a tokenizer reads a rendering otherwise than its pieces."""
    counting = counter(found.tokens.name)
    if not isinstance(counting, HuggingFaceCounter):
        return  # special tokens divide the text, and nothing else is done
    from tokenizers import Tokenizer

    reading = Tokenizer.from_file(counting.path)
    whole = reading.encode("".join(piece.text for piece in pieces), add_special_tokens=False).ids
    ids = found.encode([pieces])[0][0]
    begin = ids[:1] if found._begin() is not None else []
    if begin + whole != ids:
        raise RecipeError(
            "the tokenizer takes white space away beside special tokens, or changes them",
            where=counting.path,
            hint="write formats = ['jsonl'], and let the trainer tokenize",
        )


def _named(name: str, tokens: Encoder) -> NamedTemplate:
    if name not in NAMED:
        raise RecipeError(f"no template '{name}': {nearest(name, [*NAMED, OWN])}")
    template = NAMED[name]
    missing = [token for token in template.special if token not in tokens.special]
    if missing:
        fitting = [one for one, t in NAMED.items() if all(s in tokens.special for s in t.special)]
        raise RecipeError(
            f"template '{name}' writes the token '{missing[0]}', which the tokenizer"
            f" '{tokens.name}' does not have",
            hint=f"templates for its special tokens: {', '.join(fitting) or OWN}",
        )
    return template


def _own(tokens: Encoder) -> OwnTemplate:
    """Return the template in the tokenizer's folder: ``chat_template.jinja``, or in its config."""
    counting = counter(tokens.name)
    config: dict[str, Any] = {}
    source: Any = None
    if isinstance(counting, HuggingFaceCounter):
        config = config_of(counting)
        written = beside(counting, "chat_template.jinja")
        source = written.decode() if written is not None else config.get("chat_template")
    if isinstance(source, list):  # several by name
        named = {str(one["name"]): one["template"] for one in source}
        source = named.get("default")
    if not isinstance(source, str):
        raise RecipeError(
            f"the tokenizer '{tokens.name}' has no chat template of its own",
            hint="it is read from chat_template.jinja or tokenizer_config.json beside"
            " tokenizer.json; or template = 'llama-3', 'chatml' or 'mistral'",
        )
    return OwnTemplate(source, tuple(tokens.special), tuple(named_tokens(config).items()))
