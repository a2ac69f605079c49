"""SAN's learned positional encoding: a transformer over the eigenpairs of each node."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.encodings._vocabulary import LaplacianEigenvectors
from graphattn_jax.encodings.learned._eigenpairs import eigenpairs, where_rows
from graphattn_jax.nn import (
    LayerNormParams,
    LinearParams,
    MLPParams,
    init_layer_norm,
    init_linear,
    init_mlp,
    layer_norm,
    linear,
    mlp,
)
from graphattn_jax.ops import dense_attention
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


class SANEncoderLayerParams(NamedTuple):
    """One transformer layer: query, key and value maps in one, output map, feed-forward, and two norms."""

    qkv: LinearParams
    out: LinearParams
    feed_forward: MLPParams
    attention_norm: LayerNormParams
    feed_forward_norm: LayerNormParams


class SANEncoderParams(NamedTuple):
    """embed: from (λ, v) to D. layers: the transformer."""

    embed: LinearParams
    layers: tuple[SANEncoderLayerParams, ...]


def init_san_encoder(
    key: PRNGKey, width: int, *, layers: int = 2, hidden: int | None = None
) -> SANEncoderParams:
    """Parameters of `san_encoder`.

    Args:
      key: typed PRNG key.
      width: D, of the tokens and the result.
      layers: of the transformer, positive.
      hidden: of the feed-forward networks; None = 2 D.

    Returns:
      `SANEncoderParams`.

    Raises:
      ValueError: a size that is not a positive integer.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.encodings.init_san_encoder(jax.random.key(0), 8, layers=3)
      >>> len(params.layers), params.embed.weight.shape
      (3, (2, 8))
    """
    _checks.positive("layers", layers)
    embed_key, *keys = jax.random.split(key, layers + 1)
    embed = init_linear(embed_key, 2, width, init="glorot_uniform")
    hidden = 2 * width if hidden is None else hidden
    return SANEncoderParams(embed, tuple(_init_layer(k, width, hidden) for k in keys))


def _init_layer(key: PRNGKey, width: int, hidden: int) -> SANEncoderLayerParams:
    qkv_key, out_key, key = jax.random.split(key, 3)
    return SANEncoderLayerParams(
        qkv=init_linear(qkv_key, width, 3 * width, init="glorot_uniform"),
        out=init_linear(out_key, width, width, init="glorot_uniform"),
        feed_forward=init_mlp(key, [width, hidden, width], init="glorot_uniform"),
        attention_norm=init_layer_norm(width),
        feed_forward_norm=init_layer_norm(width),
    )


def san_encoder(
    params: SANEncoderParams,
    vectors: ArrayLike | LaplacianEigenvectors,
    values: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    *,
    heads: int = 4,
) -> Array:
    """SAN's learned positional encoding: the K eigenpairs of a node are the tokens of a transformer.

        x_k = W [λ_k, v_k(i)] + b
        x   ← LN(x + O · attention(x)),   x ← LN(x + MLP(x))        in each layer, over the tokens k of node i
        p_i = Σ_k x_k

    Each node is encoded by itself, from its own pairs. It is not invariant to signs: train with `flip_signs`.

    Args:
      params: from `init_san_encoder`.
      vectors: `[N, K]` floating point.
      values: `[N, K]`, the eigenvalues of each node's component.
      mask: `[N, K]` bool, True = there is such a pair: the others are neither attended to nor summed.
        `laplacian_eigenvectors` gives all three, which may stand in the place of `vectors`.
      heads: number of attention heads, a divisor of D.

    Returns:
      `[N, D]` in the dtype of `vectors`.

    Raises:
      ValueError: shapes disagree, vectors are not floating point, the mask is not boolean, or D is not divisible
        by `heads`.

    Cost: O(N K² D + N K D²) time per layer.
    Padding: nodes without pairs give 0: padding, and isolated ones.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> eigen = ga.encodings.laplacian_eigenvectors(path, 4)
      >>> params = ga.encodings.init_san_encoder(jax.random.key(0), 8)
      >>> ga.encodings.san_encoder(params, *eigen, heads=2).shape
      (3, 8)

    Source: Kreuzer, Beaini, Hamilton, Létourneau, Tossou, "Rethinking Graph Transformers with Spectral Attention",
      NeurIPS 2021, arXiv:2106.03893, section 3 (the node LPE).
    """
    vectors, values, mask = eigenpairs(vectors, values, mask)
    width = params.embed.weight.shape[1]
    _checks.positive("heads", heads)
    _checks.divisible("the width D of params", width, heads, "heads")
    tokens = linear(params.embed, jnp.stack([values, vectors], axis=-1))
    for layer in params.layers:
        qkv = linear(layer.qkv, tokens).reshape(*mask.shape, 3, heads, width // heads)
        mixed = dense_attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2], mask=mask)
        mixed = linear(layer.out, mixed.reshape(tokens.shape))
        tokens = layer_norm(layer.attention_norm, tokens + mixed)
        moved = mlp(layer.feed_forward, tokens)
        tokens = layer_norm(layer.feed_forward_norm, tokens + moved)
    return where_rows(mask, tokens).sum(axis=1)
