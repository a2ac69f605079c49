"""The encodings that are compared: what the data pipeline computes, and what the network makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse.linalg

import graphattn_jax as ga
from graphattn_jax import encodings

WALKS = 16
EIGENVECTORS = 8
TIMES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
MAX_DISTANCE = 8
BUCKETS = encodings.distance_buckets(MAX_DISTANCE).count
WIDTH = 16
"""Of learned encoders."""


def _nothing(graph) -> np.ndarray:
    return np.zeros((ga.graphs.num_nodes(graph), 0), np.float32)


def _as_they_are(params, inputs, graph, key):
    return inputs


def _no_params(key) -> tuple:
    return ()


@dataclass(frozen=True)
class Encoding:
    """One row of the quality table.

    nodes, pairs: what is computed once, of each node or of all pairs. init(key) and apply(params, inputs, graph, key)
    make `[N, width]` or `[E, width]` features of it; key is None in evaluation. Features of pairs, unlike a bias on
    logits, also tell nodes of a regular graph apart: attention over equal values gives equal values.
    """

    label: str
    width: int = 0
    nodes: Callable[..., Any] = _nothing
    pairs: Callable[..., Any] | None = None
    init: Callable[..., Any] = _no_params
    apply: Callable[..., Any] = _as_they_are
    large: bool = True
    """Whether it can be had for 100,000 nodes."""


# --- node encodings -----------------------------------------------------------------------------------------


def _degree(graph) -> np.ndarray:
    return np.log1p(np.asarray(ga.graphs.in_degree(graph), np.float32))[:, None]


def _spectrum(graph):
    """Eigenvectors of mean square 1 over the nodes of their graph, whatever its size."""
    found = encodings.laplacian_eigenvectors(graph, EIGENVECTORS)
    size = np.repeat(graph.n_node, graph.n_node).astype(np.float32)
    return found._replace(vectors=found.vectors * np.sqrt(size)[:, None])


def _eigenvectors(params, inputs, graph, key):
    """Vectors with random signs in training, beside their eigenvalues."""
    vectors = inputs.vectors
    if key is not None:
        ids = ga.graphs.node_graph_ids(graph)
        vectors = encodings.flip_signs(key, vectors, ids, ga.graphs.num_graphs(graph))
    return jnp.concatenate([vectors, inputs.values], axis=1)


def _init_signnet(key):
    return encodings.init_signnet(key, EIGENVECTORS, WIDTH)


def _signnet(params, inputs, graph, key):
    return encodings.signnet(params, *inputs)


def _init_spe(key):
    return encodings.init_spe(key, WIDTH)


def _spe(params, inputs, graph, key):
    return encodings.spe(params, *inputs, graph)


def _electrostatic(graph) -> np.ndarray:
    return np.log1p(np.abs(encodings.electrostatic(graph)))


def _random_features(params, inputs, graph, key):
    key = jax.random.key(0) if key is None else key
    return encodings.random_feature_propagation(key, graph, num_features=4, num_steps=4)


def _init_pearl(key):
    return encodings.init_pearl(key, 8, WIDTH, WIDTH)


def _pearl(params, inputs, graph, key):
    key = jax.random.key(0) if key is None else key
    return encodings.pearl(params, graph, num_samples=32, sample_key=key)


# --- pair encodings -----------------------------------------------------------------------------------------


def _distance(params, inputs, graph, key):
    return jax.nn.one_hot(inputs, BUCKETS, dtype=jnp.float32)


def _resistance(params, inputs, graph, key):
    """A bump around each of 16 resistances."""
    centers = jnp.linspace(0.0, 4.0, 16)
    return jnp.exp(-8 * jnp.square(inputs[:, None] - centers[None]))


ENCODINGS = {
    "none": Encoding("none"),
    "degree": Encoding("degree", 1, _degree),
    "laplacian": Encoding(
        "Laplacian eigenvectors, random signs",
        2 * EIGENVECTORS,
        _spectrum,
        apply=_eigenvectors,
    ),
    "signnet": Encoding(
        "Laplacian eigenvectors, SignNet",
        WIDTH,
        _spectrum,
        init=_init_signnet,
        apply=_signnet,
    ),
    "spe": Encoding(
        "Laplacian eigenvectors, SPE",
        WIDTH,
        _spectrum,
        init=_init_spe,
        apply=_spe,
    ),
    "heat_kernel": Encoding(
        "heat kernel diagonal",
        len(TIMES),
        partial(encodings.heat_kernel_diagonal, times=TIMES),
        large=False,
    ),
    "rwse": Encoding("walks (RWSE)", WALKS, partial(encodings.rwse, k=WALKS)),
    "electrostatic": Encoding("electrostatic", 8, _electrostatic, large=False),
    "random_features": Encoding("random feature propagation", 20, apply=_random_features),
    "pearl": Encoding("PEARL, random", WIDTH, init=_init_pearl, apply=_pearl),
    "distance": Encoding(
        "shortest paths, all pairs",
        BUCKETS,
        pairs=partial(encodings.shortest_path_distances, max_distance=MAX_DISTANCE),
        apply=_distance,
        large=False,
    ),
    "rrwp": Encoding(
        "walks (RRWP), all pairs",
        WALKS,
        pairs=partial(encodings.rrwp, k=WALKS),
        large=False,
    ),
    "resistance": Encoding(
        "effective resistance, all pairs",
        16,
        pairs=encodings.effective_resistance,
        apply=_resistance,
        large=False,
    ),
}

# --- what the cost table measures: graph -> arrays -------------------------------------------------------------


def _rwse_estimate(graph):
    exact = encodings.rwse(graph, 3)
    return encodings.rwse_estimate(jax.random.key(0), graph, WALKS, num_probes=64, exact=exact)


def _heat_kernel_estimate(graph):
    key = jax.random.key(0)
    return encodings.heat_kernel_diagonal_estimate(key, graph, np.array(TIMES), num_probes=64)


def _shortest_paths(graph):
    """Of as many random pairs as the graph has edges."""
    rng = np.random.default_rng(0)
    nodes = ga.graphs.num_nodes(graph)
    senders, receivers = rng.integers(nodes, size=(2, ga.graphs.num_edges(graph)))
    pattern = ga.graphs.from_edge_list(senders, receivers, num_nodes=nodes)
    return encodings.shortest_path_distances(graph, MAX_DISTANCE, pattern=pattern)


def _features(graph):
    return encodings.random_feature_propagation(
        jax.random.key(0), graph, num_features=4, num_steps=4
    )


def _positions(graph):
    params = _init_pearl(jax.random.key(0))
    return encodings.pearl(params, graph, num_samples=8, sample_key=jax.random.key(1))


COSTS: dict[str, Callable[..., Any]] = {
    "degree": _degree,
    "laplacian": partial(encodings.laplacian_eigenvectors, k=EIGENVECTORS),
    "subspace": lambda graph: encodings.subspace_eigenvectors(
        jax.random.key(0), graph, EIGENVECTORS
    ),
    "heat_kernel": partial(encodings.heat_kernel_diagonal, times=TIMES),
    "heat_kernel_estimate": _heat_kernel_estimate,
    "rwse": partial(encodings.rwse, k=WALKS),
    "rwse_estimate": _rwse_estimate,
    "triangles": encodings.triangle_counts,
    "common_neighbours": encodings.common_neighbours,
    "shortest_paths": _shortest_paths,
    "resistance": encodings.effective_resistance,
    "resistance_projected": partial(encodings.effective_resistance, method="projection"),
    "random_features": _features,
    "pearl": _positions,
}
"""subspace, random_features, pearl and the estimates run on the device; the others on the host."""

CONNECTED_ONLY = ("subspace",)
"""Of further components these see eigenvalues 0 only."""


def _resistance_error(graph, resistances) -> float:
    """Root mean square relative error on 32 edges, from solved linear systems."""
    laplacian = encodings.laplacian(graph, normalization="combinatorial")
    preconditioner = scipy.sparse.diags_array(1 / np.maximum(laplacian.diagonal(), 1))
    squares = []
    for edge in np.random.default_rng(1).choice(len(graph.senders), 32):
        target = np.zeros(laplacian.shape[0])
        target[graph.senders[edge]], target[graph.receivers[edge]] = 1, -1
        solved, info = scipy.sparse.linalg.cg(laplacian, target, rtol=1e-7, M=preconditioner)
        assert info == 0, "not solved"
        squares.append((resistances[edge] / (target @ solved) - 1) ** 2)
    return float(np.sqrt(np.mean(squares)))


ERRORS: dict[str, Callable[..., float]] = {
    "subspace": lambda graph, found: found.residuals.max(),
    "heat_kernel_estimate": lambda graph, found: found[1].mean(),
    "rwse_estimate": lambda graph, found: found.standard_error.mean(),
    "resistance_projected": _resistance_error,
}
"""Of what is approximate: largest residual, mean standard error (twice), relative error."""
