import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import attention, graphs, ops, testing

WIDTH, HEADS, CHANNELS = 4, 2, 3
GRAPHS = [testing.random_graph(seed, n, n - 1, WIDTH) for seed, n in enumerate((5, 1, 3))]
BATCH = graphs.batch(GRAPHS)
PAIRS = graphs.all_pairs(BATCH)
LAYOUT = graphs.layout(BATCH, block_size=6)


def init(score="standard", **options):
    key = jax.random.key(0)
    return attention.init_graph_transformer(key, WIDTH, CHANNELS, HEADS, score=score, **options)


@pytest.mark.parametrize("with_blocks", [True, False], ids=["blocks", "no_layout"])
@pytest.mark.parametrize(
    ("score", "normalizer"),
    [
        ("standard", "softmax"),
        ("shared", "post_hoc"),
        ("symmetrized", "symmetric"),
        ("cosine", "sigmoid"),
        ("pairwise", "sinkhorn"),
    ],
)
def test_equals_the_graph_transformer_on_all_pairs(score, normalizer, with_blocks):
    params = init(score, out_features=5, separate=True)
    layout = LAYOUT if with_blocks else None

    def dense(params, nodes):
        graph = BATCH._replace(nodes=nodes)
        options = {"score": score, "normalizer": normalizer, "layout": layout}
        return attention.global_attention(params, graph, **options).nodes

    def edges(params, nodes):
        graph = PAIRS._replace(nodes=nodes)
        return attention.graph_transformer(params, graph, score=score, normalizer=normalizer).nodes

    testing.assert_implementations_agree(
        {"edges": edges, "dense": dense}, params, BATCH.nodes, rtol=3e-5, atol=3e-6
    )


def test_a_bias_on_slots_equals_one_on_pairs():
    params = init()
    values = np.random.default_rng(0).normal(size=(len(PAIRS.senders), HEADS)).astype(np.float32)
    bias = np.zeros((3, HEADS, 6, 6), np.float32)
    slot = LAYOUT.blocks.slot
    receiver, sender = slot[PAIRS.receivers], slot[PAIRS.senders]
    bias[receiver // 6, :, receiver % 6, sender % 6] = values
    want = attention.graph_transformer(params, PAIRS, bias=values).nodes
    found = attention.global_attention(params, BATCH, layout=LAYOUT, bias=bias).nodes
    np.testing.assert_allclose(found, want, rtol=2e-5, atol=2e-6)


def test_properties():
    params = init()

    def layer(params, graph, layout):
        return attention.global_attention(params, graph, layout=layout)

    testing.assert_permutation_equivariant(layer, params, GRAPHS[0])
    testing.assert_batch_invariant(layer, params, GRAPHS)
    testing.assert_padding_invariant(layer, params, BATCH, rtol=2e-5, atol=2e-6)


def test_padding_with_blocks_changes_nothing():
    params = init(out_features=5)
    padded = graphs.pad(BATCH, graphs.Budget(16, 40, 5))
    layout = graphs.layout(padded, block_size=8)
    found = attention.global_attention(params, padded, layout=layout).nodes[: len(BATCH.nodes)]
    want = attention.global_attention(params, BATCH, layout=LAYOUT).nodes
    np.testing.assert_allclose(found, want, rtol=2e-5, atol=2e-6)


def test_returned_weights_are_rows_of_the_blocks():
    _, found = attention.global_attention(init(), BATCH, layout=LAYOUT, return_attention=True)
    assert isinstance(found, ops.BlockAttention) and found.weights.shape == (3, HEADS, 6, 6)
    rows = found.weights.sum(-1).swapaxes(1, 2)
    np.testing.assert_allclose(rows[LAYOUT.blocks.mask], 1, rtol=1e-6)
    assert not np.any(np.asarray(rows)[~np.asarray(LAYOUT.blocks.mask)])


def test_bfloat16_keeps_its_type():
    graph = BATCH._replace(nodes=jnp.asarray(BATCH.nodes, jnp.bfloat16))
    out = attention.global_attention(init(), graph, layout=LAYOUT).nodes
    assert out.dtype == jnp.bfloat16
    want = attention.global_attention(init(), BATCH, layout=LAYOUT).nodes
    np.testing.assert_allclose(out.astype(np.float32), want, atol=0.05)


def test_errors():
    with pytest.raises(ValueError, match="no edge terms"):
        attention.global_attention(init(edge_features=3), BATCH)
    with pytest.raises(ValueError, match="size must be at least"):
        graphs.layout(BATCH, block_size=4)
