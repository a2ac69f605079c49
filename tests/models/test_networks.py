"""The node networks: the paper's stack and the residual one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import testing

CASES = {
    "plain-gat": (ga.models.AttentionSpec("gat"), "plain"),
    "plain-gatv2-sinkhorn": (ga.models.AttentionSpec("gatv2", normalizer="sinkhorn"), "plain"),
    "residual-graph_transformer": (ga.models.AttentionSpec("graph_transformer"), "residual"),
    "residual-gat-cosine": (ga.models.AttentionSpec("gat", score="cosine"), "residual"),
}


@pytest.fixture(scope="module")
def graph():
    return testing.random_graph(0, 9, 24, 5, undirected=True, self_loops=True)


def network(name):
    spec, kind = CASES[name]
    if kind == "plain":
        params = ga.models.init_plain_network(
            jax.random.key(0), 5, 3, spec=spec, channels=2, heads=2
        )
        apply = ga.models.plain_network
    else:
        params = ga.models.init_residual_network(
            jax.random.key(0), 5, 3, spec=spec, width=4, heads=2, num_layers=2
        )
        apply = ga.models.residual_network
    return params, lambda params, graph, layout=None, **kw: apply(
        params, graph, spec=spec, layout=layout, **kw
    )


@pytest.mark.parametrize("name", CASES)
def test_padding_and_permutation(name, graph):
    params, apply = network(name)

    def layer(params, graph, layout):
        return graph._replace(nodes=apply(params, graph, layout)[0])

    # Layer norm over four channels amplifies rounding.
    testing.assert_padding_invariant(layer, params, graph, rtol=1e-4)
    testing.assert_permutation_equivariant(layer, params, graph)


@pytest.mark.parametrize("name", CASES)
def test_logits_attention_and_dropout(name, graph):
    params, apply = network(name)
    logits, maps = apply(params, graph)
    assert logits.shape == (9, 3)
    assert len(maps) == 2
    assert all(m.weights.shape[0] == graph.senders.shape[0] for m in maps)
    train = jax.jit(lambda key: apply(params, graph, dropout_rate=0.5, dropout_key=key)[0])
    first = train(jax.random.key(0))
    np.testing.assert_array_equal(first, train(jax.random.key(0)))
    assert not np.allclose(first, train(jax.random.key(1)))
    with pytest.raises(ValueError, match="dropout_key"):
        apply(params, graph, dropout_rate=0.5)


def test_separate_form_is_a_map_of_the_node_beside_what_it_hears(graph):
    spec = ga.models.AttentionSpec("graph_transformer")
    params = ga.models.init_residual_network(
        jax.random.key(0), 5, 3, spec=spec, width=4, heads=2, num_layers=1, separate=True
    )
    assert params.blocks.attention.layer.root.weight.shape[1:] == (4, 4)
    with pytest.raises(ValueError, match="separate=True needs layer='graph_transformer'"):
        ga.models.init_residual_network(
            jax.random.key(0),
            5,
            3,
            spec=ga.models.AttentionSpec("gat"),
            width=4,
            heads=2,
            separate=True,
        )


def test_relative_buckets_reach_the_logits(graph):
    spec = ga.models.AttentionSpec("gat", relative_buckets=2)
    params = ga.models.init_plain_network(jax.random.key(0), 5, 3, spec=spec, channels=2, heads=2)
    buckets = jnp.asarray(graph.senders == graph.receivers).astype(jnp.int32)

    def logits(table_value):
        layer = params.layers[0]._replace(relative=jnp.array([[0.0, 0.0], [table_value] * 2]))
        changed = params._replace(layers=(layer, *params.layers[1:]))
        return ga.models.plain_network(changed, graph, spec=spec, buckets=buckets)[1][0].logits

    difference = np.asarray(logits(1.5) - logits(0.0))
    np.testing.assert_allclose(
        difference, 1.5 * np.asarray(buckets)[:, None] * np.ones((1, 2)), atol=1e-6
    )
    with pytest.raises(ValueError, match="relative_buckets=2 needs buckets="):
        ga.models.plain_network(params, graph, spec=spec)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "gcn"}, "layer must be one of 'gat', 'gatv2', 'graph_transformer'"),
        ({"score": "dot"}, "score must be one of 'standard'"),
        ({"normalizer": "softmin"}, "normalizer must be one of 'softmax'"),
        ({"sinkhorn_iterations": 0}, "sinkhorn_iterations must be a positive integer"),
    ],
)
def test_spec_lists_the_valid_options(arguments, message):
    with pytest.raises(ValueError, match=message):
        ga.models.AttentionSpec(**arguments)


def test_edge_features_and_bias_reach_every_layer(graph):
    spec = ga.models.AttentionSpec("graph_transformer")
    sizes = {"width": 4, "heads": 2, "num_layers": 2}
    params = ga.models.init_residual_network(
        jax.random.key(0), 5, 3, spec=spec, edge_features=6, **sizes
    )
    edges = jax.random.normal(jax.random.key(1), (graph.senders.shape[0], 6))
    bias = jax.random.normal(jax.random.key(2), (graph.senders.shape[0], 2))

    def logits_of_layers(edges, bias):
        _, maps = ga.models.residual_network(
            params, graph._replace(edges=edges), spec=spec, bias=bias
        )
        return [m.logits for m in maps]

    plain, with_bias = logits_of_layers(edges, None), logits_of_layers(edges, bias)
    np.testing.assert_allclose(with_bias[0], plain[0] + bias, rtol=1e-5, atol=1e-6)
    for layer in (0, 1):
        assert not np.allclose(plain[layer], logits_of_layers(jnp.zeros_like(edges), None)[layer])
        assert not np.allclose(plain[layer], with_bias[layer])
    with pytest.raises(ValueError, match=r"graph\.edges must be an array of shape"):
        ga.models.residual_network(params, graph._replace(edges=None), spec=spec)
