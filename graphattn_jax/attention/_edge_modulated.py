"""What Exphormer and SAN share: a dot product whose channels the edge weighs, and the update."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.attention import _scores
from graphattn_jax.attention._pipeline import (
    add_bias,
    attend_from_logits,
    combine_heads,
    finish,
    project,
)
from graphattn_jax.nn._arrays import read_edges, read_nodes
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["EdgeModulatedParams"]


class EdgeModulatedParams(NamedTuple):
    """Arrays of the score of `exphormer` and `san`.

    query_weight, key_weight `[D, H, C]`, edge_weight `[D_e, H, C]` and their biases `[H, C]` or None; key None if
    shared with the query. pairwise `[H, C, C]`: for score="pairwise".
    """

    query_weight: Array
    query_bias: Array | None
    key_weight: Array | None
    key_bias: Array | None
    edge_weight: Array
    edge_bias: Array | None
    pairwise: Array | None


def init_edge_modulated(
    key: PRNGKey,
    in_features: int,
    channels: int,
    heads: int,
    edge_features: int,
    *,
    score: str,
    symmetric_init: bool,
    bias: bool,
) -> EdgeModulatedParams:
    """Glorot-uniform maps with biases 0."""
    sizes = {"in_features": in_features, "channels": channels, "heads": heads}
    for name, size in (sizes | {"edge_features": edge_features}).items():
        _checks.positive(name, size)
    k_query, k_key, k_edge = jax.random.split(key, 3)
    query_weight = init_projection(k_query, in_features, heads, channels)
    zeros = jnp.zeros((heads, channels), jnp.float32) if bias else None
    tied = _scores.is_tied(score)
    return EdgeModulatedParams(
        query_weight=query_weight,
        query_bias=zeros,
        key_weight=None
        if tied
        else query_weight
        if symmetric_init
        else init_projection(k_key, in_features, heads, channels),
        key_bias=None if tied else zeros,
        edge_weight=init_projection(k_edge, edge_features, heads, channels),
        edge_bias=zeros,
        pairwise=_scores.identity_pairwise(score, heads, channels),
    )


def init_update(
    key: PRNGKey, in_features: int, channels: int, heads: int, out_features: int | None, bias: bool
) -> dict[str, Any]:
    """The fields value_weight, value_bias and output of a layer."""
    k_value, k_output = jax.random.split(key)
    output = None
    if out_features is not None:
        _checks.positive("out_features", out_features)
        output = nn.init_linear(k_output, heads * channels, out_features, bias=bias)
    return {
        "value_weight": init_projection(k_value, in_features, heads, channels),
        "value_bias": jnp.zeros((heads, channels), jnp.float32) if bias else None,
        "output": output,
    }


def init_projection(key: PRNGKey, depth: int, heads: int, channels: int) -> Array:
    """`[D, H, C]`."""
    glorot = partial(nn.initializer("glorot_uniform"), dtype=jnp.float32)
    return glorot(key, (depth, heads * channels)).reshape(depth, heads, channels)


def edge_modulated_logits(
    params: EdgeModulatedParams,
    graph: Any,
    *,
    score: str,
    temperature: float,
    clamp: float | None,
    layout: Any,
    implementation: str | None,
) -> Array:
    """clamp(Σ_c q_ic k_jc (W_e e_ij)_c / √C, ±clamp) per edge, `[E, H]`."""
    _scores.check_params(score, params, second="key_weight")
    if clamp is not None and not clamp > 0:
        raise ValueError(f"clamp must be positive, or None for no clamp, got {clamp!r}.")
    nodes = read_nodes(graph, params.query_weight.shape[0])
    edge = _edge_term(params, graph)
    query = project(nodes, params.query_weight, params.query_bias)
    if _scores.is_dot_form(score):
        query, key, kernel = _scores.dot_form(score, query, params.pairwise, temperature)
        kernel = kernel._replace(edge=edge)
        if score == "pairwise":  # P diag(e) is not symmetric where P and diag(e) are
            kernel = ops.SymmetrizedScore(kernel)
    else:
        key = (
            query
            if params.key_weight is None
            else project(nodes, params.key_weight, params.key_bias)
        )
        kernel = _scores.native(score, ops.DotScore(edge=edge))
    logits = ops.edge_scores(
        query,
        key,
        graph.senders,
        graph.receivers,
        score=kernel,
        layout=None if layout is None else layout.edges,
        implementation=implementation,
    )
    return logits if clamp is None else jnp.clip(logits, -clamp, clamp)


def _edge_term(params: EdgeModulatedParams, graph: Any) -> Array:
    """W_e e per edge, `[E, H, C]` in float32."""
    edges = read_edges(graph, params.edge_weight.shape[0])
    wide = accumulation_dtype(edges.dtype)
    weight = params.edge_weight.astype(edges.dtype)
    edge = jnp.tensordot(edges, weight, axes=1, preferred_element_type=wide)
    return edge if params.edge_bias is None else edge + params.edge_bias.astype(wide)[None]


def update(
    params: Any,
    graph: Any,
    logits: Array,
    *,
    bias: ArrayLike | None,
    return_attention: bool,
    **options: Any,
):
    """x'_i = W_o ‖_h Σ_j a_ij W_v x_j with a_ij = normalize_j(l_ij + b_ij)."""
    if bias is not None:
        _checks.shape("bias", bias, logits.shape)
        logits = jnp.asarray(add_bias(bias, logits))
    nodes = read_nodes(graph, params.value_weight.shape[0])
    value = project(nodes, params.value_weight, params.value_bias)
    attention = attend_from_logits(logits, value, graph, **options)
    out = combine_heads(attention.out, concat=True)
    if params.output is not None:
        out = nn.linear(params.output, out)
    return finish(graph, out, attention, return_attention)
