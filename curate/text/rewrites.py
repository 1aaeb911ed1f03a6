r"""Rewrites of a whole document, as somebody published them: each runs once, in the profile's order.

Unlike a fix (``curate.text.fixes``) a rewrite may change its own result when it runs again: lines
that it joined can make an address that it would cut. They are here for recipes that follow another
pipeline to the letter. The patterns are those of the ``regex`` module, whose classes are Unicode's.

Bound by Python's regular expressions; only the rows of profiles that name a rewrite pay for it.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping

import pyarrow as pa
import regex

from curate.errors import RecipeError, nearest
from curate.recipe.profile import RewriteSection

#: Headings that end an article: what follows is notes, links and lists of other articles.
HEADINGS = (
    "脚注",
    "関連項目",
    "日本国内の関連項目",
    "出典",
    "出典・脚注",
    "参照",
    "外部リンク",
    "参考文献",
    "その他関連事項",
    "Footnotes",
    "See also",
    "Further reading",
    "Bibliography",
    "References",
    "Notes",
    "Citations",
    "Sources",
    "External links",
)

_KANA = regex.compile(r"[\p{Script=Hiragana}\p{Script=Katakana}ー]")
_ADDRESS = regex.compile(r"https?://[\w/:%#$&?()~.=+\-]+")
_ASCII_RUN = regex.compile(r"[\x00-\x7f]{100,}")


def rewrite(
    texts: pa.LargeStringArray, wanted: RewriteSection
) -> tuple[pa.LargeStringArray, Counter[str]]:
    r"""Apply the named rewrites, once each and in order. Nulls stay null.

    Counts: ``rewrite:<name>`` texts changed.

    >>> wanted = RewriteSection(steps=("japanese_lines",))
    >>> done, tally = rewrite(pa.array(["会社概要\nこんにちは。\n東京"], pa.large_string()), wanted)
    >>> done.to_pylist(), dict(tally)
    (['こんにちは。'], {'rewrite:japanese_lines': 1})
    """
    check_names(wanted)
    tally: Counter[str] = Counter()
    if not wanted.steps:
        return texts, tally
    done: list[str | None] = texts.to_pylist()
    for name in wanted.steps:
        step, options = REWRITES[name], wanted.options.get(name, {})
        before = done
        done = [None if text is None else step(text, **options) for text in before]
        changed = sum(old != new for old, new in zip(before, done, strict=True))
        if changed:
            tally[f"rewrite:{name}"] += changed
    return pa.array(done, pa.large_string()), tally


def check_names(wanted: RewriteSection, *, where: str | None = None) -> None:
    """Refuse rewrites that do not exist, and options that a rewrite does not have."""
    for name in (*wanted.steps, *wanted.options):
        if name not in REWRITES:
            raise RecipeError(f"no rewrite '{name}'", where=where, hint=nearest(name, REWRITES))
    for name, options in wanted.options.items():
        known = list(inspect.signature(REWRITES[name]).parameters)[1:]
        for option in options:
            if option not in known:
                hint = nearest(option, known) if known else "it has none"
                raise RecipeError(
                    f"rewrite '{name}' has no option '{option}'", where=where, hint=hint
                )


def japanese_lines(text: str, *, join: str = "") -> str:
    r"""Keep the lines with kana, without addresses and without runs of 100 or more ASCII characters.

    The lines are joined with nothing between, as llm-jp-corpus does; ``join = "\n"`` keeps them
    apart. Headings without kana go, and of a kept line nothing may be left.

    Source: llm-jp-corpus v1, extract_japanese_text. Wrong for verse, dialogue and lists, whose
    lines mean something; an address swallows the Japanese letters that stand right after it.

    >>> japanese_lines("目次\nこれは https://a.example/b です。\nはい。")
    'これは  です。はい。'
    """
    kept = (line for line in text.split("\n") if _KANA.search(line))
    return join.join(_ASCII_RUN.sub("", _ADDRESS.sub("", line)) for line in kept)


def end_sections(text: str, *, headings: list[str] | tuple[str, ...] = HEADINGS) -> str:
    r"""Cut an article at the first line that is one of the headings, with what follows.

    A heading is a line of its own, not the first one and not the last.

    Source: llm-jp-corpus v1, remove_wikipedia_footnote. Wrong where such a section is in the middle
    of an article: the rest is lost.

    >>> end_sections("The moth flies at night.\n\nSee also\n- Butterfly\n")
    'The moth flies at night.\n'
    """
    named = "|".join(map(regex.escape, headings))
    found = regex.search(rf"\n(?:{named})\s*\n", text) if headings else None
    return text[: found.start()] if found else text


def empty_brackets(text: str) -> str:
    r"""Cut separators next to round brackets, and brackets with nothing in them.

    Readers of wikis drop templates, such as those of pronunciation, and leave their commas.

    Source: llm-jp-corpus v1, remove_empty_parenthesis. Wrong for code, ``f( )`` and ``(,)``.

    >>> empty_brackets("東京（、とうきょう；）は都市（ ）。 Tokyo (, ) is (; a city )."), empty_brackets("f( x )")
    ('東京（とうきょう）は都市。 Tokyo is (a city).', 'f(x)')
    """
    for pattern, left in _BRACKETS:
        text = pattern.sub(left, text)
    return text


# What stands before a closing bracket is looked for from its beginning only, and not given back:
# the same answer as without, in linear time.
_BRACKETS = tuple(
    (regex.compile(pattern), left)
    for pattern, left in (
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
    "japanese_lines": japanese_lines,
    "end_sections": end_sections,
    "empty_brackets": empty_brackets,
}
