import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax import nn, ops


def test_linear_is_the_affine_map_on_any_leading_axes(rng):
    params = nn.init_linear(jax.random.key(0), 3, 5)
    params = params._replace(bias=jnp.asarray(rng.normal(size=5), jnp.float32))
    x = rng.normal(size=(2, 4, 3)).astype(np.float32)
    expected = x @ np.asarray(params.weight) + np.asarray(params.bias)
    np.testing.assert_allclose(nn.linear(params, x), expected, rtol=1e-5, atol=1e-6)
    assert nn.linear(params, np.zeros((0, 3), np.float32)).shape == (0, 5)


def test_linear_without_bias_maps_zero_to_zero():
    params = nn.init_linear(jax.random.key(0), 3, 5, bias=False)
    assert params.bias is None
    np.testing.assert_array_equal(nn.linear(params, jnp.zeros((2, 3))), 0)


def test_bf16_accumulates_in_float32():
    # 4096 times 2^-12 is exactly 1; a bf16 running sum stalls at 2^-4.
    width = 4096
    params = nn.LinearParams(weight=jnp.full((width, 1), 2.0**-12), bias=jnp.zeros(1))
    y = nn.linear(params, jnp.ones((1, width), jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(y.astype(jnp.float32), 1.0, rtol=2**-8)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_output_has_the_dtype_of_the_input_and_gradients_that_of_the_parameters(dtype):
    params = nn.init_mlp(jax.random.key(0), [3, 4, 2])
    x = jnp.ones((5, 3), dtype)
    y, gradient = jax.value_and_grad(
        lambda p: nn.mlp(p, x, activation="gelu").astype(jnp.float32).sum()
    )(params)
    assert nn.mlp(params, x).dtype == dtype
    assert {g.dtype for g in jax.tree.leaves(gradient)} == {jnp.dtype(jnp.float32)}
    assert np.isfinite(y)


def test_float64_stays_float64():
    with jax.enable_x64(True):
        params = jax.tree.map(
            lambda p: p.astype(jnp.float64), nn.init_mlp(jax.random.key(0), [3, 4, 2])
        )
        x = jax.random.normal(jax.random.key(1), (5, 3), jnp.float64)
        assert nn.mlp(params, x).dtype == jnp.float64
        check_grads(
            lambda p, x: nn.mlp(p, x, activation="tanh"), (params, x), order=1, modes=["rev"]
        )


def test_mlp_is_linear_maps_with_activations_between(rng):
    params = nn.init_mlp(jax.random.key(0), [3, 4, 6, 2])
    x = rng.normal(size=(7, 3)).astype(np.float32)
    h = x
    for layer in params.layers[:-1]:
        h = np.maximum(h @ np.asarray(layer.weight) + np.asarray(layer.bias), 0)
    expected = h @ np.asarray(params.layers[-1].weight)
    np.testing.assert_allclose(nn.mlp(params, x), expected, rtol=1e-5, atol=1e-6)


def test_identity_activation_makes_the_mlp_one_matrix(rng):
    params = nn.init_mlp(jax.random.key(0), [3, 4, 2], bias=False)
    x = rng.normal(size=(7, 3)).astype(np.float32)
    product = np.asarray(params.layers[0].weight) @ np.asarray(params.layers[1].weight)
    np.testing.assert_allclose(
        nn.mlp(params, x, activation="identity"), x @ product, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "at_minus_one"),
    [
        ("relu", 0.0),
        ("gelu", -0.158655),
        ("silu", -0.268941),
        ("elu", -0.632121),
        ("leaky_relu", -0.2),
        ("tanh", -0.761594),
        ("identity", -1.0),
    ],
)
def test_activation_values(name, at_minus_one):
    np.testing.assert_allclose(nn.activation(name)(jnp.array([-1.0]))[0], at_minus_one, atol=1e-5)


def test_a_callable_activation_is_used_as_it_is():
    params = nn.init_mlp(jax.random.key(0), [3, 4, 2])
    x = jnp.ones((2, 3))
    np.testing.assert_array_equal(
        nn.mlp(params, x, activation=jnp.tanh), nn.mlp(params, x, activation="tanh")
    )


def test_dropout_falls_on_hidden_units_differs_by_layer_and_repeats_with_its_key():
    identity = nn.LinearParams(jnp.eye(64), None)
    x = jnp.ones((32, 64))

    def run(layers, seed):
        return nn.mlp(
            nn.MLPParams((identity,) * layers),
            x,
            activation="identity",
            dropout=ops.Dropout(0.5, jax.random.key(seed)),
        )

    one = np.asarray(run(2, 0))
    assert set(np.unique(one)) == {0.0, 2.0}
    np.testing.assert_array_equal(one, run(2, 0))
    assert np.any(one != run(2, 1))
    two = np.asarray(run(3, 0))
    assert np.any((two == 0) & (one > 0)), "the second layer must draw a mask of its own"


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("fan_in_uniform", 1 / 900),
        ("glorot_uniform", 2 / 500),
        ("glorot_normal", 2 / 500),
        ("he_uniform", 2 / 300),
        ("he_normal", 2 / 300),
        ("lecun_uniform", 1 / 300),
        ("lecun_normal", 1 / 300),
        ("zeros", 0.0),
    ],
)
def test_initialiser_variances(name, variance):
    weight = nn.init_linear(jax.random.key(0), 300, 200, init=name).weight
    np.testing.assert_allclose(np.var(weight), variance, rtol=0.05)


def test_default_initialiser_is_that_of_torch():
    weight = np.asarray(nn.init_linear(jax.random.key(0), 64, 192).weight)
    assert 0.99 / 8 < np.abs(weight).max() <= 1 / 8


def test_orthogonal_initialiser():
    weight = np.asarray(nn.init_linear(jax.random.key(0), 8, 5, init="orthogonal").weight)
    np.testing.assert_allclose(weight.T @ weight, np.eye(5), atol=1e-5)


def test_layers_of_an_mlp_start_different():
    first, second = nn.init_mlp(jax.random.key(0), [4, 4, 4]).layers
    assert np.any(first.weight != second.weight)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.init_linear(jax.random.key(0), 0, 2), "in_features must be a positive integer"),
        (lambda: nn.init_linear(jax.random.key(0), 2, 2, init="xavier"), "'glorot_uniform'"),
        (
            lambda: nn.init_mlp(jax.random.key(0), [3]),
            r"at least input and output width, got \[3\]",
        ),
        (
            lambda: nn.linear(nn.init_linear(jax.random.key(0), 3, 2), jnp.ones((5, 4))),
            r"x must have 3 features on its last axis, got shape \(5, 4\)",
        ),
        (
            lambda: nn.linear(nn.init_linear(jax.random.key(0), 3, 2), jnp.ones((5, 3), jnp.int32)),
            "x must be floating point",
        ),
        (
            lambda: nn.mlp(
                nn.init_mlp(jax.random.key(0), [3, 4, 2]), jnp.ones((5, 3)), activation="swish"
            ),
            "activation must be one of 'relu'",
        ),
        (
            lambda: nn.mlp(
                nn.init_mlp(jax.random.key(0), [3, 4, 2]), jnp.ones((5, 3)), dropout=0.1
            ),
            r"dropout must be a ga.ops.Dropout\(rate, key\) or None, got float 0.1",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
