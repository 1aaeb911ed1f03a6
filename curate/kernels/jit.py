"""The compiler of the text kernels, and the cache that makes the second start fast.

numba's own cache unpickles whatever is in its folder, ends the program where a file is damaged, and
returns stale code when a helper in *another* module changes. So compiled kernels are stored by
curate/kernels/cache.py, those of a module in a folder whose name is a digest of that module, of
every module of ours that it imports, directly or not, of the tables beside them, of numba,
llvmlite, ftfy, Python and the CPU. Only what changed is compiled again.
"""

from __future__ import annotations

import functools
import hashlib
import io
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding
import numba
from numba.core import serialize
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.environment import Environment, lookup_environment
from numba.core.runtime import nrt

from curate.kernels import cache

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parent.parent


@functools.cache
def imports(module: str) -> frozenset[str]:
    """Return the modules of this package that a module imports, at its top or in a function."""
    found: set[str] = set()
    source = _source(module)
    for line in _IMPORT.finditer(source.read_text(encoding="utf-8") if source else ""):
        package = line["package"] or line["plain"]
        found.add(package)
        if (_source(package) or _PACKAGE).name == "__init__.py":
            found.update(f"{package}.{name}" for name in re.findall(r"\w+", line["names"] or ""))
    return frozenset(name for name in found if _source(name))


#: Imports are read by pattern, because parsing all sources would cost half a second at start.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<package>curate[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n]*)"
    r"|import[ \t]+(?P<plain>curate[\w.]*))",
    re.M,
)


@functools.cache
def _source(module: str) -> Path | None:
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    return next(filter(Path.is_file, (path.with_suffix(".py"), path / "__init__.py")), None)


def closure(module: str) -> list[str]:
    """Return a module and every module of ours that it imports, directly or not, sorted."""
    found, todo = {module}, [module]
    while todo:
        new = imports(todo.pop()) - found
        found |= new
        todo.extend(new)
    return sorted(found)


@functools.cache
def digest(module: str) -> str:
    """Return the digest of everything that a module's kernels are compiled from."""
    digest = hashlib.blake2b(_versions(), digest_size=12)
    sources = [source for name in closure(module) if (source := _source(name))]
    tables = {table for folder in {s.parent for s in sources} for table in _tables(folder)}
    for path in [*sources, *sorted(tables)]:
        digest.update(_digest(path))
    return digest.hexdigest()


@functools.cache
def _versions() -> bytes:
    packages = [f"{package} {version(package)} " for package in ("numba", "llvmlite", "ftfy")]
    return "".join([*packages, llvmlite.binding.get_host_cpu_name()]).encode()


@functools.cache
def _tables(folder: Path) -> tuple[Path, ...]:
    return tuple(folder.glob("*.npz"))


@functools.cache
def _digest(path: Path) -> bytes:
    name = f"{path.relative_to(_PACKAGE)}\0".encode()
    return hashlib.blake2b(name + path.read_bytes(), digest_size=16).digest()


class _Unpickler(pickle.Unpickler):
    """Reads a stored kernel without importing numba's compiler, which takes half a second.

    numba's own environments import the modules that a kernel's code comes from, its arrays and
    linear algebra. Only object mode, which is never used here, reads their globals.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names."""
        return _environment if name == "_rebuild_env" else super().find_class(module, name)


def _environment(module: str, constants: list[Any], name: str) -> Environment:
    found = lookup_environment(name)
    if found is None:
        found = Environment({"__name__": module})
        found.consts[:] = constants
        found.env_name = name
        Environment._memo[name] = found
    return found


class _Library(JITCodeLibrary):  # type: ignore[misc]
    """The code of a kernel, turned into machine code when its address is asked for.

    numba optimizes the code of each function in full and makes machine code of it, also of those
    that are only called by others, into which their code is linked and optimized once more.
    """

    _complete = False

    def _optimize_final_module(self) -> None:
        """Only inline and prune: what is called is optimized in full within its caller."""
        cheap, builder = self._codegen._module_pass_manager(
            loop_vectorize=False, slp_vectorize=False, opt=self._codegen._opt_level, cost="cheap"
        )
        cheap.run(self._final_module, builder)

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._defined = {f.name for f in self._final_module.functions if not f.is_declaration}
        self._finalized = True

    def _finish(self) -> None:
        self._complete = True
        full, builder = self._codegen._module_pass_manager()
        full.run(self._final_module, builder)
        super()._finalize_final_module()
        for variable in self._final_module.global_variables:
            environment = lookup_environment(variable.name)
            if environment is not None:
                JITCPUCodegen.set_env(self._codegen, variable.name, environment)

    def get_pointer_to_function(self, name: str) -> int:
        """Return the address of a function, or 0 where it has none."""
        self._ensure_finalized()
        if name not in self._defined:
            return 0
        if not self._complete:
            self._finish()
        return cast("int", self._codegen._engine.get_function_address(name))

    def serialize_using_object_code(self) -> tuple[str, str, tuple[bytes, bytes]]:
        """Return the machine code, or, where there is none, the code for callers."""
        if self._complete:
            return self.name, "object", (self._get_compiled_object(), b"")
        return self.name, "object", (b"", self._get_module_for_linking().as_bitcode())


