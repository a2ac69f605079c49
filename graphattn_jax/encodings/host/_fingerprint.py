"""A name for what a function computes: a digest of its code and of all that the code reads."""

from __future__ import annotations

import copyreg
import dis
import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
_AT_RUN_TIME = {"globals", "eval", "exec", "__import__"}
"""Builtins that read what the code does not name."""
_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
_MISSING = object()
_SAYS_NOTHING = {
    "__annotations__",
    "__annotate_func__",
    "__annotations_cache__",
    "__dataclass_fields__",
    "__dataclass_params__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__orig_bases__",
    "__parameters__",
    "__qualname__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
}
"""Entries of a class that change nothing that it does."""


def fingerprint(function: Callable[..., Any]) -> str:
    """The same for functions that compute the same by the same code, another one after any change that matters.

    What counts is the function's code with its constants, its defaults, what is in its closure, and the globals that it
    names; and the same of all functions, classes and objects found there, as long as they are of one's own. Packages
    count by their version, this library by its source and the versions of numpy, SciPy and jax. Nothing else does:
    neither files that the function reads, nor the environment.

    Raises:
      ValueError: something without a content to compare (a lock, an open file, a module as a whole), or code that reads
        what it does not name.
    """
    return _Digests().of(function, getattr(function, "__qualname__", repr(function))).hex()


class _Digests:
    """Digests of values: each a digest of those of its parts."""

    def __init__(self) -> None:
        self._done: dict[
            int, tuple[Any, bytes]
        ] = {}  # with the value: its id is not given to another one
        self._open: list[int] = []

    def of(self, value: Any, path: str) -> bytes:
        """The digest of anything; `path` says in an error how it was reached."""
        if isinstance(value, _PLAIN):
            return _hash(type(value).__name__, repr(value))
        if id(value) in self._done:
            return self._done[id(value)][1]
        if id(value) in self._open:
            return _hash("cycle", str(self._open.index(id(value))))
        self._open.append(id(value))
        kind, *parts = self._parts(value, path)
        self._open.pop()
        digest = _hash(kind, *parts)
        self._done[id(value)] = value, digest
        return digest

    def _parts(self, value: Any, path: str) -> tuple[str | bytes, ...]:
        """What kind of thing it is, and digests of its parts."""
        if type(value) in (list, tuple):
            return type(value).__name__, *(self.of(x, path) for x in value)
        if type(value) in (set, frozenset):
            return "set", *sorted(self.of(x, path) for x in value)
        if type(value) is dict:
            items = (
                (self.of(key, path), self.of(x, f"{path}[{key!r}]")) for key, x in value.items()
            )
            return "dict", *(digest for item in items for digest in item)
        if isinstance(value, jax.Array):
            if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
                return "key", str(value.dtype), self.of(jax.random.key_data(value), path)
            value = np.asarray(value)
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
            return "array", str(value.dtype), str(value.shape), value.tobytes()
        if isinstance(value, ModuleType):
            version = _version_of(value.__name__)
            if version is None:
                raise _cannot_name(path, f"it reads the module {value.__name__} as a whole")
            return "module", value.__name__, version
        if isinstance(value, CodeType):
            return self._code(value, path)
        if isinstance(value, FunctionType):
            return self._function(value, path)
        if isinstance(value, type):
            return self._class(value, path)
        if isinstance(value, MethodType):
            return "method", self.of(value.__func__, path), self.of(value.__self__, path)
        if isinstance(value, BuiltinFunctionType) and _is_of_module(value):
            module = value.__module__ or "builtins"
            return "builtin", value.__qualname__, _version_of(module) or module
        if isinstance(value, partial):
            parts = (value.func, value.args, value.keywords)
            return "partial", *(self.of(part, path) for part in parts)
        if isinstance(value, property):
            parts = (value.fget, value.fset, value.fdel)
            return "property", *(self.of(part, path) for part in parts)
        wrapped = getattr(value, "__wrapped__", _MISSING)
        if wrapped is not _MISSING:  # jax.jit, functools.cache, staticmethod
            return "wrapped", self.of(type(value), path), self.of(wrapped, path)
        return self._object(value, path)

    def _code(self, code: CodeType, path: str) -> tuple[str | bytes, ...]:
        counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        names = (*code.co_names, "", *code.co_freevars)
        parts = self.of(counts, path), self.of(names, path), self.of(code.co_consts, path)
        return "code", code.co_code, code.co_exceptiontable, *parts

    def _function(self, function: FunctionType, path: str) -> tuple[str | bytes, ...]:
        code, home = function.__code__, function.__globals__.get("__name__", "")
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        closure = {name: _contents(cell) for name, cell in cells}
        if (version := _version_of(home)) is None:
            attributes = {k: v for k, v in vars(function).items() if k != "__wrapped__"}
            parts = [self.of(code, path), self.of(attributes, path)]
            reads = _reads(code, function.__globals__, closure, path)
        else:
            parts, reads = [_hash(home, code.co_qualname, version)], closure.items()
            if "<locals>" not in code.co_qualname:
                return "function", *parts
        parts += [self.of(x, path) for x in (function.__defaults__, function.__kwdefaults__)]
        for name, value in sorted(reads, key=lambda read: read[0]):
            parts += [self.of(name, path), self.of(value, f"{path} → {name}")]
        return "function", *parts

    def _class(self, value: type, path: str) -> tuple[str | bytes, ...]:
        if (version := _version_of(value.__module__)) is not None:
            return "class", value.__module__, value.__qualname__, version
        parts = [self.of(base, path) for base in (type(value), *value.__bases__)]
        for name, member in sorted(vars(value).items()):
            if name in _SAYS_NOTHING or isinstance(
                member, (GetSetDescriptorType, MemberDescriptorType)
            ):
                continue
            parts += [self.of(name, path), self.of(member, f"{path}.{name}")]
        return "class", *parts

    def _object(self, value: Any, path: str) -> tuple[str | bytes, ...]:
        """By what pickle would keep of it."""
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            kept = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception as error:
            raise _cannot_name(path, f"{type(value).__name__} has no content to compare") from error
        if isinstance(kept, str):
            return "global", self.of(type(value), path), kept
        make, arguments, *rest = kept
        state = rest[0] if rest else None
        items = [list(more) for more in rest[1:3] if more is not None]
        return "object", *(self.of(part, path) for part in (make, arguments, state, items))


