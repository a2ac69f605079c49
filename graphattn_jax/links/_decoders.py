"""Decoders: scores of links from the states of their ends.

    DotProduct   x_h · x_t
    DistMult     Σ_d x_hd r_d x_td              symmetric in head and tail
    ComplEx      Re Σ_d x_hd r_d conj(x_td)     of complex numbers; also antisymmetric relations
    Bilinear     x_hᵀ M_r x_t                   any of them, and the reference of the others

All are linear in each end, so that a score is a dot product of one end with a question made of the other: the scores of
all nodes at one end are one product of matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.links._links import Links, check_links, relation_ids
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = [
    "Bilinear",
    "ComplEx",
    "Decoder",
    "DistMult",
    "DotProduct",
    "RelationParams",
]


class RelationParams(NamedTuple):
    """Arrays of a decoder: relation, `[R, D]`, or `[R, D, D]` of `Bilinear`."""

    relation: Array


class Decoder(ABC):
    """Scores of links, linear in each end. Subclass it, as a frozen dataclass, for one of your own.

        score(h, r, t) = tail_question(h, r) · x_t = head_question(r, t) · x_h

    Choices are fields, relation vectors are parameters: a value as layers are.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _checks.checked_calls(cls)

    @abstractmethod
    def init(self, key: PRNGKey, in_features: int) -> Any:
        """Parameters, a pytree of arrays, or None.

        Args:
          key: typed PRNG key.
          in_features: D, width of the node states.
        """

    @abstractmethod
    def tail_question(self, params: Any, heads: Array, relations: Array) -> Array:
        """`[B, D]`, what scores tails, from states `[B, D]` of heads and `[B]` relations."""

    @abstractmethod
    def head_question(self, params: Any, tails: Array, relations: Array) -> Array:
        """`[B, D]`, what scores heads, from states `[B, D]` of tails and `[B]` relations."""

    def apply(self, params: Any, nodes: ArrayLike, links: Links) -> Array:
        """Scores of links, or of all nodes at an end that is left open.

        Args:
          params: from `init`.
          nodes: `[N, D]`, states.
          links: ids of shapes that broadcast to `S`; `tails=None` asks for all tails, `heads=None` for all heads.

        Returns:
          `S`, or `S + [N]`, in the dtype of the states; sums are in float32.

        Raises:
          ValueError: states that do not fit the parameters, ids that are not integers or (outside `jit`) out of range,
            both ends open.
        """
        nodes = jnp.asarray(nodes)
        _checks.shape("nodes", nodes, ("N", "D"))
        _checks.floating("nodes", nodes)
        self.check(params, nodes.shape[1])
        relations = None if params is None else params.relation.shape[0]
        check_links("links", links, nodes.shape[0], relations or 2**31 - 1)
        if links.heads is None and links.tails is None:
            raise ValueError(
                "links must have heads or tails, got neither. Fix: one end may be None."
            )
        asked = [x for x in (links.heads, relation_ids(links), links.tails) if x is not None]
        shape = jnp.broadcast_shapes(*(jnp.shape(x) for x in asked))
        flat = [jnp.broadcast_to(x, shape).reshape(-1) for x in asked]
        wide = accumulation_dtype(nodes.dtype)
        if links.heads is None or links.tails is None:
            given, kinds = flat if links.tails is None else flat[::-1]
            question = self.tail_question if links.tails is None else self.head_question
            asks = question(params, ops.take(nodes, given), kinds)
            scores = jnp.matmul(asks, nodes.T, preferred_element_type=wide)
            shape = (*shape, nodes.shape[0])
        else:
            heads, kinds, tails = flat
            asks = self.tail_question(params, ops.take(nodes, heads), kinds)
            scores = jnp.sum(asks.astype(wide) * ops.take(nodes, tails).astype(wide), axis=-1)
        return scores.astype(nodes.dtype).reshape(shape)

    def check(self, params: Any, width: int) -> None:
        """Parameters of this decoder, for states of this width.

        Raises:
          ValueError: names what does not fit.
        """
        if params is None:
            return
        _checks.params(params, RelationParams, self)
        if params.relation.shape[-1] != width:
            raise ValueError(
                f"nodes must have {params.relation.shape[-1]} features, got {width}. "
                "Fix: initialise the decoder with the width of the states."
            )


@dataclass(frozen=True)
class DotProduct(Decoder):
    """The dot product of both ends; relations are not looked at.

        s(h, t) = x_h · x_t

    Cost: O(D) per link, a product `[B, D] x [D, N]` for all nodes.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> links = ga.links.Links(heads=np.array([0, 1]), tails=np.array([1, 1]))
      >>> ga.links.DotProduct().apply(None, np.eye(2, dtype=np.float32), links).tolist()
      [0.0, 1.0]

    Source: the decoder of Kipf, Welling, "Variational Graph Auto-Encoders", 2016, arXiv:1611.07308, equation 2.
    """

    def init(self, key: PRNGKey, in_features: int) -> None:
        """None, there are no parameters."""
        _checks.positive("in_features", in_features)

    def check(self, params: None, width: int) -> None:
        """There are none."""

    def tail_question(self, params: None, heads: Array, relations: Array) -> Array:
        """x_h."""
        return heads

    def head_question(self, params: None, tails: Array, relations: Array) -> Array:
        """x_t."""
        return tails


