"""A tokenizer's own chat template, in Jinja, run in a sandbox.

Crawled text never becomes a special token: in what a message says, each spelling of one is broken
by a sign that the conversation does not have, before the template sees it. Special tokens of the
rendering are therefore the template's. The sign is taken out of the text again.

Where an answer begins and ends is what the template marks by ``{% generation %}``, else the
difference of two renderings: the conversation before the answer with the prompt for it, and the
conversation with it. That holds only where each is the beginning of the whole rendering; a template
that writes earlier turns in another way once there are later ones is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from curate.protocol.chat import Messages, openai
from curate.storage.packing.templates import Piece, Unfit, parsed

#: Characters of renderings that the search for the answers of one conversation may make.
_RENDERED = 1 << 28

#: What may go wrong inside a template, by its own ``raise_exception`` or by what it assumes.
_FAILURES = (
    TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError,
    RecursionError,
)  # fmt: skip

#: Signs without a meaning: noncharacters, then the private ones of the last plane.
_SIGNS = (*range(0xFDD0, 0xFDF0), *range(0x10F000, 0x10FFFE))

_BEGIN, _END = "_answer_begins", "_answer_ends"


class _Generation(Extension):
    """``{% generation %}``: what is between is an answer; a sign is put before and after it."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        signs: list[nodes.Expr] = [nodes.Name(name, "load") for name in (_BEGIN, _END)]
        call = self.call_method("_between", signs)
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _between(self, begin: str, end: str, caller: Callable[[], str]) -> str:
        return begin + caller() + end


@dataclass(frozen=True)
class _Signs:
    """Three signs that a conversation does not have."""

    broken: str  #: in a spelling of a special token that is text
    begin: str
    end: str


