"""The fused kernels of dense blocks, interpreted, against the reference; and that they lower for an H100."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _dense_blocks import block_attention
from _h100 import KERNEL, lowered_for_h100

from graphattn_jax import ops
from graphattn_jax.ops import _block_attention, _block_triton

B, H, C, C_V = 2, 3, 5, 4


def arrays(n, bias=None, batch=B, dtype=jnp.float32):
    shapes = {"query": (batch, n, H, C), "key": (batch, n, H, C), "value": (batch, n, H, C_V)}
    shapes |= {} if bias is None else {"bias": bias}
    rng = np.random.default_rng(0)
    return {k: jnp.asarray(rng.normal(size=s), dtype) for k, s in shapes.items()}


def values_and_gradients(implementation, p, **options):
    def loss(p):
        r = block_attention(**p, implementation=implementation, **options)
        return jnp.sum(jnp.sin(3 * r.out.astype(jnp.float32))), (r.out, r.weights)

    return jax.jit(jax.grad(loss, has_aux=True))(p)


def close(got, want, atol=2e-5):
    jax.tree.map(
        lambda g, w: np.testing.assert_allclose(*(np.float32(x) for x in (g, w)), atol=atol),
        got,
        want,
    )


def both(p, **options):
    return [values_and_gradients(i, p, **options) for i in ("triton", "reference")]


def nodes(n, counts=(None, 3)):
    return np.arange(n) < np.array([n if c is None else c for c in counts])[:, None]


@pytest.mark.parametrize("bias", [None, (B, H, 6, 6), (1, H, 6, 6), (B, 1, 1, 6), (1, 1, 6, 1)])
def test_a_mask_of_nodes_and_every_shape_of_bias(bias):
    got, want = both(arrays(6, bias), mask=nodes(6))
    close(got, want)
    of_rows = bias is not None and bias[-1] == 1  # softmax does not see these
    assert all((np.abs(g).max() > 1e-3) != (k == "bias" and of_rows) for k, g in want[0].items())


def test_pairs_dropout_and_more_than_one_tile(monkeypatch):
    monkeypatch.setattr(_block_triton, "MAX_TILE", 16)
    n = 21
    mask = np.random.default_rng(1).random((B, n, n)) < 0.5
    mask[0, 4] = False
    options = {"mask": mask, "dropout": ops.Dropout(0.3, jax.random.key(1)), "scale": 0.9}
    got, want = both(arrays(n, (B, H, n, n)), **options)
    close(got, want)
    assert not got[1][0][0, 4].any()


def test_nothing_is_nan_where_nothing_may_attend(debug_nans):
    p = arrays(4, (1, 1, 4, 4))
    got, _ = values_and_gradients("triton", p, mask=nodes(4, (0, 4)))
    assert all(np.isfinite(g).all() for g in got.values())
    assert not got["value"][0].any()


def test_half_precision():
    p = arrays(6, (1, H, 6, 6), dtype=jnp.bfloat16)
    got, want = both(p, mask=nodes(6))
    close(got, want, atol=0.05)
    assert got[1][0].dtype == jnp.bfloat16 and got[1][1].dtype == jnp.float32


def test_second_derivatives_and_vmap():
    p = arrays(4, (1, H, 4, 4))

    def out(p, implementation="triton"):
        return block_attention(**p, mask=nodes(4), implementation=implementation).out

    def norm_of_gradient(p, implementation):
        gradient = jax.grad(lambda p: jnp.sum(out(p, implementation) ** 2))(p)
        return sum(jnp.sum(g**2) for g in gradient.values())

    run = jax.jit(lambda p: [jax.grad(norm_of_gradient)(p, i) for i in ("triton", "reference")])
    close(*run(p), atol=1e-4)
    two = jax.tree.map(lambda x: jnp.stack([x, -x]), p)
    close(jax.jit(jax.vmap(out))(two)[1], out(jax.tree.map(jnp.negative, p)))


@pytest.mark.parametrize("of_pairs", [False, True])
def test_lowers_for_an_h100_without_arrays_of_pairs(monkeypatch, of_pairs):
    n = 37
    p = arrays(n, (1, H, 1, n))
    mask = np.tri(n, dtype=bool)[None].repeat(B, 0) if of_pairs else nodes(n)
    options = {"mask": mask, "dropout": ops.Dropout(0.1, jax.random.key(0))}

    def out(p):
        return block_attention(**p, implementation="triton", **options).out

    forward = lowered_for_h100(monkeypatch, out, p)
    backward = lowered_for_h100(monkeypatch, jax.grad(lambda p: jnp.sum(out(p) ** 2)), p)
    assert (forward.count(KERNEL), backward.count(KERNEL)) == (1, 3)
    assert "stablehlo.scatter" not in forward + backward


def test_chosen_on_a_gpu_for_what_it_supports(monkeypatch):
    p, seen = arrays(4), []

    def forward(*arguments):
        seen.append(arguments)
        return _block_triton.KERNELS.forward(*arguments)

    fused = _block_attention.BLOCK_IMPLEMENTATIONS["triton"]
    fused = fused._replace(kernels=fused.kernels._replace(forward=forward))
    monkeypatch.setitem(_block_attention.BLOCK_IMPLEMENTATIONS, "triton", fused)
    monkeypatch.setattr(_block_attention, "_order", lambda: ("reference",))
    block_attention(**p, mask=nodes(4))
    assert not seen
    monkeypatch.setattr(_block_attention, "_order", lambda: ("triton", "reference"))
    block_attention(**p, mask=nodes(4), normalizer=ops.Sigmoid())
    assert not seen
    block_attention(**p, mask=nodes(4))
    assert len(seen) == 1


def test_unsupported_arguments_say_the_fix():
    p = arrays(4)
    with pytest.raises(NotImplementedError, match=r"has the softmax only, got Sigmoid.*Fix: impl"):
        block_attention(**p, mask=nodes(4), normalizer=ops.Sigmoid(), implementation="triton")
    with pytest.raises(
        ValueError, match=r"implementation must be one of 'cpp', 'triton', 'xla', 'reference'"
    ):
        block_attention(**p, mask=nodes(4), implementation="cuda")
    with jax.enable_x64(True), pytest.raises(NotImplementedError, match="got float64"):
        p = {k: jnp.asarray(np.asarray(v, np.float64)) for k, v in p.items()}
        block_attention(**p, mask=nodes(4), implementation="triton")
