"""The front door: every data set by name."""

from __future__ import annotations

import os
from functools import partial

from graphattn_jax import _checks
from graphattn_jax.data import _coauthor, _heterophilous, _moleculenet, _planetoid, _tu
from graphattn_jax.data._aifb import load_aifb
from graphattn_jax.data._amsterdam_museum import load_amsterdam_museum
from graphattn_jax.data._csl import load_csl
from graphattn_jax.data._dataset import NodeDataset
from graphattn_jax.data._digits import load_digits
from graphattn_jax.data._flights import load_flights
from graphattn_jax.data._freewilson import load_freewilson
from graphattn_jax.data._graph_dataset import GraphDataset
from graphattn_jax.data._link_dataset import LinkDataset
from graphattn_jax.data._table_dataset import TableDataset
from graphattn_jax.data._typed_dataset import TypedNodeDataset
from graphattn_jax.data._umls import load_umls
from graphattn_jax.data._wordnet import load_wordnet
from graphattn_jax.data._zinc import load_zinc

_LOADERS = {
    "digits": lambda root: load_digits(),
    **{n: partial(_planetoid.load_planetoid, n) for n in _planetoid.NAMES},
    **{n: partial(_heterophilous.load_heterophilous, n) for n in _heterophilous.NAMES},
    **{f"coauthor-{n}": partial(_coauthor.load_coauthor, n) for n in _coauthor.NAMES},
    "csl": lambda root: load_csl(),
    "freewilson": lambda root: load_freewilson(),
    **{n: partial(_tu.load_tu, n) for n in _tu.NAMES},
    "zinc": load_zinc,
    **{n: partial(_moleculenet.load_moleculenet, n) for n in _moleculenet.NAMES},
    "aifb": load_aifb,
    "wordnet": load_wordnet,
    "amsterdam-museum": load_amsterdam_museum,
    "flights": load_flights,
    "umls": load_umls,
}


def load(
    name: str, *, root: str | os.PathLike | None = None
) -> NodeDataset | GraphDataset | TypedNodeDataset | TableDataset | LinkDataset:
    """A data set by name, as its own loader gives it with default arguments.

    Names of one graph with labelled nodes: `"digits"`; `"cora"`, `"citeseer"`, `"pubmed"`;
    `"roman-empire"`, `"amazon-ratings"`, `"minesweeper"`, `"tolokers"`, `"questions"`,
    `"chameleon-filtered"`, `"squirrel-filtered"`, `"actor"`; `"coauthor-cs"`, `"coauthor-physics"`.
    Many labelled graphs: `"csl"`; `"mutag"`, `"proteins"`, `"nci1"`; and molecules, which need
    RDKit: `"freewilson"`, `"zinc"`, `"esol"`, `"freesolv"`, `"bbbp"`, `"tox21"`, `"hiv"`. Typed graphs:
    `"aifb"`, `"wordnet"`, `"amsterdam-museum"`; of tables with times, `"flights"`. Links: `"umls"`.

    Args:
      name: one of the names above.
      root: a folder with the files. None = the one named by `GRAPHATTN_DATA`, then the cache, then
        a download, for sets that have a public home. `"digits"`, `"csl"` and `"freewilson"` have no
        file and ignore it.

    Returns:
      A `NodeDataset`, `GraphDataset`, `TypedNodeDataset`, `TableDataset` or `LinkDataset`.

    Raises:
      ValueError: unknown name, or a corrupted file.
      FileNotFoundError: a file is neither in a local folder nor can be downloaded.
      ImportError: an optional package is not installed; the message says which.

    Cost: that of the set's own loader.

    Example:
      >>> import graphattn_jax as ga
      >>> digits = ga.data.load("digits")
      >>> digits.num_classes, len(digits.splits)
      (10, 10)
    """
    _checks.choice("name", name, _LOADERS)
    return _LOADERS[name](root=root)
