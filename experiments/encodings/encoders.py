"""The encodings that are compared: what the data pipeline computes, and what the network makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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


def _as_they_are(params, inputs, graph, layout, key):
    return inputs


def _no_params(key) -> tuple:
    return ()


@dataclass(frozen=True)
class Encoding:
    """One row of the quality table.

    nodes, pairs: what is computed once, of each node or of all pairs. init(key) and apply(params, inputs, graph,
    layout, key) make `[N, width]` or `[E, width]` features of it; key is None in evaluation. Features of pairs, unlike
    a bias on logits, also tell nodes of a regular graph apart: attention over equal values gives equal values.
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


def _eigenvectors(params, inputs, graph, layout, key):
    """Vectors with random signs in training, beside their eigenvalues."""
    vectors = inputs["vectors"]
    if key is not None:
        num_graphs = layout.graph_mask.shape[0]
        vectors = encodings.flip_signs(key, vectors, layout.node_graph_ids, num_graphs)
    return jnp.concatenate([vectors, inputs["values"]], axis=1)


def _init_signnet(key):
    return encodings.init_signnet(key, EIGENVECTORS, WIDTH)


def _signnet(params, inputs, graph, layout, key):
    return encodings.signnet(params, inputs["vectors"], inputs["values"], inputs["mask"])


def _init_spe(key):
    return encodings.init_spe(key, WIDTH)


def _spe(params, inputs, graph, layout, key):
    pairs = (inputs["vectors"], inputs["values"], inputs["mask"])
    return encodings.spe(params, *pairs, graph.senders, graph.receivers, edge_mask=layout.edge_mask)


def _electrostatic(graph) -> np.ndarray:
    return np.log1p(np.abs(encodings.electrostatic(graph)))


def _random_features(params, inputs, graph, layout, key):
    key = jax.random.key(0) if key is None else key
    return encodings.random_feature_propagation(
        key, graph, num_features=4, num_steps=4, layout=layout
    )


def _init_pearl(key):
    return encodings.init_pearl(key, 8, WIDTH, WIDTH)


def _pearl(params, inputs, graph, layout, key):
    key = jax.random.key(0) if key is None else key
    return encodings.pearl(params, graph, num_samples=32, sample_key=key, layout=layout)


# --- pair encodings -----------------------------------------------------------------------------------------


def _distance(params, inputs, graph, layout, key):
    return jax.nn.one_hot(inputs, BUCKETS, dtype=jnp.float32)


def _resistance(params, inputs, graph, layout, key):
    """A bump around each of 16 resistances."""
    centers = jnp.linspace(0.0, 4.0, 16)
    return jnp.exp(-8 * jnp.square(inputs[:, None] - centers))


ENCODINGS = {
    "none": Encoding("none"),
    "degree": Encoding("degree", 1, _degree),
    "laplacian": Encoding(
        "Laplacian eigenvectors, random signs",
        2 * EIGENVECTORS,
        partial(encodings.laplacian_eigenvectors, k=EIGENVECTORS),
        apply=_eigenvectors,
    ),
    "signnet": Encoding(
        "Laplacian eigenvectors, SignNet",
        WIDTH,
        partial(encodings.laplacian_eigenvectors, k=EIGENVECTORS),
        init=_init_signnet,
        apply=_signnet,
    ),
    "spe": Encoding(
        "Laplacian eigenvectors, SPE",
        WIDTH,
        partial(encodings.laplacian_eigenvectors, k=EIGENVECTORS),
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

# --- what the cost table measures: graph -> (arrays, error that the encoding itself reports, or None) ------------


def _cost_estimate(graph):
    estimate = encodings.rwse_estimate(
        jax.random.key(0), graph, WALKS, num_probes=64, exact=encodings.rwse(graph, 3)
    )
    return estimate.values, np.mean(estimate.standard_error)


def _cost_eigenvectors(graph):
    found = encodings.laplacian_eigenvectors(graph, EIGENVECTORS)
    return found.vectors, found.residual.max() if hasattr(found, "residual") else None


def _exact(function, **options):
    return lambda graph: (function(graph, **options), None)


COSTS: dict[str, Callable[..., Any]] = {
    "degree": lambda graph: (_degree(graph), None),
    "laplacian": _cost_eigenvectors,
    "heat_kernel": _exact(encodings.heat_kernel_diagonal, times=TIMES),
    "rwse": _exact(encodings.rwse, k=WALKS),
    "rwse_estimate": _cost_estimate,
    "triangles": _exact(encodings.triangle_counts),
    "common_neighbours": _exact(encodings.common_neighbours),
    "shortest_paths": lambda graph: (
        encodings.shortest_path_distances(graph, MAX_DISTANCE, pattern=_sampled_pairs(graph)),
        None,
    ),
    "resistance": _exact(encodings.effective_resistance),
    "resistance_projected": _exact(encodings.effective_resistance, method="projection"),
    "random_features": lambda graph: (
        encodings.random_feature_propagation(jax.random.key(0), graph, num_features=4, num_steps=4),
        None,
    ),
    "pearl": lambda graph: (
        encodings.pearl(
            _init_pearl(jax.random.key(0)), graph, num_samples=8, sample_key=jax.random.key(1)
        ),
        None,
    ),
}


def _sampled_pairs(graph):
    """As many random pairs as the graph has edges."""
    rng = np.random.default_rng(0)
    nodes = ga.graphs.num_nodes(graph)
    senders, receivers = rng.integers(nodes, size=(2, ga.graphs.num_edges(graph)))
    return ga.graphs.from_edge_list(senders, receivers, num_nodes=nodes)
