"""Assertions for layers and kernels, the library's own and yours.

Each raises an `AssertionError` that says what failed, where, by how much, and the usual cause.
"""

from graphattn_jax.testing._attention import (
    assert_doubly_stochastic,
    assert_row_stochastic,
    assert_symmetric_attention,
)
from graphattn_jax.testing._graphs import permute_edges, permute_nodes, random_graph
from graphattn_jax.testing._layers import (
    Layer,
    assert_batch_invariant,
    assert_dtype_preserved,
    assert_edge_order_invariant,
    assert_padding_invariant,
    assert_permutation_equivariant,
)
from graphattn_jax.testing._numerics import (
    assert_finite_gradients,
    assert_implementations_agree,
    assert_low_precision_error,
    assert_no_retrace,
)

__all__ = [
    "Layer",
    "assert_batch_invariant",
    "assert_doubly_stochastic",
    "assert_dtype_preserved",
    "assert_edge_order_invariant",
    "assert_finite_gradients",
    "assert_implementations_agree",
    "assert_low_precision_error",
    "assert_no_retrace",
    "assert_padding_invariant",
    "assert_permutation_equivariant",
    "assert_row_stochastic",
    "assert_symmetric_attention",
    "permute_edges",
    "permute_nodes",
    "random_graph",
]
