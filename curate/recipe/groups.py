"""A recipe without some groups of its mixture, and what else names them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from curate.errors import RecipeError, nearest
from curate.recipe.section import TomlTable


def without(table: TomlTable, names: Iterable[str], where: str) -> None:
    """Take groups out of a recipe's mixture: their part of the ratio, their caps and budgets.

    What is no such table is left for the recipe's check. Raise RecipeError where a group does not
    exist, or none remains.
    """
    mixture, groups = _groups(table)
    for name in names:
        if name not in groups:
            raise RecipeError(
                f"the mixture has no group '{name}'", where=where, hint=nearest(name, groups)
            )
        if len(groups) == 1:
            raise RecipeError(f"without '{name}' the mixture has no group", where=where)
        ratio, weighed = mixture.get("ratio"), [n for n in groups if not _is_whole(groups[n])]
        parts = ratio.split(":") if isinstance(ratio, str) else []
        if name in weighed and len(parts) == len(weighed):
            del parts[weighed.index(name)]
            mixture["ratio"] = ":".join(parts)
        del groups[name]
        _forget(mixture, name)


def lost(table: TomlTable) -> list[str]:
    """Return the groups that name sources of which none has a path."""
    sources = table.get("sources")
    if not isinstance(sources, dict):
        return []
    with_path = {n for n, spec in sources.items() if isinstance(spec, dict) and spec.get("path")}
    return [
        name
        for name, group in _groups(table)[1].items()
        if isinstance(group, dict)
        and isinstance(named := group.get("sources"), list)
        and named
        and all(isinstance(one, str) and one in sources and one not in with_path for one in named)
    ]


def _groups(table: TomlTable) -> tuple[TomlTable, TomlTable]:
    mixture = table.get("mixture")
    mixture = mixture if isinstance(mixture, dict) else {}
    groups = mixture.get("groups")
    return mixture, groups if isinstance(groups, dict) else {}


def _is_whole(group: object) -> bool:
    return isinstance(group, dict) and bool(group.get("whole"))


def _forget(mixture: TomlTable, name: str) -> None:
    """Take a group out of caps, phases and upsampling; an empty list there would mean all."""
    for key in ("caps", "phases"):
        entries = mixture.get(key)
        if not isinstance(entries, list):
            continue
        mixture[key] = [e for e in entries if not (isinstance(e, dict) and e.get("group") == name)]
        for entry in cast("list[TomlTable]", mixture[key]):
            for sizes in ("weights", "budgets"):
                if isinstance(entry, dict) and isinstance(entry.get(sizes), dict):
                    cast("TomlTable", entry[sizes]).pop(name, None)
    upsample = mixture.get("upsample")
    if isinstance(upsample, dict) and isinstance(upsample.get("groups"), list):
        upsample["groups"] = [n for n in cast("list[str]", upsample["groups"]) if n != name]
        if not upsample["groups"]:
            del mixture["upsample"]
