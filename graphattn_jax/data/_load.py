"""The front door: every data set by name."""

from __future__ import annotations

import os
from functools import partial

from graphattn_jax import _checks
from graphattn_jax.data import _coauthor, _heterophilous, _planetoid
from graphattn_jax.data._dataset import NodeDataset
from graphattn_jax.data._digits import load_digits

_LOADERS = {
    "digits": lambda root: load_digits(),
    **{n: partial(_planetoid.load_planetoid, n) for n in _planetoid.NAMES},
    **{n: partial(_heterophilous.load_heterophilous, n) for n in _heterophilous.NAMES},
    **{f"coauthor-{n}": partial(_coauthor.load_coauthor, n) for n in _coauthor.NAMES},
}


def load(name: str, *, root: str | os.PathLike | None = None) -> NodeDataset:
    """A data set by name, as its own loader gives it with default arguments.

    Args:
      name: `"digits"` (no network needed); `"cora"`, `"citeseer"`, `"pubmed"`; `"roman-empire"`,
        `"amazon-ratings"`, `"minesweeper"`, `"tolokers"`, `"questions"`, `"chameleon-filtered"`,
        `"squirrel-filtered"`, `"actor"`; `"coauthor-cs"`, `"coauthor-physics"`.
      root: a folder with the files. None = the one named by `GRAPHATTN_DATA`, then the cache, then
        a download. The digits have no file and ignore it.

    Returns:
      A `NodeDataset`.

    Raises:
      ValueError: unknown name, or a corrupted file.
      FileNotFoundError: a file is neither in a local folder nor can be downloaded.

    Cost: that of `load_digits`, `load_planetoid`, `load_heterophilous` or `load_coauthor`.

    Example:
      >>> import graphattn_jax as ga
      >>> digits = ga.data.load("digits")
      >>> digits.num_classes, len(digits.splits)
      (10, 10)
    """
    _checks.choice("name", name, _LOADERS)
    return _LOADERS[name](root=root)
