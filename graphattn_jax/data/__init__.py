"""Node-classification data sets as numpy-backed graphs with their published splits.

`load` finds a set by name. Files come from a local folder first (`root`, then `GRAPHATTN_DATA`),
else from their public homes, checked by sha256 and cached in `GRAPHATTN_CACHE`; `load_digits` needs
no network. Nothing is downloaded at import.
"""

from graphattn_jax.data._coauthor import load_coauthor
from graphattn_jax.data._csl import load_csl
from graphattn_jax.data._dataset import NodeDataset, Split
from graphattn_jax.data._digits import load_digits
from graphattn_jax.data._graph_dataset import GraphDataset, GraphSplit
from graphattn_jax.data._heterophilous import load_heterophilous
from graphattn_jax.data._load import load
from graphattn_jax.data._planetoid import load_planetoid
from graphattn_jax.data._splits import random_splits, row_normalize, standardize

__all__ = [
    "GraphDataset",
    "GraphSplit",
    "NodeDataset",
    "Split",
    "load",
    "load_coauthor",
    "load_csl",
    "load_digits",
    "load_heterophilous",
    "load_planetoid",
    "random_splits",
    "row_normalize",
    "standardize",
]
