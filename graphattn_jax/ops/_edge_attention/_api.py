"""The public ops; they check, widen to float32, choose an implementation, and put the parts together."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import wide
from graphattn_jax.ops._attention import Attention, Weights
from graphattn_jax.ops._dispatch import Choice, choose, explain
from graphattn_jax.ops._dropout_hash import Dropout, drop, dropout_words, rate_and_key
from graphattn_jax.ops._edge_attention._call import Call, EdgeImplementation, Fused
from graphattn_jax.ops._edge_attention._implementations import IMPLEMENTATIONS, order
from graphattn_jax.ops._edge_attention._scores import (
    AdditiveScore,
    DotScore,
    GATv2Score,
    Score,
    SymmetrizedScore,
)
from graphattn_jax.ops._normalizers import Normalizer, Softmax, check_normalizer, normalize
from graphattn_jax.ops._pattern import Edges, check_edges
from graphattn_jax.typing import Array, ArrayLike

__all__ = [
    "EdgeAttention",
    "attend_from_logits",
    "edge_aggregate",
    "edge_attention",
    "edge_scores",
    "explain_choice",
]


class EdgeAttention(NamedTuple):
    """What `edge_attention` returns: the aggregated values `[N_r, H, C]`, and what led to them."""

    out: Array
    attention: Attention


def edge_scores(
    query: ArrayLike,
    key: ArrayLike,
    edges: Edges,
    *,
    score: Score = DotScore(),
    implementation: str | None = None,
) -> Array:
    """A logit per edge and head: s_ij of the score, with i the receiver and j the sender.

    Args:
      query: of the receivers, `[N_r, H, C]` (`[N_r, H]` for `AdditiveScore`), floating point.
      key: of the senders, `[N_s, H, C]` (`[N_s, H]`).
      edges: the pattern.
      score: `DotScore`, `AdditiveScore`, `GATv2Score`, or a `SymmetrizedScore` of one.
      implementation: None (choose), "cpp", "xla" or "reference".

    Returns:
      `[E, H]` float32 (float64 for float64).

    Raises:
      ValueError: shapes, ids, unknown score or implementation.
      NotImplementedError: the named implementation does not support the arguments.

    Cost: O(E H C). "reference" keeps two [E, H, C] arrays, "xla" none.
    Padding: edges are independent of each other.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> q = jnp.arange(4.).reshape(2, 1, 2)
      >>> edges = ga.ops.Edges(jnp.array([0, 1]), jnp.array([1, 1]), num_senders=2)
      >>> ga.ops.edge_scores(q, q, edges, score=ga.ops.DotScore(1.0)).tolist()
      [[3.0], [13.0]]
    """
    _check_ends(query, key, edges, score)
    call = Call("scores", edges, (query, key), score)
    chosen = choose(implementation, IMPLEMENTATIONS, order(call), call)
    return _logits(chosen, query, key, _on_device(edges), score)


def edge_aggregate(
    weights: ArrayLike,
    value: ArrayLike,
    edges: Edges,
    *,
    implementation: str | None = None,
) -> Array:
    """The weighted sum of each receiver's incoming values: out_i = Σ_j w_ij v_j.

    Args:
      weights: `[E, H]`.
      value: of the senders, `[N_s, H, C]`.
      edges: the pattern; masked edges contribute nothing, whatever their weight.
      implementation: None (choose), "cpp", "xla" or "reference".

    Returns:
      `[N_r, H, C]` in the dtype of `value`, accumulated in float32. Receivers without edges get 0.

    Raises:
      ValueError: shapes, ids, unknown implementation.
      NotImplementedError: the named implementation does not support the arguments.

    Cost: O(E H C). "reference" keeps an [E, H, C] array, "xla" one of [T, H, C] with T tiles, about E / 8 + N.
    Padding: exact with a mask.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> value = jnp.arange(4.).reshape(2, 1, 2)
      >>> edges = ga.ops.Edges(jnp.array([0, 1]), jnp.array([1, 1]), num_senders=2)
      >>> ga.ops.edge_aggregate(jnp.array([[1.0], [0.5]]), value, edges)[:, 0].tolist()
      [[0.0, 0.0], [1.0, 2.5]]
    """
    check_edges(edges)
    _checks.shape("value", value, (edges.num_senders, "H", "C"))
    _checks.floating("value", value)
    _checks.shape("weights", weights, (edges.num_edges, value.shape[1]))
    call = Call("aggregate", edges, (value,))
    chosen = choose(implementation, IMPLEMENTATIONS, order(call), call)
    return _aggregate(chosen, weights, value, _on_device(edges))


def edge_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    edges: Edges,
    *,
    score: Score = DotScore(),
    normalizer: Normalizer = Softmax(),
    dropout: Dropout | None = None,
    implementation: str | None = None,
) -> EdgeAttention:
    """Attention over an edge list: score, normalize, aggregate.

        a_ij = normalize_j( s(q_i, k_j) ),    out_i = Σ_j dropout(a_ij) v_j

    with i the receiver and j the sender of an edge; softmax runs over the incoming edges of each receiver.

    Args:
      query: of the receivers, `[N_r, H, C]` (`[N_r, H]` for `AdditiveScore`), floating point.
      key: of the senders, `[N_s, H, C]` (`[N_s, H]`).
      value: of the senders, `[N_s, H, C_v]`.
      edges: the pattern.
      score: `DotScore`, `AdditiveScore`, `GATv2Score`, or a `SymmetrizedScore` of one, with its edge term and bias.
      normalizer: `Softmax`, `Sigmoid`, `PostHoc`, `Symmetric` or `Sinkhorn`. The last three need N_r = N_s.
      dropout: of the weights, or None.
      implementation: None (choose), "cpp", "triton", "xla", "block_dense" or "reference".

    Returns:
      `EdgeAttention(out [N_r, H, C_v], attention)`. `out` has the dtype of `value`; weights, logits and residual of the
      attention are float32 (float64 for float64), and computed when they are read.

    Raises:
      ValueError: shapes, ids, unknown options.
      NotImplementedError: the named implementation does not support the arguments.

    Implementations: "reference" is gathers and segment sums, "xla" works on the tiles of the layout, "cpp" is C++ for
    the CPU, taken by None there once `build_cpp` has compiled it. "triton" is one GPU kernel for softmax with any
    score that is not symmetrized, chosen by None on a recent NVIDIA GPU; off GPUs it is interpreted, which is slow
    and only good for checks. "block_dense" is softmax along an axis for nodes of similar degree, by XLA without a
    scatter, with `degree_blocks=True` in the layout; it is never chosen by None.

    Cost: O(E H C) time; memory O(E H) + O(N H C) for "xla" and the gradient by "cpp", O(N H C) for "triton" and the
      forward pass of "cpp", O(E H C) for "reference".
    Padding: exact with a mask; receivers without real edges get 0, with finite gradients.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> edges = ga.ops.Edges(jnp.array([0, 1, 2]), jnp.array([1, 1, 0]), num_senders=3)
      >>> q, v = jnp.ones((3, 1, 2)), jnp.array([1., 2., 4.]).reshape(3, 1, 1)
      >>> out, attention = ga.ops.edge_attention(q, q, v, edges)
      >>> out.ravel().tolist(), attention.weights.ravel().tolist()
      ([4.0, 1.5, 0.0], [0.5, 0.5, 1.0])

    Source: Vaswani et al. 2017 (equation 1) restricted to edges; Veličković et al. 2018 (equations 1 to 4).
    """
    call = _attention_call(query, key, value, edges, score, normalizer)
    chosen = choose(implementation, IMPLEMENTATIONS, order(call), call)
    edges, (rate, rng) = _on_device(edges), rate_and_key(dropout)
    if not (call.softmax and chosen.is_fused):
        logits = _logits(chosen, query, key, edges, score)
        return _from_logits(chosen, logits, value, edges, normalizer, dropout)
    filled = _filled(score, wide(query))
    words = dropout_words(rate, rng)
    q, k, v = (jnp.asarray(x) for x in (query, key, value))
    out, _ = chosen.attention(Fused(q, k, v, edges, filled, rate, words))

    def compute() -> Weights:
        logits = _logits(chosen, query, key, edges, score)
        # By their own sum: beside a large logit the logarithm of the sum is lost in rounding.
        weights = normalize(logits, edges, normalizer).weights
        return Weights(weights, drop(weights, rate, rng), logits)

    return EdgeAttention(out.astype(value.dtype), Attention(compute))


def attend_from_logits(
    logits: ArrayLike,
    value: ArrayLike,
    edges: Edges,
    *,
    normalizer: Normalizer = Softmax(),
    dropout: Dropout | None = None,
    implementation: str | None = None,
) -> EdgeAttention:
    """The second half of `edge_attention`, for logits of any origin: normalize, aggregate.

        a_ij = normalize_j( l_ij ),    out_i = Σ_j dropout(a_ij) v_j

    Args:
      logits: `[E, H]` floating point, bias included.
      value: of the senders, `[N_s, H, C]`.
      edges: the pattern.
      normalizer: as `edge_attention`.
      dropout: of the weights, or None.
      implementation: None (choose), "cpp", "xla" or "reference".

    Returns:
      `EdgeAttention`, as `edge_attention`.

    Raises:
      ValueError: shapes, ids, unknown options.
      NotImplementedError: the named implementation does not support the arguments.

    Cost: O(E H C) time; memory O(E H) + O(N H C) for "xla", O(E H C) for "reference".
    Padding: exact with a mask; receivers without real edges get 0, with finite gradients.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> v = jnp.array([1., 2., 4.]).reshape(3, 1, 1)
      >>> edges = ga.ops.Edges(jnp.array([0, 1, 0]), jnp.array([1, 1, 2]), num_senders=3)
      >>> ga.ops.attend_from_logits(jnp.zeros((3, 1)), v, edges).out.ravel().tolist()
      [0.0, 1.5, 1.0]
    """
    check_edges(edges)
    _checks.shape("logits", logits, (edges.num_edges, "H"))
    _checks.floating("logits", logits)
    _checks.shape("value", value, (edges.num_senders, logits.shape[1], "C"))
    _checks.floating("value", value)
    check_normalizer(normalizer, edges)
    call = Call("aggregate", edges, (value,))
    chosen = choose(implementation, IMPLEMENTATIONS, order(call), call)
    return _from_logits(chosen, wide(logits), value, _on_device(edges), normalizer, dropout)


def explain_choice(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    edges: Edges,
    *,
    score: Score = DotScore(),
    normalizer: Normalizer = Softmax(),
) -> Choice:
    """Which implementation `edge_attention` takes for these arguments on this machine, and why not another.

    It is the choice itself that is asked: nothing is computed.

    Args:
      query, key, value: as `edge_attention`; `jax.ShapeDtypeStruct`s will do.
      edges, score, normalizer: as `edge_attention`.

    Returns:
      `Choice(implementation, reasons)`; print it.

    Raises:
      ValueError: as `edge_attention`.

    Cost: none.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> q, ids = jnp.ones((3, 1, 32)), jnp.array([0, 1, 2])
      >>> choice = ga.ops.explain_choice(q, q, q, ga.ops.Edges(ids, ids, num_senders=3))
      >>> choice.implementation, choice.reasons["reference"]
      ('reference', 'taken: the first of cpp, xla, reference that supports these arguments')
    """
    call = _attention_call(query, key, value, edges, score, normalizer)
    return explain(IMPLEMENTATIONS, order(call), call)


# --- the parts, by a chosen implementation ------------------------------------------------------------------


def _logits(chosen: EdgeImplementation, query, key, edges: Edges, score: Score) -> Array:
    """`[E, H]`, wide, bias included."""
    one_way = score.score if isinstance(score, SymmetrizedScore) else score
    query, key = wide(query), wide(key)
    filled = _filled(one_way, query)
    logits = chosen.scores(query, key, edges, filled)
    if isinstance(score, SymmetrizedScore):
        logits = 0.5 * (logits + chosen.scores(query, key, edges.T, filled))
    return logits if filled.bias is None else logits + filled.bias


def _aggregate(chosen: EdgeImplementation, weights, value, edges: Edges) -> Array:
    widened = wide(value)
    weights = jnp.asarray(weights).astype(widened.dtype)
    return chosen.aggregate(weights, widened, edges).astype(value.dtype)


def _from_logits(
    chosen: EdgeImplementation, logits: Array, value, edges: Edges, normalizer, dropout
) -> EdgeAttention:
    weights, residual = normalize(logits, edges, normalizer)
    applied = drop(weights, *rate_and_key(dropout))
    out = _aggregate(chosen, applied, value, edges)
    return EdgeAttention(out, Attention(lambda: Weights(weights, applied, logits, residual)))


def _attention_call(query, key, value, edges: Edges, score: Score, normalizer) -> Call:
    _check_ends(query, key, edges, score)
    _checks.shape("value", value, (edges.num_senders, query.shape[1], "C"))
    _checks.floating("value", value)
    check_normalizer(normalizer, edges)
    softmax = isinstance(normalizer, Softmax) and not isinstance(score, SymmetrizedScore)
    return Call("attention", edges, (query, key, value), score, softmax)


def _check_ends(query, key, edges: Edges, score: Score) -> None:
    check_edges(edges)
    symmetrized = isinstance(score, SymmetrizedScore)
    one_way = score.score if symmetrized else score
    if not isinstance(one_way, (DotScore, AdditiveScore, GATv2Score)):
        raise ValueError(
            "score must be a DotScore, AdditiveScore, GATv2Score or SymmetrizedScore of ga.ops, got "
            f"{_checks.describe(one_way)}."
        )
    if symmetrized and edges.is_bipartite:
        raise ValueError(
            "a SymmetrizedScore needs the same nodes on both sides, got a bipartite pattern. "
            "Fix: take the score itself."
        )
    ends: tuple[Any, ...] = ("H",) if isinstance(one_way, AdditiveScore) else ("H", "C")
    for name, x, rows in (("query", query, edges.num_rows), ("key", key, edges.num_senders)):
        _checks.shape(name, x, (rows, *ends))
        _checks.floating(name, x)
    _checks.shape("key", key, (edges.num_senders, *query.shape[1:]))
    if isinstance(one_way, GATv2Score):
        _checks.shape("score.vector", one_way.vector, query.shape[1:])
    if one_way.edge is not None:
        _checks.shape("score.edge", one_way.edge, (edges.num_edges, *query.shape[1:]))
    if one_way.bias is not None:
        _checks.shape("score.bias", one_way.bias, (edges.num_edges, query.shape[1]))


def _on_device(edges: Edges) -> Edges:
    """With ids and mask as JAX arrays, the ids int32."""
    senders, receivers = (
        jnp.asarray(x).astype(jnp.int32) for x in (edges.senders, edges.receivers)
    )
    mask = None if edges.mask is None else jnp.asarray(edges.mask)
    return dataclasses.replace(edges, senders=senders, receivers=receivers, mask=mask)


def _filled(score: Any, query: Array) -> Any:
    """The score with its scale filled in and its arrays in the dtype of the wide query."""
    if isinstance(score, DotScore) and score.scale is None:
        score = dataclasses.replace(score, scale=query.shape[-1] ** -0.5)
    return jax.tree.map(lambda x: jnp.asarray(x).astype(query.dtype), score)
