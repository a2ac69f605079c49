"""GraphGPS: what is its own."""

import jax
import numpy as np
import pytest
from _networks import MOLECULES, NETWORKS, gps, noisy, start

from graphattn_jax import graphs, models


def config(**options):
    return gps(**options).config


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
    params, state = noisy(models.init_gps_network(jax.random.key(0), signed))
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
    with pytest.raises(ValueError, match="local=None needs attention="):
        config(local=None, attention=None)
    with pytest.raises(ValueError, match="local must"):
        config(local="gin")
    with pytest.raises(ValueError, match="encoding_width"):
        models.InputSpec(nodes=3, encoding=4)
    with pytest.raises(ValueError, match="must be a dict"):
        params, state = start("gps-zinc")
        bare = MOLECULES[0]._replace(nodes=MOLECULES[0].nodes["features"])
        models.gps_network(params, state, bare, config=NETWORKS["gps-zinc"].config)
