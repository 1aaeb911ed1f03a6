"""Imports go one way: docs/rooms.toml names the few rooms that each room may use."""

import ast
import subprocess
import sys

import pytest

from tests.laws.imports import (
    FILES,
    MODULES,
    PACKAGE,
    ROOT,
    all_imports,
    cycles,
    external_imports,
    law,
    room_of,
    tree,
)

ROOMS = law()["rooms"]


def covers(entry: str, module: str) -> bool:
    """Return whether an entry of ``uses`` allows a module."""
    return f"{module}.".startswith(f"curate.{entry}.")


def may_import(room: str, module: str) -> bool:
    """Return whether a room may import a module of another room."""
    entries = [
        *ROOMS[room]["uses"],
        *(law()["contracts"] if room not in law()["contracts"] else ()),
    ]
    return any(covers(entry, module) for entry in entries)


def uses(room: str) -> set[str]:
    """Return the rooms that a room may use at least a part of."""
    return {entry.split(".")[0] for entry in ROOMS[room]["uses"]}


def advice(room: str, other: str) -> str:
    """Return the nearest ways that the law allows."""
    partly = [entry for entry in ROOMS[room]["uses"] if entry.split(".")[0] == other]
    if partly:
        return f"of room '{other}' it may use {', '.join(partly)}"
    below = sorted(uses(room) & uses(other)) or ["schema"]
    above = sorted(name for name in ROOMS if {room, other} <= uses(name)) or ["api"]
    return (
        f"move what both need into {' or '.join(below)},"
        f" or let {' or '.join(above)} pass it in as an argument"
    )


def test_every_room_has_a_law_and_every_law_a_room():
    assert {room_of(module) for module in MODULES} == set(ROOMS)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_what_it_may(room):
    wrong = [
        f"{one}: room '{room}' may use {', '.join(ROOMS[room]['uses']) or 'no other room'};"
        f" {advice(room, room_of(one.imported))}"
        for one in all_imports()
        if not one.by_name
        and room_of(one.importer) == room != room_of(one.imported)
        and not may_import(room, one.imported)
    ]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_needs_all_that_it_may_use(room):
    unused = [
        entry
        for entry in ROOMS[room]["uses"]
        if not any(
            room_of(one.importer) == room and covers(entry, one.imported) for one in all_imports()
        )
    ]
    assert not unused, f"docs/rooms.toml lets '{room}' use {unused}, which no import needs: remove"


def test_modules_are_named_in_strings_only_by_the_registries():
    wrong = [
        f"{one} by name: only {', '.join(law()['by_name'])} may (docs/rooms.toml, by_name)"
        for one in all_imports()
        if one.by_name
        and room_of(one.importer) != room_of(one.imported)
        and not any(covers(entry, one.imported) for entry in law()["by_name"].get(one.importer, ()))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("module", sorted(law()["by_name"]))
def test_a_registry_names_modules(module):
    named = [one.imported for one in all_imports() if one.importer == module and one.by_name]
    for entry in law()["by_name"][module]:
        assert any(covers(entry, name) for name in named), f"{module} names nothing of {entry}"


def test_rooms_have_no_cycle():
    arrows = {room: set() for room in ROOMS}  # those by name count too
    for one in all_imports():
        if room_of(one.importer) != room_of(one.imported):
            arrows[room_of(one.importer)].add(room_of(one.imported))
    assert cycles(arrows) == []
    assert cycles({room: uses(room) for room in ROOMS}) == []


def test_modules_have_no_cycle_at_any_depth():
    arrows = {module: set() for module in MODULES}
    for one in all_imports():
        if not one.by_name:
            arrows[one.importer].add(one.imported)
    wrong = [
        str(one)
        for group in cycles(arrows)
        for one in all_imports()
        if not one.by_name and {one.importer, one.imported} <= set(group)
    ]
    assert not wrong, "\nthese imports form a circle:\n" + "\n".join(wrong)


def test_only_one_file_imports_ray():
    users = {str(path.relative_to(PACKAGE)) for path in FILES if "ray" in external_imports(path)}
    assert users == {"engine/ray_tasks.py"}


def test_nothing_evaluates_or_unpickles():
    banned = {"eval", "exec", "compile"}
    # numba's results are pickles; the cache checks whose they are: tests/unit/kernels/test_cache.py
    allowed = {"curate/kernels/jit.py": {"pickle"}}
    for path in FILES:
        unsafe = external_imports(path) & {"pickle", "yaml", "marshal"}
        assert unsafe == allowed.get(str(path.relative_to(ROOT)), set()), path
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in banned, path


def test_no_thread_of_arrow_holds_a_python_file():
    # One that still has it when the program ends aborts it, after the work is done: exit code 134.
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
                if node.func.attr in ("read_row_group", "read_row_groups", "iter_batches"):
                    assert keywords.get("use_threads") == "False", f"{path}:{node.lineno}"
                assert ast.unparse(node.func) != "pq.read_table", f"{path}:{node.lineno}"


@pytest.mark.parametrize("statement", ["import curate", "import curate.cli"])
def test_starting_imports_nothing_heavy(statement):
    heavy = {"ray", "numba", "fasttext", "numpy", "pyarrow", "pydantic"}
    code = f"{statement}\nimport sys\nprint(sorted({heavy!r} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
