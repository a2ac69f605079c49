"""Learned gates: their distributions, exact zeros, penalty and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import ops

KEY = jax.random.key(0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_gates_are_open_as_often_as_their_logits_and_the_penalty_say():
    for logit in (-1.0, 0.5):
        logits = jnp.full(20_000, logit)
        soft, hard = (f(logits, 0.5, KEY) for f in (ops.binary_concrete, ops.hard_concrete))
        assert soft.min() > 0 and hard.min() == 0 and hard.max() == 1
        np.testing.assert_allclose(np.mean(soft > 0.5), sigmoid(logit), atol=0.02)
        share = ops.hard_concrete_penalty(logits, 0.5) / 20_000
        np.testing.assert_allclose(np.mean(hard > 0), share, atol=0.02)
    np.testing.assert_allclose(ops.binary_concrete(jnp.array([0.3])), sigmoid(0.3), rtol=1e-6)
    cold = ops.binary_concrete(jnp.zeros(100), jnp.asarray(1e-3), KEY)
    assert np.mean((cold < 0.01) | (cold > 0.99)) > 0.9
    masked = ops.hard_concrete_penalty(jnp.array([9.0, 9.0]), where=jnp.array([True, False]))
    np.testing.assert_allclose(masked, 1, rtol=1e-3)


def test_gradients():
    """Straight-through has that of the relaxed gate; shut gates have none, and no NaN."""
    logits = jnp.array([-8.0, -1.0, 0.0, 1.0, 8.0])

    def through(f):
        return jax.grad(lambda x: jnp.sum(f(x)))(logits)

    soft = through(ops.binary_concrete)
    np.testing.assert_allclose(
        through(lambda x: ops.straight_through(ops.binary_concrete(x))), soft
    )

    def attended(x):
        return jax.nn.softmax(ops.gate_bias(ops.hard_concrete(x)))[:3]

    out, gradient = attended(logits), through(lambda x: attended(x)[1:2])
    assert out[0] == 0 and gradient[0] == 0 and np.isfinite(gradient).all()
    assert np.abs(gradient[1:4]).min() > 0
    assert np.isfinite(
        jax.grad(lambda x: jnp.sum(through(lambda y: attended(y * x[0]))))(logits)
    ).all()


def test_a_gate_in_the_logits_keeps_the_sum_and_one_behind_them_does_not():
    logits = jnp.array([0.3, -1.0, 2.0])
    gate = jnp.array([0.0, 0.5, 1.0])
    before = jax.nn.softmax(logits + ops.gate_bias(gate))
    want = gate * jnp.exp(logits) / jnp.sum(gate * jnp.exp(logits))
    np.testing.assert_allclose(before, want, rtol=1e-6)
    assert before[0] == 0 and jnp.sum(gate * jax.nn.softmax(logits)) < 0.9


def test_sigmoid_of_a_gumbel_softmax_prunes_nothing():
    """A softmax lies between 0 and 1, and so its sigmoid between ½ and 0.73: whatever the logits, no edge is shut, and
    none is fully open.
    """
    logits = 3 * jax.random.normal(KEY, (1000, 8))
    noise = jax.random.gumbel(jax.random.key(1), logits.shape)
    gate = jax.nn.sigmoid(jax.nn.softmax((logits + noise) / 0.5, axis=1))
    assert gate.min() >= 0.5 and gate.max() < 0.7311
    hard = ops.hard_concrete(logits, 0.5, jax.random.key(1))
    assert np.mean(hard == 0) > 0.3 and np.mean(hard == 1) > 0.3


def test_bad_gates():
    with pytest.raises(ValueError, match="logits must be floating point"):
        ops.binary_concrete(jnp.arange(3))
    with pytest.raises(ValueError, match="key must be a typed key"):
        ops.hard_concrete(jnp.ones(3), 0.5, 0)
    with pytest.raises(ValueError, match="gate must be floating point"):
        ops.gate_bias(np.array([True]))
