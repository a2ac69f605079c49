import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import DegreeScaler, DegreeScalerParams

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
SCALER = DegreeScaler()
LOG_DEGREE = np.log1p(np.array([0, 1, 2, 9], np.float32))


def test_is_its_equation():
    params = SCALER.init(jax.random.key(0), 3)
    first, second = np.asarray(params.weight)
    want = np.stack([x * first + np.log(1 + d) * x * second for x, d in zip(X, (0, 1, 2, 9))])
    got = SCALER.apply(params, X, LOG_DEGREE)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(SCALER.apply)(params, X, LOG_DEGREE), got, rtol=1e-6)


def test_tells_apart_what_a_softmax_cannot():
    """A node with one neighbour and a node with three equal ones."""
    graph = ga.graphs.from_edge_list([1, 3, 4, 5], [0, 2, 2, 2], nodes=np.ones((6, 4), np.float32))
    graph = graph._replace(edges=np.ones((4, 1), np.float32))
    layer = ga.attention.GRIT(3, 2)
    x = layer.apply(layer.init(jax.random.key(0), 4, 1), graph).graph.nodes
    np.testing.assert_allclose(x[0], x[2], rtol=1e-5)
    log_degree = jnp.log1p(ga.graphs.in_degree(graph))
    scaled = SCALER.apply(SCALER.init(jax.random.key(1), 6), x, log_degree)
    assert (jnp.abs(scaled[0] - scaled[2]) > 1e-3).any()


def test_initial_variance():
    weight = SCALER.init(jax.random.key(0), 2000).weight
    assert weight.dtype == jnp.float32
    np.testing.assert_allclose(weight.std() * 2001**0.5, 1, rtol=0.05)


def test_dtype_and_no_nodes():
    params = DegreeScalerParams(jnp.ones((2, 3)))
    got = SCALER.apply(params, jnp.asarray(X, jnp.bfloat16), LOG_DEGREE)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        got.astype(jnp.float32), SCALER.apply(params, X, LOG_DEGREE), rtol=0.02, atol=0.02
    )
    assert SCALER.apply(params, X[:0], LOG_DEGREE[:0]).shape == (0, 3)


def test_errors():
    params = SCALER.init(jax.random.key(0), 3)
    with pytest.raises(ValueError, match="x must have 3 features"):
        SCALER.apply(params, X[:, :2], LOG_DEGREE)
    with pytest.raises(ValueError, match=r"log_degree must have shape \[4\], got \(4, 1\)"):
        SCALER.apply(params, X, LOG_DEGREE[:, None])
    with pytest.raises(ValueError, match="log_degree must be floating point, got int32"):
        SCALER.apply(params, X, np.ones(4, np.int32))
    with pytest.raises(ValueError, match="width must be a positive integer"):
        SCALER.init(jax.random.key(0), 0)