@dataclass(frozen=True)
class OwnTemplate:
    """A template in Jinja, and the special tokens of its tokenizer."""

    source: str
    special: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()  #: such as ``bos_token``

    begin = None

    def pieces(self, messages: Messages, tools: str | None, *, answers: bool = True) -> list[Piece]:
        """Return a conversation's pieces, the token before it included; Unfit if it cannot be.

        Without ``answers`` they are not searched for, and no piece is of one.
        """
        turns = [_turn(message) for message in openai(messages)]
        schemas = parsed(tools) if tools else None
        signs = _unused(chain(_strings(turns), _strings(schemas), (self.source,)))
        turns, schemas = self._broken(turns, signs), self._broken(schemas, signs)
        whole = self._render(turns, schemas, signs)
        weights = [m.get("weight") != 0 for m in messages if m["role"] == "assistant"]
        if not answers:
            spans: Sequence[tuple[int, int]] = ()
        elif self._marks_answers:
            spans = [found.span(1) for found in _marked(signs).finditer(whole)]
        else:
            spans = self._differences(whole, turns, schemas, signs)
        if answers and len(spans) != len(weights):
            if not all(weights):
                raise Unfit("answers_not_found")
            weights = [True] * len(spans)
        return list(self._cut(whole, spans, weights, signs))

    @cached_property
    def _template(self) -> Any:
        engine = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        engine.filters["tojson"] = _to_json
        engine.globals["raise_exception"] = _raise
        return engine.from_string(self.source)

    @cached_property
    def _marks_answers(self) -> bool:
        return re.search(r"\{%[-+]?\s*generation\b", self.source) is not None

    @cached_property
    def _spelled(self) -> re.Pattern[str]:
        """The spellings of special tokens, the longest first."""
        return re.compile("|".join(map(re.escape, self._longest_first)) or r"(?!)")

    @cached_property
    def _begun(self) -> re.Pattern[str]:
        """The first sign of a special token wherever one is spelled, inside another one, too."""
        rests: dict[str, list[str]] = {}
        for name in self._longest_first:
            rests.setdefault(name[0], []).append(re.escape(name[1:]))
        # A literal first: the search skips what begins no special token.
        return re.compile(
            "|".join(f"{re.escape(first)}(?={'|'.join(rest)})" for first, rest in rests.items())
            or r"(?!)"
        )

    @property
    def _longest_first(self) -> list[str]:
        return sorted(filter(None, self.special), key=lambda name: (-len(name), name))

    def _broken(self, value: Any, signs: _Signs) -> Any:
        """Return a value with `signs.broken` after the first sign of every special token in it."""
        if isinstance(value, str):
            return self._begun.sub(lambda found: found[0] + signs.broken, value)
        if isinstance(value, Mapping):
            items = value.items()
            return {self._broken(key, signs): self._broken(one, signs) for key, one in items}
        return [self._broken(one, signs) for one in value] if isinstance(value, list) else value

    def _render(self, turns: list[Any], tools: Any, signs: _Signs, *, prompt: bool = False) -> str:
        try:
            return str(
                self._template.render(
                    messages=turns,
                    tools=tools,
                    documents=None,
                    add_generation_prompt=prompt,
                    **dict(self.variables),
                    **{_BEGIN: signs.begin, _END: signs.end},
                )
            )
        except _FAILURES as error:
            raise Unfit("refused_by_template") from error

    def _differences(
        self, whole: str, turns: list[Any], tools: Any, signs: _Signs
    ) -> list[tuple[int, int]]:
        answers = [at for at, turn in enumerate(turns) if turn["role"] == "assistant"]
        if 2 * len(answers) * len(whole) > _RENDERED:
            raise Unfit("too_many_answers")
        spans = []
        for at in answers:
            before = self._render(turns[:at], tools, signs, prompt=True)
            after = self._render(turns[: at + 1], tools, signs)
            if not (whole.startswith(after) and after.startswith(before)):
                raise Unfit("not_prefix_stable")
            spans.append((len(before), self._end(after, len(before), signs)))
        return spans

    def _end(self, after: str, start: int, signs: _Signs) -> int:
        """Return where an answer ends: white space after its last special token is not of it."""
        ends = [found.end() for found in self._names(signs).finditer(after, start)]
        return ends[-1] if ends and not after[ends[-1] :].strip() else len(after)

    def _names(self, signs: _Signs) -> re.Pattern[str]:
        return re.compile(f"(?:{self._spelled.pattern})(?!{signs.broken})")

    def _cut(
        self, whole: str, spans: Sequence[tuple[int, int]], weights: list[bool], signs: _Signs
    ) -> Iterator[Piece]:
        """Yield text and special tokens, divided where answers begin and end."""
        edges: list[tuple[int, int, bool | None]] = []
        at = 0
        for (start, end), weight in zip(spans, weights):
            edges += [(at, start, None), (start, end, weight)]
            at = end
        noise = dict.fromkeys(map(ord, (signs.broken, signs.begin, signs.end)))
        names = self._names(signs)
        for start, end, answer in [*edges, (at, len(whole), None)]:
            for found in names.finditer(whole, start, end):
                yield Piece(whole[start : found.start()].translate(noise), answer)
                yield Piece(found[0], answer, special=True)
                start = found.end()
            yield Piece(whole[start:end].translate(noise), answer)


def _marked(signs: _Signs) -> re.Pattern[str]:
    return re.compile(f"{signs.begin}([^{signs.end}]*){signs.end}")


def _turn(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as templates read it: a content always, arguments as objects, no weight."""
    turn = {**message, "content": message["content"] or ""}
    turn.pop("weight", None)
    if calls := turn.get("tool_calls"):
        turn["tool_calls"] = [{**call, "function": _function(call["function"])} for call in calls]
    return turn


def _function(function: dict[str, Any]) -> dict[str, Any]:
    return {**function, "arguments": parsed(function["arguments"])}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _strings(key)
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _unused(texts: Iterator[str]) -> _Signs:
    used: set[str] = set()
    for text in texts:
        used.update(text)
    free = (sign for sign in map(chr, _SIGNS) if sign not in used)
    try:
        return _Signs(next(free), next(free), next(free))
    except StopIteration:
        raise Unfit("all_signs_used") from None


def _to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _raise(message: str) -> None:
    raise TemplateError(message)
