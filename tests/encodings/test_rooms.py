"""host is exact and on the host, device runs under jit, learned has parameters: they import in one direction only."""

import ast
from pathlib import Path

import pytest

from graphattn_jax import encodings

ROOT = Path(encodings.__file__).parent
MAY_IMPORT = {"host": set(), "device": set(), "learned": {"device"}}
"""Beside itself, and what lies in `encodings/` itself, which imports from no room."""


def imported_rooms(path):
    """Rooms of everything imported anywhere in a file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    within = (name.removeprefix("graphattn_jax.encodings.").split(".")[0] for name in names)
    return set(within) & set(MAY_IMPORT)


def test_every_file_is_in_a_room_or_shared():
    assert {path.name for path in ROOT.iterdir() if path.is_dir()} - {"__pycache__"} == set(
        MAY_IMPORT
    )
    assert all(path.parent == ROOT or path.parent.parent == ROOT for path in ROOT.rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_between_rooms(room):
    for path in (ROOT / room).glob("*.py"):
        assert imported_rooms(path) <= {room} | MAY_IMPORT[room], path.name


def test_what_is_shared_imports_no_room():
    for path in ROOT.glob("_*.py"):
        if path.name != "__init__.py":
            assert not imported_rooms(path), path.name


def test_public_names_come_from_the_rooms_and_what_is_shared():
    for name in encodings.__all__:
        home = getattr(encodings, name).__module__
        assert home.startswith("graphattn_jax.encodings."), name
        assert home.split(".")[2] in (*MAY_IMPORT, "_vocabulary"), name
