from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax import ops

NUM_NODES, HEADS = 8, 2


def sinkhorn(logits, senders, receivers, num_nodes, **options):
    return ops.sinkhorn(logits, ops.Edges(senders, receivers, num_senders=num_nodes), **options)


def symmetric_edges(seed=0, loops=True, num_nodes=NUM_NODES):
    """Both directions of about half the pairs, shuffled; with all self-loops or none."""
    rng = np.random.default_rng(seed)
    i, j = np.triu_indices(num_nodes, 1)
    chosen = rng.random(len(i)) < 0.5
    own = np.arange(num_nodes) if loops else np.zeros(0, int)
    senders = np.concatenate([i[chosen], j[chosen], own])
    receivers = np.concatenate([j[chosen], i[chosen], own])
    order = rng.permutation(len(senders))
    return senders[order], receivers[order]


def symmetric_logits(senders, receivers, seed=1, heads=HEADS, dtype=np.float32, scale=2.0):
    logits = np.random.default_rng(seed).normal(size=(len(senders), heads), scale=scale)
    return (logits + logits[ops.reverse_edges(senders, receivers)]).astype(dtype) / 2


def row_sums(weights, receivers, num_nodes=NUM_NODES):
    return np.stack([np.asarray(weights)[receivers == i].sum(0) for i in range(num_nodes)])


def dense(values, senders, receivers, num_nodes=NUM_NODES, fill=0.0):
    out = np.full((values.shape[1], num_nodes, num_nodes), fill, values.dtype)
    out[:, receivers, senders] = np.asarray(values).T
    return out


@pytest.mark.parametrize("loops", [True, False])
def test_symmetric_after_every_number_of_steps_and_residual_is_the_row_error(loops):
    senders, receivers = symmetric_edges(loops=loops)
    logits = symmetric_logits(senders, receivers)
    reverse = ops.reverse_edges(senders, receivers)
    every = jax.jit(
        lambda logits: [
            sinkhorn(logits, senders, receivers, NUM_NODES, iterations=t) for t in range(1, 31)
        ]
    )(logits)
    for weights, residual in every:
        np.testing.assert_array_equal(weights, np.asarray(weights)[reverse])
        error = np.abs(row_sums(weights, receivers) - 1)
        np.testing.assert_allclose(residual, error, atol=1e-6)


@pytest.mark.parametrize("gradient", ["unrolled", "implicit"])
def test_doubly_stochastic_after_convergence(gradient):
    senders, receivers = symmetric_edges()
    logits = symmetric_logits(senders, receivers)
    out = sinkhorn(logits, senders, receivers, NUM_NODES, iterations=100, gradient=gradient)
    assert out.residual.shape == (NUM_NODES, HEADS) and (out.residual < 1e-5).all()
    np.testing.assert_allclose(row_sums(out.weights, receivers), 1, atol=1e-5)
    np.testing.assert_allclose(row_sums(out.weights, senders), 1, atol=1e-5)


def test_logits_far_apart_neither_overflow_nor_lose_a_row(debug_nans):
    """The second row's only weights underflow after the first step; it is still scaled to 1."""
    senders, receivers = np.array([0, 1, 0, 1, 2, 2]), np.array([0, 0, 1, 2, 1, 2])
    logits = np.array([[400.0], [0.0], [0.0], [0.0], [0.0], [300.0]], np.float32)
    step = jax.jit(lambda logits: sinkhorn(logits, senders, receivers, 3, iterations=60))
    weights, residual = step(logits)
    assert np.isfinite(weights).all() and (weights <= 1 + 1e-6).all()
    np.testing.assert_array_equal(
        weights, np.asarray(weights)[ops.reverse_edges(senders, receivers)]
    )
    np.testing.assert_allclose(residual, np.abs(row_sums(weights, receivers, 3) - 1), atol=1e-6)
    assert residual[1] < 0.1
    grad = jax.grad(lambda logits: step(logits).weights[1, 0])(jnp.asarray(logits))
    assert np.isfinite(grad).all()


