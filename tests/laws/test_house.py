"""House rules that a reader notices: words, names, signatures, lines, references."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tests.laws.imports import FILES, MODULES, PACKAGE, ROOT, room_of, tree

#: Documents that a run writes, which pages and code may name.
WRITTEN = {"README.md", "report.md"}


def tracked(*patterns):
    """Return the files of the repository that match, without those that are shipped copies."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.exists()]


def place(path, line):
    return f"{path.relative_to(ROOT)}:{line}"


def documented(path):
    """Yield everything in a file that can have a docstring."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_docstrings_begin_with_plain_verbs():
    banned = {"Give", "Gives", "Tell", "Tells"}
    wrong = [
        f"{place(path, getattr(node, 'lineno', 1))}: {docstring.splitlines()[0]}"
        for path in [*FILES, *tracked("docs/*.py", "tasks.py")]
        for node in documented(path)
        if (docstring := ast.get_docstring(node))
        and re.split(r"\W", docstring, maxsplit=1)[0] in banned
    ]
    assert not wrong, "\nwrite Return, Return whether, Yield or Raise:\n" + "\n".join(wrong)


def test_stages_are_asked_for_declared_members_alone():
    wrong = []
    for path in FILES:
        if path.relative_to(PACKAGE).parts[0] == "protocol":
            continue
        for node in ast.walk(tree(path)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("hasattr", "getattr")
                and re.search(r"stage|barrier|step\b|\bmix\b", ast.unparse(node.args[0]))
            ):
                wrong.append(f"{place(path, node.lineno)}: {ast.unparse(node)}")
    assert not wrong, "\ndeclare the member in protocol/stage.py:\n" + "\n".join(wrong)


def test_no_line_is_longer_than_the_limit():
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length=100", "--select=E501",
         "--output-format=concise", "."],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_public_functions_name_their_parameters():
    wrong = [
        f"{place(path, node.lineno)}: {node.name}(**{node.args.kwarg.arg})"
        for path in [PACKAGE / "__init__.py", *(PACKAGE / "api").rglob("*.py")]
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and node.args.kwarg and not node.name.startswith("_")
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_no_two_modules_of_a_room_have_one_name():
    named = defaultdict(list)
    for path in FILES:
        if path.name != "__init__.py":
            parts = path.relative_to(PACKAGE).parts
            named[parts[0], path.name].append(str(path.relative_to(ROOT)))
    wrong = [paths for paths in named.values() if len(paths) > 1]
    assert not wrong, wrong


def prose():
    """Yield (path, line number, line) of all text that may refer to something."""
    for path in tracked("*.py", "*.md", "*.toml", "*.yml", "justfile"):
        if path == Path(__file__) or "texts" in path.parts or "passages" in path.parts:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield path, number, re.sub(r"\w+://\S+", "", line)


def test_documents_that_are_named_are_in_the_repository():
    known = {str(path.relative_to(ROOT)) for path in tracked("*.md")}
    wrong = []
    for path, number, line in prose():
        for name in re.findall(r"(?<![\w/<*{}])(?:\.{1,2}/)*([\w][\w./-]*\.md)\b", line):
            ends = {one for one in known if f"/{one}".endswith(f"/{name}")}
            if not ends and name.rpartition("/")[2] not in WRITTEN:
                wrong.append(f"{place(path, number)}: {name}")
        if re.search(r"\b(DESIGN|HOUSE|PEERS|PEERS-SPEED|RECIPES-FACTS|RELIABILITY-FACTS)\b", line):
            wrong.append(f"{place(path, number)}: {line.strip()}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_paths_that_are_named_exist():
    below = r"(?:curate|tests|docs|filters|pipelines|sample_data|\.github)"
    wrong = [
        f"{place(path, number)}: {name}"
        for path, number, line in prose()
        if path.suffix != ".yml" and "unit" not in path.parts
        for name in re.findall(rf"(?<![\w/.-])({below}/[\w./-]+\.(?:py|toml|md|json))\b", line)
        if not (ROOT / name).exists() and "NAME" not in name
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_modules_that_are_named_exist():
    """A dotted name of curate in a comment, docstring or page is a module, or a name in one."""
    wrong = []
    for path, number, line in prose():
        if path.is_relative_to(ROOT / "tests"):
            continue  # fixtures name modules that are not there
        for name in re.findall(r"(?<![\w./@:-])curate(?:\.[A-Za-z_]\w*)+(?!\w*[(/-])", line):
            parts = name.split(".")
            depth = max(n for n in range(1, len(parts) + 1) if ".".join(parts[:n]) in MODULES)
            rest = parts[depth:]
            source = MODULES[".".join(parts[:depth])].read_text(encoding="utf-8")
            if rest and not re.search(rf"\b{rest[0]}\b", source):
                wrong.append(f"{place(path, number)}: {name}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_links_between_pages_lead_somewhere():
    wrong = []
    for page in tracked("*.md"):
        text = page.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
            to = (page.parent / target).resolve() if target else page
            if not to.exists():
                wrong.append(f"{page.relative_to(ROOT)} links to {target}")
            elif anchor and anchor not in anchors(to):
                wrong.append(f"{page.relative_to(ROOT)} links to {target}#{anchor}")
    assert not wrong, "\n" + "\n".join(wrong)


def anchors(page):
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_guide_to_changes_names_files_that_exist():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    wrong = [
        name
        for name in re.findall(r"`([\w./-]+(?:\.py|\.toml|\.npz|\.md|/))`", page)
        if not any((folder / name).exists() for folder in (PACKAGE, ROOT, ROOT / "docs"))
        and name.split("/")[0] not in ("work", "commits", "mixture", "rejected", "quarantine")
        and name not in (*WRITTEN, "curate/_shipped/")
    ]
    assert not wrong, wrong


def test_every_room_has_a_sentence_for_its_folder():
    for path in FILES:
        if path.name == "__init__.py":
            assert ast.get_docstring(tree(path)), path


def test_the_lock_file_holds_for_every_registry():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock and "index" not in lock
    assert not (ROOT / "uv.lock").exists() or not tracked("uv.lock")


def test_rooms_are_few():
    """The law speaks of rooms that a newcomer draws from memory."""
    assert len({room_of(module) for module in MODULES}) <= 30
