"""SignNet: functions of eigenvectors that do not depend on their signs."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.encodings._vocabulary import LaplacianEigenvectors
from graphattn_jax.encodings.device._propagation import own_edges
from graphattn_jax.encodings.learned._eigenpairs import eigenpairs, where_rows
from graphattn_jax.graphs import GraphsTuple
from graphattn_jax.nn import MLPParams, init_mlp, mlp
from graphattn_jax.ops import segment_sum, take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


class SignNetParams(NamedTuple):
    """phi: one two-layer perceptron per layer of φ. rho: the perceptron on the K results side by side."""

    phi: tuple[MLPParams, ...]
    rho: MLPParams


def init_signnet(
    key: PRNGKey,
    num_vectors: int,
    width: int,
    *,
    hidden: int = 32,
    channels: int = 8,
    layers: int = 2,
) -> SignNetParams:
    """Parameters of `signnet`.

    Args:
      key: typed PRNG key.
      num_vectors: K, eigenvectors per node.
      width: D, of the result.
      hidden: inside φ and ρ.
      channels: C, what φ gives for each eigenvector.
      layers: of φ, positive.

    Returns:
      `SignNetParams`.

    Raises:
      ValueError: a size that is not a positive integer.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.encodings.init_signnet(jax.random.key(0), 4, 16)
      >>> len(params.phi), params.rho.layers[0].weight.shape
      (2, (32, 32))
    """
    for name, size in (("num_vectors", num_vectors), ("layers", layers), ("channels", channels)):
        _checks.positive(name, size)
    *keys, rho_key = jax.random.split(key, layers + 1)
    widths = [2] + [hidden] * (layers - 1) + [channels]
    phi = (
        init_mlp(k, [n, hidden, m], init="glorot_uniform")
        for k, n, m in zip(keys, widths[:-1], widths[1:])
    )
    return SignNetParams(
        tuple(phi),
        init_mlp(rho_key, [num_vectors * channels, hidden, width], init="glorot_uniform"),
    )


def signnet(
    params: SignNetParams,
    vectors: ArrayLike | LaplacianEigenvectors,
    values: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    graph: GraphsTuple | None = None,
) -> Array:
    """A learned function of eigenvectors that is the same for v_k and −v_k.

        p_i = ρ([φ(v_k, λ_k)_i + φ(−v_k, λ_k)_i]_{k = 1..K})

    ρ is a perceptron on the K results side by side, so the order of eigenvalues counts. φ is the same for all k. With a
    graph it is a graph network, as in the paper, here GIN with ε = 0, h_i ← MLP(h_i + Σ_j h_j) with ReLU between the
    layers; without one h_i ← MLP(h_i), each node by itself. It is not invariant to another basis of the
    eigenspace of a multiple eigenvalue; `spe` is.

    Args:
      params: from `init_signnet`.
      vectors: `[N, K]` floating point.
      values: `[N, K]`, the eigenvalues of each node's component.
      mask: `[N, K]` bool, True = there is such a pair. `laplacian_eigenvectors` gives all three, which may stand in the
        place of `vectors`.
      graph: whose edges carry the messages; None = φ without messages.

    Returns:
      `[N, D]` in the dtype of `vectors`.

    Raises:
      ValueError: arrays that do not fit each other, the parameters or the graph.

    Cost: twice φ for each of the K vectors: O(N K hidden²) time per layer, with a graph also O(E K hidden) time and
      memory.
    Padding: nodes without pairs give 0: padding, and isolated ones.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> vectors, values, mask = ga.encodings.laplacian_eigenvectors(path, 4)
      >>> params = ga.encodings.init_signnet(jax.random.key(0), 4, 16)
      >>> encode = lambda v: ga.encodings.signnet(params, v, values, mask, path)
      >>> bool((encode(vectors) == encode(-vectors)).all())
      True

    Source: Lim, Robinson, Zhao, Smidt, Sra, Maron, Jegelka, "Sign and Basis Invariant Networks for Spectral Graph
      Representation Learning", ICLR 2023, arXiv:2202.13013, section 2.
    """
    vectors, values, mask = eigenpairs(vectors, values, mask)
    nodes, count = vectors.shape
    want = params.rho.layers[0].weight.shape[0] // params.phi[-1].layers[-1].weight.shape[1]
    if count != want:
        raise ValueError(
            f"vectors must have {want} columns, as the parameters, got {count}. "
            "Fix: init_signnet with num_vectors=K."
        )
    edges = None if graph is None else own_edges(graph._replace(nodes=vectors))

    def phi(v: Array) -> Array:
        h = jnp.stack([v, values], axis=-1)
        for layer, layer_params in enumerate(params.phi):
            h = jax.nn.relu(h) if layer else h
            if edges is not None:
                sent = take(h, edges.senders)
                h = h + segment_sum(sent, edges.receivers, nodes, where=edges.mask)
            h = mlp(layer_params, h)
        return h

    both = where_rows(mask, phi(vectors) + phi(-vectors))
    return where_rows(
        mask.any(axis=1), mlp(params.rho, both.reshape(nodes, math.prod(both.shape[1:])))
    )
