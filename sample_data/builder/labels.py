"""Texts with labels, as `curate label` leaves them: rules catch some of the bad ones."""

from __future__ import annotations

from itertools import cycle

from builder import containers as make
from builder.plan import Plan

LABELLED = ("kaz_Cyrl", "rus_Cyrl", "tur_Latn", "eng_Latn")


def labels(plan: Plan) -> None:
    """Build six good and six bad texts in each of four languages."""
    rows = []
    for lang in LABELLED:
        texts = list(plan.texts[lang].values())
        sources = cycle(("web", "books"))
        good = [*texts[:5], _beginning(texts[5])]
        bad = [
            (_word_list(texts[6]), "a list of keywords"),
            (_word_list(texts[7]), "a list of keywords"),
            (_repeated(texts[8]), "one sentence again and again"),
            (_menu(texts[9]), "a menu"),
            (_cut(texts[10]), "teasers that are cut"),
            (_backwards(texts[11]), "no sentence: the words are in no order"),
        ]
        told = [(text, "good", None) for text in good] + [(text, "bad", why) for text, why in bad]
        for number, (text, label, why) in enumerate(told):
            row = {"id": f"{lang}-{number}", "source": next(sources), "lang": lang, "text": text}
            rows.append(row | {"label": label} | ({"reason": why} if why else {}))
    plan.files["labels.jsonl"] = b"".join(make.json_line(row) for row in rows)


def _words(text: str) -> list[str]:
    return [word.strip('.,:;!?«»"()—–-') for word in text.split() if word.strip(".,:;!?—–-")]


def _beginning(text: str) -> str:
    """Return the first words: good, and shorter than rules want."""
    return " ".join(text.partition("\n\n")[2].split()[:24]) + "."


def _word_list(text: str) -> str:
    return ", ".join(sorted(set(_words(text)), key=lambda word: (len(word), word)))


def _repeated(text: str) -> str:
    sentence = text.partition("\n\n")[2].partition(".")[0] + "."
    return "\n".join([sentence] * 12)


def _menu(text: str) -> str:
    words = _words(text)[:60]
    return "\n".join(f"- {a} {b}" for a, b in zip(words[::2], words[1::2]))


def _cut(text: str) -> str:
    words = text.split()
    return "\n".join(" ".join(words[at : at + 9]) + "..." for at in range(0, len(words) - 9, 9))


def _backwards(text: str) -> str:
    return " ".join(reversed(text.split()))
