"""Signals: numbers about a document that rules set limits on.

``SIGNALS`` is the registry, a literal dictionary: name → formula on counts. A new signal is a small
function in a family's file and one line here; it needs no new kernel if its counts exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from curate import schema
from curate.errors import RecipeError, nearest
from curate.signals import (
    basic,
    c4,
    chat,
    code,
    contacts,
    conversations,
    fineweb,
    gopher,
    japanese,
    models,
    perplexity,
    redpajama,
    repetition,
    scripts,
)
from curate.signals.formula import PHRASES, Card, Formula, read_card

__all__ = ["BUCKET", "SIGNALS", "Card", "card", "check_names", "measure"]

#: The end of the name of a signal that the stage `bucket` writes, behind that of another signal.
BUCKET = "_bucket"

SIGNALS: dict[str, Formula] = {
    "n_bytes": basic.n_bytes,
    "n_chars": basic.n_chars,
    "n_visible_chars": basic.n_visible_chars,
    "letter_share": basic.letter_share,
    "digit_share": basic.digit_share,
    "punctuation_share": basic.punctuation_share,
    "upper_case_share": basic.upper_case_share,
    "replacement_share": basic.replacement_share,
    "script_share": basic.script_share,
    "hiragana_share": basic.hiragana_share,
    "n_words": gopher.n_words,
    "mean_word_length": gopher.mean_word_length,
    "hash_word_ratio": gopher.hash_word_ratio,
    "ellipsis_word_ratio": gopher.ellipsis_word_ratio,
    "bullet_line_share": gopher.bullet_line_share,
    "ellipsis_line_share": gopher.ellipsis_line_share,
    "list_line_share": gopher.list_line_share,
    "cut_line_share": gopher.cut_line_share,
    "alphabetic_word_share": gopher.alphabetic_word_share,
    "distinct_stop_words": gopher.distinct_stop_words,
    "stop_word_share": gopher.stop_word_share,
    "stop_word_variety": gopher.stop_word_variety,
    "dup_line_share": repetition.dup_line_share,
    "dup_line_char_share": repetition.dup_line_char_share,
    "dup_paragraph_share": repetition.dup_paragraph_share,
    "dup_paragraph_char_share": repetition.dup_paragraph_char_share,
    "top_2gram_char_share": repetition.top_2gram_char_share,
    "top_3gram_char_share": repetition.top_3gram_char_share,
    "top_4gram_char_share": repetition.top_4gram_char_share,
    "dup_5gram_char_share": repetition.dup_5gram_char_share,
    "dup_6gram_char_share": repetition.dup_6gram_char_share,
    "dup_7gram_char_share": repetition.dup_7gram_char_share,
    "dup_8gram_char_share": repetition.dup_8gram_char_share,
    "dup_9gram_char_share": repetition.dup_9gram_char_share,
    "dup_10gram_char_share": repetition.dup_10gram_char_share,
    "terminal_line_share": fineweb.terminal_line_share,
    "sentence_line_char_share": fineweb.sentence_line_char_share,
    "short_line_share": fineweb.short_line_share,
    "dup_full_line_char_share": fineweb.dup_full_line_char_share,
    "newline_word_ratio": fineweb.newline_word_ratio,
    "n_curly_brackets": c4.n_curly_brackets,
    "n_lorem_ipsum": c4.n_lorem_ipsum,
    "n_sentences": c4.n_sentences,
    "longest_word": c4.longest_word,
    "longest_line": code.longest_line,
    "mean_line_length": code.mean_line_length,
    "alphanumeric_share": code.alphanumeric_share,
    "kana_in_first_50": japanese.kana_in_first_50,
    "kuten_per_char": japanese.kuten_per_char,
    "n_ads": japanese.n_ads,
    "n_adult_words": japanese.n_adult_words,
    "n_discriminating_words": japanese.n_discriminating_words,
    "n_violent_words": japanese.n_violent_words,
    "zlib_ratio": japanese.zlib_ratio,
    "n_blocked_phrases": c4.n_blocked_phrases,
    "compression_ratio": basic.compression_ratio,
    "unique_word_share": redpajama.unique_word_share,
    "unigram_entropy": redpajama.unigram_entropy,
    "all_caps_word_share": redpajama.all_caps_word_share,
    "symbol_word_ratio": redpajama.symbol_word_ratio,
    "curly_bracket_share": redpajama.curly_bracket_share,
    "lorem_ipsum_ratio": redpajama.lorem_ipsum_ratio,
    "list_mark_line_share": redpajama.list_mark_line_share,
    "words_per_line": redpajama.words_per_line,
    "main_script_share": scripts.main_script_share,
    "latin_share": scripts.latin_share,
    "cyrillic_share": scripts.cyrillic_share,
    "arabic_share": scripts.arabic_share,
    "han_share": scripts.han_share,
    "kana_share": scripts.kana_share,
    "hangul_share": scripts.hangul_share,
    "foreign_letter_share": scripts.foreign_letter_share,
    "mixed_script_word_share": scripts.mixed_script_word_share,
    "url_char_share": contacts.url_char_share,
    "email_word_ratio": contacts.email_word_ratio,
    "phone_word_ratio": contacts.phone_word_ratio,
    "unigram_log_probability": models.unigram_log_probability,
    "page_quality": models.page_quality,
    "perplexity": perplexity.perplexity,
    "perplexity_bucket": perplexity.perplexity_bucket,
    "n_turns": chat.n_turns,
    "n_answers": chat.n_answers,
    "n_null_turns": chat.n_null_turns,
    "n_empty_turns": chat.n_empty_turns,
    "n_misplaced_turns": chat.n_misplaced_turns,
    "opens_with_user": chat.opens_with_user,
    "closes_with_answer": chat.closes_with_answer,
    "prompt_chars": chat.prompt_chars,
    "answer_chars": chat.answer_chars,
    "n_control_tokens": chat.n_control_tokens,
    "n_refusals": chat.n_refusals,
    "n_boilerplate": chat.n_boilerplate,
    "n_prompt_words": chat.n_prompt_words,
    "language_difference": chat.language_difference,
    "prompt_language_score": chat.prompt_language_score,
}

#: The counts that exist only where the profile binds a list or a file, and the name of that.
LISTS = {
    "stop_words_used": "stop_words",
    "stop_words_distinct": "stop_words",
    "letters_of_scripts": "scripts",
    "letters_outside_alphabet": "alphabet",
    **PHRASES,
    "log_probabilities": "word_frequencies",
    "scored_words": "word_frequencies",
    **perplexity.LISTS,
    **conversations.PHRASES,
}


def check_names(
    names: Sequence[str], *, where: str | None = None, others: Sequence[str] = ()
) -> None:
    """Raise a RecipeError with the nearest valid name if one of the names is no signal.

    ``others`` are valid names besides those of signals.
    """
    for name in names:
        if name not in SIGNALS and name not in others:
            raise RecipeError(
                f"no signal '{name}'",
                where=where,
                hint=f"{nearest(name, (*SIGNALS, *others))}; `curate signals`",
            )


def card(name: str) -> Card:
    """Return the card of a signal.

    >>> card("n_words").source
    'Gopher quality, 50 to 100,000 words.'
    """
    check_names([name])
    return read_card(name, SIGNALS[name])


def column(name: str) -> str:
    """Return the name of the column that holds a signal; a number of the table is its own.

    >>> column("n_words"), column("n_cluster_sources")
    ('signal_n_words', 'n_cluster_sources')
    """
    return name if name in schema.NUMBERS else f"signal_{name}"


def measure(
    texts: pa.LargeStringArray,
    names: Sequence[str],
    lists: Mapping[str, Sequence[str]] | None = None,
    *,
    messages: pa.ListArray | None = None,
    identify: conversations.Identify | None = None,
) -> dict[str, pa.Array]:
    """Measure the named signals of each text: columns ``signal_<name>`` of their types.

    Null where a signal is undefined, and for a null text. ``lists`` binds the word lists of a
    profile, the list ``scripts`` (ISO 15924 names) and ``word_frequencies`` (a path). Signals of
    conversations need their ``messages``, those of their languages ``identify`` too; they are null
    without.

    >>> texts = pa.array(["a bb", ""], pa.large_string())
    >>> measured = measure(texts, ["n_words", "mean_word_length"])
    >>> [column.to_pylist() for column in measured.values()]
    [[2, 0], [1.5, None]]
    """
    from curate.signals.columns import TextCounts  # compiles kernels

    check_names(names)
    lists = lists or {}
    needed = {name: read_card(name, SIGNALS[name]).counts for name in dict.fromkeys(names)}
    wanted = (count for used in needed.values() for count in used)
    counts = TextCounts(texts, lists, wanted=wanted, measure=measure)
    absent = np.asarray(texts.is_null())
    chats = conversations.Conversations(
        pa.nulls(len(texts), pa.list_(schema.MESSAGE)) if messages is None else messages,
        lists,
        identify,
    )
    columns = {}
    for name, used in needed.items():
        of_turns = used[0] in conversations.COUNTS
        if of_turns and chats.absent.all():
            columns[column(name)] = pa.nulls(len(texts), signal_type(name))
        elif all(lists.get(LISTS[count]) for count in used if count in LISTS):
            known, missing = (chats, chats.absent) if of_turns else (counts, absent)
            values = SIGNALS[name](*(known[count] for count in used))
            nothing = missing | np.isnan(values) if values.dtype == np.float64 else missing
            mask = nothing if nothing.any() else None
            columns[column(name)] = pa.array(values, signal_type(name), mask=mask)
        else:
            columns[column(name)] = pa.nulls(len(texts), signal_type(name))
    return columns


def signal_type(name: str) -> pa.DataType:
    """Return the type of a signal's column.

    It is int64 if its formula counts, float64 if it divides, string if it names.
    """
    returned = str(SIGNALS[name].__annotations__["return"])
    return {"Integers": pa.int64(), "Categories": pa.string()}.get(returned, pa.float64())
