"""Every assertion passes on a layer that is right and names what is wrong with one that is not."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest

from graphattn_jax import graphs, nn, ops, testing


class Attention(NamedTuple):
    weights: jax.Array


@pytest.fixture
def params():
    return {
        "value": nn.init_linear(jax.random.key(0), 4, 4),
        "score": nn.init_linear(jax.random.key(1), 8, 1, bias=False),
    }


@pytest.fixture
def graph():
    return testing.random_graph(0, 7, 16, 4, edge_width=2)


@pytest.fixture
def batch():
    return [testing.random_graph(seed, 4 + seed, 8, 4, edge_width=2) for seed in range(3)]


def attention(params, graph, layout):
    """A single head over the incoming edges, with new edge features and globals."""
    x = graph.nodes
    ends = jnp.concatenate([x[graph.senders], x[graph.receivers]], axis=-1)
    weights = ops.segment_softmax(
        jnp.tanh(nn.linear(params["score"], ends)).astype(jnp.float32),
        graph.receivers,
        len(x),
        where=layout.edge_mask,
    )
    messages = weights.astype(x.dtype) * nn.linear(params["value"], x)[graph.senders]
    mean = ops.segment_mean(x, layout.node_graph_ids, len(graph.n_node), where=layout.node_mask)
    return graph._replace(
        nodes=ops.segment_sum(messages, graph.receivers, len(x)),
        edges=2 * graph.edges,
        globals=mean,
    ), Attention(weights)


def without_attention(params, graph, layout):
    return attention(params, graph, layout)[0]


def adds_node_ids(params, graph, layout):
    return graph._replace(
        nodes=graph.nodes + jnp.arange(len(graph.nodes), dtype=jnp.float32)[:, None]
    )


def first_node_as_global(params, graph, layout):
    return graph._replace(globals=graph.nodes[:1])


def sorts_attention_by_receiver(params, graph, layout):
    out, attn = attention(params, graph, layout)
    return out, Attention(attn.weights[jnp.argsort(graph.receivers)])


def last_edge_wins(params, graph, layout):
    edge = jnp.arange(len(graph.senders), dtype=jnp.float32)
    return graph._replace(nodes=ops.segment_max(edge, graph.receivers, len(graph.nodes)))


def mean_over_all_rows(params, graph, layout):
    return graph._replace(nodes=graph.nodes - graph.nodes.mean(axis=0, keepdims=True))


def leaks_in_the_gradient_only(params, graph, layout):
    bias = params["value"].bias
    unseen = (bias - jax.lax.stop_gradient(bias)).sum()
    return graph._replace(nodes=graph.nodes + unseen * graph.nodes.sum())


def computes_in_float32(params, graph, layout):
    return graph._replace(nodes=nn.linear(params["value"], graph.nodes.astype(jnp.float32)))


def attention_in_half_precision(params, graph, layout):
    out, attn = attention(params, graph, layout)
    return out, attn.weights.astype(graph.nodes.dtype)


@pytest.mark.parametrize("layer", [attention, without_attention])
def test_a_right_layer_passes_everything(layer, params, graph, batch):
    testing.assert_permutation_equivariant(layer, params, graph)
    testing.assert_permutation_equivariant(layer, params, graphs.batch(batch), seed=1)
    testing.assert_edge_order_invariant(layer, params, graph)
    testing.assert_edge_order_invariant(layer, params, graphs.batch(batch), seed=1)
    testing.assert_padding_invariant(layer, params, graph)
    testing.assert_padding_invariant(
        layer, params, graphs.batch(batch), budget=graphs.Budget(32, 64, 6)
    )
    testing.assert_batch_invariant(layer, params, batch)
    testing.assert_dtype_preserved(layer, params, graph)


def test_a_graph_without_edges_and_one_of_a_single_node_pass(params):
    for graph in (
        testing.random_graph(0, 5, 0, 4, edge_width=2),
        testing.random_graph(0, 1, 0, 4, self_loops=True, edge_width=2),
    ):
        testing.assert_permutation_equivariant(attention, params, graph)
        testing.assert_edge_order_invariant(attention, params, graph)
        testing.assert_padding_invariant(attention, params, graph)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (adds_node_ids, r"not permutation equivariant: nodes at node \d, entry \[\d\] is .*off by"),
        (first_node_as_global, "globals at graph 0, entry.*ids or the order of the nodes"),
    ],
)
def test_permutation_equivariance_fails(layer, message, params, graph):
    with pytest.raises(AssertionError, match=message):
        testing.assert_permutation_equivariant(layer, params, graph)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (last_edge_wins, "order of the edges: nodes at node.*sorted by receiver"),
        (sorts_attention_by_receiver, r"attention at edge \d+, entry \[0\]"),
    ],
)
def test_edge_order_invariance_fails(layer, message, params, graph):
    with pytest.raises(AssertionError, match=message):
        testing.assert_edge_order_invariant(layer, params, graph)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (mean_over_all_rows, "padding changes the result.*nodes at node.*as where"),
        (
            leaks_in_the_gradient_only,
            r"padding changes the gradient of the layer: params.value.bias\[\d\]",
        ),
    ],
)
def test_padding_invariance_fails(layer, message, params, graph):
    with pytest.raises(AssertionError, match=message):
        testing.assert_padding_invariant(layer, params, graph)


def test_batch_invariance_fails_and_names_the_graph(params, batch):
    with pytest.raises(AssertionError, match=r"graph 0 has another result.*node_graph_ids"):
        testing.assert_batch_invariant(mean_over_all_rows, params, batch)

    def wrong_after_the_first(params, graph, layout):
        ids = layout.node_graph_ids[:, None].astype(jnp.float32)
        return graph._replace(nodes=graph.nodes + ids)

    with pytest.raises(AssertionError, match="graph 1 has another result"):
        testing.assert_batch_invariant(wrong_after_the_first, params, batch)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (computes_in_float32, "turns bfloat16 features into float32 nodes, wanted bfloat16"),
        (attention_in_half_precision, "into bfloat16 attention, wanted float32"),
    ],
)
def test_dtype_preservation_fails(layer, message, params, graph):
    with pytest.raises(AssertionError, match=message):
        testing.assert_dtype_preserved(layer, params, graph)


def test_a_missing_row_and_a_missing_output_are_named(params, graph):
    def drops_attention_when_padded(params, graph, layout):
        out, attn = attention(params, graph, layout)
        return (out, attn) if layout.edge_mask.shape[0] == 16 else out

    with pytest.raises(AssertionError, match="attention"):
        testing.assert_padding_invariant(drops_attention_when_padded, params, graph)

    def too_few_rows(params, graph, layout):
        return graph._replace(nodes=graph.nodes[:3])

    with pytest.raises(AssertionError, match=r"nodes has shape \(3, 4\), wanted \(7, 4\)"):
        testing.assert_permutation_equivariant(
            lambda p, g, layout: too_few_rows(p, g, layout), params, graph
        )


def test_nan_fails(params, graph):
    def nan_in_padding_only(params, graph, layout):
        mean = jnp.where(layout.node_mask.all(), 0.0, jnp.nan)
        return graph._replace(nodes=graph.nodes + mean)

    with pytest.raises(AssertionError, match="is nan, wanted"):
        testing.assert_padding_invariant(nan_in_padding_only, params, graph)
