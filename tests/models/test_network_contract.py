"""What every network of graphs promises."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _networks import MOLECULES, NETWORKS, compiled, evaluated, ready, renamed, start

from graphattn_jax import graphs

each_network = pytest.mark.parametrize("name", NETWORKS)
each_stateful = pytest.mark.parametrize(
    "name", ["gps-gated", "gps-pna", "exphormer", "grit", "graphormer"]
)


@each_network
def test_a_molecule_in_a_batch_is_as_alone(name):
    """With other padding and other neighbours."""
    alone = [evaluated(name, [molecule]) for molecule in MOLECULES]
    assert np.ptp(np.concatenate(alone)) > 1e-2
    np.testing.assert_allclose(
        evaluated(name, MOLECULES), np.concatenate(alone), rtol=2e-4, atol=2e-5
    )


@each_network
def test_nodes_may_be_renamed(name):
    molecule = MOLECULES[0]
    order = np.random.default_rng(0).permutation(6)
    want, found = (evaluated(name, [m]) for m in (molecule, renamed(molecule, order)))
    want = want[order] if NETWORKS[name].readout == "node" else want
    np.testing.assert_allclose(found, want, rtol=2e-4, atol=2e-5)


@each_network
def test_what_padding_holds_does_not_matter(name):
    graph, options = ready(name, MOLECULES)
    want = compiled(name)(graph, options)
    if "pattern" in options:
        options |= {"pattern": spoilt(options["pattern"])}
    found = compiled(name)(spoilt(graph), options)
    real = graphs.node_mask(graph) if NETWORKS[name].readout == "node" else graphs.graph_mask(graph)
    np.testing.assert_allclose(found[real], want[real], rtol=1e-5, atol=1e-6)


def spoilt(graph):
    """With other features in padding nodes and edges."""

    def other(x, real):
        real = real.reshape(-1, *[1] * (np.ndim(x) - 1))
        return np.where(real, x, ~x if x.dtype == bool else x + np.ones((), x.dtype))

    node, edge = graphs.node_mask(graph), graphs.edge_mask(graph)
    return graph._replace(
        nodes=jax.tree.map(lambda x: other(x, node), graph.nodes),
        edges=jax.tree.map(lambda x: other(x, edge), graph.edges),
    )


@each_stateful
def test_training_sees_real_nodes_only(name):
    """Loss, gradients and running statistics do not depend on the padding."""
    network = NETWORKS[name]
    params, state = start(name)
    config = type(network.config)(
        **vars(network.config) | {"dropout": 0.0, "attention_dropout": 0.0}
    )

    def loss(params, graph, options):
        y, new = network.apply(params, state, graph, config=config, training=True, **options)
        return jnp.sum(jnp.sin(y[: len(MOLECULES)])), new

    run = jax.jit(jax.value_and_grad(loss, has_aux=True))
    want = run(params, *ready(name, MOLECULES, None))
    found = run(params, *ready(name, MOLECULES))
    chex.assert_trees_all_close(found, want, rtol=5e-4, atol=5e-5)


@pytest.mark.parametrize("name", ["gps-zinc", "exphormer", "grit", "graphormer"])
def test_dropout_follows_its_key_and_a_bucket_is_traced_once(name):
    params, state = start(name)
    network = NETWORKS[name]

    traces = []

    @jax.jit
    def step(graph, options, key):
        traces.append(name)
        options = options | {"training": True, "dropout_key": key}
        return network.apply(params, state, graph, config=network.config, **options)[0]

    step(*ready(name, MOLECULES[:2]), jax.random.key(0))
    batch = ready(name, MOLECULES[1:])
    one, same, other = (step(*batch, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    assert len(traces) == 1
    with pytest.raises(ValueError, match="dropout_key"):
        network.apply(params, state, batch[0], config=network.config, training=True, **batch[1])


@pytest.mark.parametrize("name", ["san", "grit", "grit-sparse-nodes", "graphormer-symmetric"])
def test_a_prepared_batch_is_the_batch_of_prepared_graphs(name):
    prepare = NETWORKS[name].prepare
    alone = [prepare(molecule) for molecule in MOLECULES]
    if NETWORKS[name].patterned:
        want = tuple(graphs.batch(list(stream)) for stream in zip(*alone))
    else:
        want = graphs.batch(alone)
    chex.assert_trees_all_equal(prepare(graphs.batch(MOLECULES)), want)
