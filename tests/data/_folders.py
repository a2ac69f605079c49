"""Where real data is, for the tests that need it."""

import os
from pathlib import Path

import pytest


def data_folder(name: str) -> Path:
    """The folder of a real data set, or a skip that says how to provide it."""
    root = os.environ.get("GRAPHATTN_DATA")
    if not root or not (Path(root) / name).exists():
        pytest.skip(f"real data: set GRAPHATTN_DATA to a folder that holds {name}")
    return Path(root)
