import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax.encodings import flip_signs

IDS = np.repeat(np.arange(40, dtype=np.int32), 3)


def test_one_sign_for_each_graph_and_vector():
    vectors = jax.random.normal(jax.random.key(1), (120, 6))
    signs = np.asarray(flip_signs(jax.random.key(0), vectors, IDS, 40) / vectors)
    np.testing.assert_array_equal(np.abs(signs), np.ones((120, 6)))
    of_graph = signs[::3]
    np.testing.assert_array_equal(signs, of_graph[IDS])
    assert abs(of_graph.mean()) < 0.2  # 240 fair signs: standard deviation 0.065
    assert len(np.unique(of_graph, axis=0)) > 20 and len(np.unique(of_graph, axis=1)[0]) == 6


def test_key_jit_dtype_and_zeros():
    vectors = jnp.ones((120, 2), jnp.bfloat16).at[5].set(0)
    flip = jax.jit(flip_signs, static_argnums=3)
    first = flip(jax.random.key(0), vectors, IDS, 40)
    assert first.dtype == jnp.bfloat16 and not first[5].any()
    np.testing.assert_array_equal(first, flip_signs(jax.random.key(0), vectors, IDS, 40))
    assert (first != flip(jax.random.key(1), vectors, IDS, 40)).any()
    assert flip_signs(jax.random.key(0), jnp.zeros((0, 3)), IDS[:0], 0).shape == (0, 3)


def test_errors():
    key, vectors = jax.random.key(0), jnp.ones((3, 2))
    with pytest.raises(ValueError, match=r"vectors must have shape \[N, K\]"):
        flip_signs(key, jnp.ones(3), IDS[:3], 1)
    with pytest.raises(ValueError, match=r"node_graph_ids must have shape \[3\], got \(2,\)"):
        flip_signs(key, vectors, IDS[:2], 1)
    with pytest.raises(ValueError, match=r"node_graph_ids must lie in \[0, 1\) for 1 graphs"):
        flip_signs(key, vectors, np.array([0, 1, 0]), 1)
