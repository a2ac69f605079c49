"""A network evaluated layer by layer in batches of nodes has the values of the whole graph."""

import jax
import numpy as np
import pytest

from graphattn_jax import attention, graphs, linear_attention, message_passing, models
from tests.sampling.conftest import random_graph

WHOLE = random_graph()
GCN, GATED = message_passing.GCN, message_passing.GatedGCN
NETWORKS = {
    "attention, mean": (
        models.PlainNetwork(2, (attention.GATv2(4, 2), message_passing.SAGE(3)), edge_features=2),
        1,
    ),
    "edges that change": (
        models.PlainNetwork(2, (GATED(), GATED(), message_passing.GINE(3)), edge_features=2),
        1,
    ),
    "degrees of senders": (models.PlainNetwork(2, (GCN(4), GCN(3))), 2),
    "residual": (
        models.ResidualNetwork(
            *(2, 3, attention.GraphTransformer(heads=2)), width=8, num_layers=2, scan=True
        ),
        1,
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_values_of_the_whole_graph(name):
    network, hops = NETWORKS[name]
    params, state = network.init(jax.random.key(0))
    expected = network.apply(params, state, graphs.prepare(WHOLE)).prediction
    got = models.apply_layerwise(network, params, WHOLE, batch_size=25, hops=hops).prediction
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    if hops == 2:  # one hop is not enough for it
        wrong = models.apply_layerwise(network, params, WHOLE, batch_size=25).prediction
        assert abs(wrong - expected).max() > 1e-3


def test_typed_layers_that_hand_on_their_weights():
    rng = np.random.default_rng(0)
    graph = graphs.from_types(
        {"a": rng.normal(size=(20, 3)).astype(np.float32), "b": 30},
        {("a", "to", "b"): (rng.integers(0, 20, 80), rng.integers(0, 30, 80))},
        reverse=True,
    )
    layer = attention.SimpleHGN(4, 2, schema=graphs.schema_of(graph))
    network = models.TypedNetwork(models.TypedInputs.of(graph), (layer, layer), 8, 3)
    params, state = network.init(jax.random.key(0))
    expected = network.apply(params, state, graphs.prepare(graph)).prediction
    got = models.apply_layerwise(network, params, graph, batch_size=30).prediction
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_what_looks_at_all_nodes_is_refused():
    for layer in (attention.GlobalAttention(heads=2), linear_attention.Performer(heads=2)):
        network = models.PlainNetwork(2, (layer,))
        with pytest.raises(ValueError, match=f"{type(layer).__name__} looks at all nodes"):
            models.apply_layerwise(network, None, WHOLE, batch_size=4)
    gps = models.GPS(models.Inputs(nodes=2))
    with pytest.raises(ValueError, match=r"network must be a PlainNetwork, .* got GPS"):
        models.apply_layerwise(gps, None, WHOLE, batch_size=4)
    with pytest.raises(ValueError, match="hops must be a positive integer"):
        models.apply_layerwise(models.PlainNetwork.gat(2, 3), None, WHOLE, batch_size=4, hops=0)