class _StoredLibrary(JITCodeLibrary):  # type: ignore[misc]
    """A stored kernel: machine code, or code that is parsed when a caller links it."""

    _shared_module: Any
    _callable: bool
    _bitcode: bytes

    @classmethod
    def _unserialize(cls, codegen: Any, state: tuple[str, str, tuple[bytes, bytes]]) -> Any:
        name, _, (machine_code, bitcode) = state
        library = codegen.create_library(name)
        library._callable, library._bitcode = bool(machine_code), bitcode
        if machine_code:
            library.enable_object_caching()
            library._set_compiled_object(machine_code)
            library._finalize_final_module()
        library._finalized = True
        return library

    def get_pointer_to_function(self, name: str) -> int:
        """Return the address of a function in the machine code, or 0 where there is none."""
        if not self._callable:
            return 0
        return cast("int", self._codegen._engine.get_function_address(name))

    def _get_module_for_linking(self) -> Any:
        if self._shared_module is None:
            self._shared_module = llvmlite.binding.parse_bitcode(self._bitcode)
        return self._shared_module


@contextmanager
def _libraries(
    codegen: Any, library: type[JITCodeLibrary], *, machine_code: bool
) -> Iterator[None]:
    """Let numba, which holds its lock meanwhile, make libraries of our own.

    ``machine_code``: they have machine code, to which numba tells where the environments are.
    """
    names = ("_library_class", "set_env")
    before = {name: vars(codegen)[name] for name in names if name in vars(codegen)}
    codegen._library_class = library
    codegen.set_env = partial(JITCPUCodegen.set_env, codegen) if machine_code else _no_machine_code
    try:
        yield
    finally:
        for name in names:
            delattr(codegen, name)
        vars(codegen).update(before)


def _no_machine_code(name: str, environment: Environment) -> None:
    """Do nothing: `_Library` sets the environments once there is machine code."""


class _Overloads:
    """The stored overloads of a kernel, in the place of numba's ``FunctionCache``."""

    def __init__(self, function: Callable[..., Any], called: bool) -> None:
        self._module, self._name = function.__module__, function.__qualname__
        self._called = called
        self.cache_path = str(cache.cache_folder())  # for numba's statistics

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the stored result of compiling for a signature, or None."""
        nrt.rtsys.initialize(target)  # the allocator, which numba starts when it compiles
        path = self._path(signature, target.codegen())
        content = path and cache.read(path)
        if not content:
            return None
        parts = _Unpickler(io.BytesIO(content)).load()
        _, _, (machine_code, _) = parts[0]
        with _libraries(target.codegen(), _StoredLibrary, machine_code=bool(machine_code)):
            return CompileResult._rebuild(target, *parts)

    def save_overload(self, signature: Any, result: Any) -> None:
        """Store the result of compiling for a signature."""
        path = self._path(signature, result.codegen)
        if path is None or result.lifted or result.library.has_dynamic_globals:
            return
        cache.write(path, serialize.dumps(result._reduce()))

    def _path(self, signature: Any, codegen: Any) -> Path | None:
        folder = cache.usable_folder()
        if folder is None:
            return None
        key = repr((self._called, signature, codegen.magic_tuple(), sys.version)).encode()
        name = f"{self._name}-{hashlib.blake2b(key, digest_size=8).hexdigest()}{cache.SUFFIX}"
        return folder / digest(self._module) / name


def kernel(function: Function) -> Function:
    """Compile a function on first use. Stored results are integers only; fastmath is never used.

    It is compiled for those that call it from Python, and for other kernels without the wrapper
    that unpacks Python's objects, whichever is needed.
    """
    entry = _dispatcher(function, called=False)
    called = _dispatcher(function, called=True)
    entry.get_call_template = called.get_call_template
    entry.get_overload = called.get_overload
    return cast("Function", entry)


def _dispatcher(function: Callable[..., Any], *, called: bool) -> Any:
    options = {"nogil": True, "boundscheck": False, "no_cfunc_wrapper": True}
    compiled: Any = numba.njit(**options, no_cpython_wrapper=called)(function)
    compiled._cache = _Overloads(function, called)  # as numba's enable_caching does with its own
    compiled._compilation_chain_init_hook = lambda: None  # looks for extensions of numba

    def compile_(signature: Any) -> Any:
        codegen = compiled.targetctx.codegen()
        with global_compiler_lock, _libraries(codegen, _Library, machine_code=False):
            return type(compiled).compile(compiled, signature)

    compiled.compile = compile_
    return compiled


def inline(function: Function) -> Function:
    """Compile a small helper into the kernels that call it."""
    compiled: Function = numba.njit(inline="always", nogil=True)(function)
    return compiled


#: Seconds to wait for what another worker compiles; it may have been stopped.
LONGEST_WAIT = 120.0


@contextmanager
def compiling(what: str, *, wait: bool) -> Iterator[bool]:
    """Hold the node's lock on compiling for some work, so that not every worker compiles.

    Yields False where another worker has it: at once, or with ``wait`` after `LONGEST_WAIT`. The
    caller does its work in either case: what another worker compiled is loaded in a moment.
    """
    folder = cache.usable_folder()
    name = hashlib.blake2b(what.encode(), digest_size=8).hexdigest()
    with ExitStack() as stack:
        acquired = True  # without a folder, nothing that another worker compiles could be loaded
        if folder is not None:
            with suppress(OSError):
                seconds = LONGEST_WAIT if wait else 0
                lock = cache.locked(folder / "locks" / name, seconds=seconds)
                acquired = stack.enter_context(lock)
        yield acquired
