"""Where recipes, profiles and samples are searched for.

In this order: a path that exists; beside the recipe and one folder up; the current folder; the
user's folder (``$CURATE_HOME``, else ``~/.config/curate``); the checkout; the copy shipped inside
the package. (An editable install freezes a shipped copy too, so the checkout comes before it.)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from curate.errors import RecipeError, nearest
from curate.paths import local_path
from curate.recipe.languages import LABEL, label_of

#: Before the name of a profile: the one that is shipped, also where the user has one of that name.
SHIPPED = "shipped:"

_PACKAGE = Path(__file__).resolve().parent.parent


def roots(beside: Path | None = None) -> list[Path]:
    """Return the folders with ``pipelines/``, ``filters/`` and ``sample_data/``, in their order.

    ``beside`` is the folder of a recipe; its own files and those one folder up come first.
    """
    user = os.environ.get("CURATE_HOME")
    own = [beside, beside.parent, Path()] if beside else [Path()]
    folders = [folder for folder in own if _has_files(folder)]
    folders.append(Path(user) if user else Path.home() / ".config" / "curate")
    return [folder for folder in (*folders, *_shipped()) if folder.is_dir()]


def _has_files(folder: Path) -> bool:
    """Return whether a folder of the user's holds profiles or recipes, and is not the checkout."""
    holds = any((folder / name).is_dir() for name in ("filters", "pipelines"))
    return holds and folder.resolve() not in _shipped()


def _shipped() -> list[Path]:
    checkout = _PACKAGE.parent
    is_checkout = (checkout / "pyproject.toml").exists() and (checkout / "pipelines").is_dir()
    return [checkout, _PACKAGE / "_shipped"] if is_checkout else [_PACKAGE / "_shipped"]


def _toml_file(name: str, kind: str) -> Path:
    """Return the path that a recipe or profile may be; refuse a link to what is not there."""
    path = local_path(name)
    if path.is_symlink() and not path.exists():
        raise RecipeError(
            f"the {kind} is a link to a file that is not there",
            where=f"{name} -> {path.readlink()}",
        )
    return path


def recipe_file(name: str) -> Path:
    """Find a recipe by path or by name (``demo`` → ``pipelines/demo.toml``)."""
    given = _toml_file(name, "recipe")
    if given.suffix.lower() == ".toml" and given.exists():
        return given
    if given.suffix != ".toml":
        if given.is_file() and given.suffix:
            hint = "`curate init` writes one for files of yours"
            raise RecipeError("a recipe is a file in TOML, and ends so", where=name, hint=hint)
        try:
            return _find("pipelines", name, "recipe")
        except RecipeError as unknown:
            if given.with_name(f"{given.name}.toml").is_file():
                raise RecipeError(unknown.what, hint=f"did you mean '{name}.toml'?") from None
            raise
    try:
        return _find("pipelines", given.stem, "recipe")
    except RecipeError:
        beside = [file.name for file in given.parent.glob("*.toml")]
        hint = nearest(given.name, beside) if beside else "curate recipes lists those with a name"
        raise RecipeError("no such recipe file", where=name, hint=hint) from None


def recipe_names() -> list[str]:
    """Return the names of all recipes."""
    return _names("pipelines")


def profile_file(name: str, beside: Path | None = None) -> Path:
    """Find a profile by path, name or language (``kk`` → ``filters/kaz_Cyrl.toml``)."""
    given = _toml_file(name, "profile")
    if given.suffix.lower() == ".toml" and given.exists():
        return given
    if given.suffix.lower() == ".toml":
        beside_it = [file.name for file in given.parent.glob("*.toml")]
        hint = nearest(given.name, beside_it) if beside_it else "`curate languages` lists profiles"
        raise RecipeError("no such profile file", where=name, hint=hint)
    if name.startswith(SHIPPED):
        return _find("filters", name.removeprefix(SHIPPED), "profile", among=_shipped())
    try:
        return _find("filters", name, "profile", beside)
    except RecipeError as unknown:
        try:
            label = label_of(name, names := profile_names(beside))
        except RecipeError:
            raise unknown from None
        if label == name or label not in names:
            raise unknown from None
        return _find("filters", label, "profile", beside)


