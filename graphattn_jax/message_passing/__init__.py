"""Message passing without attention: the local partners of attention in hybrid networks.

    sender j ──message──▶ receiver i        sums, means and extrema run over the incoming edges of each receiver

Every layer is a value of `ga.nn.Layer`: `layer.init(key, in_features)` makes its parameters, and
`layer.apply(params, graph)` gives the new graph. Norms, activations and residual connections around a layer belong to
the network.
"""

from graphattn_jax.message_passing._gated_gcn import GatedGCN, GatedGCNParams
from graphattn_jax.message_passing._gcn import GCN, GCNParams
from graphattn_jax.message_passing._gine import GINE, GINEParams
from graphattn_jax.message_passing._log_degree_mean import log_degree_mean
from graphattn_jax.message_passing._pna import PNA, PNAParams
from graphattn_jax.message_passing._rgcn import RGCN, RGCNParams
from graphattn_jax.message_passing._sage import SAGE, SAGEParams

__all__ = [
    "GCN",
    "GINE",
    "PNA",
    "RGCN",
    "SAGE",
    "GCNParams",
    "GINEParams",
    "GatedGCN",
    "GatedGCNParams",
    "PNAParams",
    "RGCNParams",
    "SAGEParams",
    "log_degree_mean",
]
