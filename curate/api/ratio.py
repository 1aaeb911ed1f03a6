"""A ratio as it is typed: ``kaz_Cyrl=3,rus_Cyrl+tur_Latn=1,eng_Latn=3``; in Python also a dict."""

from __future__ import annotations

from collections.abc import Mapping

from curate.errors import RecipeError


def groups_of(ratio: str | Mapping[str, float]) -> dict[str, dict[str, object]]:
    """Parse a ratio into the groups of a mixture: sets of languages, with their weights.

    >>> groups_of("kaz_Cyrl=3, rus_Cyrl+tur_Latn=1")["rus_Cyrl+tur_Latn"]
    {'weight': 1.0, 'languages': ['rus_Cyrl', 'tur_Latn']}
    >>> groups_of({"kaz_Cyrl": 3, "eng_Latn": 1}) == groups_of("kaz_Cyrl=3,eng_Latn=1")
    True
    """
    if isinstance(ratio, Mapping):
        ratio = ",".join(f"{name}={weight}" for name, weight in ratio.items())
    groups: dict[str, dict[str, object]] = {}
    try:
        parts = ratio.split(",")
    except AttributeError:
        what = f"a ratio is text or a dict, not {type(ratio).__name__}"
        raise RecipeError(what, hint="such as kaz_Cyrl=3,eng_Latn=1") from None
    for part in parts:
        name, equals, weight = (each.strip() for each in part.partition("="))
        try:
            group = {"weight": float(weight), "languages": name.split("+")}
        except ValueError:
            equals = ""
        if not equals or not name or name in groups:
            twice = "stands twice in the ratio" if name in groups else "is no part of a ratio"
            raise RecipeError(f"'{part.strip()}' {twice}", hint="such as kaz_Cyrl=3,eng_Latn=1")
        groups[name] = group
    return groups
