"""The C++ kernel of GINE's messages against the ordinary operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax import graphs, message_passing, ops
from graphattn_jax.message_passing._rectified_sum import composed_sum, rectified_sum

try:
    ops.build_cpp()
except RuntimeError as error:
    pytest.skip(str(error), allow_module_level=True)


def inputs(width, dtype=np.float32, num_nodes=30, num_edges=120):
    rng = np.random.default_rng(width)
    senders, receivers = rng.integers(0, num_nodes - 5, (2, num_edges))  # some have no edges
    graph = graphs.from_edge_list(
        senders, receivers, nodes=np.zeros((num_nodes, 1)), edges=np.zeros((num_edges, 1))
    )
    graph = graphs.pad(graph, graphs.Budget(num_nodes + 6, num_edges + 9, 2))
    sizes = (graph.nodes.shape[0], graph.edges.shape[0])
    x, edges = (jnp.asarray(rng.normal(size=(n, width)), dtype) for n in sizes)
    return x, edges, graph, graphs.layout(graph)


@pytest.mark.parametrize("width", [1, 12, 64])
def test_equals_the_ordinary_operations(width):
    x, edges, graph, layout = inputs(width)
    edges = jnp.where(layout.edge_mask[:, None], edges, 50.0)  # padding does not count
    g = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), x.dtype)
    run = jax.jit(
        lambda f, x, edges, g: (lambda out, pull: (out, *pull(g)))(
            *jax.vjp(lambda x, edges: f(x, edges, graph, layout), x, edges)
        ),
        static_argnums=0,
    )
    got, want = (run(f, x, edges, g) for f in (rectified_sum, composed_sum))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_second_derivatives():
    with jax.enable_x64(True):
        x, edges, graph, layout = inputs(3, np.float64, 6, 10)
        f = jax.jit(lambda x, edges: jnp.sin(rectified_sum(x, edges, graph, layout)))
        check_grads(f, (x, edges), order=2, modes=["rev"], atol=1e-5, rtol=1e-5, eps=1e-6)


def test_it_is_what_gine_calls():
    x, edges, graph, layout = inputs(4)
    params = message_passing.init_gine(jax.random.key(0), 4, 4)
    f = jax.jit(
        lambda x, edges: (
            message_passing.gine(
                params, graph._replace(nodes=x, edges=edges), layout=layout, add_edges=True
            ).nodes
        )
    )
    assert "graphattn_rectified_sum" in f.lower(x, edges).as_text()