@dataclass(frozen=True)
class DistMult(Decoder):
    """A dot product with a weight per channel and relation: symmetric, s(h, r, t) = s(t, r, h).

        s(h, r, t) = Σ_d x_hd r_d x_td

    Args:
      num_relations: R.

    Raises:
      ValueError: not a positive integer.

    Cost: O(D) per link, a product `[B, D] x [D, N]` for all nodes.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> decoder, nodes = ga.links.DistMult(num_relations=2), np.ones((3, 4), np.float32)
      >>> params = decoder.init(jax.random.key(0), in_features=4)
      >>> links = ga.links.Links(np.array([0, 1]), np.array([0, 1]), tails=None)
      >>> decoder.apply(params, nodes, links).shape  # of all tails
      (2, 3)

    Source: Yang, Yih, He, Gao, Deng, "Embedding Entities and Relations for Learning and Inference in Knowledge Bases",
      ICLR 2015, arXiv:1412.6575, equation 2 with a diagonal matrix.
    """

    num_relations: int

    def __post_init__(self) -> None:
        _checks.positive("num_relations", self.num_relations)

    def init(self, key: PRNGKey, in_features: int) -> RelationParams:
        """Parameters, float32, N(0, 1). See `Decoder.init`."""
        return RelationParams(jax.random.normal(key, (self.num_relations, in_features)))

    def tail_question(self, params: RelationParams, heads: Array, relations: Array) -> Array:
        """x_h r."""
        return heads * _of(params, relations, heads.dtype)

    def head_question(self, params: RelationParams, tails: Array, relations: Array) -> Array:
        """x_t r."""
        return tails * _of(params, relations, tails.dtype)


@dataclass(frozen=True)
class ComplEx(Decoder):
    """DistMult of complex numbers with the tail conjugated, which orders the ends.

        s(h, r, t) = Re Σ_d x_hd r_d conj( x_td )

    The first half of a state is its real part, the second the imaginary one. A real r is symmetric, an imaginary one
    antisymmetric.

    Args:
      num_relations: R.

    Raises:
      ValueError: not a positive integer; of `init`, an odd width.

    Cost: O(D) per link, a product `[B, D] x [D, N]` for all nodes.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> decoder, nodes = ga.links.ComplEx(num_relations=2), np.ones((3, 4), np.float32)
      >>> params = decoder.init(jax.random.key(0), in_features=4)
      >>> links = ga.links.Links(None, np.array([0, 1]), np.array([0, 1]))
      >>> decoder.apply(params, nodes, links).shape  # of all heads
      (2, 3)

    Source: Trouillon, Welbl, Riedel, Gaussier, Bouchard, "Complex Embeddings for Simple Link Prediction", ICML 2016,
      arXiv:1606.06357, equations 9 to 11.
    """

    num_relations: int

    def __post_init__(self) -> None:
        _checks.positive("num_relations", self.num_relations)

    def init(self, key: PRNGKey, in_features: int) -> RelationParams:
        """Parameters, float32, N(0, 1). See `Decoder.init`.

        Raises:
          ValueError: an odd width.
        """
        if in_features % 2:
            raise ValueError(
                f"in_features must be even, real parts and imaginary ones, got {in_features}."
            )
        return RelationParams(jax.random.normal(key, (self.num_relations, in_features)))

    def tail_question(self, params: RelationParams, heads: Array, relations: Array) -> Array:
        """x_h r."""
        return _complex_product(heads, _of(params, relations, heads.dtype), 1)

    def head_question(self, params: RelationParams, tails: Array, relations: Array) -> Array:
        """x_t conj(r)."""
        return _complex_product(tails, _of(params, relations, tails.dtype), -1)


@dataclass(frozen=True)
class Bilinear(Decoder):
    """A matrix per relation: the form that all others are cases of.

        s(h, r, t) = x_hᵀ M_r x_t

    Args:
      num_relations: R.

    Raises:
      ValueError: not a positive integer.

    Cost: O(D²) per link; R D² parameters.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> decoder, nodes = ga.links.Bilinear(num_relations=2), np.ones((3, 4), np.float32)
      >>> params = decoder.init(jax.random.key(0), in_features=4)
      >>> decoder.apply(params, nodes, ga.links.Links(np.array([0]), np.array([1]), np.array([2]))).shape
      (1,)

    Source: RESCAL: Nickel, Tresp, Kriegel, "A Three-Way Model for Collective Learning on Multi-Relational Data", ICML
      2011.
    """

    num_relations: int

    def __post_init__(self) -> None:
        _checks.positive("num_relations", self.num_relations)

    def init(self, key: PRNGKey, in_features: int) -> RelationParams:
        """Parameters, float32, Glorot-uniform. See `Decoder.init`."""
        shape = (self.num_relations, in_features, in_features)
        return RelationParams(nn.initializer("glorot_uniform")(key, shape, jnp.float32))

    def tail_question(self, params: RelationParams, heads: Array, relations: Array) -> Array:
        """x_hᵀ M_r."""
        return _by_relation(heads, params.relation, relations)

    def head_question(self, params: RelationParams, tails: Array, relations: Array) -> Array:
        """M_r x_t."""
        return _by_relation(tails, jnp.swapaxes(params.relation, 1, 2), relations)


def _of(params: RelationParams, relations: Array, dtype: Any) -> Array:
    return ops.take(jnp.asarray(params.relation), relations).astype(dtype)


def _complex_product(x: Array, r: Array, sign: int) -> Array:
    """The product x r, or x conj(r) with sign -1."""
    (a, b), (c, d) = jnp.split(x, 2, axis=-1), jnp.split(r, 2, axis=-1)
    return jnp.concatenate([a * c - sign * b * d, sign * a * d + b * c], axis=-1)


def _by_relation(x: Array, matrices: Array, relations: Array) -> Array:
    groups = ops.Groups(relations, matrices.shape[0])
    return ops.grouped_matmul(x, matrices, groups)
