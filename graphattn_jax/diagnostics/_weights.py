"""Attention weights as the diagnostics read them: float32, with 0 wherever a mask says so."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.typing import Array, ArrayLike


def endpoints(senders: ArrayLike | None, receivers: ArrayLike | None) -> tuple[Array, Array] | None:
    """Both ends of the edges, checked; None for dense weights, which come without."""
    if senders is None and receivers is None:
        return None
    if senders is None or receivers is None:
        raise ValueError(
            "senders and receivers go together, got only one of them. "
            "Fix: pass both for edge weights, neither for dense ones."
        )
    return checked_endpoints(senders, receivers)


def checked_endpoints(senders: ArrayLike, receivers: ArrayLike) -> tuple[Array, Array]:
    """Both ends of the edges as JAX arrays."""
    _checks.ids("senders", senders)
    _checks.ids("receivers", receivers, senders.shape[0])
    return jnp.asarray(senders), jnp.asarray(receivers)


def edge_weights(
    weights: ArrayLike,
    ends: tuple[Array, Array],
    where: ArrayLike | None,
    node_mask: ArrayLike | None,
) -> tuple[Array, Array]:
    """Weights `[E]` or `[E, H]`, and which edges are real as bool `[E]`."""
    senders, receivers = ends
    weights = jnp.asarray(weights)
    num_edges = senders.shape[0]
    _checks.floating("weights", weights)
    if weights.ndim not in (1, 2) or weights.shape[0] != num_edges:
        raise ValueError(
            f"weights must have shape [{num_edges}] or [{num_edges}, H] for {num_edges} edges, "
            f"got {tuple(weights.shape)}."
        )
    real = jnp.ones(num_edges, bool)
    if where is not None:
        _checks.mask("where", where, num_edges)
        real = real & where
    if node_mask is not None:
        node_mask = jnp.asarray(node_mask)
        _checks.mask("node_mask", node_mask, node_mask.size)
        real = real & node_mask[senders] & node_mask[receivers]
    return jnp.where(like(real, weights), weights, 0).astype(
        accumulation_dtype(weights.dtype)
    ), real


def dense_weights(weights: ArrayLike, node_mask: ArrayLike | None, **edge_only) -> Array:
    """Weights `[..., N, N]`; `edge_only` are arguments without a meaning for them."""
    for name, value in edge_only.items():
        if value is not None:
            raise ValueError(
                f"{name} belongs to edge weights, got it for dense ones. "
                f"Fix: pass senders and receivers as well, or drop {name}."
            )
    weights = jnp.asarray(weights)
    _checks.floating("weights", weights)
    if weights.ndim < 2 or weights.shape[-1] != weights.shape[-2]:
        raise ValueError(
            f"weights must have shape [..., N, N], got {tuple(weights.shape)}. "
            "Fix: pass senders and receivers with edge weights."
        )
    if node_mask is not None:
        real = dense_nodes(node_mask, weights.shape)
        weights = jnp.where(real[..., :, None] & real[..., None, :], weights, 0)
    return weights.astype(accumulation_dtype(weights.dtype))


def dense_nodes(node_mask: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    """The node mask with the leading axes of weights of `shape`: bool `[..., N]`."""
    if node_mask is None:
        return jnp.ones(shape[:-1], bool)
    node_mask = jnp.asarray(node_mask)
    if node_mask.dtype != bool or node_mask.shape not in (shape[-1:], shape[:-1]):
        raise ValueError(
            f"node_mask must be boolean (True = real) of shape {shape[-1:]} or {shape[:-1]}, "
            f"got {_checks.describe(node_mask)}."
        )
    return jnp.broadcast_to(node_mask, shape[:-1])


def edge_nodes(node_mask: ArrayLike | None, num_nodes: int | None) -> Array:
    """Which nodes are real, as bool `[N]`, where only edges are known."""
    if node_mask is not None:
        return jnp.asarray(node_mask)
    if num_nodes is None:
        raise ValueError(
            "edge weights do not tell the number of nodes: isolated nodes have none. "
            "Fix: pass num_nodes, or node_mask for a padded graph."
        )
    return jnp.ones(num_nodes, bool)


def like(edges: Array, weights: Array) -> Array:
    """A vector over edges with the rank of `weights`."""
    return edges.reshape(edges.shape + (1,) * (weights.ndim - 1))
