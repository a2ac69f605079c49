"""What may not change a result: names of nodes, order of edges, padding, company, devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _table import WILD, directed_graph, each_layer, each_layer_and_normalizer
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from graphattn_jax import graphs, ops, testing

GRAPH = directed_graph(0)


@each_layer_and_normalizer
@jax.disable_jit()
def test_permutation_of_nodes(case):
    testing.assert_permutation_equivariant(case.apply, case.init(), GRAPH)


@each_layer_and_normalizer
@jax.disable_jit()
def test_order_of_edges(case):
    testing.assert_edge_order_invariant(case.apply, case.init(), GRAPH)


@each_layer_and_normalizer
@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "only marked"])
@jax.disable_jit()
def test_padding(case, prepared):
    def layer(params, graph):
        if not prepared and graphs.is_padded(graph):
            graph = graphs.PaddedGraphsTuple(*graph)
        return case.apply(params, graph)

    testing.assert_padding_invariant(layer, case.init(), GRAPH, fill=WILD, rtol=2e-5, atol=2e-6)


@each_layer_and_normalizer
@jax.disable_jit()
def test_batch_of_graphs(case):
    batch = [directed_graph(0), directed_graph(1, 5, 8)]
    testing.assert_batch_invariant(case.apply, case.init(), batch)


@each_layer_and_normalizer
@jax.disable_jit()
def test_splitting_every_edge_in_two_shares_its_weight(case):
    """Two copies of every edge: all weights halve and the result stays. Gates do not compete."""
    twice = np.repeat(np.arange(len(GRAPH.senders)), 2)
    doubled = GRAPH._replace(
        senders=GRAPH.senders[twice],
        receivers=GRAPH.receivers[twice],
        edges=GRAPH.edges[twice],
        n_edge=2 * GRAPH.n_edge,
    )
    params = case.init()
    out, attention = case.apply(params, graphs.prepare(GRAPH))
    out_2, attention_2 = case.apply(params, graphs.prepare(doubled))
    gates = isinstance(case.normalizer, ops.Sigmoid)
    np.testing.assert_allclose(
        attention_2.weights, attention.weights[twice] / (1 if gates else 2), atol=1e-6
    )
    if not gates:
        np.testing.assert_allclose(out_2.nodes, out.nodes, rtol=1e-4, atol=1e-5)


@each_layer
@pytest.mark.oldest
def test_two_devices_equal_one(case):
    """Data parallel: a stack of padded batches, half of it on each device."""
    budget = graphs.Budget(n_node=12, n_edge=32, n_graph=2)
    batches = [graphs.pad(directed_graph(seed), budget) for seed in range(4)]
    graph = jax.tree.map(lambda *x: np.stack(x), *batches)

    @jax.jit
    @jax.value_and_grad
    def loss(params, graph):
        nodes = jax.vmap(lambda g: case.apply(params, g).graph.nodes)(graph)
        return jnp.sum(jnp.square(nodes), where=graph.layout.node_mask[:, :, None])

    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    data = NamedSharding(mesh, PartitionSpec("data"))
    params = jax.device_put(case.init(), NamedSharding(mesh, PartitionSpec()))
    value, gradient = loss(params, jax.device_put(graph, data))
    assert len(value.sharding.device_set) == 2
    # One at a time on one device.
    expected, expected_gradient = 0.0, jax.tree.map(np.zeros_like, gradient)
    for batch in batches:
        one_value, one_gradient = loss(case.init(), jax.tree.map(lambda x: x[None], batch))
        expected += float(one_value)
        expected_gradient = jax.tree.map(
            lambda a, b: a + np.asarray(b), expected_gradient, one_gradient
        )
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        gradient,
        expected_gradient,
    )
