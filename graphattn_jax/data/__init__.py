"""Data sets as numpy-backed graphs: one graph with labelled nodes, many labelled graphs, typed graphs.

`load` finds a set by name. Files come from a local folder first (`root`, then `GRAPHATTN_DATA`),
else from their public homes, checked by sha256 and cached in `GRAPHATTN_CACHE`; `load_digits`,
`load_csl` and `load_freewilson` need no network. Nothing is downloaded at import.
"""

from graphattn_jax.data._aifb import load_aifb
from graphattn_jax.data._amsterdam_museum import load_amsterdam_museum
from graphattn_jax.data._coauthor import load_coauthor
from graphattn_jax.data._csl import load_csl
from graphattn_jax.data._dataset import NodeDataset, Split
from graphattn_jax.data._digits import load_digits
from graphattn_jax.data._flights import load_flights
from graphattn_jax.data._freewilson import load_freewilson
from graphattn_jax.data._graph_dataset import GraphDataset, GraphSplit
from graphattn_jax.data._heterophilous import load_heterophilous
from graphattn_jax.data._link_dataset import LinkDataset
from graphattn_jax.data._load import load
from graphattn_jax.data._moleculenet import load_moleculenet
from graphattn_jax.data._planetoid import load_planetoid
from graphattn_jax.data._scaffold_split import scaffold_split
from graphattn_jax.data._splits import random_splits, row_normalize, standardize
from graphattn_jax.data._table_dataset import TableDataset
from graphattn_jax.data._tu import load_tu
from graphattn_jax.data._typed_dataset import TypedNodeDataset
from graphattn_jax.data._umls import load_umls
from graphattn_jax.data._wordnet import load_wordnet
from graphattn_jax.data._zinc import load_zinc

__all__ = [
    "GraphDataset",
    "GraphSplit",
    "LinkDataset",
    "NodeDataset",
    "Split",
    "TableDataset",
    "TypedNodeDataset",
    "load",
    "load_aifb",
    "load_amsterdam_museum",
    "load_coauthor",
    "load_csl",
    "load_digits",
    "load_flights",
    "load_freewilson",
    "load_heterophilous",
    "load_moleculenet",
    "load_planetoid",
    "load_tu",
    "load_umls",
    "load_wordnet",
    "load_zinc",
    "random_splits",
    "row_normalize",
    "scaffold_split",
    "standardize",
]
