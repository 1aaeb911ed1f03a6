"""The share of each major script in a text, independent of the profile."""

from __future__ import annotations

from curate.signals.formula import Floats, Integers, ratio


def main_script_share(main_script_letters: Integers, letters: Integers) -> Floats:
    """Letters of the script that has most, among all letters; undefined without letters.

    Why: text in pieces of several languages, mojibake and keyword spam mix scripts.
    Wrong: Japanese uses three: its largest may be no more than half.
    Source: curate.

    >>> import numpy as np
    >>> main_script_share(np.array([8]), np.array([10]))
    array([0.8])
    """
    return ratio(main_script_letters, letters)


def latin_share(latin_letters: Integers, letters: Integers) -> Floats:
    """Latin letters among all letters; undefined without letters.

    Why: how much English, code and addresses are in a text of another script.
    Wrong: texts on technology quote many Latin names.
    Source: curate.
    """
    return ratio(latin_letters, letters)


def cyrillic_share(cyrillic_letters: Integers, letters: Integers) -> Floats:
    """Cyrillic letters among all letters; undefined without letters.

    Why: finds Cyrillic pages under the label of a language that is written in Latin as well.
    Wrong: does not separate Kazakh from Russian.
    Source: curate.
    """
    return ratio(cyrillic_letters, letters)


def arabic_share(arabic_letters: Integers, letters: Integers) -> Floats:
    """Letters of the Arabic script among all letters; undefined without letters.

    Why: as cyrillic_share, for Kazakh, Uyghur, Urdu and others in Arabic letters.
    Wrong: does not separate Arabic from Persian.
    Source: curate.
    """
    return ratio(arabic_letters, letters)


def han_share(han_letters: Integers, letters: Integers) -> Floats:
    """Chinese characters among all letters; undefined without letters.

    Why: a Japanese text of little else is a list of names, or Chinese.
    Wrong: legal and scientific Japanese has more than half.
    Source: curate.
    """
    return ratio(han_letters, letters)


def kana_share(hiragana_letters: Integers, katakana_letters: Integers, letters: Integers) -> Floats:
    """Hiragana and katakana among all letters; undefined without letters.

    Why: no other language is written with them.
    Wrong: the long vowel mark ー belongs to no script and is not counted.
    Source: curate; the Swallow corpus requires half of all characters in kana and Chinese
    characters.
    """
    return ratio(hiragana_letters + katakana_letters, letters)


def hangul_share(hangul_letters: Integers, letters: Integers) -> Floats:
    """Hangul among all letters; undefined without letters.

    Why: Korean pages that are half English are mostly menus.
    Wrong: texts on technology quote many Latin names.
    Source: curate.
    """
    return ratio(hangul_letters, letters)


def foreign_letter_share(letters_outside_alphabet: Integers, letters: Integers) -> Floats:
    """Letters of the language's script that are not in its alphabet, among all letters.

    Undefined without letters, or where no alphabet is known for the profile's label.
    Why: text read in a wrong code page (ð ý þ for ğ ı ş), and a wrong label.
    Wrong: names of other countries, scholarly spellings and dictionaries have such letters.
    Source: curate.

    >>> import numpy as np
    >>> foreign_letter_share(np.array([8]), np.array([100]))
    array([0.08])
    """
    return ratio(letters_outside_alphabet, letters)


def mixed_script_word_share(mixed_letter_runs: Integers, letter_runs: Integers) -> Floats:
    """Runs of letters with two scripts in them, among all runs of letters; undefined without any.

    Chinese, Japanese and Korean characters may stand beside any letter, and a hyphen or an
    apostrophe ends a run (``iPhone-ы``).
    Why: text read in a wrong code page, and look-alike letters that hide words from filters.
    Wrong: a few brand names have an ending of another script without a hyphen.
    Source: curate.

    >>> import numpy as np
    >>> mixed_script_word_share(np.array([1]), np.array([20]))
    array([0.05])
    """
    return ratio(mixed_letter_runs, letter_runs)
