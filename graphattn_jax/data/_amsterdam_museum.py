"""The catalogue of the Amsterdam Museum as a graph of a million nodes."""

from __future__ import annotations

import os

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.data._dataset import Split
from graphattn_jax.data._fetch import require_local
from graphattn_jax.data._files import read_npz, unreadable
from graphattn_jax.data._typed_dataset import TypedNodeDataset, typed_node_dataset

_PARTS = ("training", "validation", "testing", "meta_testing")


def load_amsterdam_museum(*, root: str | os.PathLike | None = None) -> TypedNodeDataset:
    """Objects of the Amsterdam Museum, what is known of them, and the category of 73,423.

    A development version of the set AM+ (`amplus`) of kgbench, not the published one: 1,080,876
    nodes, 12 relations, 1,360,749 facts. Say so beside any number. Edges go from the subject of a
    fact to its object. Objects of the collection are only ever subjects, so every edge is there
    reversed too, with a relation of its own: relation r + 12 is the inverse of r. Nodes have
    neither features nor types. The relations have no names here, only numbers.

    Reads `am.npz` (`src`, `rel`, `dst` `[M]`; `training`, `validation`, `testing`, `meta_testing` with
    rows (node, class)). The one split is kgbench's: 13,423 to train, 20,000 to validate, 20,000 to
    test; the 20,000 of `meta_testing` keep their labels and are in no part.

    Args:
      root: a folder with the file. None = the one named by `GRAPHATTN_DATA`.

    Returns:
      A `TypedNodeDataset` with eight classes, label -1 for most nodes, `graph.nodes` None and
      metric `"accuracy"`.

    Raises:
      ValueError: a corrupted file.
      FileNotFoundError: the file is in no local folder.

    Cost: a second.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_amsterdam_museum()  # doctest: +SKIP
      TypedNodeDataset('amsterdam-museum': 1,080,876 nodes, 2,721,498 edges, 0 features, 1 node type,
        24 relations, 8 classes, 1 split, accuracy)

    Source: Bloem et al., "kgbench: A Collection of Knowledge Graph Datasets for Evaluating Relational
      and Multimodal Machine Learning", ESWC 2021.
    """
    path = require_local(
        "am.npz",
        content="the arrays src, rel, dst [M] and training, validation, testing, meta_testing "
        "with rows (node, class)",
        root=root,
    )
    arrays = read_npz(path, ("src", "rel", "dst", *_PARTS))
    source, relation, target = (arrays[key] for key in ("src", "rel", "dst"))
    for key in ("src", "rel", "dst"):
        _checks.ids(f"{key} of {path}", arrays[key], len(source))
    if len(source) == 0 or relation.min() < 0:
        raise unreadable(path, "facts must be at least one, with relations from 0 on")
    num_nodes = 1 + int(max(source.max(), target.max()))
    num_relations = 1 + int(relation.max())
    labels = np.full(num_nodes, -1, np.int32)
    masks = np.zeros((len(_PARTS), num_nodes), bool)
    for mask, part in zip(masks, _PARTS, strict=True):
        _checks.shape(f"{part} of {path}", arrays[part], ("K", 2))
        node, label = arrays[part].T
        _checks.ids(f"nodes in {part} of {path}", node)
        _checks.ids_in_range(f"nodes in {part} of {path}", node, num_nodes)
        _checks.ids_in_range(f"classes in {part} of {path}", label, num_nodes, "nodes")
        labels[node] = label
        mask[node] = True
    if (masks.sum(axis=0) > 1).any():
        raise unreadable(path, "a node is in two parts")
    names = [f"relation {r}" for r in range(num_relations)]
    return typed_node_dataset(
        "amsterdam-museum",
        nodes=None,
        senders=np.concatenate([source, target]),
        receivers=np.concatenate([target, source]),
        relation=np.concatenate([relation, relation.astype(np.int32) + num_relations]),
        relations=[*names, *(f"inverse of {name}" for name in names)],
        labels=labels,
        node_types=np.zeros(num_nodes, np.int32),
        splits=[Split(*masks[:3])],
        source=path,
    )
