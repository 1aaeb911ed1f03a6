"""The card of an extended tokenizer, as Markdown; its values are those of ``card.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.report.format import code, number, percent, ratio, size

#: What is not a new token, or not learned from, in words.
_REFUSED = {
    "cuts_a_character": "would hold a part of a character and more than that",
    "not_reachable": "would not be what their own bytes are encoded as",
    "in_the_base": "have the bytes of a token that the base makes of other halves",
}
_LEFT_OUT = {
    "long": "longer than 256 bytes",
    "added_tokens": "added tokens of the base that stood in the text",
}


def extension_card(card: Mapping[str, Any]) -> str:
    """Return the README of a folder with an extended tokenizer."""
    vocabulary, text = card["vocabulary"], card["text"]
    lines = [
        f"# {code(card['base']['name'])}, extended by {number(vocabulary['added'])} tokens",
        "",
        f"Made by curate {card['curate']} from {number(text['documents'])} documents"
        f" ({size(text['bytes'])}) of {', '.join(map(code, card['on']))},"
        f" in {', '.join(map(code, card['languages']))}.",
        "",
        *_bounded(text),
        f"- Vocabulary: {number(vocabulary['before'])} before, {number(vocabulary['after'])} after."
        f" New tokens are the ids from {vocabulary['first_new_id']} to {vocabulary['after'] - 1};"
        " every old id, special tokens too, is unchanged.",
        "- Every new token was encoded from its own bytes, by merges alone, to prove it.",
        f"- The halves of the last new token met {number(card['last_count'])} times, of at least"
        f" {number(card['min_count'])}.",
        f"- Digest of the base {code(card['base']['digest'])}, of the result"
        f" {code(card['extended']['digest'])}.",
        "",
        "## Before and after, on documents that were held out",
        "",
        f"{percent(card['held_out']['share'])} of the documents of each language, at least 20 or a"
        " fifth, chosen by a hash of the id. Words stand between spaces; scripts without spaces"
        " have none.",
        "",
        "| language | documents | bytes | tokens/word before | after | bytes/token before | after"
        " | tokens |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *map(_row, card["fertility"]),
        "",
        *_without(card["held_out"]["without"]),
        "## What was not learned",
        "",
        *(f"- {number(card['refused'][name])} pairs {words}." for name, words in _REFUSED.items()),
        *(
            f"- {number(text['left_out'][name])} of {number(text['pieces'])} pieces: {words}."
            for name, words in _LEFT_OUT.items()
        ),
        "",
        "## Files",
        "",
        "- `tokenizer.json`, `tokenizer_config.json`: for `tokenizers` and `transformers`.",
        _tiktoken(card["tiktoken"]),
        "- `new_tokens.parquet`: `new_id`, `token` (bytes), `text` (null for part of a character),"
        " `occurrences`, `old_ids` (the tokens that spelled it), and `weight_ids` with `weights`:"
        f" {_weights(card['weights'])}",
        "- `card.json`: the values of this page.",
        "",
    ]
    return "\n".join(lines)


def _bounded(text: Mapping[str, Any]) -> list[str]:
    if not text["bounded_by"]:
        return []
    reasons = {"scan": "it is more than `--scan`", "pieces": "it has too many different pieces"}
    left = number(text["documents_not_read"])
    why = reasons[text["bounded_by"]]
    return [f"- Not all of the text was learned from, because {why}: {left} documents were not."]


def _row(row: Mapping[str, Any]) -> str:
    before, after = row["tokens_before"], row["tokens_after"]
    change = f"{100 * (after / before - 1):+.1f} %" if before else "–"
    cells = [
        code(row["language"]),
        number(row["documents"]),
        number(row["bytes"]),
        ratio(row["tokens_per_word_before"]),
        ratio(row["tokens_per_word_after"]),
        ratio(row["bytes_per_token_before"]),
        ratio(row["bytes_per_token_after"]),
        change,
    ]
    return f"| {' | '.join(cells)} |"


def _without(languages: list[str]) -> list[str]:
    if not languages:
        return []
    return [f"Not measured, because of fewer than 5 documents: {', '.join(languages)}.", ""]


def _tiktoken(form: Mapping[str, Any]) -> str:
    if form["written"]:
        return (
            "- `tokenizer.model`: a line per token with its rank, for tiktoken; `tiktoken.json` has"
            " the pattern and the special tokens, whose ids lie between the old and the new ranks."
            " It encodes all held-out texts as `tokenizer.json` does."
        )
    if form["texts_that_differ"] is None:
        return (
            "- There is no form for tiktoken: the base does more to a text than to split it by one"
            " pattern."
        )
    return (
        "- There is no form for tiktoken: it would encode"
        f" {number(form['texts_that_differ'])} of the held-out texts otherwise, because the base"
        " has one merge per token."
    )


def _weights(weights: Mapping[str, Any]) -> str:
    mean = "the embedding of a new token begins as the mean of those of its `old_ids`."
    if not weights["vectors"]:
        return mean
    return (
        f"for {number(weights['similar'])} tokens the {weights['top']} old tokens with the most"
        " similar vectors, by cosine similarity (compare arXiv 2407.12869), else " + mean
    )
