"""Where recipes, profiles and samples are searched for.

In this order: a path that exists; the user's folder (``$CURATE_HOME``, else ``~/.config/curate``);
the checkout; the copy shipped inside the package. (An editable install freezes a shipped copy too,
so the checkout comes before it.)
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from curate.errors import RecipeError, nearest
from curate.paths import local_path

#: ISO 639-3 and ISO 15924, or the profile of what has no other.
_LANGUAGE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}|_default")

_PACKAGE = Path(__file__).resolve().parent.parent


def roots() -> list[Path]:
    """Return the folders with ``pipelines/``, ``filters/`` and ``sample_data/``, in their order."""
    user = os.environ.get("CURATE_HOME")
    folders = [Path(user) if user else Path.home() / ".config" / "curate"]
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").exists() and (checkout / "pipelines").is_dir():
        folders.append(checkout)
    folders.append(_PACKAGE / "_shipped")
    return [folder for folder in folders if folder.is_dir()]


def recipe_file(name: str) -> Path:
    """Find a recipe by path or by name (``demo`` → ``pipelines/demo.toml``)."""
    given = local_path(name)
    if given.suffix == ".toml" and given.exists():
        return given
    return _find("pipelines", given.stem if given.suffix == ".toml" else name, "recipe")


def profile_text(name: str) -> str:
    """Return the TOML of a profile by path or name (``kaz_Cyrl`` → ``filters/kaz_Cyrl.toml``)."""
    given = local_path(name)
    if given.suffix == ".toml" and given.exists():
        return given.read_text(encoding="utf-8")
    return _find("filters", name, "profile").read_text(encoding="utf-8")


def profile_names() -> list[str]:
    """Return the names of all profiles."""
    return _names("filters")


def language_profiles() -> list[str]:
    """Return the profiles of languages, and the default: those that apply to any source."""
    return [name for name in profile_names() if _LANGUAGE.fullmatch(name)]


def data_path(path: str) -> str:
    """Resolve an input path of a recipe; addresses and absolute paths stay as they are.

    A relative path is searched for from the current folder, then below each root, by its fixed part
    (before the first wildcard).
    """
    if "://" in path or local_path(path).is_absolute():
        return path
    fixed = path
    for wildcard in "*?[":
        fixed = fixed.split(wildcard)[0]
    parent = fixed if fixed == path else fixed.rpartition("/")[0]
    for base in (Path(), *roots()):
        if parent and (base / parent).exists():
            return str(base / path) if base != Path() else path
    return path


def _names(folder: str) -> list[str]:
    return sorted({path.stem for root in roots() for path in (root / folder).glob("*.toml")})


def _find(folder: str, name: str, kind: str) -> Path:
    if Path(name).name == name:
        for root in roots():
            if (path := local_path(str(root / folder / f"{name}.toml"))).exists():
                return path
    raise RecipeError(f"no {kind} '{name}'", hint=nearest(name, _names(folder)))
