"""The pseudoinverse of the Laplacian, component by component."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse

from graphattn_jax.encodings.host._components import Components, dense_blocks, stacks


def pseudoinverses(
    matrix: scipy.sparse.csr_array, parts: Components, *, max_nodes: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Stacks `(nodes [B, n], A [B, n, n], L⁺ [B, n, n])` of the components of at most `max_nodes` nodes, L = D − A.

    On a component of n nodes L + c J / n has the eigenvalue c where L has its only 0, with J all ones; so
    L⁺ = (L + c J / n)⁻¹ − J / (c n), and c, the mean degree, keeps it well conditioned.
    """
    for nodes in stacks(parts, max_nodes=max_nodes or len(parts.nodes)):
        blocks = dense_blocks(matrix, parts, nodes)
        size = nodes.shape[1]
        degree = blocks.sum(-1)
        laplacian = degree[:, :, None] * np.eye(size) - blocks
        scale = np.where(degree > 0, degree, 1).mean(-1)[:, None, None] / size
        yield nodes, blocks, np.linalg.inv(laplacian + scale) - 1 / (scale * size**2)
