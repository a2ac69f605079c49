"""The package is layered: a module imports from lower layers only, and heavy packages load when they are used."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "graphattn_jax"

LAYER = {
    "_cache": 0,
    "_checks": 0,
    "_dtypes": 0,
    "_tensors": 0,
    "typing": -1,
    "values": 1,
    "_masked": 1,
    "ops": 1,
    "graphs": 2,
    "losses": 2,
    "metrics": 2,
    "nn": 3,
    "sampling": 3,
    "encodings": 4,
    "chem": 4,
    "links": 4,
    "attention": 4,
    "linear_attention": 4,
    "message_passing": 4,
    "diagnostics": 4,
    "models": 5,
    "modules": 6,
    "data": 6,
    "training": 6,
    "testing": 6,
    "interop": 6,
}
# Nothing at one level needs another at the same.
HEAVY = (
    "networkx",
    "matplotlib",
    "sklearn",
    "pooch",
    "rich",
    "orbax",
    "torch",
    "flax",
    "rdkit",
    "pymetis",
)

MODULES = sorted(p for p in ROOT.rglob("*.py") if p.name != "__init__.py" or p.parent != ROOT)


@cache
def imports(path: Path) -> set[str]:
    """Dotted names of everything imported anywhere in a file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def test_imports_point_down():
    wrong = []
    for path in MODULES:
        here = package_of(path)
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "graphattn_jax" or len(parts) < 2 or parts[1] in (here, "__version__"):
                continue
            if LAYER[parts[1]] >= LAYER[here]:
                wrong.append(f"{path.relative_to(ROOT)} (L{LAYER[here]}) imports {name}")
    assert not wrong


def private_imports() -> dict[str, set[str]]:
    """Private names of a package that other packages import, and by which; `_checks` and such are everybody's."""
    found = {}
    for path in MODULES:
        for name in imports(path):
            root, package, *rest = [*name.split("."), ""]
            if root != "graphattn_jax" or package == package_of(path):
                continue
            if any(part.startswith("_") for part in rest):
                found.setdefault(name.partition(".")[2], set()).add(package_of(path))
    return found


def test_private_names_stay_in_their_package():
    assert not private_imports()


def test_every_package_has_a_layer():
    packages = {package_of(p) for p in MODULES}
    assert packages == set(LAYER)


@pytest.mark.parametrize("package", ["ops", "attention", "linear_attention", "message_passing"])
def test_arrays_and_layers_do_without_jraph(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not any(name.split(".")[0] == "jraph" for name in imports(path)), path


def test_importing_everything_loads_nothing_heavy():
    packages = [name for name, level in LAYER.items() if level > 0]
    code = (
        "import sys, importlib, graphattn_jax\n"
        f"for name in {packages}: importlib.import_module('graphattn_jax.' + name)\n"
        f"loaded = [name for name in {HEAVY} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent
    )
    assert done.returncode == 0, done.stderr
