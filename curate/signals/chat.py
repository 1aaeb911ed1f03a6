"""Signals of conversations. Undefined (null) for every other document."""

from __future__ import annotations

from curate.signals.formula import Floats, Integers


def n_turns(turns: Integers) -> Integers:
    """Turns of the conversation, those of the system and of tools too.

    Why: one turn alone teaches nothing; hundreds are a log of two programs.
    Wrong: a limit for chat is too low for agents that call tools.
    Source: FastChat's cleaning requires at least 2.
    """
    return turns


def n_answers(answer_turns: Integers) -> Integers:
    """Turns of the assistant.

    Why: without an answer there is nothing to learn.
    Wrong: data of prompts alone have none on purpose.
    Source: curate.
    """
    return answer_turns


def n_null_turns(null_turns: Integers) -> Integers:
    """Turns whose content is null, without a tool call.

    Why: the content was lost; Suzume's preparation drops such conversations.
    Wrong: only a chat source with ``nulls = "keep"`` keeps them until here.
    Source: Suzume's model card, none.
    """
    return null_turns


def n_empty_turns(blank_turns: Integers) -> Integers:
    """Turns of the user or the assistant with nothing but white space, without a tool call.

    Null turns do not count, nor do empty ones of the system and of tools.
    Why: a model learns empty answers from them.
    Wrong: pictures and files that the user sent leave an empty turn.
    Source: FastChat's cleaning stops at the first empty turn.
    """
    return blank_turns


def n_misplaced_turns(misplaced_turns: Integers) -> Integers:
    """Turns that cannot follow the one before: a role twice, an uncalled tool, a late system turn.

    Words and then a tool call of the assistant are one answer.
    Why: templates of most models require strict alternation; a gap means that a turn was lost.
    Wrong: people do send two messages in a row.
    Source: FastChat's cleaning requires strict alternation.
    """
    return misplaced_turns


def opens_with_user(opens_with_user: Integers) -> Integers:
    """1 where the first turn after the system's is the user's, else 0.

    Why: an answer without a question was cut out of something longer.
    Wrong: a bot that greets first.
    Source: FastChat's cleaning drops leading turns that are not human.
    """
    return opens_with_user


def closes_with_answer(closes_with_answer: Integers) -> Integers:
    """1 where the last turn is the assistant's, else 0.

    Why: a last question is not trained on, and may mean that the answer was lost.
    Wrong: data of prompts alone.
    Source: FastChat's cleaning drops a trailing human turn.
    """
    return closes_with_answer


def prompt_chars(prompt_size: Integers) -> Integers:
    """Code points of the user's turns, without white space around turns.

    Why: "?" and "." are no prompts.
    Wrong: a character of Chinese carries about as much as four of English.
    Source: Tagengo keeps prompts of more than 1.
    """
    return prompt_size


def answer_chars(answer_size: Integers) -> Integers:
    """Code points of the assistant's turns, with reasoning and calls, without white space around.

    Why: conversations of nothing but empty politeness.
    Wrong: a good answer may be one word.
    Source: curate.
    """
    return answer_size


def n_control_tokens(control_token_hits: Integers) -> Integers:
    """Occurrences of the list ``control_tokens`` in any turn, reasoning or call, whatever the case.

    Why: they are special tokens to a template; in a user's turn they end it, and the text continues
    as the assistant's.
    Wrong: conversations about chat templates; ``</s>`` ends struck-out text in HTML.
    Source: FastChat replaces them; curate's list is its own.
    """
    return control_token_hits


def n_refusals(refusing_turns: Integers) -> Integers:
    """Answers with a phrase of the list ``refusals`` among their first 200 characters.

    Why: models learn to refuse from very few examples.
    Wrong: refusals that are wanted; give safety data a profile of their own (chat_safety).
    Source: curate; the idea is common (WizardLM-unfiltered, FastChat's blocked words).
    """
    return refusing_turns


def n_boilerplate(boilerplate_hits: Integers) -> Integers:
    """Occurrences of the list ``boilerplate`` in the assistant's turns.

    Why: another model's name and style, error messages, placeholders.
    Wrong: conversations about language models.
    Source: curate; FastChat drops conversations with "openai" or "chatgpt".
    """
    return boilerplate_hits


def n_prompt_words(prompt_word_hits: Integers) -> Integers:
    """Occurrences of the list ``prompt_words`` in the user's turns, inside words too.

    Why: prompts for another model, or with names that were made anonymous (``NAME_1``).
    Wrong: inside words: "llama" is Spanish for "calls".
    Source: Tagengo, none of eight words.
    """
    return prompt_word_hits


def language_difference(language_difference: Floats) -> Floats:
    """The certainty that the user and the assistant use different languages: the lower score.

    0 where both use the same, in any script, or where a second label of a score of 0.05 or more is
    the other's language; undefined where one of them is undetermined. Source code is left out.
    Why: a model should not answer a Kazakh question in Russian.
    Wrong: translations and language lessons are meant to differ; short turns are guesses.
    Source: curate.
    """
    return language_difference


def prompt_language_score(prompt_language_score: Floats) -> Floats:
    """The score of the language of the user's turns; undefined where that is undetermined.

    Why: a prompt in no language is noise.
    Wrong: short prompts, names and code.
    Source: Tagengo, above 0.8.
    """
    return prompt_language_score
