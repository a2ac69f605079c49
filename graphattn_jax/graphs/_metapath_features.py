"""What metapaths carry to the nodes of one type, computed once: features, and labels without a node's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax._cache import remembered
from graphattn_jax.graphs._features import as_array
from graphattn_jax.graphs._masks import node_graph_ids
from graphattn_jax.graphs._metapaths import (
    Metapath,
    RelationMatrices,
    chained,
    check_fill_in,
)
from graphattn_jax.graphs._typed import Relation, schema_of
from graphattn_jax.graphs._types import GraphsTuple, to_host

__all__ = ["metapath_features", "metapath_labels"]


def metapath_features(
    graph: GraphsTuple,
    target: str,
    paths: Mapping[str, Metapath],
    *,
    cache: str | os.PathLike | None = None,
) -> GraphsTuple:
    """The nodes of one type with the means that metapaths bring them.

        X_P = Â_φk ⋯ Â_φ2 Â_φ1 X      with Â = D⁻¹ A of a relation: the mean over incoming edges

    X are the features of the type where the metapath begins. A node that it does not reach gets 0.

    Args:
      graph: typed, a graph or a batch, without padding.
      target: the type of the nodes that are kept.
      paths: name to relations in the order of a message, which reach it: of `schema_metapaths`, for example.
      cache: a folder for results, or None. Files are named by what went in.

    Returns:
      A `GraphsTuple` of the N_t nodes of the type, in their order, without edges. Its nodes are a dict of `[N_t, D]`
      float32: the node's own features by the name of the type, where it has any, and one entry for each path.
      `subgraph` and `pad` make batches of it, since a node needs no others any more.

    Raises:
      ValueError: no paths, types that do not chain or reach another type, a type without features.

    Cost: O(E D) for each relation of a path, in sparse products with the features: no matrix of a whole metapath.
    Padding: apply before `pad`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": np.array([[1.0], [3.0]]), "paper": np.zeros((2, 1))},
      ...     {("author", "writes", "paper"): ([0, 1], [0, 0])})
      >>> papers = ga.graphs.metapath_features(graph, "paper", {"authors": ("writes",)})
      >>> list(papers.nodes), papers.nodes["authors"].ravel().tolist()
      (['paper', 'authors'], [2.0, 0.0])

    Source: Yang, Yan, Pan, Ye, Fan, "Simple and Efficient Heterogeneous Graph Neural Network", AAAI 2023,
      arXiv:2207.02547, section 4.1.
    """
    graph = to_host(graph, "metapath_features", allow_sparse=False)
    chains, matrices = _to_target(graph, target, paths), RelationMatrices(graph)
    nodes, schema = graph.nodes, graph.nodes.schema

    def own(kind: str) -> np.ndarray | None:
        width = nodes.widths[schema.type_id(kind)]
        rows = matrices.nodes[kind]
        return nodes.features[rows, :width].astype(np.float32) if width else None

    carry = carried if cache is None else remembered(carried, cache)
    x = own(target)
    features = {} if x is None else {target: x}
    for name, chain in chains.items():
        if (x := own(chain[0][0])) is None:
            raise ValueError(
                f"paths[{name!r}] begins at type {chain[0][0]!r}, which has no features. Fix: leave it out "
                "(schema_metapaths(..., sources=...)), or give the type features."
            )
        features[name] = carry([matrices[relation] for relation in chain], x)
    owner = np.asarray(node_graph_ids(graph))[matrices.nodes[target]]
    sizes = np.bincount(owner, minlength=len(graph.n_node)).astype(np.int32)
    none = np.zeros(0, np.int32)
    return GraphsTuple(
        nodes=features,
        edges=None,
        senders=none,
        receivers=none,
        globals=graph.globals,
        n_node=sizes,
        n_edge=np.zeros_like(sizes),
    )


def metapath_labels(
    graph: GraphsTuple,
    paths: Mapping[str, Metapath],
    labels: Any,
    where: Any,
    *,
    max_edges: int = 50_000_000,
    cache: str | os.PathLike | None = None,
) -> dict[str, np.ndarray]:
    """The labels of the nodes at the other ends of metapaths, as features; a node's own label stays out.

        Y_P = ( Â_P − diag Â_P ) Y,      Â_P = Â_φk ⋯ Â_φ1

    with a row of Y one-hot for a node whose label is known, and 0 for another. Without the diagonal no node sees its
    own label by a walk that comes back, so that those of the training set can be features in training.

    Args:
      graph: typed, a graph or a batch, without padding.
      paths: name to relations in the order of a message, which begin and end at the type that has labels.
      labels: `[N_t]` integers of the nodes of the type in their order, or `[N_t, K]` numbers for several at once.
      where: `[N_t]` bool, True = known: the training set.
      max_edges: as in `metapaths`, for each half of a metapath: the diagonal of L R is the row sum of L ∘ Rᵀ.
      cache: a folder for results, or None. Files are named by what went in.

    Returns:
      "labels:" and the name of the path to `[N_t, K]` float32, K one more than the largest known label. Add them to
      `metapath_features`: `inputs._replace(nodes=inputs.nodes | labels)`.

    Raises:
      ValueError: as `metapaths`, paths between different types, labels of other nodes.

    Cost: O(E K) for each relation of a path, and the products of its halves.
    Padding: apply before `pad`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": 2, "paper": 1}, {("author", "writes", "paper"): ([0, 1], [0, 0])}, reverse=True)
      >>> labels, known = np.array([0, 1]), np.array([True, True])
      >>> votes = ga.graphs.metapath_labels(graph, {"coauthor": ("writes", "rev_writes")}, labels, known)
      >>> votes["labels:coauthor"].tolist()
      [[0.0, 0.5], [0.5, 0.0]]

    Source: as `metapath_features`, section 4.2.
    """
    graph = to_host(graph, "metapath_labels")
    starts = {chain[0][0] for chain in chained(schema_of(graph), paths).values()}
    if len(starts) > 1:
        raise ValueError(
            f"paths must all begin at the type that has labels, got {', '.join(sorted(starts))}."
        )
    target = starts.pop()
    chains, matrices = _to_target(graph, target, paths), RelationMatrices(graph)
    _checks.positive("max_edges", max_edges)
    y = _known(labels, where, len(matrices.nodes[target]))
    carry = carried_labels if cache is None else remembered(carried_labels, cache)
    out = {}
    for name, chain in chains.items():
        parts = [matrices[relation] for relation in chain]
        for half in filter(None, _halves(parts)):
            check_fill_in(f"half of metapath {name!r}", half, max_edges)
        out[f"labels:{name}"] = carry(parts, y)
    return out


def carried(matrices: Sequence[Any], x: np.ndarray) -> np.ndarray:
    """Â_φk ⋯ Â_φ1 X."""
    for matrix in matrices:
        x = _means(matrix, x.dtype) @ x
    return x


def carried_labels(matrices: Sequence[Any], y: np.ndarray) -> np.ndarray:
    """( Â_P − diag Â_P ) Y."""
    y = y.astype(np.float64)
    early, late = ([_means(matrix, y.dtype) for matrix in half] for half in _halves(matrices))
    left = _product(late)
    right = _product(early) if early else scipy.sparse.eye_array(len(y), format="csr")
    own = left.multiply(right.T).sum(axis=1)[:, None] * y
    others = carried(matrices, y) - own
    others[np.abs(others) < 1e-12] = 0  # what rounding leaves would still tell a node's own label
    return others.astype(np.float32)


def _means(matrix: Any, dtype: Any) -> Any:
    degree = matrix.sum(axis=1)
    return scipy.sparse.diags_array((1 / np.maximum(degree, 1)).astype(dtype)) @ matrix.astype(
        dtype
    )


def _halves(matrices: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The relations that a message takes first, and the others."""
    middle = len(matrices) // 2
    return matrices[:middle], matrices[middle:]


