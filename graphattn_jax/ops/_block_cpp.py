"""Softmax attention inside dense blocks by C++ kernels on the CPU: `ops/_native/block_attention.cc`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from graphattn_jax.ops import _native
from graphattn_jax.ops._block_softmax import Fixed, Operands, composed_attention
from graphattn_jax.ops._edge_attention._fused import Kernels
from graphattn_jax.typing import Array

__all__ = ["KERNELS"]


def _forward(operands: Operands, fixed: Fixed, rate: float) -> tuple[Array, Array]:
    out = jax.ShapeDtypeStruct(operands.value.shape, operands.value.dtype)
    logsumexp = jax.ShapeDtypeStruct(out.shape[:-1], out.dtype)
    options = _native.dropout_attributes(rate)
    return _native.call("block_forward", (out, logsumexp), *_arrays(operands, fixed), **options)


def _backward(
    operands: Operands, fixed: Fixed, rate: float, logsumexp: Array, g: Array, d: Array
) -> Operands:
    batch, nodes, *_ = fixed.mask.shape
    pairs = (batch, operands.query.shape[-2], nodes, nodes)
    results = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in operands[:3]]
    bias = operands.bias
    results += [jax.ShapeDtypeStruct((0,) if bias is None else pairs, g.dtype)]
    options = _native.dropout_attributes(rate)
    arrays = (*_arrays(operands, fixed), logsumexp, g, d)
    d_query, d_key, d_value, d_bias = _native.call("block_backward", results, *arrays, **options)
    if bias is None:
        return Operands(d_query, d_key, d_value, None)
    broadcast = tuple(axis for axis in range(4) if bias.shape[axis] < pairs[axis])
    return Operands(d_query, d_key, d_value, jnp.sum(d_bias, axis=broadcast, keepdims=True))


def _arrays(operands: Operands, fixed: Fixed) -> tuple[Any, ...]:
    node = None if fixed.blocks is None else jnp.asarray(fixed.blocks.node)
    return (*operands, fixed.mask, fixed.words, node)


KERNELS = Kernels(_forward, _backward, rows=True, composed=composed_attention)
