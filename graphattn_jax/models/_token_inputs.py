"""From what is known of a token to the vector that a transformer works on."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax.models._depth import init_blocks
from graphattn_jax.models._norm import real_rows
from graphattn_jax.models._typed_inputs import TypedInputParams, TypedInputs
from graphattn_jax.sampling import Sample
from graphattn_jax.typing import Array, PRNGKey
from graphattn_jax.values import Value

__all__ = ["TokenInputParams", "TokenInputs", "check_sample"]

_NUM_HOPS = 4
"""0 to 2, and that of random tokens; further ones of other samples count as the last."""


class StructureLayerParams(NamedTuple):
    """ε, a perceptron, and the norm of what it gives."""

    epsilon: Array
    mlp: nn.MLPParams
    norm: nn.BatchNormParams


class StructureParams(NamedTuple):
    """Map of the random number, layers (`ga.nn.unstack` gives them one by one), map to the width of the tokens."""

    input: nn.LinearParams
    layers: StructureLayerParams
    output: nn.LinearParams


class TokenInputParams(NamedTuple):
    """features; type and hop, a vector each; time, and the vector of tokens without one, None without times;
    structure; mixture, the perceptron over all of them.
    """

    features: TypedInputParams
    type: nn.EmbeddingParams
    hop: nn.EmbeddingParams
    time: nn.LinearParams | None
    timeless: Array | None
    structure: StructureParams
    mixture: nn.MLPParams


@dataclass(frozen=True, repr=False)
class TokenInputs(Value):
    """A token is what it holds, of which type, how far from the seed, how long before, and where among the others.

        x_i = MLP( [ LN type_τ(i) ‖ LN hop_i ‖ LN W_t sinusoid((t_0 − t_i) / unit) ‖ LN features_i ‖ LN W_p h_i ] )
        h_i ← h_i + ReLU( BN( MLP( (1 + ε) h_i + Σ_j h_j ) ) )   `layers` times, from h_i = w z_i,  z_i ~ N(0, 1)

    with t_0 the time of the seed and j over the senders of i's edges. A token without a time has a learned vector in
    its place. The numbers z are those of the key, the seed and the token, in whatever order and batch they stand.

    Args:
      inputs: of the features, `ga.models.TypedInputs.of(graph)` of the whole graph.
      time_unit: what of `nodes.time` is one unit of the fastest wave, such as 86400.0 for days where times are in
        seconds; None = tokens have no part of time.
      layers: of the second line; its width is a quarter of that of the tokens.
      implementation: of the second line, None or "reference"; see `ga.nn.with_implementation`.

    Raises:
      ValueError: no `TypedInputs`, a unit or a number of layers that is not positive.

    Cost: O(N D²), and O(E D) for the sums over edges.
    Padding: exact on real nodes; the norm sees real rows only.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types({"page": 3}, {("page", "links", "page"): ([0, 1], [1, 2])})
      >>> sampler = ga.sampling.Sampler(graph, ga.sampling.Tokens(3), seeds=[1, 2], batch_size=2)
      >>> inputs = ga.models.TokenInputs(ga.models.TypedInputs.of(graph))
      >>> params, state = inputs.init(jax.random.key(0), width=8)
      >>> x, _ = inputs.apply(params, state, sampler(seed=0, epoch=0, index=0), key=jax.random.key(1))
      >>> x.shape  # six tokens, and padding
      (64, 8)

    Source: Dwivedi et al., "Relational Graph Transformer", 2025, arXiv:2505.10960, section 3.1. Theirs also has a norm
      within each perceptron of the second line. LN has no parameters: the map behind it has them.
    """

    inputs: TypedInputs
    time_unit: float | None = None
    layers: int = 4
    implementation: str | None = None

    def __post_init__(self) -> None:
        _checks.instance(
            "inputs", self.inputs, TypedInputs, "ga.models.TypedInputs.of(graph) of the whole graph"
        )
        _checks.positive("layers", self.layers)
        _checks.choice("implementation", self.implementation, (None, "reference"))
        unit = self.time_unit
        is_number = isinstance(unit, (int, float)) and not isinstance(unit, bool)
        if unit is not None and not (is_number and 0 < unit < math.inf):
            raise ValueError(f"time_unit must be a positive number or None, got {unit!r}.")

    def init(self, key: PRNGKey, width: int) -> tuple[TokenInputParams, nn.BatchNormState]:
        """Parameters and the statistics of the norms, `[layers, D / 4]`.

        Args:
          key: typed PRNG key.
          width: D.
        """
        keys, narrow = jax.random.split(key, 7), max(width // 4, 1)
        vectors = jax.nn.initializers.normal(1.0)

        def layer(key: PRNGKey) -> tuple[StructureLayerParams, nn.BatchNormState]:
            norm, state = nn.init_batch_norm(narrow)
            mlp = nn.init_mlp(key, (narrow, 2 * narrow, narrow))
            return StructureLayerParams(jnp.zeros(()), mlp, norm), state

        layers, state = init_blocks(layer, jax.random.split(keys[4], self.layers))
        k_input, k_output = jax.random.split(keys[5])
        timed, schema = self.time_unit is not None, self.inputs.schema
        params = TokenInputParams(
            features=self.inputs.init(keys[0], width),
            type=nn.init_embedding(keys[1], len(schema.types), width, init=vectors),
            hop=nn.init_embedding(keys[2], _NUM_HOPS, width, init=vectors),
            time=nn.init_linear(keys[3], width, width) if timed else None,
            timeless=jnp.zeros(width) if timed else None,
            structure=StructureParams(
                nn.init_linear(k_input, 1, narrow), layers, nn.init_linear(k_output, narrow, width)
            ),
            mixture=nn.init_mlp(keys[6], ((4 + timed) * width, 2 * width, width)),
        )
        return params, state

    def apply(
        self,
        params: TokenInputParams,
        state: nn.BatchNormState,
        sample: Sample,
        *,
        training: bool = False,
        key: Array,
    ) -> tuple[Array, nn.BatchNormState]:
        """The vectors of the tokens.

        Args:
          params, state: from `init`.
          sample: of `ga.sampling.Tokens`.
          training: whether the norms take the statistics of this batch.
          key: typed key, of the random numbers.

        Returns:
          `(x, state)`: x `[N, D]` in the dtype of the features.

        Raises:
          ValueError: no sample, one of another schema, a unit of time where there are no times.
        """
        _checks.params(params, TokenInputParams, self)
        _checks.typed_key("key", key)
        check_sample(sample)
        graph, hops = sample.graph, jnp.clip(jnp.asarray(sample.hops), 0, _NUM_HOPS - 1)
        features = self.inputs.apply(params.features, graph)
        dtype, width = features.dtype, features.shape[1]
        numbers = random_numbers(key, sample).astype(dtype)
        structure, state = self._structure(params.structure, state, graph, numbers, training)
        parts = [
            nn.embedding(params.type, jnp.asarray(graph.nodes.type)).astype(dtype),
            nn.embedding(params.hop, hops).astype(dtype),
            features,
            structure,
        ]
        if self.time_unit is not None:
            assert params.time and params.timeless is not None
            since, timed = _since(sample)
            waves = nn.linear(params.time, nn.sinusoid(since / self.time_unit, width).astype(dtype))
            parts.append(jnp.where(timed[:, None], waves, params.timeless.astype(dtype)[None]))
        plain = nn.init_layer_norm(width)
        x = jnp.concatenate([nn.layer_norm(plain, part) for part in parts], axis=1)
        return nn.mlp(params.mixture, x), state

    def _structure(
        self, params: StructureParams, states: Any, graph: Any, numbers: Array, training: bool
    ) -> tuple[Array, Any]:
        where, _ = real_rows(graph)
        edges = graphs.pattern(graph)
        if self.implementation == "reference":
            edges = dataclasses.replace(edges, layout=None)
        h = nn.linear(params.input, numbers[:, None])
        new = []
        for own, state in zip(nn.unstack(params.layers), nn.unstack(states), strict=True):
            heard = ops.receiver_sum(ops.sender_rows(h, edges), edges)
            moved = (1 + own.epsilon.astype(h.dtype)) * h + heard
            moved, state = nn.batch_norm(
                own.norm,
                state,
                nn.mlp(own.mlp, moved),
                training=training,
                where=where,
                implementation=self.implementation,
            )
            h = h + jax.nn.relu(moved)
            new.append(state)
        return nn.linear(params.output, h), nn.stack(new) if training else states


def check_sample(sample: Any) -> None:
    """A sample whose seeds have a graph each."""
    if not isinstance(sample, Sample):
        raise ValueError(
            f"graph must be a Sample, got {_checks.describe(sample)}. Fix: ga.sampling.Sampler(graph, "
            "ga.sampling.Tokens(100), seeds, batch_size)(seed, epoch, index)."
        )
    if len(sample.seeds) + 1 != graphs.num_graphs(sample.graph) or len(sample.seeds.shape) != 1:
        raise ValueError(
            "the seeds of a sample must be nodes with a graph each. Fix: ga.sampling.Tokens(100), or "
            "Neighbours(..., disjoint=True)."
        )


def random_numbers(key: Array, sample: Sample) -> Array:
    """`[N]` float32 from N(0, 1), by the key, the seed and the token, so that neither the order of the tokens nor the
    other seeds of a batch matter.
    """
    fold, nodes = jax.vmap(jax.random.fold_in), jnp.asarray(sample.node_ids)
    keys = fold(jnp.broadcast_to(key, nodes.shape), _of_seed(sample, nodes[sample.seeds]))
    return jax.vmap(lambda k: jax.random.normal(k, (), jnp.float32))(fold(keys, nodes))


def _since(sample: Sample) -> tuple[Array, Array]:
    """`[N]`: how long before the seed each token became known, float32, 0 where it has no time; and whether it has."""
    time = sample.graph.nodes.time
    if time is None or sample.times is None:
        raise ValueError(
            "time_unit says how to read the times of nodes, and these have none. Fix: from_types(..., node_time=...), "
            "or time_unit=None."
        )
    timed = jnp.asarray(time) != graphs.ALWAYS
    if isinstance(sample.graph, graphs.PreparedGraph):
        timed = timed & sample.graph.layout.node_mask
    # No token is later than its seed, so the difference of unsigned numbers is the true one, also beyond 2³¹.
    seed, token = (
        jnp.asarray(t).astype(jnp.int32).astype(jnp.uint32)
        for t in (_of_seed(sample, jnp.asarray(sample.times)), time)
    )
    return jnp.where(timed, (seed - token).astype(jnp.float32), 0), timed


def _of_seed(sample: Sample, rows: Array) -> Array:
    """`[N]`, for each node what there is for its seed, 0 in padding."""
    ids = jnp.asarray(graphs.node_graph_ids(sample.graph))
    return jnp.concatenate([rows, jnp.zeros((1,), rows.dtype)])[ids]
