"""Rows of senders on edges and sums over receivers, each the gradient of the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax import ops

E = 20


def pattern(rng, kind, num_senders=6, num_receivers=None):
    rows = num_senders if num_receivers is None else num_receivers
    senders, receivers = (rng.integers(0, n, E).astype(np.int32) for n in (num_senders, rows))
    edges = ops.Edges(senders, receivers, num_senders, num_receivers)
    if "masked" in kind:
        edges = edges.where(rng.random(E) < 0.7)
    if "tiles" in kind:
        edges = ops.prepare_edges(edges, static=True)
    return edges.where(rng.random(E) < 0.7) if "later" in kind else edges


KINDS = ("plain", "masked", "tiles", "masked tiles", "tiles, later", "masked tiles, later")


@jax.jit
def both(x, rows, edges):
    return ops.sender_rows(x, edges), ops.receiver_sum(rows, edges)


@jax.jit
def pulled(x, rows, edges, g_rows, g_sums):
    (g_x,) = jax.vjp(lambda x: ops.sender_rows(x, edges), x)[1](g_rows)
    (g_r,) = jax.vjp(lambda rows: ops.receiver_sum(rows, edges), rows)[1](g_sums)
    return g_x, g_r


@pytest.mark.parametrize("num_receivers", [None, 4, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_match_matrices(kind, num_receivers):
    rng = np.random.default_rng(0)
    for _ in range(40):
        edges = pattern(rng, kind, num_receivers=num_receivers)
        real = np.ones(E, bool) if edges.mask is None else np.asarray(edges.mask)
        pick = np.eye(6, dtype=np.float32)[edges.senders] * real[:, None]
        collect = (np.eye(edges.num_rows, dtype=np.float32)[edges.receivers] * real[:, None]).T
        x, g_sums = (rng.normal(size=(n, 2, 3)).astype(np.float32) for n in (6, edges.num_rows))
        rows, g_rows = rng.normal(size=(2, E, 2, 3)).astype(np.float32)
        got_rows, got_sums = both(x, rows, edges)
        g_x, g_r = pulled(x, rows, edges, g_rows, g_sums)
        for got, matrix, want in (
            (got_rows, pick, x),
            (got_sums, collect, rows),
            (g_x, pick.T, g_rows),
            (g_r, collect.T, g_sums),
        ):
            np.testing.assert_allclose(got, np.tensordot(matrix, want, 1), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind):
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        edges = pattern(rng, kind)
        x, rows = jnp.asarray(rng.normal(size=(6, 2))), jnp.asarray(rng.normal(size=(E, 2)))
        for f, argument in ((ops.sender_rows, x), (ops.receiver_sum, rows)):
            g = jax.jit(lambda x, f=f: jnp.sin(f(jnp.square(x), edges)))
            check_grads(g, (argument,), order=2, modes=["rev"], atol=1e-6, rtol=1e-6, eps=1e-6)


@pytest.mark.parametrize("prepare", [lambda edges: edges, ops.prepare_edges])
def test_half_precision_is_summed_in_float32(prepare):
    hub = np.zeros(4096, np.int32)
    edges = prepare(ops.Edges(hub, hub, num_senders=1))
    out = ops.receiver_sum(jnp.ones((4096, 1), jnp.bfloat16), edges)
    gradient = jax.grad(lambda x: ops.sender_rows(x, edges).astype(jnp.float32).sum())
    assert out.dtype == jnp.bfloat16 and out.tolist() == [[4096.0]]
    assert gradient(jnp.ones((1, 1), jnp.bfloat16)).tolist() == [[4096.0]]


def test_with_tiles_rows_are_not_scattered():
    edges = pattern(np.random.default_rng(0), "tiles")
    gradient = jax.grad(lambda x: jnp.sum(ops.sender_rows(x, edges) ** 2))
    text = jax.jit(gradient).lower(np.ones((6, 2), np.float32)).as_text()
    scatters = [line for line in text.splitlines() if "stablehlo.scatter" in line]
    assert (
        len(scatters) == 1 and "indices_are_sorted = true" in scatters[0]
    )  # of tiles to their rows


@pytest.mark.parametrize("kind", ["plain", "tiles"])
def test_no_edges(kind):
    none = np.zeros(0, np.int32)
    edges = ops.Edges(none, none, num_senders=3)
    edges = ops.prepare_edges(edges) if kind == "tiles" else edges
    assert ops.sender_rows(np.ones((3, 2), np.float32), edges).shape == (0, 2)
    assert ops.receiver_sum(np.ones((0, 2), np.float32), edges).tolist() == [[0.0, 0.0]] * 3


def test_invalid_arguments():
    edges = pattern(np.random.default_rng(0), "plain")
    with pytest.raises(ValueError, match=r"x must have shape \[6, 2\], got \(5, 2\)"):
        ops.sender_rows(np.ones((5, 2), np.float32), edges)
    with pytest.raises(ValueError, match=r"rows must have shape \[20, 2\], got \(5, 2\)"):
        ops.receiver_sum(np.ones((5, 2), np.float32), edges)
    for f, size in ((ops.sender_rows, 6), (ops.receiver_sum, E)):
        with pytest.raises(ValueError, match="must be floating point"):
            f(np.ones((size, 2), int), edges)
