"""GraphGPS: what every network of graphs promises, and what is its own."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, models, testing

SPEC = models.InputSpec(nodes=(5, 3), edges=(4,), encoding=3, encoding_width=4)


def config(**options):
    options = {"width": 12, "num_layers": 2, "heads": 2, "out_features": 2} | options
    return models.GPSConfig(**{"inputs": SPEC} | options)


def molecule(seed, num_nodes=6):
    rng = np.random.default_rng(seed)
    graph = testing.random_graph(seed, num_nodes, 2 * (num_nodes - 1), 1, undirected=True)
    nodes = {
        "features": rng.integers(3, size=(num_nodes, 2)).astype(np.int32),
        "encoding": rng.normal(size=(num_nodes, 3)).astype(np.float32),
    }
    edges = np.asarray(graph.senders + graph.receivers).astype(np.int32)[:, None] % 4
    return graph._replace(nodes=nodes, edges=edges)


MOLECULES = [molecule(seed, n) for seed, n in enumerate((6, 4, 7))]
BATCH = graphs.batch(MOLECULES)
CONFIGS = {
    "zinc": config(),
    "gated": config(local="gated_gcn", pool="mean"),
    "gcn-layer-norm": config(local="gcn", norm="layer", pool="max"),
    "attention-alone": config(local=None, normalizer="sinkhorn", score="shared"),
    "message-passing-alone": config(local="sage", attention=False),
    "pna": config(local="pna", log_degree_mean=1.2),
    "nodes": config(pool=None),
}
each_config = pytest.mark.parametrize("name", CONFIGS)


def init(config):
    """With noise: biases start at zero and running statistics at those of nothing, which would hide them."""
    params, state = models.init_gps_network(jax.random.key(0), config)
    leaves, structure = jax.tree.flatten((params, state))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noise = [x + 0.3 * jax.random.uniform(k, x.shape) for k, x in zip(keys, leaves)]
    return jax.tree.unflatten(structure, noise)


def evaluated(name, graph, layout=None):
    params, state = init(CONFIGS[name])
    y, _ = models.gps_network(params, state, graph, config=CONFIGS[name], layout=layout)
    return y


@each_config
@jax.disable_jit()
def test_a_molecule_in_a_padded_batch_is_as_alone(name):
    padded = graphs.pad(BATCH, graphs.Budget(24, 60, 5))
    layout = graphs.layout(padded, block_size=9)
    found = evaluated(name, padded, layout)
    alone = [evaluated(name, graph) for graph in MOLECULES]
    want = jnp.concatenate(alone)
    np.testing.assert_allclose(found[: len(want)], want, rtol=2e-4, atol=2e-5)


@each_config
@jax.disable_jit()
def test_nodes_may_be_renamed(name):
    graph = MOLECULES[0]
    order = np.random.default_rng(0).permutation(6)  # node order[i] becomes node i
    place = np.argsort(order).astype(np.int32)
    renamed = graph._replace(
        nodes=jax.tree.map(lambda x: x[order], graph.nodes),
        senders=place[graph.senders],
        receivers=place[graph.receivers],
    )
    want, found = evaluated(name, graph), evaluated(name, renamed)
    want = want[order] if CONFIGS[name].pool is None else want
    np.testing.assert_allclose(found, want, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["zinc", "gated", "pna"])
def test_training_sees_real_nodes_only(name):
    """Loss, gradients and running statistics do not depend on the padding."""
    params, state = init(CONFIGS[name])

    def loss(params, graph, layout):
        y, new = models.gps_network(
            params,
            state,
            graph,
            config=models.GPSConfig(**vars(CONFIGS[name]) | {"attention_dropout": 0.0}),
            layout=layout,
            training=True,
        )
        return jnp.sum(jnp.sin(y[:3])), new

    run = jax.jit(jax.value_and_grad(loss, has_aux=True))
    padded = graphs.pad(BATCH, graphs.Budget(24, 60, 5))
    want, found = (
        run(params, graph, graphs.layout(graph, block_size=9)) for graph in (BATCH, padded)
    )
    chex.assert_trees_all_close(found, want, rtol=3e-4, atol=3e-5)


def test_second_batch_of_a_bucket_does_not_trace_again():
    params, state = init(CONFIGS["zinc"])

    @jax.jit
    @chex.assert_max_traces(n=1)
    def step(params, graph, layout, key):
        return models.gps_network(
            params,
            state,
            graph,
            config=CONFIGS["zinc"],
            layout=layout,
            training=True,
            dropout_key=key,
        )[0]

    outs = []
    for batch in (MOLECULES[:2], MOLECULES[1:]):
        padded = graphs.pad(graphs.batch(batch), graphs.Budget(16, 30, 3))
        outs.append(step(params, padded, graphs.layout(padded, block_size=8), jax.random.key(0)))
    again = step(params, padded, graphs.layout(padded, block_size=8), jax.random.key(0))
    other = step(params, padded, graphs.layout(padded, block_size=8), jax.random.key(1))
    np.testing.assert_array_equal(outs[1], again)
    assert not np.allclose(again, other)


def test_published_sizes():
    def size(config):
        params, _ = jax.eval_shape(
            lambda key: models.init_gps_network(key, config), jax.random.key(0)
        )
        return sum(leaf.size for leaf in jax.tree.leaves(params))

    assert size(models.GPSConfig.zinc()) == 423_717 + 10  # the published number has no ε
    assert size(models.GPSConfig.zinc(num_layers=5)) == 423_727 - 5 * 41_921
    for published in (models.GPSConfig.peptides(), models.GPSConfig.molhiv()):
        assert size(published) > 100_000


def test_laplacian_positions_get_random_signs_in_training_only():
    spec = models.InputSpec(nodes=(5, 3), encoding=3, encoding_width=4, encoder="laplacian")
    signed = config(inputs=spec, local="gcn", attention_dropout=0.0, norm="layer")
    params, state = init(signed)
    vectors = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    encoding = {"vectors": vectors, "values": np.ones_like(vectors), "mask": vectors > -9}
    nodes = MOLECULES[0].nodes | {"encoding": encoding}
    graph = MOLECULES[0]._replace(nodes=nodes, edges=None)
    layout = graphs.layout(graph, block_size=6)

    def y(**options):
        return models.gps_network(params, state, graph, config=signed, layout=layout, **options)[0]

    keys = jax.random.split(jax.random.key(0), 8)
    outs = [float(y(training=True, dropout_key=key)[0, 0]) for key in keys]
    assert 1 < len(np.unique(np.round(outs, 5))) <= 8
    assert float(y(dropout_key=keys[0])[0, 0]) == float(y()[0, 0])


def test_errors():
    with pytest.raises(ValueError, match="local=None needs attention=True"):
        config(local=None, attention=False)
    with pytest.raises(ValueError, match="local must"):
        config(local="gin")
    with pytest.raises(ValueError, match="encoding_width"):
        models.InputSpec(nodes=3, encoding=4)
    with pytest.raises(ValueError, match="dropout_key"):
        params, state = init(CONFIGS["zinc"])
        models.gps_network(params, state, MOLECULES[0], config=CONFIGS["zinc"], training=True)
    with pytest.raises(ValueError, match="must be a dict"):
        bare = MOLECULES[0]._replace(nodes=MOLECULES[0].nodes["features"])
        models.gps_network(params, state, bare, config=CONFIGS["zinc"])
