r"""Rewrites of a whole document that others published: each runs once, in the order of the profile.

Unlike a fix (``curate.text.fixes``) a rewrite may change its own result when it runs again: joined
lines can make an address that it would cut. They are for recipes that reproduce another pipeline
exactly. The patterns are those of the ``regex`` module, whose classes are Unicode's.

Bound by Python's regular expressions; only the rows of profiles that name a rewrite run them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import pyarrow as pa
import regex

from curate.protocol.tallies import REWRITE, tally_key
from curate.recipe.profile import RewriteSection
from curate.text import named_steps

#: Headings that end an article: what follows is notes, links and lists of other articles.
HEADINGS = (
    *("脚注", "関連項目", "日本国内の関連項目", "出典", "出典・脚注", "参照", "外部リンク"),
    *("参考文献", "その他関連事項", "Footnotes", "See also", "Further reading", "Bibliography"),
    *("References", "Notes", "Citations", "Sources", "External links"),
)

_KANA = regex.compile(r"[\p{Script=Hiragana}\p{Script=Katakana}ー]")
_ADDRESS = regex.compile(r"https?://[\w/:%#$&?()~.=+\-]+")
_ASCII_RUN = regex.compile(r"[\x00-\x7f]{100,}")


def rewrite(
    texts: pa.LargeStringArray, section: RewriteSection
) -> tuple[pa.LargeStringArray, Counter[str]]:
    r"""Apply the named rewrites, once each and in order. Nulls stay null.

    Counts: ``rewrite:<name>`` texts changed.

    >>> section = RewriteSection(steps=("japanese_lines",))
    >>> texts = pa.array(["会社概要\nこんにちは。\n東京"], pa.large_string())
    >>> done, tally = rewrite(texts, section)
    >>> done.to_pylist(), dict(tally)
    (['こんにちは。'], {'rewrite:japanese_lines': 1})
    """
    check_names(section)
    tally: Counter[str] = Counter()
    if not section.steps:
        return texts, tally
    values: list[str | None] = texts.to_pylist()
    for name in section.steps:
        step, options = REWRITES[name], section.options.get(name, {})
        before = values
        values = [None if text is None else step(text, **options) for text in before]
        changed = sum(old != new for old, new in zip(before, values, strict=True))
        if changed:
            tally[tally_key(REWRITE, name)] += changed
    return pa.array(values, pa.large_string()), tally


def check_names(section: RewriteSection, *, where: str | None = None) -> None:
    """Raise RecipeError for a rewrite that does not exist, or an option that it does not have."""
    options = section.options
    named_steps.check_names("rewrite", section.steps, REWRITES, options=options, where=where)


def japanese_lines(text: str, *, join: str = "") -> str:
    r"""Keep lines with kana, without addresses and without runs of 100 or more ASCII characters.

    The lines are joined without a separator, as llm-jp-corpus does; ``join = "\n"`` keeps them
    apart. Headings without kana are removed, and a kept line may become empty.

    Source: llm-jp-corpus v1, extract_japanese_text. Wrong for verse, dialogue and lists, whose
    lines have meaning; an address includes the Japanese letters that follow it directly.

    >>> japanese_lines("目次\nこれは https://a.example/b です。\nはい。")
    'これは  です。はい。'
    """
    kept = (line for line in text.split("\n") if _KANA.search(line))
    return join.join(_ASCII_RUN.sub("", _ADDRESS.sub("", line)) for line in kept)


def end_sections(text: str, *, headings: list[str] | tuple[str, ...] = HEADINGS) -> str:
    r"""Cut an article at the first line that is one of the headings, with what follows.

    A heading is a whole line, neither the first nor the last.

    Source: llm-jp-corpus v1, remove_wikipedia_footnote. Wrong where such a section is in the middle
    of an article: the rest is lost.

    >>> end_sections("The moth flies at night.\n\nSee also\n- Butterfly\n")
    'The moth flies at night.\n'
    """
    named = "|".join(map(regex.escape, headings))
    found = regex.search(rf"\n(?:{named})\s*\n", text) if headings else None
    return text[: found.start()] if found else text


def empty_brackets(text: str) -> str:
    r"""Cut separators next to round brackets, and empty brackets.

    Wiki readers drop templates, such as those of pronunciation, and leave their commas.

    Source: llm-jp-corpus v1, remove_empty_parenthesis. Wrong for code, ``f( )`` and ``(,)``.

    >>> empty_brackets("東京（、とうきょう；）は都市（ ）。 Tokyo (, ) is (; a city ).")
    '東京（とうきょう）は都市。 Tokyo is (a city).'
    >>> empty_brackets("f( x )")
    'f(x)'
    """
    for pattern, replacement in _BRACKETS:
        text = pattern.sub(replacement, text)
    return text


# What is before a closing bracket is matched from its beginning only and possessively: the same
# result, in linear time.
_BRACKETS = tuple(
    (regex.compile(pattern), replacement)
    for pattern, replacement in (
        (r"（[\s,，、;；]*", "（"),
        (r"(?<![\s,，、;；])[\s,，、;；]*+）", "）"),
        (r"（\s*）", ""),
        (r"\([\s,;]*", "("),
        (r"(?<![\s,;])[\s,;]*+\)", ")"),
        (r"\s?\(\s*\)", ""),
    )
)


#: Every rewrite by its name in profiles.
REWRITES: Mapping[str, Callable[..., str]] = {
    step.__name__: step for step in (japanese_lines, end_sections, empty_brackets)
}
