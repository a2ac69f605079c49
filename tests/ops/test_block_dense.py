"""Softmax in blocks of similar degree, against the reference; what all implementations share is in
`test_edge_attention`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _edges import attend as attend_with
from _edges import prepared

from graphattn_jax import graphs, ops

N, H, C = 7, 2, 3


def hub():
    """Node 0 is a hub, node 6 is isolated, and there are duplicates."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, N - 1, (2, 40))
    return np.where(rng.random(ids.shape) < 0.4, 0, ids)


def arrays(dtype=np.float32):
    rng = np.random.default_rng(1)
    shapes = {"query": (N, H, C), "key": (N, H, C), "value": (N, H, 4), "bias": (40, H)}
    shapes |= {"edge": (40, H, C), "vector": (H, C)}
    return {k: jnp.asarray(rng.normal(size=s), dtype) for k, s in shapes.items()}


def attend(p, edges, implementation="block_dense", **options):
    score = ops.GATv2Score(p["vector"], edge=p["edge"], bias=p["bias"])
    options |= {"score": score, "implementation": implementation}
    return attend_with(p["query"], p["key"], p["value"], edges, **options)


def close(got, want, atol=2e-5):
    jax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, atol=atol), got, want)


@pytest.mark.parametrize("x64", [False, True])
def test_mask_dropout_and_hub_equal_the_reference(x64):
    where = np.arange(40) % 5 > 0
    edges = prepared(*hub(), num_senders=N, where=where, degree_blocks=True)

    def loss(p, implementation):
        dropout = ops.Dropout(0.4, jax.random.key(2))
        r = attend(p, edges, implementation, dropout=dropout)
        return jnp.sum(jnp.sin(3 * r.out)) + jnp.sum(jnp.sin(3 * r.weights)), (r.out, r.applied)

    run = jax.jit(
        lambda p: [jax.grad(loss, has_aux=True)(p, i) for i in ("block_dense", "reference")]
    )
    with jax.enable_x64(x64):
        close(*run(arrays(np.float64 if x64 else np.float32)), atol=1e-12 if x64 else 2e-5)


def test_neither_direction_scatters():
    edges = prepared(*hub(), num_senders=N, degree_blocks=True)
    gradient = jax.grad(lambda p: jnp.sum(attend(p, edges).out ** 2))
    assert "scatter" not in jax.jit(gradient).lower(arrays()).as_text()


def test_second_derivatives():
    edges = prepared(*hub(), num_senders=N, degree_blocks=True)

    def norm_of_gradient(p, implementation):
        f = lambda p: jnp.sum(attend(p, edges, implementation).out ** 2)  # noqa: E731
        return sum(jnp.sum(g**2) for g in jax.grad(f)(p).values())

    run = jax.jit(
        lambda p: [jax.grad(norm_of_gradient)(p, i) for i in ("block_dense", "reference")]
    )
    close(*run(arrays()), atol=5e-4)


def test_layouts_of_graphs():
    senders, receivers = hub()
    graph = graphs.from_edge_list(senders, receivers, num_nodes=N)
    out = attend(arrays(), graphs.pattern(graphs.prepare(graph, degree_blocks=True))).out
    close(out, attend(arrays(), graphs.pattern(graph), "reference").out)
