"""The fused kernels, interpreted, against the reference; and that they lower for an H100.

What they share with the other implementations is in `test_edge_attention`.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _edges import attend as attend_with
from _edges import prepared
from _h100 import KERNEL, lowered_for_h100

from graphattn_jax import ops
from graphattn_jax.ops import _pallas
from graphattn_jax.ops._edge_attention import _call, _implementations, _triton

N, H, C = 7, 3, 5
SCORES = {
    "dot": lambda p: ops.DotScore(0.7),
    "dot edge": lambda p: ops.DotScore(0.7, p["edge"]),
    "additive": lambda p: ops.AdditiveScore(0.1),
    "additive edge": lambda p: ops.AdditiveScore(0.1, p["edge"]),
    "gatv2": lambda p: ops.GATv2Score(p["vector"]),
    "gatv2 edge": lambda p: ops.GATv2Score(p["vector"], 0.3, p["edge"]),
}


def hub(num_edges=40):
    """A multigraph with duplicates and loops where node 0 is a hub on both sides and node 6 is isolated."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, N - 1, (2, num_edges))
    return np.where(rng.random(ids.shape) < 0.4, 0, ids)


def arrays(name, num_edges, n_r=N, n_s=N, c_v=4):
    rng = np.random.default_rng(1)
    shape = (H,) if "additive" in name else (H, C)
    p = {"query": (n_r, *shape), "key": (n_s, *shape), "value": (n_s, H, c_v), "bias": (num_edges, H)}  # fmt: skip
    p |= {"edge": (num_edges, *shape)} if "edge" in name else {}
    p |= {"vector": (H, C)} if "gatv2" in name else {}
    return {k: jnp.asarray(rng.normal(size=shape), jnp.float32) for k, shape in p.items()}


def attend(name, p, edges, **options):
    score = dataclasses.replace(SCORES[name](p), bias=p.get("bias"))
    return attend_with(p["query"], p["key"], p["value"], edges, score=score, **options)


def values_and_gradients(name, p, edges, **options):
    """Of a loss that reads the output and the weights, so that the logsumexp has a cotangent too."""

    def loss(p):
        r = attend(name, p, edges, **options)
        waves = (jnp.sum(jnp.sin(3 * x.astype(jnp.float32))) for x in (r.out, r.weights))
        return sum(waves), (r.out, r.weights, r.applied)

    return jax.jit(jax.grad(loss, has_aux=True))(p)


def close(got, want, atol=2e-5):
    jax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, atol=atol, rtol=1e-5), got, want)


def both(name, p, edges, **options):
    return [
        values_and_gradients(name, p, edges, implementation=i, **options)
        for i in ("triton", "reference")
    ]


@pytest.mark.parametrize("name", SCORES)
def test_everything_at_once_equals_the_reference(name, monkeypatch):
    """A hub cut into pieces, padding, dropout, a mask, isolated nodes, a block of heads per program."""
    monkeypatch.setattr(_triton, "MAX_SLOTS", 2)
    monkeypatch.setattr(_triton, "CHUNK", 4)
    monkeypatch.setattr(_triton, "MAX_ROW", 32)
    where = np.arange(40) % 5 > 0
    edges = prepared(*hub(), num_senders=N, where=where, static=True)
    assert np.diff(edges.tiles.start).max() * edges.tiles.edge.shape[1] > 8
    dropout = ops.Dropout(0.4, jax.random.key(3))
    got, want = both(name, arrays(name, 40), edges, dropout=dropout)
    close(got, want)
    assert all(np.abs(g).max() > 1e-3 for g in want[0].values())
    assert not got[1][0][6].any()


@pytest.mark.parametrize(("slots", "chunk"), [(4, 4), (2, 6), (8, 8), (4, 64)])
def test_the_parts_of_a_hub_add_up(slots, chunk, monkeypatch):
    monkeypatch.setattr(_triton, "MAX_SLOTS", slots)
    monkeypatch.setattr(_triton, "CHUNK", chunk)
    edges = prepared(*hub(60), num_senders=N)
    p = arrays("dot", 60)
    p["bias"] = p["bias"].at[:].multiply(20)  # parts of very different weight
    close(*both("dot", p, edges))


def test_bipartite_without_bias_and_one_channel():
    rng = np.random.default_rng(2)
    ids = rng.integers(0, 5, 12), rng.integers(0, 3, 12)
    edges = prepared(*ids, num_senders=5, num_receivers=3)
    p = arrays("gatv2", 12, 3, 5, c_v=1)
    del p["bias"]
    close(*both("gatv2", p, edges))


