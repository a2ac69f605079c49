"""Forward mode, where the reference is chosen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _table import directed_graph, each_layer_and_normalizer

from graphattn_jax import attention, graphs, nn

GRAPH = graphs.pad(directed_graph(0), graphs.Budget(10, 32, 3))


@each_layer_and_normalizer
@jax.disable_jit()
def test_forward_mode_is_the_directional_derivative(case):
    """Of what the default has in reverse mode, dropout included."""
    params, key = case.init(), jax.random.key(0)
    direction = jax.tree.map(
        lambda x: jax.random.normal(jax.random.key(1), x.shape, x.dtype), (params, GRAPH.nodes)
    )

    def loss(params, nodes, implementation=None):
        graph = GRAPH._replace(nodes=nodes)
        out = case.apply(params, graph, key=key, implementation=implementation, dropout=0.3)
        return jnp.sum(jnp.sin(out.graph.nodes))

    arguments = params, jnp.asarray(GRAPH.nodes)
    _, found = jax.jvp(lambda *x: loss(*x, implementation="reference"), arguments, direction)
    gradients = jax.grad(loss, argnums=(0, 1))(*arguments)
    want = sum(map(jnp.vdot, jax.tree.leaves(gradients), jax.tree.leaves(direction)))
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-4)


def test_without_the_choice_an_error_says_that_there_is_no_forward_mode():
    layer = attention.GAT(heads=2)
    params = layer.init(jax.random.key(0), 4)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda p: layer.apply(p, GRAPH).graph.nodes, (params,), (params,))


def test_every_value_inside_gets_the_implementation_and_none_is_the_default():
    layer = attention.RelativeBias(attention.GATv2(heads=2), num_buckets=3)
    found = nn.with_implementation((layer, 3), "reference")
    assert found[0].layer.implementation == "reference" and found[1] == 3
    assert nn.with_implementation(found, None) == (layer, 3)
    with pytest.raises(ValueError, match="implementation must be one of"):
        nn.with_implementation(layer, "slow")
