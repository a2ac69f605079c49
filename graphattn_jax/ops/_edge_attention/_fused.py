"""Softmax attention from a forward and a backward kernel: the derivative that all fused implementations share.

    s_e = score(q_i, k_j, edge_e) + b_e,    p_e = exp(s_e - L_i),    out_i = Σ_e m_e p_e v_j

for an edge e from j to i, with L_i the logsumexp of the incoming s and m the factors of dropout, 0 or 1 / (1 - rate).
Only L is saved. With g the cotangent of out and d_i = g_i · out_i (minus the cotangent of L_i), the backward pass is

    ds_e = p_e (m_e g_i · v_j - d_i),    dv_j = Σ_e m_e p_e g_i,    and from ds the gradients of the score.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops._dropout_hash import apply_words, dropout_threshold, random_bits
from graphattn_jax.ops._edge_attention import _xla
from graphattn_jax.ops._edge_attention._call import Fused
from graphattn_jax.ops._edge_attention._scores import (
    AdditiveScore,
    DotScore,
    GATv2Score,
    OneWayScore,
)
from graphattn_jax.ops._no_gradient import no_gradient
from graphattn_jax.ops._pattern import Edges
from graphattn_jax.ops._segment import segment_logsumexp, take
from graphattn_jax.typing import Array

__all__ = [
    "Ends",
    "Fixed",
    "Kernels",
    "Operands",
    "Spec",
    "composed_attention",
    "dropout_factors",
    "fused_attention",
    "gradients_of_ends",
    "gradients_of_logits",
    "logits_of_ends",
    "with_gradient",
]


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
    """What has none: the edges with their mask and layout, two words of the dropout key or None."""

    edges: Edges
    words: Any


class Spec(NamedTuple):
    """Static: "dot", "additive" or "gatv2", the slope of the last two, and the rate of dropout."""

    score: str
    negative_slope: float
    dropout_rate: float


def composed_attention(operands: Operands, fixed: Fixed, spec: Spec) -> tuple[Array, Array]:
    """The same from the separate ops: the reference of the kernels."""
    query, key, value, edge, vector, bias = operands
    edges, words = fixed
    key, value = key.astype(query.dtype), value.astype(query.dtype)
    score: OneWayScore = DotScore(1.0, edge)
    if spec.score == "additive":
        score = AdditiveScore(spec.negative_slope, edge)
    elif vector is not None:
        score = GATv2Score(vector, spec.negative_slope, edge)
    logits = _xla.scores(query, key, edges, score)
    logits = logits if bias is None else logits + bias
    if edges.mask is not None:
        logits = jnp.where(edges.mask[:, None], logits, -jnp.inf)
    logsumexp = segment_logsumexp(logits, edges.receivers, edges.num_rows)
    logsumexp = jnp.where(jnp.isneginf(logsumexp), jnp.inf, logsumexp)
    weights = jnp.exp(logits - take(logsumexp, edges.receivers))
    if words is not None:
        weights = apply_words(weights, words, spec.dropout_rate)
    return _xla.aggregate(weights, value, edges), logsumexp


class Kernels(NamedTuple):
    """An implementation.

    forward(operands, fixed, spec) -> (out, logsumexp)
    backward(operands, fixed, spec, logsumexp, g, d) -> gradients, as Operands; g `[N_r, H, C_v]`, d `[N_r, H]`
    half: they read key and value in half precision where those are; without it all arrays are wide. Results are wide.
    rows: of dense blocks, whether they read rows of nodes where those are.
    composed(operands, fixed, spec): as forward, by ordinary operations, which have derivatives of any order.
    """

    forward: Callable[..., tuple[Array, Array]]
    backward: Callable[..., Any]
    half: bool = False
    rows: bool = False
    composed: Callable[..., tuple[Array, Array]] = composed_attention


def fused_attention(kernels: Kernels, arguments: Fused) -> tuple[Array, Array]:
    """`(out, logsumexp)` by these kernels, wide, differentiable twice."""
    query, key, value, edges, score, rate, words = arguments
    vector, slope = None, 0.0
    query = query.astype(accumulation_dtype(query.dtype))
    if not kernels.half:
        key, value = key.astype(query.dtype), value.astype(query.dtype)
    if isinstance(score, DotScore):
        query = query * jnp.asarray(score.scale, query.dtype)
    else:
        slope = float(score.negative_slope)
        vector = score.vector if isinstance(score, GATv2Score) else None
    name = {DotScore: "dot", AdditiveScore: "additive", GATv2Score: "gatv2"}[type(score)]
    operands = Operands(query, key, value, score.edge, vector, score.bias)
    return with_gradient(kernels, Spec(name, slope, rate), operands, Fixed(edges, words))


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def with_gradient(kernels: Kernels, spec: Any, operands: Any, fixed: Any) -> tuple[Array, Array]:
    """`(out, logsumexp)` by these kernels, differentiable twice."""
    out, logsumexp = kernels.forward(operands, fixed, spec)
    return out, logsumexp


def _with_gradient_forward(kernels, spec, operands, fixed):
    # Itself and not the kernel: this is differentiated again.
    out, logsumexp = with_gradient(kernels, spec, operands, fixed)
    return (out, logsumexp), (operands, fixed, out, logsumexp)


def _with_gradient_backward(kernels, spec, saved, cotangents):
    operands, fixed, out, logsumexp = saved
    gradients = _gradients(kernels, spec, operands, fixed, out, logsumexp, cotangents)
    return gradients, no_gradient(fixed)


with_gradient.defvjp(_with_gradient_forward, _with_gradient_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _gradients(kernels, spec, operands, fixed, out, logsumexp, cotangents) -> Operands:
    g, g_logsumexp = cotangents
    d = jnp.sum(g * out, axis=-1) - g_logsumexp
    gradients = kernels.backward(operands, fixed, spec, logsumexp, g, d)
    return jax.tree.map(lambda x, like: x.astype(like.dtype), gradients, operands)


def _gradients_forward(kernels, spec, operands, fixed, out, logsumexp, cotangents):
    gradients = _gradients(kernels, spec, operands, fixed, out, logsumexp, cotangents)
    return gradients, (operands, fixed, out, logsumexp, cotangents)


def _gradients_backward(kernels, spec, saved, second):
    # Second derivatives are those of the composition. out and logsumexp are functions of the operands, and their part
    # is in the derivative with respect to these.
    operands, fixed, out, logsumexp, cotangents = saved

    def gradients(operands, cotangents):
        return jax.vjp(lambda o: kernels.composed(o, fixed, spec), operands)[1](cotangents)[0]

    d_operands, d_cotangents = jax.vjp(gradients, operands, cotangents)[1](second)
    zeros = jnp.zeros_like(out), jnp.zeros_like(logsumexp)
    return d_operands, no_gradient(fixed), *zeros, d_cotangents


_gradients.defvjp(_gradients_forward, _gradients_backward)


# --- pieces of kernels, on blocks of any shape --------------------------------------------------------------


class Ends(NamedTuple):
    """Both ends of edges, the edge terms and the vector: `[..., H, C]`, or `[..., H]` for "additive"."""

    query: Array
    key: Array
    edge: Array | None
    vector: Array | None


def logits_of_ends(spec: Spec, ends: Ends) -> Array:
    """`[..., H]`, without bias."""
    query, key, edge, vector = ends
    if spec.score == "dot":
        return jnp.sum(query * key if edge is None else query * key * edge, axis=-1)
    z = _leaky_relu(_sum(ends), spec.negative_slope)
    return z if vector is None else jnp.sum(vector * z, axis=-1)


def gradients_of_logits(
    logits: Array, kept: Array, value: Array, logsumexp: Array, g: Array, d: Array
) -> tuple[Array, Array]:
    """P and ds of the equations above, `[..., H]`; ds is 0 where a logit is -inf, whatever the ends hold there."""
    p = jnp.exp(logits - logsumexp)
    d_logits = p * (kept * jnp.sum(g * value, axis=-1) - d)
    return p, jnp.where(logits == -jnp.inf, 0.0, d_logits)


def gradients_of_ends(spec: Spec, ends: Ends, d_logits: Array) -> Ends:
    """From the gradients of the logits those of both ends of each edge, of its term, and its part of the vector's."""
    query, key, edge, vector = ends
    if spec.score == "dot":
        d = d_logits[..., None]
        if edge is None:
            return Ends(d * key, d * query, None, None)
        return Ends(d * key * edge, d * query * edge, d * query * key, None)
    z, d_vector = _sum(ends), None
    if vector is not None:
        d_vector = d_logits[..., None] * _leaky_relu(z, spec.negative_slope)
        d_vector = jnp.where(d_logits[..., None] == 0, 0.0, d_vector)
        d_logits = d_logits[..., None] * vector
    d_z = d_logits * jnp.where(z >= 0, 1.0, spec.negative_slope).astype(z.dtype)
    return Ends(d_z, d_z, None if edge is None else d_z, d_vector)


def _sum(ends: Ends) -> Array:
    z = ends.query + ends.key
    return z if ends.edge is None else z + ends.edge


def _leaky_relu(z: Array, negative_slope: float) -> Array:
    return jnp.where(z >= 0, z, negative_slope * z)


def dropout_factors(words: Array, spec: Spec, place: Array, dtype: Any = jnp.float32) -> Array:
    """0 or 1 / (1 - rate) for places in `[E, H]`, as `ops.dropout` draws them."""
    bits = random_bits(place.astype(jnp.uint32), words[0], words[1])
    keep = bits >= jnp.uint32(dropout_threshold(spec.dropout_rate))
    return jnp.where(keep, 1.0 / (1.0 - spec.dropout_rate), 0.0).astype(dtype)
