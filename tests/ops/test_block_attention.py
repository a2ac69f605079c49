import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _dense_blocks import as_blocks, block_attention

from graphattn_jax import ops

B, SIZE, HEADS, CHANNELS = 3, 5, 2, 4
COUNTS = np.array([5, 0, 3])
MASK = np.arange(SIZE)[None] < COUNTS[:, None]
KEYS = jax.random.split(jax.random.key(0), 4)
QUERY, KEY, VALUE = (jax.random.normal(k, (B, SIZE, HEADS, CHANNELS)) for k in KEYS[:3])
BIAS = jax.random.normal(KEYS[3], (B, HEADS, SIZE, SIZE))
PAIRS = np.argwhere(MASK[:, :, None] & MASK[:, None, :])  # block, receiver, sender


def as_edges(query, key, value, bias, normalizer):
    """The same as attention over an explicit edge list of the flattened slots."""
    block, receiver, sender = PAIRS.T
    flat = [x.reshape(B * SIZE, HEADS, -1) for x in (query, key, value)]
    edges = ops.Edges(block * SIZE + sender, block * SIZE + receiver, num_senders=B * SIZE)
    score = ops.DotScore(bias=bias[block, :, receiver, sender])
    return ops.edge_attention(*flat, edges, score=score, normalizer=normalizer)


NORMALIZERS = (
    ops.Softmax(),
    ops.Sigmoid(),
    ops.PostHoc(),
    ops.PostHoc(heads=(True, False)),
    ops.Symmetric(),
    ops.Sinkhorn(),
)


@pytest.mark.parametrize("normalizer", NORMALIZERS, ids=str)
def test_equals_edge_attention_on_all_pairs_in_values_and_gradients(normalizer):
    def blocks(query, key, value, bias):
        return block_attention(
            query, key, value, mask=MASK, bias=bias, normalizer=normalizer
        ).out.reshape(B * SIZE, HEADS, CHANNELS)

    def edges(*arrays):
        return as_edges(*arrays, normalizer).out

    arrays = (QUERY, KEY, VALUE, BIAS)
    np.testing.assert_allclose(blocks(*arrays), edges(*arrays), rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(
        jax.grad(lambda *a: jnp.sum(jnp.sin(blocks(*a))), argnums=(0, 1, 2, 3))(*arrays),
        jax.grad(lambda *a: jnp.sum(jnp.sin(edges(*a))), argnums=(0, 1, 2, 3))(*arrays),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-5)


def test_weights_and_residual_are_those_of_the_edges():
    block, receiver, sender = PAIRS.T
    found = block_attention(QUERY, KEY, VALUE, mask=MASK, bias=BIAS, normalizer=ops.Sinkhorn(3))
    edges = as_edges(QUERY, KEY, VALUE, BIAS, ops.Sinkhorn(3)).attention
    np.testing.assert_allclose(
        found.weights[block, :, receiver, sender], edges.weights, rtol=1e-5, atol=1e-6
    )
    assert found.weights.sum() == pytest.approx(float(edges.weights.sum()), rel=1e-5)
    np.testing.assert_allclose(found.residual.reshape(-1, HEADS), edges.residual, atol=1e-6)


@pytest.mark.parametrize("implementation", ["xla", "reference", "triton", "cpp"])
@pytest.mark.parametrize("which", ["nodes", "fewer nodes", "pairs"])
def test_rows_of_nodes_are_the_same_as_blocks(implementation, which):
    if implementation == "cpp":
        try:
            ops.build_cpp()
        except RuntimeError as error:
            pytest.skip(str(error))
    ids = np.array([2, 0, 9, 0, 2, 0, 2, 9, 0])  # 9: no block, as padding
    blocks = ops.prepare_blocks(np.minimum(ids, 2), B, SIZE, where=ids < 9)
    mask = {
        "nodes": None,
        "fewer nodes": blocks.mask & (np.arange(SIZE) != 1)[None],
        "pairs": blocks.mask[:, :, None] & np.tri(SIZE, dtype=bool)[None],
    }[which]
    pairs = mask[:, :, None] & mask[:, None] if which == "fewer nodes" else mask
    options = {"dropout": ops.Dropout(0.2, jax.random.key(3)), "implementation": implementation}
    rows = tuple(jax.random.normal(k, (len(ids), HEADS, CHANNELS)) for k in KEYS[:3])

    def by_rows(*rows):
        pattern = dataclasses.replace(blocks, pairs=pairs)
        out, attention = ops.block_attention(
            *rows, pattern, score=ops.DotScore(bias=BIAS), **options
        )
        return out, attention.weights

    def by_blocks(*rows):
        found = block_attention(
            *(ops.to_blocks(x, blocks) for x in rows),
            mask=blocks.mask if mask is None else mask,
            bias=BIAS,
            **options,
        )
        return ops.from_blocks(found.out, blocks), found.weights

    (got, pull), (want, pull_want) = jax.vjp(by_rows, *rows), jax.vjp(by_blocks, *rows)
    jax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, atol=1e-5), got, want)
    assert not got[0][ids == 9].any()
    g = (jax.random.normal(KEYS[3], got[0].shape), jnp.zeros_like(got[1]))
    jax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, atol=2e-5), pull(g), pull_want(g))


