"""A network that scores links: an encoder of nodes and a decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn
from graphattn_jax.graphs import is_padded, node_mask
from graphattn_jax.links import Decoder, Links
from graphattn_jax.models._depth import in_one_program
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["LinkGraph", "LinkNetwork", "LinkNetworkParams"]


class LinkGraph(NamedTuple):
    """A graph and the links to be scored from it; it takes the place of a graph in a `LinkNetwork`.

    links: `Links`, or a tuple of them, such as positives and negatives.
    """

    graph: Any
    links: Any


class LinkNetworkParams(NamedTuple):
    """Those of the encoder and of the decoder."""

    encoder: Any
    decoder: Any


@dataclass(frozen=True, repr=False)
class LinkNetwork(Network):
    """Node states from a graph, scores of links from the states.

        x = dropout( encoder(graph) ),      s = decoder(x, links)

    The edges of the graph carry messages. It must not have those of the links: see `ga.links.split_links`.

    Args:
      encoder: any network that predicts `[N, D]` for nodes: a `TypedNetwork`, or one without layers, which gives each
        node a vector of its own.
      decoder: such as `ga.links.DistMult(num_relations)`.
      width: D.
      dropout: of the states.

    Raises:
      ValueError: parts that are not what they should be.

    Cost: that of its parts.
    Padding: exact on real nodes; where an end is left open, padding nodes have the lowest score that there is.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types({"page": 4}, {("page", "links", "page"): ([0, 1], [1, 2])}, reverse=True)
      >>> layer = ga.message_passing.RGCN(schema=ga.graphs.schema_of(graph))
      >>> encoder = ga.models.TypedNetwork(ga.models.TypedInputs.of(graph), (layer,), width=8)
      >>> network = ga.models.LinkNetwork(encoder, ga.links.DistMult(2), width=8)
      >>> params, state = network.init(jax.random.key(0))
      >>> links = ga.links.Links(np.array([0, 1]), np.array([0, 1]), np.array([3, 0]))
      >>> batch = ga.models.LinkGraph(ga.graphs.prepare(graph), (links, links._replace(tails=None)))
      >>> [scores.shape for scores in jax.jit(network.apply)(params, state, batch).prediction]
      [(2,), (2, 4)]

    Source: Schlichtkrull et al., "Modeling Relational Data with Graph Convolutional Networks", ESWC 2018,
      arXiv:1703.06103, section 4, with any encoder and decoder.
    """

    encoder: Network
    decoder: Decoder
    width: int
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _checks.instance("encoder", self.encoder, Network, "ga.models.TypedNetwork(...)")
        _checks.instance("decoder", self.decoder, Decoder, "ga.links.DistMult(num_relations)")
        _checks.positive("width", self.width)
        _checks.rate("dropout", self.dropout)

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[LinkNetworkParams, Any]:
        """Parameters, and the statistics of the encoder; see `Network.init`."""
        k_encoder, k_decoder = jax.random.split(key)
        encoder, state = self.encoder.init(k_encoder)
        return LinkNetworkParams(encoder, self.decoder.init(k_decoder, self.width)), state

    def apply(
        self,
        params: LinkNetworkParams,
        state: Any,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`, or as training left them.
          graph: a `LinkGraph`.
          training: whether there is dropout, and statistics are those of this batch.
          key: typed key, required in training when something is random.

        Returns:
          Scores as the decoder gives them, a tuple for a tuple of links, and what the encoder gives beside its states.

        Raises:
          ValueError: a graph without links, states of another width, dropout without a key.
        """
        _checks.params(params, LinkNetworkParams, self)
        if not isinstance(graph, LinkGraph):
            raise ValueError(
                f"graph must be a ga.models.LinkGraph(graph, links), got {type(graph).__name__}."
            )
        mode = Mode.of(training, key)
        out = self.encoder.apply(
            params.encoder, state, graph.graph, training=training, key=mode.at(0).key
        )
        states = out.prediction
        if states.ndim != 2 or states.shape[1] != self.width:
            raise ValueError(
                f"encoder must give states [N, {self.width}], got {tuple(states.shape)}. Fix: width of the network."
            )
        states = nn.real_nodes(graph.graph, mode.dropout(states, self.dropout, 1))

        def score(links: Links) -> Array:
            scores = self.decoder.apply(params.decoder, states, links)
            is_open = links.heads is None or links.tails is None
            if not is_open or not is_padded(graph.graph):
                return scores
            return jnp.where(node_mask(graph.graph), scores, jnp.finfo(scores.dtype).min)

        scores = jax.tree.map(score, graph.links, is_leaf=lambda x: isinstance(x, Links))
        return out._replace(prediction=scores)
