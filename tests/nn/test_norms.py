import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax import nn

EPS = 1e-5
IDS = np.array([0, 0, 0, 2, 2, 3, 3], np.int32)  # graph 1 is empty
REAL = np.array([True] * 5 + [False] * 2)  # graph 3 is padding


@pytest.fixture
def x(rng):
    return (2 + 3 * rng.normal(size=(7, 4))).astype(np.float32)


def trained(params, rng):
    """Parameters away from their start, so that every one of them shows."""
    return jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), jnp.float32), params)


def per_graph(x, formula):
    out = np.zeros_like(x)
    for g in (0, 2):
        rows = g == IDS
        out[rows] = formula(x[rows].astype(np.float64))
    return out


def test_layer_norm_formula(x, rng):
    params = trained(nn.init_layer_norm(4), rng)
    scale, bias = map(np.asarray, params)
    centred = x - x.mean(-1, keepdims=True)
    expected = centred / np.sqrt(x.var(-1, keepdims=True) + EPS) * scale + bias
    np.testing.assert_allclose(nn.layer_norm(params, x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        nn.layer_norm(params, x.reshape(7, 1, 4))[:, 0], expected, rtol=1e-4, atol=1e-5
    )


def test_batch_norm_formula_and_running_statistics(x, rng):
    params, state = nn.init_batch_norm(4)
    params = trained(params, rng)
    scale, bias = map(np.asarray, params)
    real = x[REAL].astype(np.float64)
    y, new = nn.batch_norm(params, state, x, where=REAL, training=True, momentum=0.3)
    expected = (real - real.mean(0)) / np.sqrt(real.var(0) + EPS) * scale + bias
    np.testing.assert_allclose(y[REAL], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(y[~REAL], 0)
    np.testing.assert_allclose(new.mean, 0.3 * real.mean(0), rtol=1e-5)
    np.testing.assert_allclose(new.var, 0.7 + 0.3 * real.var(0, ddof=1), rtol=1e-5)

    y, after = nn.batch_norm(params, new, x, where=REAL, training=False)
    expected = (real - np.asarray(new.mean)) / np.sqrt(np.asarray(new.var) + EPS) * scale + bias
    np.testing.assert_allclose(y[REAL], expected, rtol=1e-4, atol=1e-5)
    assert after is new


def test_batch_norm_without_real_rows_leaves_the_state(x, debug_nans):
    params, state = nn.init_batch_norm(4)
    state = state._replace(mean=state.mean + 1)
    for rows, where in ((x, np.zeros(7, bool)), (x[:0], None)):
        y, new = jax.jit(lambda x, w: nn.batch_norm(params, state, x, where=w, training=True))(
            rows, where
        )
        np.testing.assert_array_equal(y, np.zeros_like(rows))
        jax.tree.map(np.testing.assert_array_equal, new, state)


def test_batch_norm_of_one_row_is_the_bias_with_variance_zero(x, rng, debug_nans):
    params, state = nn.init_batch_norm(4)
    params = trained(params, rng)
    y, new = nn.batch_norm(params, state, x[:1], training=True)
    np.testing.assert_allclose(y[0], params.bias, atol=1e-6)
    np.testing.assert_allclose(new.var, 0.9, rtol=1e-6)


def test_no_gradient_flows_through_the_running_statistics(x):
    params, state = nn.init_batch_norm(4)
    gradient = jax.grad(
        lambda x: sum(jnp.sum(s) for s in nn.batch_norm(params, state, x, training=True)[1])
    )(jnp.asarray(x))
    np.testing.assert_array_equal(gradient, 0)


def test_graph_norm_formula(x, rng):
    params = trained(nn.init_graph_norm(4), rng)
    scale, bias, alpha = (np.asarray(p, np.float64) for p in params)

    def formula(rows):
        centred = rows - alpha * rows.mean(0)
        return centred / np.sqrt((centred**2).mean(0) + EPS) * scale + bias

    y = nn.graph_norm(params, x, IDS, 4, where=REAL)
    np.testing.assert_allclose(y, per_graph(x, formula), rtol=1e-4, atol=1e-5)


def test_graph_layer_norm_formula(x, rng):
    params = trained(nn.init_layer_norm(4), rng)
    scale, bias = (np.asarray(p, np.float64) for p in params)

    def formula(rows):
        return (rows - rows.mean()) / np.sqrt(rows.var() + EPS) * scale + bias

    y = nn.graph_layer_norm(params, x, IDS, 4, where=REAL)
    np.testing.assert_allclose(y, per_graph(x, formula), rtol=1e-4, atol=1e-5)


NORMS = {
    "layer": (nn.init_layer_norm(4), lambda p, x, ids, real: nn.layer_norm(p, x)),
    "batch": (
        nn.init_batch_norm(4)[0],
        lambda p, x, ids, real: nn.batch_norm(
            p, nn.init_batch_norm(4)[1], x, where=real, training=True
        )[0],
    ),
    "graph": (
        nn.init_graph_norm(4),
        lambda p, x, ids, real: nn.graph_norm(p, x, ids, 4, where=real),
    ),
    "graph_layer": (
        nn.init_layer_norm(4),
        lambda p, x, ids, real: nn.graph_layer_norm(p, x, ids, 4, where=real),
    ),
}
MASKED = ["batch", "graph", "graph_layer"]


@pytest.mark.parametrize("name", NORMS)
def test_padding_is_exact_in_values_and_gradients(name, x, rng):
    params, norm = NORMS[name]
    params = trained(params, rng)
    cotangent = rng.normal(size=(5, 4)).astype(np.float32)

    def loss(params, x, ids, real):
        y = norm(params, x, ids, real)[:5]
        return jnp.sum(y * cotangent), y

    gradient = jax.grad(loss, argnums=(0, 1), has_aux=True)
    alone, y_alone = gradient(params, jnp.asarray(x[:5]), IDS[:5], REAL[:5])
    padded, y_padded = gradient(params, jnp.asarray(x), IDS, REAL)
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)  # noqa: E731
    close(y_padded, y_alone)
    jax.tree.map(close, padded[0], alone[0])
    close(padded[1][:5], alone[1])
    np.testing.assert_array_equal(padded[1][5:], 0)


@pytest.mark.parametrize("name", MASKED)
def test_nan_in_masked_rows_reaches_neither_values_nor_gradients(name, x):
    params, norm = NORMS[name]
    x[~REAL] = np.nan
    (params_gradient, x_gradient), y = jax.grad(
        lambda p, x: ((y := norm(p, x, IDS, REAL)).sum(), y), argnums=(0, 1), has_aux=True
    )(params, jnp.asarray(x))
    for leaf in jax.tree.leaves((y, params_gradient, x_gradient)):
        assert np.all(np.isfinite(leaf))


@pytest.mark.parametrize("name", NORMS)
def test_bf16_in_bf16_out_with_float32_statistics(name, rng):
    params, norm = NORMS[name]
    # A large mean: statistics in bf16 would lose the signal altogether.
    x = jnp.asarray(64 + rng.normal(size=(7, 4)), jnp.bfloat16)
    y = norm(params, x, IDS, REAL)
    exact = norm(params, x.astype(jnp.float32), IDS, REAL)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(y.astype(jnp.float32), exact, rtol=2**-8, atol=1e-6)


@pytest.mark.parametrize("name", NORMS)
def test_constant_rows_are_finite_with_finite_gradients(name, debug_nans):
    params, norm = NORMS[name]
    gradient = jax.grad(lambda x: norm(params, x, IDS, REAL).sum())(jnp.ones((7, 4)))
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("name", NORMS)
def test_float64_gradients(name, rng):
    params, norm = NORMS[name]
    with jax.enable_x64(True):
        params = jax.tree.map(lambda p: p.astype(jnp.float64), trained(params, rng))
        x = jnp.asarray(rng.normal(size=(7, 4)))
        assert norm(params, x, IDS, REAL).dtype == jnp.float64
        check_grads(lambda p, x: norm(p, x, IDS, REAL), (params, x), order=1, modes=["rev"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: nn.init_layer_norm(0), "width must be a positive integer"),
        (lambda x: nn.layer_norm(nn.init_layer_norm(3), x), "x must have 3 features"),
        (
            lambda x: nn.batch_norm(*nn.init_batch_norm(4), x, where=np.ones(7), training=True),
            "where must be boolean",
        ),
        (
            lambda x: nn.graph_norm(nn.init_graph_norm(4), x, IDS.astype(np.float32), 4),
            "graph_ids must be integer ids",
        ),
        (
            lambda x: nn.graph_layer_norm(nn.init_layer_norm(4), x, IDS, 3),
            r"graph_ids must lie in \[0, 3\) for 3 graphs, got 3 at position 5",
        ),
    ],
)
def test_errors(call, message, x):
    with pytest.raises(ValueError, match=message):
        call(x)
