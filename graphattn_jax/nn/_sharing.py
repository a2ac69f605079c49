"""How the matrices of many types share parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.nn._initializers import initializer
from graphattn_jax.typing import Array, PRNGKey

__all__ = [
    "Basis",
    "BasisParams",
    "BlockDiagonal",
    "Clusters",
    "Full",
    "LowRank",
    "LowRankParams",
    "Sharing",
]


class Sharing(ABC):
    """A frozen value that makes the matrices `[T, D, F]` of T types from fewer parameters; subclass it for your own.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> sharing = ga.nn.Basis(3)
      >>> params = sharing.init(jax.random.key(0), num_types=40, in_features=8, out_features=4)
      >>> sharing.matrices(params).shape, sum(x.size for x in params)
      ((40, 8, 4), 216)
    """

    @abstractmethod
    def init(self, key: PRNGKey, num_types: int, in_features: int, out_features: int) -> Any:
        """Parameters, a pytree of arrays; the matrices start Glorot-uniform."""

    @abstractmethod
    def matrices(self, params: Any) -> Array:
        """`[T, D, F]`."""


@dataclass(frozen=True)
class Full(Sharing):
    """A matrix W_t of its own for each type: T D F parameters."""

    def init(self, key: PRNGKey, num_types: int, in_features: int, out_features: int) -> Array:
        """`[T, D, F]`."""
        return _glorot(key, num_types, in_features, out_features)

    def matrices(self, params: Array) -> Array:
        """W."""
        return jnp.asarray(params)


class BasisParams(NamedTuple):
    """coefficients `[T, B]`, bases `[B, D, F]`."""

    coefficients: Array
    bases: Array


@dataclass(frozen=True)
class Basis(Sharing):
    """W_t = Σ_b a_tb V_b with `num_bases` matrices: B D F + T B parameters.

    Source: Schlichtkrull et al., "Modeling Relational Data with Graph Convolutional Networks", ESWC 2018,
      arXiv:1703.06103, equation 3.
    """

    num_bases: int

    def __post_init__(self) -> None:
        _checks.positive("num_bases", self.num_bases)

    def init(
        self, key: PRNGKey, num_types: int, in_features: int, out_features: int
    ) -> BasisParams:
        """Coefficients of size 1/√B, so that W_t is as large as each V_b."""
        k_bases, k_coefficients = jax.random.split(key)
        bases = _glorot(k_bases, self.num_bases, in_features, out_features)
        shape = (num_types, self.num_bases)
        return BasisParams(jax.random.normal(k_coefficients, shape) * self.num_bases**-0.5, bases)

    def matrices(self, params: BasisParams) -> Array:
        """Σ_b a_tb V_b."""
        return jnp.tensordot(params.coefficients, params.bases, axes=1)


@dataclass(frozen=True)
class BlockDiagonal(Sharing):
    """W_t with `num_blocks` blocks on its diagonal and 0 elsewhere: T D F / B parameters.

    Source: as `Basis`, equation 4.
    """

    num_blocks: int

    def __post_init__(self) -> None:
        _checks.positive("num_blocks", self.num_blocks)

    def init(self, key: PRNGKey, num_types: int, in_features: int, out_features: int) -> Array:
        """`[T, B, D / B, F / B]`; B divides both widths."""
        blocks = self.num_blocks
        for name, width in (("in_features", in_features), ("out_features", out_features)):
            _checks.divisible(name, width, blocks, "num_blocks")
        return jax.vmap(
            lambda k: _glorot(k, num_types, in_features // blocks, out_features // blocks),
            out_axes=1,
        )(jax.random.split(key, blocks))

    def matrices(self, params: Array) -> Array:
        """The blocks in place."""
        num_types, blocks, rows, columns = params.shape
        placed = jnp.einsum("tbij,bc->tbicj", params, jnp.eye(blocks, dtype=params.dtype))
        return placed.reshape(num_types, blocks * rows, blocks * columns)


class LowRankParams(NamedTuple):
    """common `[D, F]`, left `[T, D, r]`, right `[T, r, F]`."""

    common: Array
    left: Array
    right: Array


@dataclass(frozen=True)
class LowRank(Sharing):
    """W_t = W_0 + U_t V_t of rank `rank`: D F + T r (D + F) parameters. U_t starts at 0: all types start equal."""

    rank: int

    def __post_init__(self) -> None:
        _checks.positive("rank", self.rank)

    def init(
        self, key: PRNGKey, num_types: int, in_features: int, out_features: int
    ) -> LowRankParams:
        """W_0, U and V."""
        k_common, k_right = jax.random.split(key)
        return LowRankParams(
            _glorot(k_common, 1, in_features, out_features)[0],
            jnp.zeros((num_types, in_features, self.rank), jnp.float32),
            _glorot(k_right, num_types, self.rank, out_features),
        )

    def matrices(self, params: LowRankParams) -> Array:
        """W_0 + U_t V_t."""
        return params.common[None] + params.left @ params.right


@dataclass(frozen=True)
class Clusters(Sharing):
    """W_t = Σ_k p_tk V_k over few matrices: with `of_type`, the cluster of each type, p is given, 0 or 1; with a number
    of clusters it is learned, a softmax of `[T, K]` logits.

    Args:
      of_type: a tuple with the cluster of each type, from 0; or K, to learn them.
    """

    of_type: tuple[int, ...] | int

    def __post_init__(self) -> None:
        if not isinstance(self.of_type, tuple):
            _checks.positive("of_type", self.of_type)
        elif sorted(set(self.of_type)) != list(range(len(set(self.of_type)))):
            raise ValueError(
                f"of_type must name clusters 0, 1, ..., each used, got {self.of_type}."
            )

    def init(
        self, key: PRNGKey, num_types: int, in_features: int, out_features: int
    ) -> BasisParams:
        """Logits (of given clusters, none: `[T, 0]`) and matrices."""
        k_logits, k_matrices = jax.random.split(key)
        if isinstance(self.of_type, tuple):
            if len(self.of_type) != num_types:
                raise ValueError(
                    f"of_type must have a cluster for each of {num_types} types, got {len(self.of_type)}."
                )
            clusters, logits = max(self.of_type) + 1, jnp.zeros((num_types, 0))
        else:
            clusters = self.of_type
            logits = jax.random.normal(k_logits, (num_types, clusters))
        return BasisParams(logits, _glorot(k_matrices, clusters, in_features, out_features))

    def matrices(self, params: BasisParams) -> Array:
        """Those of the clusters, or their means."""
        if isinstance(self.of_type, tuple):
            return params.bases[jnp.asarray(self.of_type)]
        return jnp.tensordot(jax.nn.softmax(params.coefficients), params.bases, axes=1)


def check_sharing(sharing: object) -> None:
    """A value of this seam."""
    if not isinstance(sharing, Sharing):
        raise ValueError(
            "sharing must be a value such as ga.nn.Full(), Basis(30), BlockDiagonal(4), LowRank(8) or Clusters(5), got "
            f"{_checks.describe(sharing)}."
        )


def _glorot(key: PRNGKey, num_types: int, in_features: int, out_features: int) -> Array:
    init = initializer("glorot_uniform")
    keys = jax.random.split(key, num_types)
    return jax.vmap(lambda k: init(k, (in_features, out_features), jnp.float32))(keys)
