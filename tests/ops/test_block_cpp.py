"""The C++ kernels of dense blocks against the reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _dense_blocks import block_attention
from jax.test_util import check_grads

from graphattn_jax import ops

try:
    ops.build_cpp()
except RuntimeError as error:
    pytest.skip(str(error), allow_module_level=True)

B, H = 3, 2


def arrays(n, channels, value_channels, bias=None, dtype=np.float32):
    shapes = {"query": channels, "key": channels, "value": value_channels}
    rng = np.random.default_rng(0)
    p = {name: rng.normal(size=(B, n, H, c)) for name, c in shapes.items()}
    if bias is not None:
        p["bias"] = rng.normal(size=bias)
    return {name: jnp.asarray(x, dtype) for name, x in p.items()}


def loss(p, implementation, **options):
    r = block_attention(**p, implementation=implementation, **options)
    return jnp.sum(jnp.sin(3 * r.out)), (r.out, r.weights)


def assert_equal_to_reference(p, **options):
    got, want = (
        jax.jit(jax.grad(lambda p, i=i: loss(p, i, **options), has_aux=True))(p)
        for i in ("cpp", "reference")
    )
    jax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, atol=3e-5), got, want)
    assert all(np.isfinite(g).all() for g in got[0].values())
    return got


def nodes(n, counts=(None, 3, 0)):
    return np.arange(n) < np.array([n if c is None else c for c in counts])[:, None]


@pytest.mark.parametrize("channels, value_channels", [(16, 16), (8, 24), (12, 4), (3, 5)])
@pytest.mark.parametrize("n", [5, 16, 37])
def test_any_size_and_an_empty_block(n, channels, value_channels):
    _, (out, _) = assert_equal_to_reference(arrays(n, channels, value_channels), mask=nodes(n))
    assert not out[2].any()


@pytest.mark.parametrize("bias", [(B, H, 6, 6), (1, H, 6, 6), (B, 1, 1, 6), (1, 1, 6, 1)])
def test_every_shape_of_bias(bias):
    assert_equal_to_reference(arrays(6, 8, 8, bias), mask=nodes(6), scale=0.4)


def test_a_mask_of_pairs_and_dropout():
    n = 21
    mask = np.random.default_rng(1).random((B, n, n)) < 0.5
    mask[0, 4] = False
    options = {"dropout": ops.Dropout(0.3, jax.random.key(1))}
    _, (out, _) = assert_equal_to_reference(
        arrays(n, 8, 8, (B, H, n, n)), mask=mask, scale=0.9, **options
    )
    assert not out[0, 4].any()


def test_pairs_in_one_direction():
    mask = np.zeros((B, 9, 9), bool)
    mask[0, 7, 1] = mask[1, 1, 7] = mask[2, 8, 8] = True
    assert_equal_to_reference(arrays(9, 8, 8), mask=mask)


def test_logits_of_minus_infinity_and_large_ones():
    p = arrays(6, 4, 4, (1, 1, 1, 6))
    p["bias"] = jnp.asarray([0, -jnp.inf, 500, 500, -500, 0], jnp.float32).reshape(1, 1, 1, 6)
    p["bias"] = jnp.where(jnp.arange(6)[:, None] == 1, -jnp.inf, p["bias"])  # a row of nothing else
    run = jax.jit(lambda p, i: loss(p, i, mask=nodes(6))[1], static_argnums=1)
    jax.tree.map(
        lambda g, w: np.testing.assert_allclose(g, w, atol=2e-5, equal_nan=False),
        run(p, "cpp"),
        run(p, "reference"),
    )


def test_float64_and_second_derivatives():
    with jax.enable_x64(True):
        p = arrays(5, 4, 3, (B, H, 5, 5), np.float64)
        f = jax.jit(lambda p: loss(p, "cpp", mask=nodes(5))[0])
        check_grads(f, (p,), order=2, modes=["rev"], atol=1e-5, rtol=1e-5, eps=1e-5)


def test_second_derivatives_of_rows():
    with jax.enable_x64(True):
        blocks = ops.prepare_blocks(np.array([0, 1, 0, 2, 1]), 3, 2, where=np.arange(5) != 3)
        p = {k: x[0] for k, x in arrays(5, 4, 3, dtype=np.float64).items()}
        f = jax.jit(lambda p: ops.block_attention(**p, blocks=blocks, implementation="cpp").out)
        check_grads(f, (p,), order=2, modes=["rev"], atol=1e-5, rtol=1e-5, eps=1e-5)


def test_other_normalizers_are_left_to_the_reference():
    p = arrays(4, 4, 4)
    with pytest.raises(NotImplementedError, match="has the softmax only"):
        block_attention(**p, mask=nodes(4), normalizer=ops.Sigmoid(), implementation="cpp")
    r = block_attention(**p, mask=nodes(4), normalizer=ops.Sigmoid())
    assert r.out.shape == (B, 4, H, 4)
