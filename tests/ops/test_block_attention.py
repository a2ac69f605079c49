import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
    return ops.edge_attention(
        *flat,
        block * SIZE + sender,
        block * SIZE + receiver,
        bias=bias[block, :, receiver, sender],
        normalizer=normalizer,
    )


@pytest.mark.parametrize("normalizer", ops.NORMALIZERS)
def test_equals_edge_attention_on_all_pairs_in_values_and_gradients(normalizer):
    def blocks(query, key, value, bias):
        return ops.block_attention(
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
    found = ops.block_attention(QUERY, KEY, VALUE, mask=MASK, bias=BIAS, normalizer=ops.Sinkhorn(3))
    edges = as_edges(QUERY, KEY, VALUE, BIAS, ops.Sinkhorn(3))
    np.testing.assert_allclose(
        found.weights[block, :, receiver, sender], edges.weights, rtol=1e-5, atol=1e-6
    )
    assert found.weights.sum() == pytest.approx(float(edges.weights.sum()), rel=1e-5)
    np.testing.assert_allclose(found.residual.reshape(-1, HEADS), edges.residual, atol=1e-6)


@pytest.mark.parametrize("implementation", ["reference", "triton", "cpp"])
@pytest.mark.parametrize("which", ["nodes", "fewer nodes", "pairs"])
def test_rows_of_nodes_are_the_same_as_blocks(implementation, which):
    if implementation == "cpp":
        try:
            ops.build_cpp()
        except RuntimeError as error:
            pytest.skip(str(error))
    ids = np.array([2, 0, 9, 0, 2, 0, 2, 9, 0])  # 9: no block, as padding
    blocks = ops.block_layout(np.minimum(ids, 2), B, SIZE, where=ids < 9)
    mask = {
        "nodes": None,
        "fewer nodes": blocks.mask & (np.arange(SIZE) != 1)[None],
        "pairs": blocks.mask[:, :, None] & np.tri(SIZE, dtype=bool)[None],
    }[which]
    options = {"dropout_rate": 0.2, "dropout_key": jax.random.key(3), "bias": BIAS}
    options |= {"implementation": implementation}
    rows = tuple(jax.random.normal(k, (len(ids), HEADS, CHANNELS)) for k in KEYS[:3])

    def by_rows(*rows):
        found = ops.block_attention(*rows, mask=mask, blocks=blocks, **options)
        return found.out, found.weights

    def by_blocks(*rows):
        found = ops.block_attention(
            *(ops.to_blocks(x, blocks) for x in rows),
            mask=blocks.mask if mask is None else mask,
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
    weights = ops.block_attention(QUERY, KEY, VALUE, mask=causal).weights
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)
    assert not np.any(np.asarray(weights)[:, :, ~causal[0]])


def test_dropout_keeps_the_mean_and_repeats_with_its_key():
    def out(key):
        return ops.block_attention(
            QUERY, KEY, VALUE, mask=MASK, dropout_rate=0.5, dropout_key=key
        ).out

    outs = jax.vmap(out)(jax.random.split(jax.random.key(7), 4000))
    plain = ops.block_attention(QUERY, KEY, VALUE, mask=MASK).out
    np.testing.assert_allclose(outs.mean(0), plain, atol=0.1)
    assert np.array_equal(out(jax.random.key(1)), out(jax.random.key(1)))


def test_nothing_is_nan_where_nothing_may_attend(debug_nans):
    def total(query):
        none = np.zeros((B, SIZE), bool)
        return jnp.sum(ops.block_attention(query, KEY, VALUE, mask=none).out)

    value, grad = jax.jit(jax.value_and_grad(total))(QUERY)
    assert value == 0 and not np.any(grad)


def test_errors():
    with pytest.raises(ValueError, match="mask must"):
        ops.block_attention(QUERY, KEY, VALUE, mask=MASK[:2])
    with pytest.raises(ValueError, match="mask is needed"):
        ops.block_attention(QUERY, KEY, VALUE)
    with pytest.raises(ValueError, match="query must"):
        ops.block_attention(QUERY, KEY, VALUE, blocks=ops.block_layout(np.zeros(2, int), 1, 2))
    with pytest.raises(ValueError, match="bias must have four axes"):
        ops.block_attention(QUERY, KEY, VALUE, mask=MASK, bias=BIAS[:, :, 0])
    with pytest.raises(ValueError, match="dropout_key"):
        ops.block_attention(QUERY, KEY, VALUE, mask=MASK, dropout_rate=0.1)
