"""Softmax attention from a forward and a backward kernel: the derivative that all fused implementations share.

    s_e = score(q_i, k_j, edge_e) + b_e,    p_e = exp(s_e - L_i),    out_i = Σ_e m_e p_e v_j

for an edge e from j to i, with L_i the logsumexp of the incoming s and m the factors of dropout, 0 or 1 / (1 - rate).
Only L is saved. With g the cotangent of out and d_i = g_i · out_i (minus the cotangent of L_i), the backward pass is

    ds_e = p_e (m_e g_i · v_j - d_i),    dv_j = Σ_e m_e p_e g_i,    and from ds the gradients of the score.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax.ops._dropout import apply_words
from graphattn_jax.ops._edge_attention import _reference, _xla
from graphattn_jax.ops._edge_attention._adjoint import no_gradient
from graphattn_jax.ops._edge_attention._scores import (
    AdditiveScore,
    DotScore,
    GATv2Score,
    OneWayScore,
)
from graphattn_jax.ops._layout import EdgeLayout
from graphattn_jax.ops._segment import segment_logsumexp, take
from graphattn_jax.typing import Array

__all__ = ["Fixed", "Kernels", "Operands", "Spec", "composition", "fused_attention"]


class Operands(NamedTuple):
    """What has a gradient; None = absent. The scale of a dot product is in the query already.

    query `[N_r, H, C]`, key `[N_s, H, C]`, edge `[E, H, C]` (without C for "additive"); value `[N_s, H, C_v]`;
    vector `[H, C]` for "gatv2"; bias `[E, H]`.
    """

    query: Array
    key: Array
    value: Array
    edge: Any
    vector: Any
    bias: Any


class Fixed(NamedTuple):
    """What has none: ids `[E]`, the mask `[E]` or None, two words of the dropout key or None, the layout."""

    senders: Array
    receivers: Array
    where: Any
    words: Any
    layout: EdgeLayout


class Spec(NamedTuple):
    """Static: "dot", "additive" or "gatv2", the slope of the last two, and the rate of dropout."""

    score: str
    negative_slope: float
    dropout_rate: float


class Kernels(NamedTuple):
    """An implementation.

    forward(operands, fixed, spec) -> (out, logsumexp)
    backward(operands, fixed, spec, logsumexp, g, d) -> gradients, as Operands; g `[N_r, H, C_v]`, d `[N_r, H]`
    """

    forward: Callable[..., tuple[Array, Array]]
    backward: Callable[..., Operands]


def fused_attention(
    kernels: Kernels,
    query: Array,
    key: Array,
    value: Array,
    senders: Array,
    receivers: Array,
    score: OneWayScore,
    bias: Array | None,
    where: Array | None,
    dropout_words: Array | None,
    dropout_rate: float,
    layout: EdgeLayout,
) -> tuple[Array, Array]:
    """`(out, logsumexp)` by these kernels, differentiable twice."""
    vector, slope = None, 0.0
    if isinstance(score, DotScore):
        query = query * jnp.asarray(score.scale, query.dtype)
    else:
        slope = float(score.negative_slope)
        vector = score.vector if isinstance(score, GATv2Score) else None
    name = {DotScore: "dot", AdditiveScore: "additive", GATv2Score: "gatv2"}[type(score)]
    operands = Operands(query, key, value, score.edge, vector, bias)
    fixed = Fixed(senders, receivers, where, dropout_words, layout)
    return _attention(kernels, Spec(name, slope, dropout_rate), operands, fixed)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _attention(kernels: Kernels, spec: Spec, operands: Operands, fixed: Fixed):
    out, logsumexp = kernels.forward(operands, fixed, spec)
    return out, logsumexp


def _attention_forward(kernels, spec, operands, fixed):
    out, logsumexp = _attention(kernels, spec, operands, fixed)  # so that second derivatives pass
    return (out, logsumexp), (operands, fixed, out, logsumexp)


def _attention_backward(kernels, spec, saved, cotangents):
    operands, fixed, out, logsumexp = saved
    return _gradients(kernels, spec, operands, fixed, out, logsumexp, cotangents), no_gradient(
        fixed
    )


_attention.defvjp(_attention_forward, _attention_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _gradients(kernels, spec, operands, fixed, out, logsumexp, cotangents) -> Operands:
    g, g_logsumexp = cotangents
    d = jnp.sum(g * out, axis=-1) - g_logsumexp
    return kernels.backward(operands, fixed, spec, logsumexp, g, d)


def _gradients_forward(kernels, spec, operands, fixed, out, logsumexp, cotangents):
    gradients = _gradients(kernels, spec, operands, fixed, out, logsumexp, cotangents)
    return gradients, (operands, fixed, out, logsumexp, cotangents)


def _gradients_backward(kernels, spec, saved, second):
    # Second derivatives are those of the composition. out and logsumexp are functions of the operands, and their part
    # is in the derivative with respect to these.
    operands, fixed, out, logsumexp, cotangents = saved

    def gradients(operands, cotangents):
        return jax.vjp(lambda o: composed_attention(o, fixed, spec), operands)[1](cotangents)[0]

    d_operands, d_cotangents = jax.vjp(gradients, operands, cotangents)[1](second)
    zeros = jnp.zeros_like(out), jnp.zeros_like(logsumexp)
    return d_operands, no_gradient(fixed), *zeros, d_cotangents


_gradients.defvjp(_gradients_forward, _gradients_backward)


def composition(score: OneWayScore) -> ModuleType:
    """The implementation of the separate ops: "xla" where it has the score."""
    return _xla if score.edge is None or isinstance(score, AdditiveScore) else _reference


def composed_attention(operands: Operands, fixed: Fixed, spec: Spec) -> tuple[Array, Array]:
    """The same from the separate ops: the reference of the kernels."""
    query, key, value, edge, vector, bias = operands
    senders, receivers, where, words, layout = fixed
    scores: dict[str, OneWayScore] = {
        "dot": DotScore(1.0, edge),
        "additive": AdditiveScore(spec.negative_slope, edge),
        "gatv2": GATv2Score(vector, spec.negative_slope, edge),
    }
    score = scores[spec.score]
    by = composition(score)
    logits = by.scores(query, key, senders, receivers, score, layout)
    logits = logits if bias is None else logits + bias
    if where is not None:
        logits = jnp.where(jnp.asarray(where)[:, None], logits, -jnp.inf)
    logsumexp = segment_logsumexp(logits, receivers, len(query))
    logsumexp = jnp.where(jnp.isneginf(logsumexp), jnp.inf, logsumexp)
    weights = jnp.exp(logits - take(logsumexp, receivers))
    if words is not None:
        weights = apply_words(weights, words, spec.dropout_rate)
    return by.aggregate(weights, value, senders, receivers, len(query), layout), logsumexp
