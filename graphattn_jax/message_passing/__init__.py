"""Message passing without attention: the local partners of attention in hybrid networks.

    sender j ──message──▶ receiver i        sums, means and extrema run over the incoming edges of each receiver

Every layer is `layer(params, graph, *, layout=None, ...) -> graph`; `init_layer` makes its parameters. Norms,
activations and residual connections around a layer belong to the network.
"""

from graphattn_jax.message_passing._gated_gcn import GatedGCNParams, gated_gcn, init_gated_gcn
from graphattn_jax.message_passing._gcn import GCNParams, gcn, init_gcn
from graphattn_jax.message_passing._gine import GINEParams, gine, init_gine
from graphattn_jax.message_passing._log_degree_mean import log_degree_mean
from graphattn_jax.message_passing._pna import PNAParams, init_pna, pna
from graphattn_jax.message_passing._sage import SAGEParams, init_sage, sage

__all__ = [
    "GCNParams",
    "GINEParams",
    "GatedGCNParams",
    "PNAParams",
    "SAGEParams",
    "gated_gcn",
    "gcn",
    "gine",
    "init_gated_gcn",
    "init_gcn",
    "init_gine",
    "init_pna",
    "init_sage",
    "log_degree_mean",
    "pna",
    "sage",
]
