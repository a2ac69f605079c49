"""`ops.block_attention` of operands that lie in blocks already, as one writes them down by hand."""

from types import SimpleNamespace

import numpy as np

from graphattn_jax import ops


def as_blocks(mask):
    """A block per row of the mask `[B, n]` of nodes, or `[B, n, n]` of pairs, on the rows in order."""
    mask = np.asarray(mask)
    if mask.ndim == 2 and (~mask[:, :-1] & mask[:, 1:]).any():  # not the first ones: as pairs
        mask = mask[:, :, None] & mask[:, None]
    place = np.arange(mask.shape[0] * mask.shape[1], dtype=np.int32)
    if mask.ndim == 3:
        return ops.Blocks(place.reshape(mask.shape[:2]), place, mask)
    there = np.where(mask.reshape(-1), place, place.size)
    return ops.Blocks(there.reshape(mask.shape), there)


def block_attention(query, key, value, *, mask, bias=None, scale=None, **options):
    """Operands `[B, n, H, C]`, the result likewise."""
    shape = query.shape[:2]
    rows = (x.reshape(-1, *x.shape[2:]) for x in (query, key, value))
    score = ops.DotScore(scale, bias=bias)
    out, attention = ops.block_attention(*rows, as_blocks(mask), score=score, **options)
    return SimpleNamespace(
        out=out.reshape(*shape, *out.shape[1:]),
        weights=attention.weights,
        logits=attention.logits,
        residual=attention.residual,
    )
