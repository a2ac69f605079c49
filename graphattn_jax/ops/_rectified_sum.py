"""The sum of rectified messages of GINE, in a C++ kernel on the CPU."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import wide
from graphattn_jax.ops import _native
from graphattn_jax.ops._dispatch import choose
from graphattn_jax.ops._edge_rows import receiver_sum, sender_rows
from graphattn_jax.ops._no_gradient import no_gradient
from graphattn_jax.ops._pattern import Edges, check_edges, without_layout
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["rectified_sum"]


def rectified_sum(
    x: ArrayLike, edge_terms: ArrayLike, edges: Edges, *, implementation: str | None = None
) -> Array:
    """The sum of rectified messages, GINE's: out_i = Σ_j ReLU(x_j + e_ij).

    Args:
      x: of the senders, `[N_s, D]` floating point.
      edge_terms: e, `[E, D]`.
      edges: the pattern.
      implementation: "cpp", kernels for the CPU without an array of messages, once `build_cpp` has made them, and
        "xla", a gather and a sum over tiles, on edges with a layout; "reference", a gather and a scatter, with a
        forward mode; None = the first that can be.

    Returns:
      `[N_r, D]` in the dtype of `x`, accumulated in float32. Receivers without edges get 0.

    Raises:
      ValueError: shapes, ids, unknown implementation.
      NotImplementedError: the named implementation does not support the arguments.

    Cost: O(E D) time; "reference" keeps `[E, D]` arrays.
    Padding: exact with a mask.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> edges = ga.ops.Edges(jnp.array([0, 1, 2]), jnp.array([1, 1, 0]), num_senders=3)
      >>> x, terms = jnp.array([[1.0], [2.0], [4.0]]), jnp.array([[-3.0], [1.0], [1.0]])
      >>> ga.ops.rectified_sum(x, terms, edges).tolist()
      [[5.0], [3.0], [0.0]]

    Source: Hu et al., "Strategies for Pre-training Graph Neural Networks", ICLR 2020, arXiv:1905.12265, appendix A.
    """
    check_edges(edges)
    _checks.shape("x", x, (edges.num_senders, "D"))
    _checks.floating("x", x)
    _checks.shape("edge_terms", edge_terms, (edges.num_edges, x.shape[1]))
    _checks.floating("edge_terms", edge_terms)
    chosen = choose(
        implementation, IMPLEMENTATIONS, ("cpp", "xla", "reference"), _Call(edges, (x, edge_terms))
    )
    widened = wide(x)
    return chosen.sum(widened, jnp.asarray(edge_terms).astype(widened.dtype), edges).astype(x.dtype)


class _Call(NamedTuple):
    """What the implementations are asked about."""

    edges: Edges
    arrays: tuple[Any, ...]


class _Reference:
    """Ordinary operations."""

    name = "reference"

    def supports(self, call: _Call) -> str | None:
        """Always."""
        return None

    def sum(self, x: Array, terms: Array, edges: Edges) -> Array:
        """The op on wide arrays."""
        return _composed(x, terms, dataclasses.replace(edges, layout=None))


class _XLA:
    """On edges with a layout."""

    name = "xla"

    def supports(self, call: _Call) -> str | None:
        """With a layout."""
        return without_layout(call.edges)

    def sum(self, x: Array, terms: Array, edges: Edges) -> Array:
        """The op on wide arrays."""
        return _composed(x, terms, edges)


class _CPP:
    """On edges with a layout, where the kernels are."""

    name = "cpp"

    def supports(self, call: _Call) -> str | None:
        """With a layout, once built."""
        return without_layout(call.edges) or _native.missing(call.arrays)

    def sum(self, x: Array, terms: Array, edges: Edges) -> Array:
        """The op on wide arrays."""
        return _by_kernel(x, terms, edges)


IMPLEMENTATIONS: dict[str, _CPP | _XLA | _Reference] = {
    "cpp": _CPP(),
    "xla": _XLA(),
    "reference": _Reference(),
}
"""By the valid names of `implementation=`."""


def _composed(x: Array, terms: Array, edges: Edges) -> Array:
    return receiver_sum(jax.nn.relu(sender_rows(x, edges) + terms), edges)


# --- the kernel -----------------------------------------------------------------------------------------------


@jax.custom_vjp
def _by_kernel(x: Array, terms: Array, edges: Edges) -> Array:
    out = jax.ShapeDtypeStruct((edges.num_rows, x.shape[1]), x.dtype)
    return _native.call("rectified_sum", out, x, terms, _mask(edges), *edges.tiles.walk)


@jax.custom_vjp
def _gradients(x: Array, terms: Array, g: Array, edges: Edges) -> tuple[Array, Array]:
    """de_ij = g_i [x_j + e_ij > 0], and its sum over the edges of each sender."""
    results = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (x, terms)]
    arrays = (x, terms, _mask(edges), *edges.tiles.walk, *edges.T.tiles.walk, g)
    dx, d_terms = _native.call("rectified_sum_backward", results, *arrays)
    return dx, d_terms


def _mask(edges: Edges) -> Array | None:
    return None if edges.mask is None else jnp.asarray(edges.mask)


def _forward(x, terms, edges):
    return _by_kernel(x, terms, edges), (x, terms, edges)


def _backward(saved, g):
    x, terms, edges = saved
    return *_gradients(x, terms, g, edges), no_gradient(edges)


def _gradients_forward(x, terms, g, edges):
    return _gradients(x, terms, g, edges), (x, terms, g, edges)


def _gradients_backward(saved, second):
    # Second derivatives are those of the composition.
    *arrays, edges = saved

    def gradients(x, terms, g):
        return jax.vjp(lambda x, terms: _composed(x, terms, edges), x, terms)[1](g)

    return *jax.vjp(gradients, *arrays)[1](second), no_gradient(edges)


_by_kernel.defvjp(_forward, _backward)
_gradients.defvjp(_gradients_forward, _gradients_backward)
