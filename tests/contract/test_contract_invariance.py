"""What may not change a result: names of nodes, order of edges, padding, company, devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _table import ONE_PER_LAYER, directed_graph, each_case
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from graphattn_jax import graphs, ops, testing

GRAPH = directed_graph(0)


@each_case
@jax.disable_jit()
def test_permutation_of_nodes(case):
    testing.assert_permutation_equivariant(case.apply, case.init(), GRAPH)


@each_case
@jax.disable_jit()
def test_order_of_edges(case):
    testing.assert_edge_order_invariant(case.apply, case.init(), GRAPH)


@each_case
@pytest.mark.parametrize("with_layout", [True, False], ids=["layout", "no_layout"])
@jax.disable_jit()
def test_padding(case, with_layout):
    def layer(params, graph, layout):
        return case.apply(params, graph, layout if with_layout else None)

    testing.assert_padding_invariant(layer, case.init(), GRAPH, rtol=2e-5, atol=2e-6)


@each_case
@jax.disable_jit()
def test_batch_of_graphs(case):
    batch = [directed_graph(0), directed_graph(1, 5, 8)]
    testing.assert_batch_invariant(case.apply, case.init(), batch)


@each_case
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
    out, attention = case.apply(params, GRAPH, graphs.layout(GRAPH))
    out_2, attention_2 = case.apply(params, doubled, graphs.layout(doubled))
    gates = isinstance(case.normalizer, ops.Sigmoid)
    np.testing.assert_allclose(
        attention_2.weights, attention.weights[twice] / (1 if gates else 2), atol=1e-6
    )
    if not gates:
        np.testing.assert_allclose(out_2.nodes, out.nodes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", ONE_PER_LAYER, ids=lambda case: case.name)
def test_two_devices_equal_one(case):
    """Data parallel: a stack of padded batches, half of it on each device."""
    budget = graphs.Budget(n_node=12, n_edge=32, n_graph=2)
    batches = [graphs.pad(directed_graph(seed), budget) for seed in range(4)]
    batches = [(batch, graphs.layout(batch)) for batch in batches]
    graph, layout = jax.tree.map(lambda *x: np.stack(x), *batches)

    @jax.jit
    @jax.value_and_grad
    def loss(params, graph, layout):
        nodes = jax.vmap(lambda g, lay: case.apply(params, g, lay)[0].nodes)(graph, layout)
        return jnp.sum(jnp.square(nodes), where=layout.node_mask[:, :, None])

    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    data = NamedSharding(mesh, PartitionSpec("data"))
    params = jax.device_put(case.init(), NamedSharding(mesh, PartitionSpec()))
    value, gradient = loss(params, *jax.device_put((graph, layout), data))
    assert len(value.sharding.device_set) == 2
    # One at a time on one device.
    expected, expected_gradient = 0.0, jax.tree.map(np.zeros_like, gradient)
    for batch, own in batches:
        alone = jax.tree.map(lambda x: x[None], (batch, own))
        one_value, one_gradient = loss(case.init(), *alone)
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