def test_scales_rows_and_columns_by_one_vector():
    senders, receivers = symmetric_edges()
    logits = symmetric_logits(senders, receivers)
    weights, _ = sinkhorn(logits, senders, receivers, NUM_NODES)
    log_scale = np.log(weights) - logits  # f_i + f_j
    loop = {i: e for e, (i, j) in enumerate(zip(senders, receivers, strict=True)) if i == j}
    f = np.stack([log_scale[loop[i]] / 2 for i in range(NUM_NODES)])
    np.testing.assert_allclose(log_scale, f[senders] + f[receivers], atol=1e-5)


def test_one_step_is_the_symmetric_normalizer():
    # From f = 0 the damped step is f = -½ log D: A = D^-½ E D^-½.
    senders, receivers = symmetric_edges()
    logits = symmetric_logits(senders, receivers)
    d = row_sums(np.exp(logits), receivers)
    weights, _ = sinkhorn(logits, senders, receivers, NUM_NODES, iterations=1)
    np.testing.assert_allclose(
        weights, np.exp(logits) / np.sqrt(d[senders] * d[receivers]), rtol=1e-5
    )


def test_two_nodes_closed_form():
    # E = [[1, e], [e, 1]] has constant row sums: A = E / (1 + e).
    senders, receivers = np.array([0, 1, 0, 1]), np.array([1, 0, 0, 1])
    logits = np.array([[1.0], [1.0], [0.0], [0.0]], np.float32)
    weights, _ = sinkhorn(logits, senders, receivers, 2, iterations=40)
    np.testing.assert_allclose(weights[:, 0] * (1 + np.e), [np.e, np.e, 1, 1], rtol=1e-6)


def star(leaves, loops):
    hub, leaf = np.zeros(leaves, int), np.arange(1, leaves + 1)
    own = np.arange(leaves + 1) if loops else np.zeros(0, int)
    return np.concatenate([hub, leaf, own]), np.concatenate([leaf, hub, own])


def test_a_star_can_be_scaled_only_with_self_loops():
    for loops in (True, False):
        senders, receivers = star(4, loops)
        logits = np.zeros((len(senders), 1), np.float32)
        out = sinkhorn(logits, senders, receivers, 5, iterations=200)
        np.testing.assert_array_equal(
            out.weights, np.asarray(out.weights)[ops.reverse_edges(senders, receivers)]
        )
        if loops:
            assert out.residual.max() < 1e-5
        else:
            # The hub's edges would have to sum to 1 and to 4: each side is off by a factor of two.
            np.testing.assert_allclose(out.weights, 0.5, rtol=1e-5)
            np.testing.assert_allclose(out.residual[0], 1.0, rtol=1e-5)


def test_prescribed_marginals():
    senders, receivers = symmetric_edges()
    logits = symmetric_logits(senders, receivers)
    marginals = np.random.default_rng(2).uniform(0.5, 1.5, (NUM_NODES, HEADS)).astype(np.float32)
    out = sinkhorn(
        logits, senders, receivers, NUM_NODES, log_marginals=np.log(marginals), iterations=200
    )
    assert out.residual.max() < 1e-4
    np.testing.assert_allclose(row_sums(out.weights, receivers), marginals, atol=1e-4)


