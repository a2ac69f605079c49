"""Graphs with known walks, and the obvious dense computation, in float64."""

import numpy as np

import graphattn_jax as ga


def undirected(pairs, num_nodes):
    """A graph with both directions of each pair."""
    a, b = np.asarray(pairs, int).reshape(-1, 2).T
    return ga.graphs.from_edge_list(np.r_[a, b], np.r_[b, a], num_nodes=num_nodes)


def cycle(n):
    return undirected([(i, (i + 1) % n) for i in range(n)], n)


def path(n):
    return undirected([(i, i + 1) for i in range(n - 1)], n)


def complete(n):
    return undirected([(i, j) for i in range(n) for j in range(i)], n)


def star(leaves):
    return undirected([(0, i + 1) for i in range(leaves)], leaves + 1)


def grid(rows, columns):
    ids = np.arange(rows * columns).reshape(rows, columns)
    across = np.stack([ids[:, 1:].ravel(), ids[:, :-1].ravel()], 1)
    down = np.stack([ids[1:].ravel(), ids[:-1].ravel()], 1)
    return undirected(np.concatenate([across, down]), rows * columns)


def mixed():
    """A batch: components of several sizes, isolated nodes, a single node, no nodes at all, no edges."""
    return ga.graphs.batch(
        [
            cycle(5),
            undirected([(0, 1), (1, 2), (4, 5), (5, 6), (4, 6), (6, 7)], 9),
            undirected([], 1),
            undirected([], 0),
            undirected([], 3),
            ga.testing.random_graph(0, 12, 40, 2, undirected=True)._replace(nodes=None),
        ]
    )


def loops_and_duplicates():
    """Edges 0-1 twice and 1-2, a self-loop at 2, and node 3 with nothing but a self-loop."""
    return ga.graphs.from_edge_list([0, 1, 0, 1, 1, 2, 2, 3], [1, 0, 1, 0, 2, 1, 2, 3])


def dense_transition(graph, weight=None, symmetric=False):
    """D⁻¹A or D^−½AD^−½ `[receiver, sender]`."""
    adjacency = ga.graphs.to_dense(graph, weight).astype(np.float64)
    degree = adjacency.sum(1)
    inverse = np.where(degree > 0, 1 / np.where(degree > 0, degree, 1), 0)
    if symmetric:
        return np.sqrt(inverse)[:, None] * adjacency * np.sqrt(inverse)
    return inverse[:, None] * adjacency


def dense_powers(graph, steps, weight=None, symmetric=False):
    """`[N, N, steps + 1]`: powers 0 to `steps`."""
    step = dense_transition(graph, weight, symmetric)
    return np.stack([np.linalg.matrix_power(step, t) for t in range(steps + 1)], -1)
