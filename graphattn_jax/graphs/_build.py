"""Graphs from edge lists and matrices, and back. All of it numpy, on the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.graphs._features import as_array, as_arrays, as_count, as_ids, largest
from graphattn_jax.graphs._prepare import pattern
from graphattn_jax.graphs._types import GraphsTuple, node_leaves, to_host
from graphattn_jax.graphs._validate import validate


def from_edge_list(
    senders: Any,
    receivers: Any,
    *,
    num_nodes: int | None = None,
    nodes: Any = None,
    edges: Any = None,
    globals: Any = None,
) -> GraphsTuple:
    """One graph from the two ends of its edges.

    Edge k goes from `senders[k]` to `receivers[k]`. Edges are kept exactly as given: their order,
    duplicates, self-loops and direction. For an undirected graph give both directions, or call
    `add_reverse_edges`.

    Args:
      senders, receivers: `[E]` integers in `[0, N)`; arrays or lists.
      num_nodes: N. None = rows of `nodes`, or without them the largest id + 1.
      nodes, edges: features with N and E rows: an array, a list (becomes float32 or int32), or a
        dict or tuple of them. Arrays keep their dtype. Nodes may be `ops.SparseFeatures`.
      globals: features with one row, such as `label[None]`.

    Returns:
      A `GraphsTuple` of one graph with numpy leaves; ids and sizes are int32.

    Raises:
      ValueError: ids out of range or not integers, `num_nodes` that is no integer, features with a wrong number of
        rows, numbers in a list that float32 or int32 do not hold.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 0, 1], [1, 2, 2], nodes=[[1.0], [2.0], [3.0]])
      >>> graph.n_node, graph.n_edge, graph.nodes.shape
      (array([3], dtype=int32), array([3], dtype=int32), (3, 1))
    """
    senders, receivers = as_ids("senders", senders), as_ids("receivers", receivers)
    for name, ids in (("senders", senders), ("receivers", receivers)):
        _checks.ids(name, ids)
    if senders.shape != receivers.shape:
        raise ValueError(
            f"senders and receivers must have one id per edge, got {senders.shape[0]} senders "
            f"and {receivers.shape[0]} receivers."
        )
    nodes = as_arrays("nodes", nodes)
    if num_nodes is None:
        leaves = [x for x in node_leaves(nodes) if x.ndim]
        num_nodes = leaves[0].shape[0] if leaves else 1 + max(largest(senders), largest(receivers))
    num_nodes = as_count("num_nodes", num_nodes)
    for name, ids in (("senders", senders), ("receivers", receivers)):
        _checks.ids_in_range(name, ids, num_nodes)  # before the cast: int64 ids may not fit
    return validate(
        GraphsTuple(
            nodes=nodes,
            edges=as_arrays("edges", edges),
            senders=senders.astype(np.int32),
            receivers=receivers.astype(np.int32),
            globals=as_arrays("globals", globals),
            n_node=np.array([num_nodes], np.int32),
            n_edge=np.array([senders.shape[0]], np.int32),
        )
    )


def from_dense(
    adjacency: Any,
    *,
    keep_weights: bool = False,
    nodes: Any = None,
    globals: Any = None,
) -> GraphsTuple:
    """One graph from a matrix `A[receiver, sender]`: an edge wherever it is not zero.

    Rows are receivers, as in every matrix of this library; transpose a matrix whose rows are
    senders. Both triangles are read, the diagonal gives self-loops, and there are no duplicates.
    Edges come row by row: sorted by receiver, then sender.

    Args:
      adjacency: `[N, N]` numbers or booleans.
      keep_weights: store the entries as edge features `[E, 1]`, in the matrix's dtype.
      nodes: features with N rows, as in `from_edge_list`.
      globals: features with one row.

    Returns:
      A `GraphsTuple` of one graph with numpy leaves.

    Raises:
      ValueError: the matrix is not square, or features have a wrong number of rows.

    Cost: O(N^2).

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_dense([[0, 2], [0, 0]], keep_weights=True)
      >>> graph.senders, graph.receivers, graph.edges
      (array([1], dtype=int32), array([0], dtype=int32), array([[2]], dtype=int32))
    """
    adjacency = as_array("adjacency", adjacency)
    _check_square(adjacency)
    receivers, senders = np.nonzero(adjacency)
    return from_edge_list(
        senders,
        receivers,
        num_nodes=adjacency.shape[0],
        nodes=nodes,
        edges=adjacency[receivers, senders][:, None] if keep_weights else None,
        globals=globals,
    )


def to_dense(graph: GraphsTuple, values: Any = None) -> np.ndarray:
    """The matrix `A[receiver, sender]` of a graph, or of any number per edge.

    Values of duplicate edges add up, so `to_dense(graph, weights)` of attention weights sums over
    each row to what each receiver got. A batch gives a block-diagonal matrix, a bipartite graph one of N_r rows and
    N_s columns.

    Args:
      graph: a graph or batch without padding.
      values: `[E]` or `[E, ...]`, in the order of the edges. None = 1 for each edge, as float32.

    Returns:
      `[N, N]` or `[N, N, ...]` in the dtype of `values`.

    Raises:
      ValueError: `values` does not have E rows, or the graph is padded or traced.

    Cost: O(N^2) memory.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.to_dense(ga.graphs.from_edge_list([1, 1], [0, 0]))
      array([[0., 2.],
             [0., 0.]], dtype=float32)
    """
    graph = to_host(graph, "to_dense", allow_bipartite=True)
    values = _edge_values(graph, values)
    adjacency = np.zeros((*_matrix_shape(graph), *values.shape[1:]), values.dtype)
    np.add.at(adjacency, (graph.receivers, graph.senders), values)
    return adjacency


def from_scipy_sparse(
    matrix: Any,
    *,
    keep_weights: bool = False,
    nodes: Any = None,
    globals: Any = None,
) -> GraphsTuple:
    """One graph from a SciPy sparse matrix `A[receiver, sender]`, as `from_dense` of the same.

    Duplicate entries are summed and stored zeros dropped; both triangles are read and the diagonal
    gives self-loops. Edges are sorted by receiver, then sender.

    Args:
      matrix: `[N, N]` SciPy sparse matrix or array of any format; it is not changed.
      keep_weights: store the entries as edge features `[E, 1]`, in the matrix's dtype.
      nodes: features with N rows, as in `from_edge_list`.
      globals: features with one row.

    Returns:
      A `GraphsTuple` of one graph with numpy leaves.

    Raises:
      ValueError: not a sparse matrix, or not square.

    Example:
      >>> import scipy.sparse
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_scipy_sparse(scipy.sparse.eye_array(3, k=1))
      >>> graph.senders, graph.receivers
      (array([1, 2], dtype=int32), array([0, 1], dtype=int32))
    """
    if not scipy.sparse.issparse(matrix):
        raise ValueError(
            f"matrix must be a SciPy sparse matrix, got {_checks.describe(matrix)}. "
            "Fix: use from_dense for a dense one."
        )
    _check_square(matrix)
    entries = scipy.sparse.csr_array(matrix, copy=True)
    entries.sum_duplicates()
    entries.eliminate_zeros()
    entries = entries.tocoo()
    return from_edge_list(
        entries.col,
        entries.row,
        num_nodes=matrix.shape[0],
        nodes=nodes,
        edges=entries.data[:, None] if keep_weights else None,
        globals=globals,
    )


def to_scipy_sparse(graph: GraphsTuple, values: Any = None) -> scipy.sparse.csr_array:
    """The sparse matrix `A[receiver, sender]` of a graph, or of one number per edge.

    Values of duplicate edges add up. A batch gives a block-diagonal matrix, a bipartite graph one of N_r rows and N_s
    columns.

    Args:
      graph: a graph or batch without padding.
      values: `[E]` in the order of the edges. None = 1 for each edge, as float32.

    Returns:
      `[N, N]` `scipy.sparse.csr_array` in the dtype of `values`, with sorted indices.

    Raises:
      ValueError: `values` is not `[E]`, or the graph is padded or traced.

    Example:
      >>> import graphattn_jax as ga
      >>> matrix = ga.graphs.to_scipy_sparse(ga.graphs.from_edge_list([1, 1], [0, 0]))
      >>> matrix.shape, matrix.nnz, float(matrix[0, 1])
      ((2, 2), 1, 2.0)
    """
    graph = to_host(graph, "to_scipy_sparse", allow_bipartite=True)
    values = _edge_values(graph, values)
    _checks.shape("values", values, (graph.senders.shape[0],))
    ends = graph.receivers, graph.senders
    return scipy.sparse.coo_array((values, ends), _matrix_shape(graph)).tocsr()


def _matrix_shape(graph: GraphsTuple) -> tuple[int, int]:
    edges = pattern(graph)
    return edges.num_rows, edges.num_senders


def _check_square(matrix: Any) -> None:
    if len(matrix.shape) != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"adjacency must be a square matrix [N, N], got shape {tuple(matrix.shape)}."
        )


def _edge_values(graph: GraphsTuple, values: Any) -> np.ndarray:
    rows = graph.senders.shape[0]
    values = np.ones(rows, np.float32) if values is None else as_array("values", values)
    if values.shape[:1] != (rows,):
        raise ValueError(
            f"values must have one row for each of {rows} edges, got shape {values.shape}."
        )
    return values