@pytest.mark.parametrize("gradient", ["unrolled", "implicit"])
def test_dense_agrees_with_sparse(gradient):
    senders, receivers = symmetric_edges()
    logits = symmetric_logits(senders, receivers)
    pattern = dense(np.ones_like(logits), senders, receivers) > 0
    cotangent = np.random.default_rng(4).normal(size=logits.shape).astype(np.float32)

    def sparse_loss(logits):
        out = sinkhorn(logits, senders, receivers, NUM_NODES, iterations=60, gradient=gradient)
        return jnp.sum(out.weights * cotangent), out

    def dense_loss(matrix):
        out = ops.dense_sinkhorn(matrix, where=pattern, iterations=60, gradient=gradient)
        return jnp.sum(out.weights * dense(cotangent, senders, receivers)), out

    d_sparse, sparse = jax.jit(jax.grad(sparse_loss, has_aux=True))(logits)
    matrix = dense(logits, senders, receivers, fill=np.nan)
    d_matrix, matrix = jax.jit(jax.grad(dense_loss, has_aux=True))(matrix)
    np.testing.assert_allclose(
        matrix.weights, dense(np.asarray(sparse.weights), senders, receivers), atol=1e-6
    )
    np.testing.assert_allclose(matrix.residual, np.asarray(sparse.residual).T, atol=1e-6)
    np.testing.assert_allclose(d_matrix, dense(np.asarray(d_sparse), senders, receivers), atol=1e-5)


def test_dense_complete_graph_is_symmetric_and_doubly_stochastic(rng):
    s = rng.normal(size=(2, 3, 6, 6)).astype(np.float32)
    weights, residual = ops.dense_sinkhorn(s + s.swapaxes(-1, -2), iterations=100)
    np.testing.assert_array_equal(weights, weights.swapaxes(-1, -2))
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert residual.shape == (2, 3, 6) and residual.max() < 1e-5


@pytest.mark.parametrize("gradient", ["unrolled", "implicit"])
def test_dense_empty_rows_give_zero_with_finite_gradient(gradient):
    real = np.array([True, True, False])
    pattern = real[:, None] & real[None, :]

    def loss(logits):
        out = ops.dense_sinkhorn(logits, where=pattern, gradient=gradient)
        return jnp.sum(out.weights * jnp.arange(9.0).reshape(3, 3)), out

    gradient, out = jax.jit(jax.grad(loss, has_aux=True))(np.eye(3, dtype=np.float32))
    gradient, out = np.asarray(gradient), jax.tree.map(np.asarray, out)
    assert not out.weights[2].any() and not out.weights[:, 2].any() and out.residual[2] == 0
    assert np.isfinite(gradient).all() and gradient[:2, :2].any() and not gradient[2].any()


