"""Moving centroids: the update by loops, unused ones, masked rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga

BOOK = ga.nn.Codebook(size=5, decay=0.8)


def by_loops(state, x, decay):
    """With a list of rows per centroid, in float64."""
    x = np.asarray(x, np.float64)
    mean, var = x.mean(axis=0), x.var(axis=0)
    rows = (x - mean) / np.sqrt(var + 1e-5)
    code, count = (np.array(a, np.float64) for a in state[:2])
    members = [[] for _ in code]
    for row in rows:
        members[np.argmin([np.linalg.norm(row - c) for c in code])].append(row)
    for b, found in enumerate(members):
        total = decay * count[b] * code[b] + (1 - decay) * np.sum(found, axis=0)
        count[b] = decay * count[b] + (1 - decay) * len(found)
        code[b] = total / count[b]
    running = (
        0.9 * np.asarray(state.norm.mean) + 0.1 * mean,
        0.9 * np.asarray(state.norm.var) + 0.1 * var * len(x) / (len(x) - 1),
    )
    return code, count, *running


def test_update_is_that_of_lists_of_rows():
    state = BOOK.init(jax.random.key(0), 3)
    assert state.count.tolist() == [1.0] * 5
    for step in range(3):
        x = 2 + 3 * jax.random.normal(jax.random.key(step + 1), (16, 3))
        want = by_loops(state, x, 0.8)
        state = jax.jit(BOOK.update)(state, x)
        for a, b in zip((*state[:2], *state.norm), want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        BOOK.centroids(state), want[0] * np.sqrt(want[3] + 1e-5) + want[2], rtol=1e-4, atol=1e-4
    )


def test_unused_centroids_stay_and_their_counts_fade():
    state = BOOK.init(jax.random.key(0), 2)
    far = state._replace(code=state.code.at[3].set(100.0))
    new = BOOK.update(far, jax.random.normal(jax.random.key(1), (8, 2)))
    np.testing.assert_array_equal(new.code[3], far.code[3])
    np.testing.assert_allclose(new.count[3], 0.8)
    np.testing.assert_allclose(new.count.sum(), 0.8 * 5 + 0.2 * 8, rtol=1e-6)
    # One that has faded away becomes the mean of the first rows that are near again.
    gone = far._replace(count=far.count.at[:].set(0.0))
    found = BOOK.update(gone, jax.random.normal(jax.random.key(1), (8, 2)))
    assert np.isfinite(found.code).all() and found.count[3] == 0
    np.testing.assert_allclose(found.count.sum(), 0.2 * 8, rtol=1e-6)


def test_rows_that_do_not_count_have_no_part():
    state = BOOK.init(jax.random.key(0), 3)
    x = jax.random.normal(jax.random.key(1), (6, 3))
    more = jnp.concatenate([x, jnp.full((2, 3), jnp.nan)])
    where = np.arange(8) < 6
    want, found = BOOK.update(state, x), BOOK.update(state, more, where=where)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), want, found)
    none = BOOK.update(state, more, where=np.zeros(8, bool))
    jax.tree.map(np.testing.assert_array_equal, none, state)


def test_the_state_is_float32_and_has_no_gradient():
    state = BOOK.init(jax.random.key(0), 3)
    x = jax.random.normal(jax.random.key(1), (6, 3))
    half = BOOK.update(state, x.astype(jnp.bfloat16))
    assert {leaf.dtype for leaf in jax.tree.leaves(half)} == {jnp.dtype("float32")}
    gradient = jax.grad(lambda x: BOOK.centroids(BOOK.update(state, x)).sum())(x)
    assert not gradient.any()


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="size must be a positive integer"):
        ga.nn.Codebook(0)
    with pytest.raises(ValueError, match="decay must be a number in"):
        ga.nn.Codebook(decay=1.0)
    with pytest.raises(ValueError, match=r"x must have shape \[N, 3\]"):
        BOOK.update(BOOK.init(jax.random.key(0), 3), jnp.ones((2, 4)))
