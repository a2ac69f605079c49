"""Pretraining without labels: features are masked and reconstructed from the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn
from graphattn_jax.graphs import node_mask
from graphattn_jax.models._depth import in_one_program
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output, check_layer
from graphattn_jax.models._widths import nodes_of
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["MaskedFeatures", "MaskedFeaturesParams", "Reconstruction"]


class Reconstruction(NamedTuple):
    """features: `[N, F]`, as the network thinks that they are. masked: `[N]` bool, of which nodes they were hidden."""

    features: Array
    masked: Array


class MaskedFeaturesParams(NamedTuple):
    """token `[F]` in place of what is hidden; those of the encoder; the map of its states; those of the decoder."""

    token: Array
    encoder: Any
    bridge: nn.LinearParams
    decoder: Any


@dataclass(frozen=True, repr=False)
class MaskedFeatures(Network):
    """A masked autoencoder of node features.

        x̃_i = token for masked i, x_i for others;      h = encoder(x̃)
        z = decoder( W h_i, 0 for masked i )

    Trained with `ga.losses.scaled_cosine_error(z, x, where=masked)`. What is kept is the encoder:
    `network.encoder.apply(params.encoder, state, graph).prediction` are states of all nodes.

    Args:
      encoder: any network that predicts `[N, D]` for nodes with `[N, F]` features.
      decoder: a layer that gives nodes of width F.
      features: F.
      width: D.
      rate: the share of the nodes that are masked, each by a coin of its own.

    Raises:
      ValueError: parts that are not what they should be.

    Cost: that of its parts.
    Padding: exact on real nodes; padding is never masked.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 3, dtype=np.float32))
      >>> encoder = ga.models.PlainNetwork(3, (ga.attention.GAT(4, 2),))
      >>> network = ga.models.MaskedFeatures(encoder, ga.attention.GAT(3), features=3, width=8)
      >>> params, state = network.init(jax.random.key(0))
      >>> out = network.apply(params, state, graph, training=True, key=jax.random.key(1))
      >>> out.prediction.features.shape, out.prediction.masked.shape
      ((2, 3), (2,))

    Source: Hou et al., "GraphMAE: Self-Supervised Masked Graph Autoencoders", KDD 2022, arXiv:2205.10803, section 3,
      without the share of masked nodes that keep or exchange their features.
    """

    encoder: Network
    decoder: nn.Layer
    features: int
    width: int
    rate: float = 0.5

    def __post_init__(self) -> None:
        _checks.instance("encoder", self.encoder, Network, "ga.models.PlainNetwork(...)")
        check_layer("decoder", self.decoder, "ga.attention.GAT(features)")
        _checks.positive("features", self.features)
        _checks.positive("width", self.width)
        _checks.rate("rate", self.rate)

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[MaskedFeaturesParams, Any]:
        """Parameters, and the statistics of the encoder; the token starts at zero. See `Network.init`."""
        k_encoder, k_bridge, k_decoder = jax.random.split(key, 3)
        encoder, state = self.encoder.init(k_encoder)
        params = MaskedFeaturesParams(
            token=jnp.zeros(self.features, jnp.float32),
            encoder=encoder,
            bridge=nn.init_linear(k_bridge, self.width, self.width, bias=False),
            decoder=self.decoder.init(k_decoder, self.width),
        )
        return params, state

    def apply(
        self,
        params: MaskedFeaturesParams,
        state: Any,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`, or as training left them.
          graph: nodes `[N, F]`.
          training: whether features are masked; in evaluation none is.
          key: typed key, required in training.

        Returns:
          A `Reconstruction` as the prediction, and what the encoder gives beside its states.

        Raises:
          ValueError: features that do not fit, training without a key.
        """
        _checks.params(params, MaskedFeaturesParams, self)
        mode = Mode.of(training, key)
        x = jnp.asarray(nodes_of(graph))
        _checks.shape("graph.nodes", x, ("N", self.features))
        masked = jnp.zeros(x.shape[0], bool)
        if training:
            if key is None:
                raise ValueError(
                    "training needs key=, for what is masked. Fix: key=jax.random.key(seed), a new one at every step."
                )
            coins = jax.random.bernoulli(jax.random.fold_in(key, 2), self.rate, masked.shape)
            masked = coins & jnp.asarray(node_mask(graph))
        hidden = jnp.where(masked[:, None], params.token.astype(x.dtype)[None], x)
        out = self.encoder.apply(
            params.encoder,
            state,
            nn.with_nodes(graph, hidden),
            training=training,
            key=mode.at(0).key,
        )
        codes = nn.linear(params.bridge, out.prediction)
        codes = jnp.where(masked[:, None], 0, codes)
        decoded = mode.layer(self.decoder, params.decoder, nn.with_nodes(graph, codes), 1)
        return out._replace(prediction=Reconstruction(nodes_of(decoded.graph), masked))
