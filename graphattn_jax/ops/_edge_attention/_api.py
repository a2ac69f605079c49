"""The public ops; they check, widen to float32, and dispatch."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops._dropout import dropout, dropout_words
from graphattn_jax.ops._edge_attention._choice import MODULES, candidates, is_narrow
from graphattn_jax.ops._edge_attention._fused import Arguments
from graphattn_jax.ops._edge_attention._scores import (
    AdditiveScore,
    DotScore,
    GATv2Score,
    Score,
    SymmetrizedScore,
)
from graphattn_jax.ops._layout import EdgeLayout
from graphattn_jax.ops._normalizers import Normalizer, Sigmoid, Softmax, normalize, resolve
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import Array, ArrayLike

__all__ = [
    "EdgeAttention",
    "attend_from_logits",
    "edge_aggregate",
    "edge_attention",
    "edge_scores",
]


class EdgeAttention(NamedTuple):
    """What `edge_attention` returns: the aggregated values, and what led to them.

    out `[N_r, H, C]`; weights `[E, H]`; applied `[E, H]`, the weights after dropout; logits `[E, H]`; residual
    `[N, H]` for Sinkhorn, else None. Under `jit` what is not used is not computed.
    """

    out: Array
    weights: Array
    applied: Array
    logits: Array
    residual: Array | None


def edge_scores(
    query: ArrayLike,
    key: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    *,
    score: Score | None = None,
    layout: EdgeLayout | None = None,
    implementation: str | None = None,
) -> Array:
    """A logit per edge and head: s_ij of the score, with i the receiver and j the sender.

    Args:
      query: of the receivers, `[N_r, H, C]` (`[N_r, H]` for `AdditiveScore`), floating point.
      key: of the senders, `[N_s, H, C]` (`[N_s, H]`).
      senders: `[E]` integers in `[0, N_s)`.
      receivers: `[E]` integers in `[0, N_r)`.
      score: `DotScore`, `AdditiveScore`, `GATv2Score`, or a `SymmetrizedScore` of one; None = `DotScore()`.
      layout: from `edge_layout`, for the fast implementations.
      implementation: None (choose), "cpp", "triton", "xla", "block_dense" or "reference".

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
      >>> ga.ops.edge_scores(q, q, jnp.array([0, 1]), jnp.array([1, 1]), score=ga.ops.DotScore(1.0)).tolist()
      [[3.0], [13.0]]
    """
    score = DotScore() if score is None else score
    _checks.ids("senders", senders)
    _checks.ids("receivers", receivers, senders.shape[0])
    _check_score(query, key, score)
    if isinstance(score, SymmetrizedScore):
        options = {"score": score.score, "implementation": implementation}
        transposed = None if layout is None else layout.T
        there = edge_scores(query, key, senders, receivers, layout=layout, **options)
        back = edge_scores(query, key, receivers, senders, layout=transposed, **options)
        return 0.5 * (there + back)
    _checks.ids_in_range("senders", senders, key.shape[0])
    _checks.ids_in_range("receivers", receivers, query.shape[0])
    query, key = _wide(query), _wide(key)
    score = _wide_score(score, query, senders.shape[0])
    return _dispatch(
        implementation, "scores", query, key, _ids(senders), _ids(receivers), score, layout
    )


def edge_aggregate(
    weights: ArrayLike,
    value: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    *,
    num_nodes: int,
    layout: EdgeLayout | None = None,
    implementation: str | None = None,
) -> Array:
    """The weighted sum of each receiver's incoming values: out_i = Σ_j w_ij v_j.

    Args:
      weights: `[E, H]`.
      value: of the senders, `[N_s, H, C]`.
      senders: `[E]` integers in `[0, N_s)`.
      receivers: `[E]` integers in `[0, num_nodes)`.
      num_nodes: static number of receivers.
      layout: from `edge_layout`. Edges that it leaves out (`where`) contribute nothing.
      implementation: None (choose), "cpp", "triton", "xla", "block_dense" or "reference".

    Returns:
      `[num_nodes, H, C]` in the dtype of `value`, accumulated in float32. Receivers without edges get 0.

    Raises:
      ValueError: shapes, ids, unknown implementation.
      NotImplementedError: the named implementation does not support the arguments.

    Cost: O(E H C). "reference" keeps an [E, H, C] array, "xla" one of [T, H, C] with T tiles, about E / 8 + N.
    Padding: give padding edges weight 0.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> value = jnp.arange(4.).reshape(2, 1, 2)
      >>> w = jnp.array([[1.0], [0.5]])
      >>> ga.ops.edge_aggregate(w, value, jnp.array([0, 1]), jnp.array([1, 1]), num_nodes=2)[:, 0].tolist()
      [[0.0, 0.0], [1.0, 2.5]]
    """
    _checks.ids("senders", senders)
    num_edges = senders.shape[0]
    _checks.ids("receivers", receivers, num_edges)
    _checks.shape("value", value, ("N", "H", "C"))
    _checks.floating("value", value)
    _checks.shape("weights", weights, (num_edges, value.shape[1]))
    _checks.ids_in_range("senders", senders, value.shape[0])
    _checks.ids_in_range("receivers", receivers, num_nodes)
    wide = _wide(value)
    out = _dispatch(
        implementation,
        "aggregate",
        jnp.asarray(weights).astype(wide.dtype),
        wide,
        _ids(senders),
        _ids(receivers),
        num_nodes,
        layout,
    )
    return out.astype(value.dtype)


def edge_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    *,
    score: Score | None = None,
    bias: ArrayLike | None = None,
    where: ArrayLike | None = None,
    normalizer: str | Normalizer = "softmax",
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    layout: EdgeLayout | None = None,
    implementation: str | None = None,
) -> EdgeAttention:
    """Attention over an edge list: score, normalize, aggregate.

        a_ij = normalize_j( s(q_i, k_j) + b_ij ),    out_i = Σ_j dropout(a_ij) v_j

    with i the receiver and j the sender of an edge; softmax runs over the incoming edges of each receiver.

    Args:
      query: of the receivers, `[N_r, H, C]` (`[N_r, H]` for `AdditiveScore`), floating point.
      key: of the senders, `[N_s, H, C]` (`[N_s, H]`).
      value: of the senders, `[N_s, H, C_v]`.
      senders: `[E]` integers in `[0, N_s)`, any order.
      receivers: `[E]` integers in `[0, N_r)`.
      score: `DotScore`, `AdditiveScore`, `GATv2Score`, or a `SymmetrizedScore` of one; None = `DotScore()`.
      bias: `[E, H]` added to the logits.
      where: `[E]` bool, True = real edge.
      normalizer: a name or options tuple, see `normalize`. Constraints need N_r = N_s.
      dropout_rate: probability in [0, 1), applied to the weights.
      dropout_key: typed key, required when the rate is positive.
      layout: from `edge_layout`, for the fast implementations and the reverse edges.
      implementation: None (choose), "cpp", "triton", "xla", "block_dense" or "reference".

    Returns:
      `EdgeAttention(out [N_r, H, C_v], weights, applied, logits [E, H], residual)`. `out` has the dtype of
      `value`; everything else is float32 (float64 for float64).

    Raises:
      ValueError: shapes, ids, unknown options, dropout without key.
      NotImplementedError: the named implementation does not support the arguments.

    Implementations: "reference" is gathers and segment sums, "xla" works on the tiles of the layout, "cpp" is C++ for
    the CPU, taken by None there once `build_cpp` has compiled it. "triton" is one GPU kernel for softmax with any
    score that is not symmetrized, chosen by None on a recent NVIDIA GPU; off GPUs it is interpreted, which is slow
    and only good for checks. "block_dense" is softmax along an axis for nodes of similar degree, by XLA without a
    scatter, with `degree_blocks=True` in the layout; it is never chosen by None.

    Cost: O(E H C) time; memory O(E H) + O(N H C) for "xla" and the gradient by "cpp", O(N H C) for "triton" and the
      forward pass of "cpp", O(E H C) for "reference".
    Padding: exact with `where`; receivers without real edges get 0, with finite gradients.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> q = jnp.ones((3, 1, 2))
      >>> v = jnp.array([1., 2., 4.]).reshape(3, 1, 1)
      >>> out = ga.ops.edge_attention(q, q, v, jnp.array([0, 1, 2]), jnp.array([1, 1, 0]))
      >>> out.out.ravel().tolist(), out.weights.ravel().tolist()
      ([4.0, 1.5, 0.0], [0.5, 0.5, 1.0])

    Source: Vaswani et al. 2017 (equation 1) restricted to edges; Veličković et al. 2018 (equations 1 to 4).
    """
    score = DotScore() if score is None else score
    _check_score(query, key, score)
    _checks.shape("value", value, (key.shape[0], query.shape[1], "C"))
    _checks.ids("senders", senders)
    if bias is not None:
        _checks.shape("bias", bias, (senders.shape[0], query.shape[1]))
    if where is not None:
        _checks.mask("where", where, senders.shape[0])
    if implementation is None and layout is not None and is_narrow(score, value):
        implementation = "xla"
    logits = edge_scores(
        query, key, senders, receivers, score=score, layout=layout, implementation=implementation
    )
    if bias is not None:
        bias = jnp.asarray(bias).astype(logits.dtype)
        logits = logits + bias
    options = {"where": where, "dropout_rate": dropout_rate, "dropout_key": dropout_key}
    options |= {"layout": layout, "implementation": implementation}
    if isinstance(resolve(normalizer), Softmax) and not isinstance(score, SymmetrizedScore):
        fused = _fused(query, key, value, senders, receivers, score, bias, **options)
        if fused is not None:
            out, logsumexp = fused
            # What is not used of this is not computed.
            weights = jnp.exp(logits - take(logsumexp, _ids(receivers)))
            if where is not None:
                weights = jnp.where(jnp.asarray(where)[:, None], weights, 0)
            applied = dropout(weights, dropout_rate, dropout_key)
            return EdgeAttention(out, weights, applied, logits, None)
    return attend_from_logits(
        logits,
        value,
        senders,
        receivers,
        num_nodes=query.shape[0],
        normalizer=normalizer,
        **options,
    )


def attend_from_logits(
    logits: ArrayLike,
    value: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    *,
    num_nodes: int,
    where: ArrayLike | None = None,
    normalizer: str | Normalizer = "softmax",
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    layout: EdgeLayout | None = None,
    implementation: str | None = None,
) -> EdgeAttention:
    """The second half of `edge_attention`, for logits of any origin: normalize, aggregate.

        a_ij = normalize_j( l_ij ),    out_i = Σ_j dropout(a_ij) v_j

    Args:
      logits: `[E, H]` floating point, bias included.
      value: of the senders, `[N_s, H, C]`.
      senders: `[E]` integers in `[0, N_s)`, any order.
      receivers: `[E]` integers in `[0, num_nodes)`.
      num_nodes: static number of receivers.
      where: `[E]` bool, True = real edge.
      normalizer: a name or options tuple, see `normalize`. Constraints need as many senders as receivers.
      dropout_rate: probability in [0, 1), applied to the weights.
      dropout_key: typed key, required when the rate is positive.
      layout: from `edge_layout`, for the fast implementations and the reverse edges.
      implementation: None (choose), "cpp", "triton", "xla", "block_dense" or "reference".

    Returns:
      `EdgeAttention`, as `edge_attention`.

    Raises:
      ValueError: shapes, ids, unknown options, dropout without key.
      NotImplementedError: the named implementation does not support the arguments.

    Cost: O(E H C) time; memory O(E H) + O(N H C) for "xla", O(E H C) for "reference".
    Padding: exact with `where`; receivers without real edges get 0, with finite gradients.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> v = jnp.array([1., 2., 4.]).reshape(3, 1, 1)
      >>> senders, receivers = jnp.array([0, 1, 0]), jnp.array([1, 1, 2])
      >>> ga.ops.attend_from_logits(jnp.zeros((3, 1)), v, senders, receivers, num_nodes=3).out.ravel().tolist()
      [0.0, 1.5, 1.0]
    """
    _checks.shape("logits", logits, ("E", "H"))
    _checks.floating("logits", logits)
    _checks.shape("value", value, ("N", logits.shape[1], "C"))
    _checks.floating("value", value)
    _checks.ids("senders", senders, logits.shape[0])
    _checks.ids("receivers", receivers, logits.shape[0])
    if where is not None:
        _checks.mask("where", where, logits.shape[0])
    _checks.dropout(dropout_rate, dropout_key)
    normalizer = resolve(normalizer)
    if not isinstance(normalizer, (Softmax, Sigmoid)) and num_nodes != value.shape[0]:
        raise ValueError(
            f"normalizer={normalizer} needs the same nodes on both sides, got {num_nodes} "
            f"receivers and {value.shape[0]} senders."
        )
    logits = _wide(logits)
    weights, residual = normalize(
        logits,
        _ids(senders),
        _ids(receivers),
        num_nodes,
        normalizer=normalizer,
        where=where,
        reverse=None if layout is None else layout.reverse,
    )
    applied = dropout(weights, dropout_rate, dropout_key)
    out = edge_aggregate(
        applied,
        value,
        senders,
        receivers,
        num_nodes=num_nodes,
        layout=layout,
        implementation=implementation,
    )
    return EdgeAttention(out, weights, applied, logits, residual)


def _wide(x: ArrayLike) -> Array:
    x = jnp.asarray(x)
    return x.astype(accumulation_dtype(x.dtype))


def _wide_score(score: Any, query: Array, num_edges: int) -> Any:
    """The score with its scale filled in and its arrays in the dtype of the wide query."""
    if isinstance(score, DotScore) and score.scale is None:
        score = score._replace(scale=query.shape[-1] ** -0.5)
    if score.edge is not None:
        _checks.shape("score.edge", score.edge, (num_edges, *query.shape[1:]))
        score = score._replace(edge=jnp.asarray(score.edge).astype(query.dtype))
    if isinstance(score, GATv2Score):
        score = score._replace(vector=jnp.asarray(score.vector).astype(query.dtype))
    return score


def _fused(
    query,
    key,
    value,
    senders,
    receivers,
    score,
    bias,
    *,
    where,
    dropout_rate,
    dropout_key,
    layout,
    implementation,
) -> tuple[Array, Array] | None:
    """`(out, logsumexp)` of softmax attention by an implementation that has it in one kernel, if one is chosen."""
    _checks.dropout(dropout_rate, dropout_key)
    arguments = Arguments(
        jnp.asarray(query),
        jnp.asarray(key),
        jnp.asarray(value),
        _ids(senders),
        _ids(receivers),
        _wide_score(score, _wide(query), senders.shape[0]),
        bias,
        where,
        dropout_words(dropout_rate, dropout_key),
        float(dropout_rate),
        layout,
    )
    fused = _dispatch(implementation, "attention", arguments)
    return None if fused is None else (fused[0].astype(value.dtype), fused[1])


def _ids(x: ArrayLike) -> Array:
    return jnp.asarray(x).astype(jnp.int32)


def _check_score(query, key, score: Score) -> None:
    symmetrized = isinstance(score, SymmetrizedScore)
    score = score.score if symmetrized else score
    if not isinstance(score, (DotScore, AdditiveScore, GATv2Score)):
        raise ValueError(
            "score must be a DotScore, AdditiveScore, GATv2Score or SymmetrizedScore of ga.ops, got "
            f"{_checks.describe(score)}."
        )
    want: tuple[Any, ...] = ("N", "H") if isinstance(score, AdditiveScore) else ("N", "H", "C")
    for name, x in (("query", query), ("key", key)):
        _checks.shape(name, x, want)
        _checks.floating(name, x)
    _checks.shape("key", key, query.shape if symmetrized else ("N", *query.shape[1:]))
    if isinstance(score, GATv2Score):
        _checks.shape("score.vector", score.vector, query.shape[1:])


def _dispatch(implementation: str | None, name: str, *args) -> Any:
    """The function `name` of the chosen implementation; None for "attention" where that one composes it."""
    if implementation is not None:
        _checks.choice("implementation", implementation, MODULES)
    for chosen in candidates() if implementation is None else (implementation,):
        function = getattr(MODULES[chosen], name, None)
        if function is None:
            return None
        try:
            return function(*args)
        except NotImplementedError:
            if implementation is not None:
                raise
    raise AssertionError("the reference supports every argument")
