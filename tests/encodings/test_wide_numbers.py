"""With jax's 64 bits on, everything that runs on the device runs as it does without, and in the same dtypes."""

import jax
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import encodings as enc

GRAPH = ga.testing.random_graph(0, 24, 90, 3, undirected=True)
PADDED = ga.graphs.pad(GRAPH, ga.graphs.Budget(30, 100, 3))
EIGEN = enc.laplacian_eigenvectors(GRAPH, 4)
ROWS = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
TYPES = np.arange(24) % 3
HOPS = enc.shortest_path_distances(GRAPH, 3)
ENDS = GRAPH.senders, GRAPH.receivers
CALLS = {
    "chebyshev_filter": lambda key: enc.chebyshev_filter(
        GRAPH, ROWS, enc.chebyshev_coefficients(np.cos, 5)
    ),
    "degree_encoding": lambda key: enc.degree_encoding(GRAPH, 3),
    "turn_phases": lambda key: enc.turn_phases(
        key, ROWS.reshape(24, 2, 2), np.zeros(24, np.int32), 1
    ),
    "flip_signs": lambda key: enc.flip_signs(key, ROWS, np.zeros(24, np.int32), 1),
    "heat_kernel_diagonal_estimate": lambda key: enc.heat_kernel_diagonal_estimate(
        key, PADDED, np.array([0.5, 2.0]), num_probes=4
    ),
    "random_feature_propagation": lambda key: enc.random_feature_propagation(
        key, PADDED, num_features=2, num_steps=3
    ),
    "rwse_estimate": lambda key: enc.rwse_estimate(
        key, PADDED, 4, num_probes=4, exact=enc.rwse(PADDED, 2)
    ),
    "subspace_eigenvectors": lambda key: enc.subspace_eigenvectors(key, PADDED, 2),
    "subspace_eigenvectors, combinatorial": lambda key: enc.subspace_eigenvectors(
        key, GRAPH, 2, normalization="combinatorial"
    ),
    "centrality": lambda key: enc.centrality(
        enc.init_centrality(key, 3, 4), *[enc.degree_encoding(GRAPH, 3)] * 2
    ),
    "gaussian_bias": lambda key: enc.gaussian_bias(
        enc.init_gaussian_bias(key, 4, 2, max_distance=3.0), enc.effective_resistance(GRAPH)
    ),
    "graphormer_bias": lambda key: enc.graphormer_bias(
        enc.init_graphormer_bias(key, 3, 2, edge_features=3, common_neighbours=True),
        HOPS,
        edges=GRAPH.nodes[GRAPH.senders],
        paths=enc.edge_features_on_paths(GRAPH, 3),
        common_neighbours=enc.common_neighbours(GRAPH),
    ),
    "laplace_deepset": lambda key: enc.laplace_deepset(enc.init_laplace_deepset(key, 4), *EIGEN),
    "laplacian_loss": lambda key: enc.laplacian_loss(ROWS, GRAPH),
    "lspe": lambda key: enc.lspe(enc.init_lspe(key, 4), GRAPH, ROWS),
    "path_bias": lambda key: enc.path_bias(
        enc.init_path_bias(key, 3, 4, 2),
        ROWS[GRAPH.senders],
        enc.edge_features_on_paths(GRAPH, 3),
    ),
    "pearl, random": lambda key: enc.pearl(
        enc.init_pearl(key, 3, 4, 2), PADDED, num_samples=3, sample_key=key
    ),
    "pearl, basis": lambda key: enc.pearl(
        enc.init_pearl(key, 3, 4, 2), PADDED, kind="basis", num_samples=24
    ),
    "san_encoder": lambda key: enc.san_encoder(enc.init_san_encoder(key, 4), *EIGEN),
    "signnet": lambda key: enc.signnet(enc.init_signnet(key, 4, 4), *EIGEN, GRAPH),
    "spe": lambda key: enc.spe(enc.init_spe(key, 4), *EIGEN, GRAPH),
    "type_bias": lambda key: enc.type_bias(enc.init_type_bias(key, 3, 2, rank=2), TYPES, *ENDS),
    "type_distance_bias": lambda key: enc.type_distance_bias(
        enc.init_type_distance_bias(key, 3, enc.distance_buckets(3).count, 2), TYPES, *ENDS, HOPS
    ),
}
DRAW_SIGNS = {"flip_signs", "turn_phases", "heat_kernel_diagonal_estimate", "rwse_estimate"}
"""jax draws other signs with the same key."""


def on_the_device():
    """Public functions of the rooms `device` and `learned`, but for those that make parameters."""
    for name in enc.__all__:
        value = getattr(enc, name)
        room = value.__module__.split(".")[2]
        if room != "host" and not isinstance(value, type) and not name.startswith("init_"):
            yield name


def test_every_function_has_a_row():
    rows = {name.split(",")[0] for name in CALLS} | {"chebyshev_coefficients", "distance_buckets"}
    assert rows == set(on_the_device())


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("name", CALLS)
def test_values_and_dtypes_stay(name, jitted):
    def run():
        call = jax.jit(CALLS[name]) if jitted else CALLS[name]
        return jax.tree.map(np.asarray, call(jax.random.key(0)))

    want = run()
    with jax.enable_x64(True):
        got = run()
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and np.isfinite(a).all()
        if name not in DRAW_SIGNS:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
