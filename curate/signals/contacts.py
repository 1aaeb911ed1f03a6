"""Addresses and numbers: pages of links and of people to call."""

from __future__ import annotations

from curate.signals.formula import Floats, Integers, ratio


def url_char_share(url_chars: Integers, n_chars: Integers) -> Floats:
    """Characters in web addresses among all characters; undefined for the empty text.

    An address begins with http://, https:// or www. and ends before white space, < > or ".
    Why: lists of links.
    Wrong: bibliographies; the full stop behind an address is counted with it.
    Source: NeMo Curator limits it to 0.2.

    >>> import numpy as np
    >>> url_char_share(np.array([20]), np.array([100]))
    array([0.2])
    """
    return ratio(url_chars, n_chars)


def email_word_ratio(emails: Integers, words: Integers) -> Floats:
    """E-mail addresses per word (symbols count as words); undefined without words.

    Found as by the mask ``email``; measure before masking or with it, masked ones do not count.
    Why: lists of contacts, of members, and leaked accounts.
    Wrong: mailing lists have one in each message.
    Source: curate.
    """
    return ratio(emails, words)


def phone_word_ratio(phones: Integers, words: Integers) -> Floats:
    """Telephone numbers per word (symbols count as words); undefined without words.

    Found as the mask ``phone`` finds them, which leaves out numbers without + or a known grouping.
    Why: directories and classified advertisements.
    Wrong: national numbers of many countries are not found.
    Source: curate.
    """
    return ratio(phones, words)