def _reads(
    code: CodeType, scope: dict[str, Any], closure: dict[str, Any], path: str
) -> Iterator[tuple[str, Any]]:
    """What some code, and code inside it, reads of globals and closure: names and values.

    Of modules of one's own it is their attributes, `helpers.scale`.
    """
    instructions = [x for x in dis.get_instructions(code) if x.opname != "EXTENDED_ARG"]
    for position, instruction in enumerate(instructions):
        name = instruction.argval
        if instruction.opname == "IMPORT_NAME":
            value = _version_of(name)
            if value is None:
                raise _cannot_name(path, f"it imports {name!r} where it is called, not on top")
        elif instruction.opname in _LOADS:
            value = (closure if "DEREF" in instruction.opname else scope).get(name, _MISSING)
            if value is _MISSING and name in _AT_RUN_TIME:
                raise _cannot_name(path, f"{name} reads what the code does not name")
        else:
            continue
        while isinstance(value, ModuleType) and _version_of(value.__name__) is None:
            position += 1
            if instructions[position].opname not in ("LOAD_ATTR", "LOAD_METHOD"):
                raise _cannot_name(path, f"it reads the module {name} as a whole")
            attribute = instructions[position].argval
            name, value = f"{name}.{attribute}", getattr(value, attribute, _MISSING)
        if value is not _MISSING:
            yield name, value
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _reads(constant, scope, closure, path)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return _MISSING


def _is_of_module(function: BuiltinFunctionType) -> bool:
    """Whether it is a function of its module, and not a method of an object."""
    return isinstance(function.__self__, (ModuleType, type(None)))


def _hash(*parts: str | bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


@cache
def _version_of(module: str) -> bytes | None:
    """What an installed package, the standard library or this one count by; None = code of one's own."""
    root = module.partition(".")[0]
    if root == __name__.partition(".")[0]:
        return _library()
    if root in sys.stdlib_module_names:
        return _hash(root, sys.version)
    if root in ("", "__main__") or not _is_installed(root):
        return None
    try:
        return _hash(root, importlib.metadata.version(root))
    except importlib.metadata.PackageNotFoundError:
        distributions = importlib.metadata.packages_distributions().get(root, [])
    versions = [f"{name} {importlib.metadata.version(name)}" for name in distributions]
    return _hash(root, *versions) if versions else None


def _is_installed(package: str) -> bool:
    """Whether it lies where packages are installed; one that is developed in place does not."""
    if (module := sys.modules.get(package)) is not None:
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    elif (found := importlib.util.find_spec(package)) is not None:
        places = [found.origin, *(found.submodule_search_locations or ())]
    else:
        return False
    folders = {folder for place in places if place for folder in Path(place).parts}
    return bool(folders & {"site-packages", "dist-packages"})


def _library() -> bytes:
    """Of every source file, and of what computes below it."""
    root = Path(__file__).parents[2]
    files = sorted(path for path in root.rglob("*") if path.suffix in (".py", ".cc", ".h"))
    sources = (part for path in files for part in (str(path.relative_to(root)), path.read_bytes()))
    below = (importlib.metadata.version(name) for name in ("numpy", "scipy", "jax"))
    return _hash(*sources, *below)


def _cannot_name(path: str, why: str) -> ValueError:
    return ValueError(
        f"cache= cannot name the encoding by what it reads: {path}: {why}. Fix: give it what it needs as an option "
        "(functools.partial), or cache=None."
    )
