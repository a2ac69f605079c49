"""Every assertion passes on a layer that is right and names what is wrong with one that is not."""

import jax
import jax.numpy as jnp
import pytest

from graphattn_jax import attention as layers
from graphattn_jax import graphs, nn, ops, testing
from graphattn_jax.ops._attention import Weights


def as_attention(weights):
    return ops.Attention(lambda: Weights(weights, weights, weights))


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


def attention(params, graph):
    """A single head over the incoming edges, with new edge features and globals."""
    x = graph.nodes
    ends = jnp.concatenate([x[graph.senders], x[graph.receivers]], axis=-1)
    weights = ops.segment_softmax(
        jnp.tanh(nn.linear(params["score"], ends)).astype(jnp.float32),
        graph.receivers,
        len(x),
        where=graphs.edge_mask(graph),
    )
    messages = weights.astype(x.dtype) * nn.linear(params["value"], x)[graph.senders]
    mean = ops.segment_mean(
        x, graphs.node_graph_ids(graph), len(graph.n_node), where=graphs.node_mask(graph)
    )
    return graph._replace(
        nodes=ops.segment_sum(messages, graph.receivers, len(x)),
        edges=2 * graph.edges,
        globals=mean,
    ), as_attention(weights)


def without_attention(params, graph):
    return attention(params, graph)[0]


def as_layer_output(params, graph):
    return nn.LayerOutput(*attention(params, graph))


def weights_alone(params, graph):
    out, attn = attention(params, graph)
    return out, attn.weights


def adds_node_ids(params, graph):
    return graph._replace(
        nodes=graph.nodes + jnp.arange(len(graph.nodes), dtype=jnp.float32)[:, None]
    )


def first_node_as_global(params, graph):
    return graph._replace(globals=graph.nodes[:1])


def sorts_attention_by_receiver(params, graph):
    out, attn = attention(params, graph)
    return out, as_attention(attn.weights[jnp.argsort(graph.receivers)])


def last_edge_wins(params, graph):
    edge = jnp.arange(len(graph.senders), dtype=jnp.float32)
    return graph._replace(nodes=ops.segment_max(edge, graph.receivers, len(graph.nodes)))


def mean_over_all_rows(params, graph):
    return graph._replace(nodes=graph.nodes - graph.nodes.mean(axis=0, keepdims=True))


def leaks_in_the_gradient_only(params, graph):
    bias = params["value"].bias
    unseen = (bias - jax.lax.stop_gradient(bias)).sum()
    return graph._replace(nodes=graph.nodes + unseen * graph.nodes.sum())


def computes_in_float32(params, graph):
    return graph._replace(nodes=nn.linear(params["value"], graph.nodes.astype(jnp.float32)))


def attention_in_half_precision(params, graph):
    out, attn = attention(params, graph)
    return out, attn.weights.astype(graph.nodes.dtype)


@pytest.mark.parametrize("layer", [attention, without_attention, as_layer_output, weights_alone])
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


def test_apply_of_a_layer_is_such_a_function(graph, batch):
    layer = layers.GATv2(channels=2, heads=2, score=layers.Symmetrized())
    params = layer.init(jax.random.key(0), 4, 2)
    testing.assert_permutation_equivariant(layer.apply, params, graph)
    testing.assert_edge_order_invariant(layer.apply, params, graph)
    testing.assert_padding_invariant(layer.apply, params, graph)
    testing.assert_batch_invariant(layer.apply, params, batch)
    testing.assert_dtype_preserved(layer.apply, params, graph)


def test_graphs_are_prepared_and_keep_their_blocks(graph, batch):
    seen = []

    def layer(params, graph):
        blocks = graph.layout.blocks
        seen.append(None if blocks is None else blocks.node.shape[1])
        return graph

    def blocked(graph):
        return graphs.prepare(graph, block_size=9)

    for prepare, want in ((graphs.prepare, None), (blocked, 9), (lambda graph: graph, None)):
        seen.clear()
        testing.assert_permutation_equivariant(layer, None, prepare(graph))
        testing.assert_edge_order_invariant(layer, None, prepare(graph))
        testing.assert_padding_invariant(layer, None, prepare(graph))
        testing.assert_batch_invariant(layer, None, [prepare(graph) for graph in batch])
        testing.assert_dtype_preserved(layer, None, prepare(graph))
        assert set(seen) == {want}


def test_attention_in_blocks_has_no_row_per_edge(graph, batch):
    layer = layers.GlobalAttention(heads=2)
    params = layer.init(jax.random.key(0), 4)
    graph, *batch = (graphs.prepare(g, block_size=8) for g in (graph, *batch))
    testing.assert_permutation_equivariant(layer.apply, params, graph)
    testing.assert_edge_order_invariant(layer.apply, params, graph)
    testing.assert_padding_invariant(layer.apply, params, graph)
    testing.assert_batch_invariant(layer.apply, params, batch)
    testing.assert_dtype_preserved(layer.apply, params, graph)


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

    def wrong_after_the_first(params, graph):
        ids = graphs.node_graph_ids(graph)[:, None].astype(jnp.float32)
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
    def drops_attention_when_padded(params, graph):
        out, attn = attention(params, graph)
        return (out, attn) if graphs.num_edges(graph) == 16 else out

    with pytest.raises(AssertionError, match="attention"):
        testing.assert_padding_invariant(drops_attention_when_padded, params, graph)

    def too_few_rows(params, graph):
        return graph._replace(nodes=graph.nodes[:3])

    with pytest.raises(AssertionError, match=r"nodes has shape \(3, 4\), wanted \(7, 4\)"):
        testing.assert_permutation_equivariant(too_few_rows, params, graph)


def test_nan_fails(params, graph):
    def nan_in_padding_only(params, graph):
        mean = jnp.where(graphs.node_mask(graph).all(), 0.0, jnp.nan)
        return graph._replace(nodes=graph.nodes + mean)

    with pytest.raises(AssertionError, match="is nan, wanted"):
        testing.assert_padding_invariant(nan_in_padding_only, params, graph)