def test_a_mask_of_pairs_is_obeyed():
    causal = np.tril(np.ones((SIZE, SIZE), bool))[None].repeat(B, 0)
    weights = block_attention(QUERY, KEY, VALUE, mask=causal).weights
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)
    assert not np.any(np.asarray(weights)[:, :, ~causal[0]])


def test_dropout_keeps_the_mean_and_repeats_with_its_key():
    def out(key):
        return block_attention(QUERY, KEY, VALUE, mask=MASK, dropout=ops.Dropout(0.5, key)).out

    outs = jax.vmap(out)(jax.random.split(jax.random.key(7), 4000))
    plain = block_attention(QUERY, KEY, VALUE, mask=MASK).out
    np.testing.assert_allclose(outs.mean(0), plain, atol=0.1)
    assert np.array_equal(out(jax.random.key(1)), out(jax.random.key(1)))


def test_nothing_is_nan_where_nothing_may_attend(debug_nans):
    def total(query):
        none = np.zeros((B, SIZE), bool)
        return jnp.sum(block_attention(query, KEY, VALUE, mask=none).out)

    value, grad = jax.jit(jax.value_and_grad(total))(QUERY)
    assert value == 0 and not np.any(grad)


def test_errors():
    rows = [x.reshape(-1, HEADS, CHANNELS) for x in (QUERY, KEY, VALUE)]
    blocks = as_blocks(MASK)
    for change, message in (
        ({"node": blocks.node[:, ::-1]}, "blocks.node must hold .* empty slots behind"),
        ({"pairs": MASK}, r"blocks.pairs must have shape \[3, 5, 5\]"),
        ({"pairs": np.ones((B, SIZE, SIZE))}, "blocks.pairs must be boolean"),
        ({"slot": blocks.slot[:-1]}, r"query must have shape \[14, H, C\], got \(15, 2, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            ops.block_attention(*rows, dataclasses.replace(blocks, **change))
    for options, message in (
        ({"score": ops.DotScore(bias=BIAS[:, :, 0])}, "score.bias must have four axes"),
        ({"score": ops.DotScore(edge=BIAS)}, "score must be a DotScore without an edge term"),
        ({"score": ops.AdditiveScore()}, "score must be a DotScore without an edge term"),
        ({"dropout": 0.1}, r"dropout must be a ga.ops.Dropout\(rate, key\)"),
        ({"dropout": ops.Dropout(1.0, KEYS[0])}, r"dropout.rate must be a number in \[0, 1\)"),
        ({"normalizer": "softmax"}, "normalizer must be a value"),
        (
            {"implementation": "cuda"},
            "implementation must be one of 'cpp', 'triton', 'xla', 'reference'",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            ops.block_attention(*rows, blocks, **options)