def _product(matrices: Sequence[Any]) -> Any:
    product = matrices[0]
    for matrix in matrices[1:]:
        product = matrix @ product
    return product


def _to_target(
    graph: GraphsTuple, target: str, paths: Mapping[str, Metapath]
) -> dict[str, tuple[Relation, ...]]:
    schema = schema_of(graph)
    _checks.choice("target", target, schema.types)
    chains = chained(schema, paths)
    for name, chain in chains.items():
        if chain[-1][2] != target:
            raise ValueError(
                f"paths[{name!r}] must reach type {target!r}, got one that reaches {chain[-1][2]!r}."
            )
    return chains


def _known(labels: Any, where: Any, rows: int) -> np.ndarray:
    """Y, `[N_t, K]` float32."""
    labels, where = as_array("labels", labels), as_array("where", where)
    _checks.mask("where", where, rows)
    if labels.ndim == 2:
        _checks.shape("labels", labels, (rows, "K"))
        return np.where(where[:, None], labels, 0).astype(np.float32)
    _checks.ids("labels", labels, rows)
    classes = int(labels[where].max(initial=-1)) + 1
    _checks.ids_in_range("labels", labels[where], max(classes, 1), "classes")
    y = np.zeros((rows, classes), np.float32)
    y[np.flatnonzero(where), labels[where]] = 1
    return y