def profile_name(name: str, beside: Path | None = None) -> str:
    """Return the name of a profile that is called by its language; other names as they are."""
    is_file = local_path(name).suffix == ".toml" or name.startswith(SHIPPED)
    return name if is_file else profile_file(name, beside).stem


def profile_text(name: str, beside: Path | None = None) -> str:
    """Return the TOML of a profile by path or name; RecipeError where it is no UTF-8 text."""
    return toml_text(profile_file(name, beside), "profile")


#: Four for each of the characters that ``parse_toml`` takes.
_MAX_FILE_BYTES = 16 << 20


def toml_text(path: Path, kind: str) -> str:
    """Return the text of a recipe's or profile's file, read once and not beyond a bound.

    Raises RecipeError for a folder, for a pipe or device, which might never end, for a file that is
    too large, and for one that is no UTF-8 text.
    """
    if not path.is_file():
        raise RecipeError(f"a {kind} is a file, and no folder, pipe or device", where=str(path))
    with path.open("rb") as file:
        data = file.read(_MAX_FILE_BYTES + 1)
    if len(data) > _MAX_FILE_BYTES:
        raise RecipeError(f"a {kind} has at most {_MAX_FILE_BYTES:,} bytes", where=str(path))
    try:
        text = data.decode("utf-8-sig")  # editors of Windows write a mark first
        reason = "it has NUL characters, as UTF-16 has" if "\0" in text else ""
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"{error.reason} in line {line}"
    if reason:
        hint = "save it as UTF-8 in the editor"
        raise RecipeError(f"a {kind} is UTF-8 text: {reason}", where=str(path), hint=hint)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def profile_names(beside: Path | None = None) -> list[str]:
    """Return the names of all profiles."""
    return _names("filters", beside)


def own_profiles(names: Iterable[str], beside: Path | None = None) -> dict[str, Path]:
    """Return the files of profiles that are the user's own, by name, with all they may extend.

    A copy that is equal to the shipped file changes nothing, and is left out.
    """
    parents = [name for name in profile_names(beside) if name.startswith("_")]
    files = {name: profile_file(name, beside) for name in sorted({*names, *parents})}
    shipped = _shipped()
    own = {n: f for n, f in files.items() if f.resolve().parent.parent not in shipped}
    return {name: file for name, file in own.items() if not _is_a_copy(file, shipped)}


def _is_a_copy(file: Path, shipped: Sequence[Path]) -> bool:
    originals = (folder / "filters" / file.name for folder in shipped)
    original = next((path for path in originals if path.exists()), None)
    return original is not None and original.read_bytes() == file.read_bytes()


def language_profiles(beside: Path | None = None) -> list[str]:
    """Return the profiles of languages, and the default: those that apply to any source."""
    return [name for name in profile_names(beside) if name == "_default" or LABEL.fullmatch(name)]


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
        if parent and local_path(str(base / parent)).exists():
            return str(base / path) if base != Path() else path
    return path


def _names(folder: str, beside: Path | None = None) -> list[str]:
    return sorted({path.stem for root in roots(beside) for path in (root / folder).glob("*.toml")})


def _find(
    folder: str,
    name: str,
    kind: str,
    beside: Path | None = None,
    among: Sequence[Path] | None = None,
) -> Path:
    if Path(name).name == name:
        for root in roots(beside) if among is None else among:
            if (path := local_path(str(root / folder / f"{name}.toml"))).exists():
                return path
    known = [each for each in _names(folder, beside) if not each.startswith("_")]
    raise RecipeError(f"no {kind} '{name}'", hint=nearest(name, known))
