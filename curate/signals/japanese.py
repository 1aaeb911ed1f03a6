"""The rules of llm-jp-corpus v1 on Japanese pages, made of hojichar's filters."""

from __future__ import annotations

from curate.signals.formula import Floats, Integers, ratio


def kana_in_first_50(kana_at_start: Integers) -> Integers:
    """Kana among the first 50 characters; 0 for the empty text.

    These are U+3041 to U+3093 and U+30A1 to U+30F3: no half-width kana, no long vowel mark.
    Why: Chinese pages have none, and a Japanese one that opens with 50 other characters opens with
    a table of links.
    Wrong: pages that open with an address, a title in Chinese characters or code.
    Source: llm-jp-corpus v1 (hojichar AcceptJapanese), at least 1.
    """
    return kana_at_start


def kuten_per_char(kuten: Integers, n_chars: Integers) -> Floats:
    """Full stops ``。`` per character; undefined for the empty text.

    Why: prose ends its sentences; lists of products and links do not.
    Wrong: ！ and ？ do not count, so chat and fiction come out low, and verse has none.
    Source: llm-jp-corpus v1 (hojichar DiscardRareKuten), at least 1/250 (strict: 1/80).

    >>> import numpy as np
    >>> kuten_per_char(np.array([1]), np.array([250])) >= 1 / 250
    array([ True])
    """
    return ratio(kuten, n_chars)


def n_ads(ad_hits: Integers) -> Integers:
    """Phrases of the profile's list ``ads`` in the text; undefined without such a list.

    Why: shops and job offers repeat the same few phrases.
    Wrong: ① and ■ are in hojichar's list, so reports and minutes with numbered points come out
    high; Unicode form NFKC would make 1 of ①.
    Source: llm-jp-corpus v1 (hojichar DiscardAds), at most 10.
    """
    return ad_hits


def n_adult_words(adult_hits: Integers) -> Integers:
    """Words of the profile's list ``adult`` in the text; undefined without such a list.

    A word of katakana alone counts where no katakana is beside it; others count anywhere.
    Why: pornography in a crawl outweighs its share of what people want to read.
    Wrong: texts on medicine, law and education use the same words.
    Source: llm-jp-corpus v1 with hojichar's list, at most 3 (strict: 2).
    """
    return adult_hits


def n_discriminating_words(discrimination_hits: Integers) -> Integers:
    """Words of the profile's list ``discrimination`` in the text; undefined without such a list.

    A word of katakana alone counts where no katakana is beside it; others count anywhere.
    Why: pages that insult groups of people use several of them.
    Wrong: historical texts, dictionaries, and texts on discrimination.
    Source: llm-jp-corpus v1 with hojichar's list, at most 3 (strict: 2).
    """
    return discrimination_hits


def n_violent_words(violence_hits: Integers) -> Integers:
    """Words of the profile's list ``violence`` in the text; undefined without such a list.

    A word of katakana alone counts where no katakana is beside it; others count anywhere.
    Why: threats and calls to violence.
    Wrong: news, crime fiction and games.
    Source: llm-jp-corpus v1 with hojichar's list, at most 3 (strict: 2).
    """
    return violence_hits


def zlib_ratio(zlib_bytes: Integers, n_bytes: Integers) -> Floats:
    """Bytes of the text after zlib at level 9, over those in UTF-8; undefined for the empty text.

    Why: text that repeats itself shrinks to less than a third, random characters hardly at all.
    Wrong: depends on length and script: short texts do not shrink, nor do texts with few kana.
    Another implementation of zlib may give other sizes.
    Source: llm-jp-corpus v1, 0.30 to 0.70 (strict: from 0.375).

    >>> import numpy as np
    >>> zlib_ratio(np.array([300]), np.array([1000]))
    array([0.3])
    """
    return ratio(zlib_bytes, n_bytes)
