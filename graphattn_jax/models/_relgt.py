"""The Relational Graph Transformer: attention among the tokens of a seed, and of the seed to centroids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax._dtypes import wide
from graphattn_jax.attention import GlobalAttention
from graphattn_jax.models._centroid_attention import CentroidAttention, CentroidParams
from graphattn_jax.models._depth import in_one_program, init_blocks, run_blocks
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output, check_arrays, check_layer
from graphattn_jax.models._residual_block import (
    ResidualBlockParams,
    init_residual_block,
    residual_block,
)
from graphattn_jax.models._token_inputs import TokenInputParams, TokenInputs, check_sample
from graphattn_jax.models._widths import Widths, check_width
from graphattn_jax.sampling import Sample
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["RelGT", "RelGTParams", "RelGTState"]


class RelGTParams(NamedTuple):
    """Inputs, local blocks (`ga.nn.unstack` gives them one by one) with their last norm and the vector of the readout
    `[D]`, centroids (None without), norms of both halves (the second None without), feed-forward map, head.
    """

    tokens: TokenInputParams
    blocks: ResidualBlockParams
    block_norm: nn.LayerNormParams
    readout: Array
    centroids: CentroidParams | None
    local_norm: nn.LayerNormParams
    global_norm: nn.LayerNormParams | None
    feed_forward: nn.MLPParams
    head: nn.MLPParams


class RelGTState(NamedTuple):
    """Statistics of the norms of the inputs, and the codebook, None without centroids."""

    tokens: nn.BatchNormState
    centroids: nn.CodebookState | None


@dataclass(frozen=True, repr=False)
class RelGT(Network):
    """The Relational Graph Transformer, for predictions of seeds in large typed graphs, with times or without.

        h = LN( blocks(x) ),  x the tokens;     local = h_0 + Σ_j softmax_j( w · h_j ) h_j,   j over the other tokens
        global = centroids(x_0);                y = MLP( W₂ dropout( GELU( W₁ [ LN local ‖ LN global ] ) ) )

    with 0 the seed. A block is x ← x + dropout(layer(LN x)), x ← x + dropout(FFN(LN x)), its layer among the tokens of
    a seed. (The paper's w · [h_0 ‖ h_j] adds the same to all j, which the softmax does not see.) A set of tokens is a
    graph, padding is masked in every step, and a seed alone gives its h_0.

    The random numbers of the local structure are new in every step of training, which therefore always needs a key.
    In evaluation they are those of the keys `draws`: the same input gives the same output, and with several of them
    the predictions are the mean.

    Args:
      tokens: of the graph, `TokenInputs(TypedInputs.of(graph))`.
      out_features: T, classes or targets.
      width: D.
      layer: among the tokens; any that gives nodes as wide as the network. `GlobalAttention` takes the blocks that the
        sampler made.
      num_layers: local blocks.
      centroids: the global half, or None.
      dropout: on the outputs of the maps. That of attention weights is the layer's and the centroids'.
      draws: seeds of the random numbers in evaluation.

    Raises:
      ValueError: parts that are none, sizes that are not positive integers, no draws.

    Cost: for S seeds of K tokens O(S K D (K + D)) a block, O(S B D) for B centroids; evaluation times the draws.
    Padding: exact on real seeds, values, gradients and statistics.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": 2, "paper": np.eye(4, dtype=np.float32)},
      ...     {("author", "writes", "paper"): ([0, 1, 1], [0, 1, 2])}, reverse=True)
      >>> sampler = ga.sampling.Sampler(graph, ga.sampling.Tokens(4), seeds=[2, 3, 4], batch_size=2)
      >>> inputs = ga.models.TokenInputs(ga.models.TypedInputs.of(graph))
      >>> network = ga.models.RelGT(inputs, out_features=3, width=16)
      >>> params, state = network.init(jax.random.key(0))
      >>> jax.jit(network.apply)(params, state, sampler(seed=0, epoch=0, index=0)).prediction.shape
      (2, 3)

    Source: Dwivedi et al., "Relational Graph Transformer", 2025, arXiv:2505.10960, sections 3.1 and 3.2; D = 512, 300
      tokens, 4,096 centroids, Adam at 1e-4, dropout 0.1 to 0.3. Their code also has batch norms in the feed-forward
      maps, lets padding attend and dropout run in evaluation, and draws new numbers at each evaluation.
    """

    tokens: TokenInputs
    out_features: int
    width: int = 128
    layer: nn.Layer = GlobalAttention(heads=4, output=True)
    num_layers: int = 1
    centroids: CentroidAttention | None = CentroidAttention()
    dropout: float = 0.1
    draws: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        example = "ga.models.TokenInputs(ga.models.TypedInputs.of(graph))"
        _checks.instance("tokens", self.tokens, TokenInputs, example)
        for name in ("out_features", "width", "num_layers"):
            _checks.positive(name, getattr(self, name))
        check_layer("layer", self.layer, "ga.attention.GlobalAttention(heads=4, output=True)")
        if self.centroids is not None:
            example = "ga.models.CentroidAttention(ga.nn.Codebook(512))"
            _checks.instance("centroids", self.centroids, CentroidAttention, example)
        _checks.rate("dropout", self.dropout)
        if (
            not isinstance(self.draws, tuple)
            or not self.draws
            or any(not isinstance(draw, int) or draw < 0 for draw in self.draws)
        ):
            raise ValueError(
                f"draws must be a tuple of one or more seeds, non-negative integers, got {self.draws!r}."
            )

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[RelGTParams, RelGTState]:
        """Parameters and statistics; see `Network.init`.

        Raises:
          ValueError: a layer whose output is not as wide as the network, a width that the heads do not divide.
        """
        width = self.width
        check_width("layer", self.layer, Widths(width, None))
        keys = jax.random.split(key, 6)

        def block(key: PRNGKey) -> ResidualBlockParams:
            return init_residual_block(
                key, self.layer, (width, 2 * width), None, init="fan_in_uniform"
            )

        tokens, token_state = self.tokens.init(keys[0], width)
        centroids = codebook = None
        if self.centroids is not None:
            centroids, codebook = self.centroids.init(keys[1], width)
        seen = width if centroids is None else 2 * width
        params = RelGTParams(
            tokens=tokens,
            blocks=init_blocks(block, jax.random.split(keys[2], self.num_layers)),
            block_norm=nn.init_layer_norm(width),
            readout=nn.init_linear(keys[3], width, 1).weight[:, 0],
            centroids=centroids,
            local_norm=nn.init_layer_norm(width),
            global_norm=None if centroids is None else nn.init_layer_norm(width),
            feed_forward=nn.init_mlp(keys[4], (seen, 2 * width, width)),
            head=nn.init_mlp(keys[5], (width, width, self.out_features)),
        )
        return params, RelGTState(token_state, codebook)

    def apply(
        self,
        params: RelGTParams,
        state: RelGTState,
        graph: Sample,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`, or as training left them.
          graph: a `Sample` of `ga.sampling.Tokens`, of the schema of the inputs.
          training: whether there is dropout, statistics are those of this batch, and the codebook follows it.
          key: typed key, required in training.

        Returns:
          Predictions `[B, T]`, a row per seed; the renewed statistics; how every block attended, in blocks, and then
          how the seeds attended to M centroids, `[1, H, B, M]`. With several draws, the attention of the first.

        Raises:
          ValueError: no sample, one of another schema, training without a key.
        """
        check_arrays(self, params, RelGTParams, state, RelGTState)
        check_sample(graph)
        mode = Mode.of(training, key)
        if training:
            if key is None:
                raise ValueError(
                    "RelGT draws random numbers for the local structure and needs key= in training. Fix: "
                    "key=jax.random.key(seed), a new one at every step, or training=False."
                )
            return self._run(params, state, graph, mode, jax.random.fold_in(key, 0))
        outs = [self._run(params, state, graph, mode, jax.random.key(d)) for d in self.draws]
        if len(outs) == 1:
            return outs[0]
        mean = jnp.mean(jnp.stack([wide(out.prediction) for out in outs]), axis=0)
        return outs[0]._replace(prediction=mean.astype(outs[0].prediction.dtype))

    def _run(
        self, params: RelGTParams, state: RelGTState, sample: Sample, mode: Mode, key: Array
    ) -> Output:
        x, token_state = self.tokens.apply(
            params.tokens, state.tokens, sample, training=mode.training, key=key
        )
        x = nn.real_nodes(sample.graph, x)
        block = residual_block(self.layer, self.dropout, sample.graph)
        h, _, attention = run_blocks(block, x, params.blocks, mode.at(1), scan=False)
        h = nn.layer_norm(params.block_norm, nn.real_nodes(sample.graph, h))
        halves = [nn.layer_norm(params.local_norm, _readout(params.readout, h, sample))]
        codebook = state.centroids
        if self.centroids is not None:
            assert params.centroids and params.global_norm and codebook
            seeds = x[sample.seeds]
            heard, attended = self.centroids.apply(
                params.centroids, codebook, seeds, training=mode.training, key=mode.at(2).key
            )
            if mode.training:
                there = sample.seed_mask
                codebook = self.centroids.update(params.centroids, codebook, seeds, where=there)
            halves.append(nn.layer_norm(params.global_norm, heard))
            attention = (*attention, attended)
        y = mode.mlp(
            params.feed_forward, jnp.concatenate(halves, axis=1), self.dropout, 3, activation="gelu"
        )
        prediction = nn.mlp(params.head, mode.dropout(y, self.dropout, 4))
        return Output(prediction, RelGTState(token_state, codebook), attention)


def _readout(vector: Array, h: Array, sample: Sample) -> Array:
    """h_0 + Σ_j softmax_j(w · h_j) h_j over the other tokens of each seed, `[B, D]`."""
    graph, seeds = sample.graph, jnp.asarray(sample.seeds)
    ids, num_graphs = jnp.asarray(graphs.node_graph_ids(graph)), graphs.num_graphs(graph)
    others = jnp.asarray(graphs.node_mask(graph)).at[seeds].set(False)
    rows = wide(h)
    weights = ops.segment_softmax(rows @ vector.astype(rows.dtype), ids, num_graphs, where=others)
    heard = ops.segment_sum(weights[:, None] * rows, ids, num_graphs)
    return (rows[seeds] + heard[: len(seeds)]).astype(h.dtype)
