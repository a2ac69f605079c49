"""Normalisation by the statistics of the real rows, and its derivative; in a C++ kernel on the CPU."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.ops import _native
from graphattn_jax.ops._batch_axis import BATCH_AXIS, in_batch_axis, sum_over_axis, sum_over_batch
from graphattn_jax.ops._dispatch import choose
from graphattn_jax.ops._no_gradient import no_gradient
from graphattn_jax.ops._platform import varies_over_devices
from graphattn_jax.typing import Array

__all__ = ["batch_norm"]


def batch_norm(
    x: Array,
    scale: Array,
    bias: Array,
    real: Array,
    eps: float = 1e-5,
    *,
    implementation: str | None = None,
) -> tuple[Array, Array, Array]:
    """Rows standardised by their own statistics, those of the real rows: what `ga.nn.batch_norm` does in training.

    The statistics are those of all devices that hold parts of the batch.

        y_i = scale ⊙ (x_i − μ) / √(σ² + eps) + bias,   μ and σ² over the real rows

    Args:
      x: `[N, D]`, float32 or wider.
      scale, bias: `[D]`.
      real: `[N, 1]` bool.
      eps: added to the variance.
      implementation: "cpp", a kernel for the CPU, once `build_cpp` has made it; "xla"; "reference", by plain
        operations, with a forward mode; None = the first that can.

    Returns:
      y, 0 in rows that are not real; mean and biased variance `[D]`, which have no gradient.

    Cost: O(N D).
    Padding: exact.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> x, real = jnp.array([[1.0], [3.0], [9.0]]), jnp.array([[True], [True], [False]])
      >>> y, mean, var = ga.ops.batch_norm(x, jnp.ones(1), jnp.zeros(1), real)
      >>> y.ravel().round(3).tolist(), mean.tolist(), var.tolist()
      ([-1.0, 1.0, 0.0], [2.0], [1.0])

    Source: Ioffe, Szegedy, "Batch Normalization", ICML 2015, arXiv:1502.03167, algorithm 1.
    """
    _checks.shape("x", x, ("N", "D"))
    _checks.floating("x", x)
    for name, p in (("scale", scale), ("bias", bias)):
        _checks.shape(name, p, (x.shape[1],))
    _checks.shape("real", real, (x.shape[0], 1))
    call = _Call((x, scale, bias, real))
    return choose(implementation, IMPLEMENTATIONS, ("cpp", "xla", "reference"), call).normalize(
        x, scale, bias, real, eps
    )


class _Call(NamedTuple):
    """What the implementations are asked about."""

    arrays: tuple[Array, ...]


class _Reference:
    """Ordinary operations."""

    name = "reference"

    def supports(self, call: _Call) -> str | None:
        """Always."""
        return None

    def normalize(self, x: Array, scale: Array, bias: Array, real: Array, eps: float):
        """The op."""
        x, count = jnp.where(real, x, 0), _count(real, x)
        mean = sum_over_batch(x.sum(axis=0)) / count
        centred = jnp.where(real, x - mean[None], 0)
        var = sum_over_batch(jnp.square(centred).sum(axis=0)) / count
        y = centred * (jax.lax.rsqrt(var + eps) * scale)[None] + bias[None]
        return jnp.where(real, y, 0), *jax.lax.stop_gradient((mean, var))


class _XLA:
    """Few sums, by a derivative that is written out."""

    name = "xla"

    def supports(self, call: _Call) -> str | None:
        """Where what is the same on all devices need not be told apart."""
        if in_batch_axis() and any(varies_over_devices(x) for x in call.arrays):
            return "has a derivative that jax.shard_map cannot check. Fix: check_vma=False."
        return None

    def normalize(self, x: Array, scale: Array, bias: Array, real: Array, eps: float):
        """The op."""
        return _composed(x, scale, bias, real, eps, in_batch_axis())


class _CPP:
    """Where the kernels are."""

    name = "cpp"

    def supports(self, call: _Call) -> str | None:
        """Once built, on one device."""
        if in_batch_axis():
            return f"takes the statistics of one device, inside an axis {BATCH_AXIS!r}."
        return _native.missing(call.arrays)

    def normalize(self, x: Array, scale: Array, bias: Array, real: Array, eps: float):
        """The op."""
        return _by_kernel(x, scale, bias, real, eps)


IMPLEMENTATIONS: dict[str, _CPP | _XLA | _Reference] = {
    "cpp": _CPP(),
    "xla": _XLA(),
    "reference": _Reference(),
}
"""By the valid names of `implementation=`."""


# The sums over rows are products with a row of shares, and the derivative is written out, between barriers: XLA would
# fuse what makes x into each of the sums, forward and backward, and compute it every time anew.


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def _composed(
    x: Array, scale: Array, bias: Array, real: Array, eps: float, spread: bool
) -> tuple[Array, Array, Array]:
    """`spread`: over the devices of a batch. The derivative may be traced where the axis cannot be asked for."""
    return _composed_forward(x, scale, bias, real, eps, spread)[0]


def _composed_forward(x, scale, bias, real, eps, spread):
    x = jax.lax.optimization_barrier(jnp.where(real, x, 0))
    share = real.astype(x.dtype).T / _count(real, x)
    mean = sum_over_batch(_product(share, x))
    centred = x - mean
    var = sum_over_batch(_product(share, jnp.square(centred)))
    rate = jax.lax.rsqrt(var + eps)
    y = jnp.where(real, centred * (rate * scale[None]) + bias[None], 0)
    y = jax.lax.optimization_barrier(y)
    return (y, mean[0], var[0]), (centred * rate, rate, scale, real, share)


def _composed_backward(eps, spread, saved, cotangents):
    # With h the standardised x and s the shares: dx = scale rate (g - s (Σ g + h Σ g h)), Σ over all devices. Those of
    # scale and bias are each device's own, as all gradients of parameters are.
    standard, rate, scale, real, share = saved
    g = jax.lax.optimization_barrier(jnp.where(real, cotangents[0], 0))
    ones = real.astype(g.dtype).T
    d_bias, d_scale = _product(ones, g), _product(ones, g * standard)
    sum_g, sum_gh = sum_over_axis((d_bias, d_scale)) if spread else (d_bias, d_scale)
    dx = (g - share.T * (sum_g + standard * sum_gh)) * (rate * scale[None])
    return jax.lax.optimization_barrier(dx), d_scale[0], d_bias[0], no_gradient(real)


_composed.defvjp(_composed_forward, _composed_backward)


def _count(real: Array, x: Array) -> Array:
    return jnp.maximum(sum_over_batch(real.sum(dtype=x.dtype)), 1)


def _product(row: Array, x: Array) -> Array:
    return jnp.matmul(row, x, precision="highest")


# --- the kernel -----------------------------------------------------------------------------------------------


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _by_kernel(x, scale, bias, real, eps):
    results = [jax.ShapeDtypeStruct(a.shape, x.dtype) for a in (x, scale, scale)]
    y, mean, var = _native.call("batch_norm", results, x, scale, bias, real, eps=np.float64(eps))
    return y, mean, var


def _by_kernel_forward(x, scale, bias, real, eps):
    y, mean, var = _by_kernel(x, scale, bias, real, eps)
    return (y, mean, var), (x, scale, real, mean, var)


def _by_kernel_backward(eps, saved, cotangents):
    x, scale, real, mean, var = saved
    return *_gradients(x, scale, cotangents[0], real, mean, var, eps), no_gradient(real)


@partial(jax.custom_vjp, nondiff_argnums=(6,))
def _gradients(x, scale, g, real, mean, var, eps):
    """Of x, scale and bias."""
    results = [jax.ShapeDtypeStruct(a.shape, x.dtype) for a in (x, scale, scale)]
    arrays = (x, scale, real, mean, var, g)
    return tuple(_native.call("batch_norm_backward", results, *arrays, eps=np.float64(eps)))


def _gradients_forward(x, scale, g, real, mean, var, eps):
    return _gradients(x, scale, g, real, mean, var, eps), (x, scale, g, real)


def _gradients_backward(eps, saved, second):
    # Second derivatives are those of the composition; mean and variance are functions of x, and their part is in there.
    *arrays, real = saved

    def gradients(x, scale, g):
        bias = jnp.zeros_like(scale)
        _, pull = jax.vjp(lambda *a: _composed(*a, real, eps, False)[0], x, scale, bias)
        return pull(g)

    zeros = jnp.zeros_like(arrays[1])
    return *jax.vjp(gradients, *arrays)[1](second), no_gradient(real), zeros, zeros


_by_kernel.defvjp(_by_kernel_forward, _by_kernel_backward)
_gradients.defvjp(_gradients_forward, _gradients_backward)
