"""The imports of the modules in curate/, read from the sources for the tests of the import law."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "curate"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "_shipped" not in path.parts)

_NAME = re.compile(r"curate(\.\w+)+(:\w+)?")
_PREFIX = re.compile(r"curate\.\w+\.")


class Import(NamedTuple):
    """One import: by statement, or by a string that names a module."""

    importer: str
    imported: str
    line: int
    by_name: bool = False

    def __str__(self) -> str:
        path = MODULES[self.importer].relative_to(ROOT)
        return f"{path}:{self.line} imports {self.imported}"


def module_of(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    """Return the room of a module: the folder, or the name of a module beside the folders."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@cache
def law() -> dict:
    """Return docs/rooms.toml; contracts are rooms too."""
    read = tomllib.loads((ROOT / "docs/rooms.toml").read_text(encoding="utf-8"))
    read["rooms"] |= read["contracts"]
    return read


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def external_imports(path: Path) -> set[str]:
    """Return the packages outside curate that a file imports."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
    return names - {"curate"}


def _own_strings(module: ast.Module) -> list[ast.Constant]:
    """Return the strings of a file that are no docstrings and name no logger."""
    skipped = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        elif isinstance(node, ast.Call) and "getLogger" in ast.dump(node.func):
            skipped |= set(node.args)
    return [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped
    ]


def imports_of(module: str) -> list[Import]:
    """Return everything of curate that a module imports, at any depth, and the modules it names."""
    found = []
    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relative to itself"
            if (node.module or "").split(".")[0] == "curate":
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    target = full if full in MODULES else node.module
                    found.append(Import(module, target, node.lineno))
        elif isinstance(node, ast.Import):
            found += [
                Import(module, alias.name, node.lineno)
                for alias in node.names
                if alias.name.split(".")[0] == "curate"
            ]
    for string in _own_strings(tree(MODULES[module])):
        target = string.value.partition(":")[0].rstrip(".")
        names_one = _NAME.fullmatch(string.value) and target in MODULES
        if names_one or (_PREFIX.match(string.value) and string.value.endswith(".")):
            found.append(Import(module, target, string.lineno, by_name=True))
    return [one for one in found if one.imported != module]


@cache
def all_imports() -> tuple[Import, ...]:
    """Return all imports of the package."""
    return tuple(one for module in MODULES for one in imports_of(module))


def cycles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of two and more that reach each other.

    >>> cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    [['b', 'c']]
    """
    reached: dict[str, set[str]] = {}
    for start in arrows:
        seen, todo = set(), [start]
        while todo:
            for target in arrows.get(todo.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        reached[start] = seen
    groups = {
        tuple(sorted(b for b in arrows if b in reached[a] and a in reached[b]))
        for a in arrows
        if a in reached[a]
    }
    return sorted(map(list, groups))