@pytest.mark.parametrize("gradient", ["unrolled", "implicit"])
def test_masked_edges_and_nodes_without_edges(gradient):
    senders, receivers = symmetric_edges()
    where = (senders < 6) & (receivers < 6) & (senders != 2) & (receivers != 2)
    logits = symmetric_logits(senders, receivers)
    cotangent = np.random.default_rng(4).normal(size=logits.shape).astype(np.float32)

    @jax.jit
    def run(logits):
        def loss(logits):
            out = sinkhorn(logits, senders, receivers, NUM_NODES, where=where, gradient=gradient)
            return jnp.sum(out.weights * cotangent), out

        return jax.grad(loss, has_aux=True)(logits)

    d_logits, out = run(np.where(where[:, None], logits, np.float32(1e30)))
    assert not np.asarray(out.weights)[~where].any() and not np.asarray(d_logits)[~where].any()
    assert not out.residual[jnp.array([2, 6, 7])].any()
    assert np.isfinite(d_logits).all()
    # The same on the real edges alone.
    alone = sinkhorn(logits[where], senders[where], receivers[where], NUM_NODES)
    np.testing.assert_allclose(np.asarray(out.weights)[where], alone.weights, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(out.residual, alone.residual, atol=1e-6)


def test_mask_per_head():
    senders, receivers = symmetric_edges()
    logits = symmetric_logits(senders, receivers)
    loops_only = (senders == receivers)[:, None]
    where = np.concatenate([np.ones_like(loops_only), loops_only], 1)
    weights, _ = sinkhorn(logits, senders, receivers, NUM_NODES, where=where, iterations=40)
    np.testing.assert_allclose(weights[:, 1], loops_only[:, 0], atol=1e-5)
    assert (weights[:, 0] > 0).all()


def test_no_edges():
    none = np.zeros(0, int)
    out = sinkhorn(np.zeros((0, 2), np.float32), none, none, 3)
    assert out.weights.shape == (0, 2) and out.residual.shape == (3, 2)
    assert not out.residual.any()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_computed_in_float32(dtype):
    senders, receivers = symmetric_edges()
    logits = jnp.asarray(symmetric_logits(senders, receivers)).astype(dtype)
    want = sinkhorn(logits.astype(jnp.float32), senders, receivers, NUM_NODES)
    got = sinkhorn(logits, senders, receivers, NUM_NODES)
    assert got.weights.dtype == jnp.float32
    np.testing.assert_array_equal(got.weights, want.weights)
    assert ops.dense_sinkhorn(jnp.zeros((2, 2), dtype)).weights.dtype == jnp.float32


def _loss(free, senders, receivers, reverse, cotangent, **options):
    """A function of free parameters, one per edge, through symmetric logits."""
    out = sinkhorn(free + free[reverse], senders, receivers, NUM_NODES, **options)
    return jnp.sum(out.weights * cotangent)


def test_gradients_in_float64():
    senders, receivers = symmetric_edges()
    reverse = ops.reverse_edges(senders, receivers)
    rng = np.random.default_rng(5)
    with jax.enable_x64(True):
        free, cotangent = (jnp.asarray(rng.normal(size=(len(senders), 1))) for _ in range(2))
        loss = partial(
            _loss, senders=senders, receivers=receivers, reverse=reverse, cotangent=cotangent
        )
        few = jax.jit(partial(loss, iterations=7))
        check_grads(few, (free,), order=1, modes=["rev"], atol=1e-7, rtol=1e-7)
        unrolled = jax.jit(jax.grad(partial(loss, iterations=400)))(free)
        implicit = jax.jit(jax.grad(partial(loss, iterations=400, gradient="implicit")))(free)
        assert unrolled.dtype == jnp.float64 and np.abs(unrolled).max() > 0.1
        np.testing.assert_allclose(implicit, unrolled, atol=1e-6)


def test_second_derivatives_in_float64():
    """Of both gradients; node 7 has no edge, and in the dense form no row."""
    senders, receivers = symmetric_edges()
    inside = (senders != 7) & (receivers != 7)
    senders, receivers = senders[inside], receivers[inside]
    reverse = ops.reverse_edges(senders, receivers)
    rng = np.random.default_rng(5)
    with jax.enable_x64(True):
        free, direction, cotangent = (jnp.asarray(rng.normal(size=(len(senders), 1))) for _ in range(3))  # fmt: skip

        def sparse(free, gradient):
            return _loss(
                free, senders, receivers, reverse, cotangent, iterations=400, gradient=gradient
            )

        def dense_form(free, gradient):
            at = (receivers, senders)
            square = jnp.zeros((NUM_NODES, NUM_NODES))
            pattern = square.at[at].set(1) > 0
            logits = square.at[at].set((free + free[reverse])[:, 0])
            out = ops.dense_sinkhorn(logits, where=pattern, iterations=400, gradient=gradient)
            return jnp.sum(out.weights[at] * cotangent[:, 0])

        def along(loss, gradient):
            slope = jax.grad(partial(loss, gradient=gradient))
            return jax.jit(jax.grad(lambda x: jnp.sum(slope(x) * direction)))(free)

        want = along(sparse, "unrolled")
        assert np.abs(want).max() > 0.01
        for loss, gradient in (
            (sparse, "implicit"),
            (dense_form, "unrolled"),
            (dense_form, "implicit"),
        ):
            np.testing.assert_allclose(along(loss, gradient), want, atol=1e-6)
        step = 1e-6
        slope = jax.jit(jax.grad(partial(sparse, gradient="unrolled")))
        numerical = (slope(free + step * direction) - slope(free - step * direction)) / (2 * step)
        np.testing.assert_allclose(want, numerical, atol=1e-6)


@pytest.mark.parametrize("gradient", ["unrolled", "implicit"])
@pytest.mark.parametrize(("scale", "size"), [(1, 100), (300, 1)])
def test_second_derivatives_of_empty_and_underflowing_rows_are_finite(gradient, scale, size):
    rng = np.random.default_rng(6)

    @jax.jit
    def second(matrix, pattern, g):
        def loss(matrix):
            out = ops.dense_sinkhorn(matrix, where=pattern, iterations=6, gradient=gradient)
            return jnp.sum(out.weights * g)

        return jax.grad(lambda x: jnp.sum(jax.grad(loss)(x) * g.T))(matrix)

    for _ in range(200):
        matrix, g = rng.normal(size=(2, 5, 5)).astype(np.float32)
        g *= size
        pattern = np.triu(rng.random((5, 5)) < 0.4)
        symmetric = ((matrix + matrix.T) * np.float32(scale), pattern | pattern.T)
        got = np.asarray(second(*symmetric, g))
        assert np.isfinite(got).all() and not got[~symmetric[1]].any()


def test_implicit_gradient_through_edge_attention(rng):
    senders, receivers = symmetric_edges()
    edges = ops.prepare_edges(ops.Edges(senders, receivers, num_senders=NUM_NODES))
    x, value = rng.normal(size=(2, NUM_NODES, HEADS, 3)).astype(np.float32)

    def loss(x, value, gradient):
        out = ops.edge_attention(
            x,
            x,
            value,
            edges,
            normalizer=ops.Sinkhorn(iterations=150, gradient=gradient),
        ).out
        return jnp.sum(out**2)

    gradients = jax.jit(jax.grad(loss, argnums=(0, 1)), static_argnums=2)
    for implicit, unrolled in zip(
        gradients(x, value, "implicit"), gradients(x, value, "unrolled"), strict=True
    ):
        np.testing.assert_allclose(implicit, unrolled, atol=2e-4)
        assert np.abs(unrolled).max() > 0.1


LOGITS, IDS = np.zeros((3, 1), np.float32), np.array([0, 1, 2])
INVALID = {
    "logits rank": ({"logits": LOGITS[:, 0]}, r"logits must have shape \[3, H\], got \(3,\)"),
    "integer logits": ({"logits": np.zeros((3, 1), int)}, "logits must be floating point"),
    "senders": ({"receivers": IDS[:2]}, r"receivers must have shape \[3\], got \(2,\)"),
    "receivers": ({"receivers": LOGITS[:, 0]}, "receivers must be integer ids"),
    "range": ({"senders": IDS + 1}, r"senders must lie in \[0, 3\) for 3 nodes, got 3"),
    "iterations": ({"iterations": 0}, "iterations must be a positive integer, got int 0"),
    "gradient": ({"gradient": "exact"}, "gradient must be one of 'unrolled', 'implicit'; got"),
    "marginals": ({"log_marginals": np.zeros(3)}, r"log_marginals must have shape \[3, 1\]"),
    "mask dtype": ({"where": IDS}, r"where must be boolean of shape \[3\] or \[3, 1\]"),
    "mask shape": ({"where": np.ones((3, 2), bool)}, r"where must be boolean .* got bool .*\(3, 2\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
def test_invalid_arguments(case):
    change, message = INVALID[case]
    arguments = {"logits": LOGITS, "senders": IDS, "receivers": IDS, "num_nodes": 3}
    with pytest.raises(ValueError, match=message):
        sinkhorn(**(arguments | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": np.zeros((2, 3), np.float32)}, r"logits must have shape \[..., N, N\], got \(2, 3\)"),
        ({"logits": np.zeros((2, 2), int)}, "logits must be floating point"),
        ({"iterations": -1}, "iterations must be a positive integer"),
        ({"gradient": None}, "gradient must be one of"),
    ],
)  # fmt: skip
def test_invalid_dense_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        ops.dense_sinkhorn(**({"logits": np.zeros((2, 2), np.float32)} | change))
