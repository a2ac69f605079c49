"""Layers in one tree and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import nn


def layers(count=3):
    return [nn.init_mlp(key, [2, 3, 1]) for key in jax.random.split(jax.random.key(0), count)]


def test_there_and_back():
    stacked = nn.stack(layers())
    assert stacked.layers[0].weight.shape == (3, 2, 3)
    for got, want in zip(nn.unstack(stacked), layers(), strict=True):
        jax.tree.map(np.testing.assert_array_equal, got, want)


def test_the_gradient_is_that_of_the_layers():
    def apply(layers):
        return sum(i * jnp.sum(jnp.sin(leaf)) for i, t in enumerate(layers) for leaf in t.layers[1])

    got = jax.grad(lambda stacked: apply(nn.unstack(stacked)))(nn.stack(layers()))
    jax.tree.map(np.testing.assert_allclose, got, nn.stack(jax.grad(apply)(layers())))


def test_parts_that_are_absent_stay_so():
    pairs = [(layer, None) for layer in layers()]
    assert [state for _, state in nn.unstack(nn.stack(pairs))] == [None] * 3


@pytest.mark.parametrize(
    "trees, message", [([], "at least one tree"), ([jnp.zeros(2), jnp.zeros(3)], "must agree")]
)
def test_trees_that_do_not_fit(trees, message):
    with pytest.raises(ValueError, match=message):
        nn.stack(trees)


@pytest.mark.parametrize("tree", [None, jnp.zeros(()), (jnp.zeros(2), jnp.zeros(3))])
def test_leaves_that_are_no_stack(tree):
    with pytest.raises(ValueError, match="one leading axis"):
        nn.unstack(tree)