def test_rows_without_anything_to_attend_to_are_zero_and_finite(debug_nans):
    edges = prepared(np.array([0, 1, 2]), np.array([1, 1, 0]), num_senders=N)
    p = arrays("dot", 3)
    p["bias"] = p["bias"].at[:2].set(-jnp.inf)  # every logit of node 1
    arguments = _call.Fused(
        p["query"], p["key"], p["value"], jax.tree.map(jnp.asarray, edges), ops.DotScore(1.0, bias=p["bias"]), 0.0, None
    )  # fmt: skip
    _, logsumexp = _triton.Triton().attention(arguments)
    assert np.isfinite(logsumexp[0]).all() and np.isposinf(logsumexp[1:]).all()

    def loss(p):
        return jnp.sum(attend("dot", p, edges, implementation="triton").out[:3] ** 2)

    out = attend("dot", p, edges, implementation="triton").out
    assert not out[1:].any() and out[0].any()
    assert all(np.isfinite(g).all() for g in jax.grad(loss)(p).values())


def test_half_precision_is_read_as_it_is(monkeypatch):
    edges = prepared(*hub(), num_senders=N)
    p = jax.tree.map(lambda x: x.astype(jnp.bfloat16), arrays("dot", 40))
    seen = []

    def launch(kernel, grid, arguments, *rest, **options):
        seen.append(sum(x.dtype == jnp.bfloat16 for x in jax.tree.leaves(arguments)))
        return _pallas.launch(kernel, grid, arguments, *rest, **options)

    monkeypatch.setattr(_triton, "launch", launch)
    got, want = both("dot", p, edges)
    assert seen == [2, 2, 2]  # key and value
    assert all(g.dtype == jnp.bfloat16 for g in got[0].values())
    close(*jax.tree.map(lambda x: x.astype(jnp.float32), (got, want)), atol=0.05)


def test_second_derivatives_and_vmap():
    edges = prepared(*hub(12), num_senders=N)
    p = arrays("gatv2", 12)

    def norm_of_gradient(p, implementation):
        f = lambda p: jnp.sum(  # noqa: E731
            attend("gatv2", p, edges, implementation=implementation).out ** 2
        )
        return sum(jnp.sum(g**2) for g in jax.grad(f)(p).values())

    run = jax.jit(lambda p: [jax.grad(norm_of_gradient)(p, i) for i in ("triton", "reference")])
    close(*run(p), atol=1e-4)
    out = lambda p: attend("gatv2", p, edges, implementation="triton").out  # noqa: E731
    two = jax.tree.map(lambda x: jnp.stack([x, -x]), p)
    close(jax.jit(jax.vmap(out))(two)[1], out(jax.tree.map(jnp.negative, p)))


@pytest.mark.parametrize("name", ["dot edge", "additive", "gatv2"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_lowers_for_an_h100_without_a_scatter(name, dtype, monkeypatch):
    ids = np.random.default_rng(0).integers(0, 50, (2, 900))
    ids[1, ::2] = 0  # more than one program for node 0
    edges = dataclasses.replace(prepared(*ids, num_senders=50), mask=np.arange(900) > 3)
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, dtype), arrays(name, 900, 50, 50, c_v=24)
    )
    dropout = ops.Dropout(0.1, jax.random.key(0))

    def out(p):
        return attend(name, p, edges, implementation="triton", dropout=dropout).out

    forward = lowered_for_h100(monkeypatch, out, shapes)
    gradient = jax.grad(lambda p: out(p).astype(jnp.float32).sum())
    backward = lowered_for_h100(monkeypatch, gradient, shapes)
    assert (forward.count(KERNEL), backward.count(KERNEL)) == (2, 6)  # each with a merge
    assert "stablehlo.scatter" not in forward + backward


def test_chosen_on_a_gpu_only(monkeypatch):
    x = np.ones((N, H, 64), np.float32)
    call = _call.Call("attention", prepared(*hub(), num_senders=N), (x, x, x), ops.DotScore(), True)
    monkeypatch.setattr(_implementations, "on_cpu", lambda: True)
    monkeypatch.setattr(_implementations, "on_recent_nvidia_gpu", lambda: False)
    assert _implementations.order(call) == ("cpp", "xla", "reference")
    monkeypatch.setattr(_implementations, "on_cpu", lambda: False)
    assert _implementations.order(call) == ("xla", "reference")
    monkeypatch.setattr(_implementations, "on_recent_nvidia_gpu", lambda: True)
    assert _implementations.order(call)[0] == "triton"


def test_float64_says_the_fix():
    edges, p = prepared(*hub(), num_senders=N), arrays("dot", 40)
    error = pytest.raises(
        NotImplementedError, match=r"computes in float32, got float64\. Fix: impl"
    )
    with jax.enable_x64(True), error:
        p = {k: jnp.asarray(np.asarray(v, np.float64)) for k, v in p.items()}
        attend("dot", p, edges, implementation="triton")
