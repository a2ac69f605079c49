import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import attention, graphs, ops, testing

WIDTH, HEADS, CHANNELS = 4, 2, 3
GRAPHS = [testing.random_graph(seed, n, n - 1, WIDTH) for seed, n in enumerate((5, 1, 3))]
BATCH = graphs.batch(GRAPHS)
PAIRS = graphs.all_pairs(BATCH)
BLOCKS = graphs.prepare(BATCH, block_size=6)
KEY = jax.random.key(0)
GLOBAL = attention.GlobalAttention(CHANNELS, HEADS)
PARAMS = GLOBAL.init(KEY, WIDTH)


@pytest.mark.parametrize("graph", [BLOCKS, BATCH], ids=["blocks", "plain"])
@pytest.mark.parametrize(
    ("score", "normalizer"),
    [
        (attention.Standard(), ops.Softmax()),
        (attention.Shared(), ops.PostHoc()),
        (attention.Symmetrized(), ops.Symmetric()),
        (attention.Cosine(), ops.Sigmoid()),
        (attention.Pairwise(), ops.Sinkhorn()),
    ],
    ids=str,
)
def test_equals_the_graph_transformer_on_all_pairs(score, normalizer, graph):
    fields = {"score": score, "normalizer": normalizer, "output": 5, "separate": True}
    on_edges = attention.GraphTransformer(CHANNELS, HEADS, **fields)
    in_blocks = attention.GlobalAttention(CHANNELS, HEADS, **fields)

    def dense(params, nodes):
        return in_blocks.apply(params, graph._replace(nodes=nodes)).graph.nodes

    def edges(params, nodes):
        return on_edges.apply(params, PAIRS._replace(nodes=nodes)).graph.nodes

    testing.assert_implementations_agree(
        {"edges": edges, "dense": dense},
        on_edges.init(KEY, WIDTH),
        BATCH.nodes,
        rtol=3e-5,
        atol=3e-6,
    )


def test_a_bias_on_slots_equals_one_on_pairs():
    values = np.random.default_rng(0).normal(size=(len(PAIRS.senders), HEADS)).astype(np.float32)
    bias = np.zeros((3, HEADS, 6, 6), np.float32)
    slot = BLOCKS.layout.blocks.slot
    receiver, sender = slot[PAIRS.receivers], slot[PAIRS.senders]
    bias[receiver // 6, :, receiver % 6, sender % 6] = values
    on_edges = attention.GraphTransformer(CHANNELS, HEADS)
    want = on_edges.apply(PARAMS, PAIRS, bias=values).graph.nodes
    found = GLOBAL.apply(PARAMS, BLOCKS, bias=bias).graph.nodes
    np.testing.assert_allclose(found, want, rtol=2e-5, atol=2e-6)


def test_properties():
    testing.assert_permutation_equivariant(GLOBAL.apply, PARAMS, GRAPHS[0])
    testing.assert_batch_invariant(GLOBAL.apply, PARAMS, GRAPHS)
    wild = (np.nan, np.inf, 1e30)
    testing.assert_padding_invariant(GLOBAL.apply, PARAMS, BATCH, fill=wild, rtol=2e-5, atol=2e-6)


def test_padding_with_blocks_changes_nothing():
    padded = graphs.pad(BATCH, graphs.Budget(16, 40, 5), block_size=8)
    found = GLOBAL.apply(PARAMS, padded).graph.nodes[: len(BATCH.nodes)]
    want = GLOBAL.apply(PARAMS, BLOCKS).graph.nodes
    np.testing.assert_allclose(found, want, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("graph", [BLOCKS, BATCH], ids=["blocks", "plain"])
@pytest.mark.parametrize("normalizer", [ops.Softmax(), ops.Sinkhorn(4)], ids=str)
def test_a_wild_node_reaches_its_graph_only(normalizer, graph):
    layer = attention.GlobalAttention(CHANNELS, HEADS, normalizer=normalizer)

    @jax.jit
    def run(nodes):
        out, pull = jax.vjp(
            lambda x: layer.apply(PARAMS, graph._replace(nodes=x)).graph.nodes, nodes
        )
        return out, pull(jnp.ones_like(out))[0]

    own = graphs.node_graph_ids(BATCH) == 0
    want = run(BATCH.nodes)
    for wild in (np.nan, np.inf):
        bad = BATCH.nodes.copy()
        bad[1] = wild
        found = run(bad)
        assert not np.isfinite(found[0][own]).any()
        for x, y in zip(found, want):
            np.testing.assert_allclose(x[~own], y[~own], rtol=1e-5, atol=1e-6)


def test_returned_weights_are_rows_of_the_blocks():
    found = GLOBAL.apply(PARAMS, BLOCKS).attention
    assert found.weights.shape == (3, HEADS, 6, 6)
    rows, mask = found.weights.sum(-1).swapaxes(1, 2), np.asarray(BLOCKS.layout.blocks.mask)
    np.testing.assert_allclose(rows[mask], 1, rtol=1e-6)
    assert not np.any(np.asarray(rows)[~mask])


def test_bfloat16_keeps_its_type():
    graph = BLOCKS._replace(nodes=jnp.asarray(BATCH.nodes, jnp.bfloat16))
    out = GLOBAL.apply(PARAMS, graph).graph.nodes
    assert out.dtype == jnp.bfloat16
    want = GLOBAL.apply(PARAMS, BLOCKS).graph.nodes
    np.testing.assert_allclose(out.astype(np.float32), want, atol=0.05)


def test_edge_features_are_not_read():
    with_edges = attention.GraphTransformer(CHANNELS, HEADS).init(KEY, WIDTH, 3)
    assert GLOBAL.init(KEY, WIDTH, 3).edge_key is None
    with pytest.raises(ValueError, match="edge_key is given"):
        GLOBAL.apply(with_edges, BATCH)


def test_errors():
    with pytest.raises(ValueError, match="block_size must be at least"):
        graphs.prepare(BATCH, block_size=4)
    with pytest.raises(ValueError, match="implementation must be one of 'cpp', 'triton', 'xla'"):
        attention.GlobalAttention(implementation="block_dense")
