"""The norm of a network by name, with its running statistics if it has any."""

from __future__ import annotations

from typing import Any, TypeAlias

from graphattn_jax import _checks, graphs, nn
from graphattn_jax.graphs import is_padded
from graphattn_jax.typing import Array, ArrayLike

NormParams: TypeAlias = nn.BatchNormParams | nn.LayerNormParams
NormState: TypeAlias = nn.BatchNormState | None

NORMS = ("batch", "layer")


def init_norm(kind: str, width: int) -> tuple[NormParams, NormState]:
    """Over the real rows of the batch for "batch", over the features of each row for "layer"."""
    _checks.choice("norm", kind, NORMS)
    return nn.init_batch_norm(width) if kind == "batch" else (nn.init_layer_norm(width), None)


def norm(
    params: NormParams,
    state: NormState,
    x: Array,
    *,
    where: Any,
    training: bool,
    implementation: str | None,
) -> tuple[Array, NormState]:
    """The normalised rows and the new state; `where` is the mask of the real rows or None."""
    if isinstance(params, nn.LayerNormParams):
        return nn.layer_norm(params, x), None
    assert state is not None
    return nn.batch_norm(
        params, state, x, training=training, where=where, implementation=implementation
    )


def real_rows(graph: Any) -> tuple[ArrayLike | None, ArrayLike | None]:
    """The masks of the real nodes and edges, None where all are."""
    if not is_padded(graph):
        return None, None
    return graphs.node_mask(graph), graphs.edge_mask(graph)
