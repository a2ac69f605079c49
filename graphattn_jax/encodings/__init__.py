"""Positional and structural encodings: where a node is in its graph, as arrays.

Exact encodings run on the host in numpy and SciPy, once per graph, and belong into the data pipeline; estimates and
learned encoders are jitted functions. Node encodings are `[N, K]`, pair encodings have one row per edge of the
`pattern` that attends. Always encode the original graph: every function takes it first, and the pattern beside it.
"""

from graphattn_jax.encodings._common_neighbours import common_neighbours
from graphattn_jax.encodings._degree_encoding import degree_encoding
from graphattn_jax.encodings._electrostatic import electrostatic
from graphattn_jax.encodings._hitting_times import hitting_times
from graphattn_jax.encodings._laplacian_loss import laplacian_loss
from graphattn_jax.encodings._lspe import LSPEParams, init_lspe, lspe
from graphattn_jax.encodings._pearl import PEARLParams, init_pearl, pearl
from graphattn_jax.encodings._random_feature_propagation import random_feature_propagation
from graphattn_jax.encodings._rrwp import rrwp
from graphattn_jax.encodings._rwse import rwse
from graphattn_jax.encodings._rwse_estimate import RWSEEstimate, rwse_estimate
from graphattn_jax.encodings._triangle_counts import triangle_counts

__all__ = [
    "LSPEParams",
    "PEARLParams",
    "RWSEEstimate",
    "common_neighbours",
    "degree_encoding",
    "electrostatic",
    "hitting_times",
    "init_lspe",
    "init_pearl",
    "laplacian_loss",
    "lspe",
    "pearl",
    "random_feature_propagation",
    "rrwp",
    "rwse",
    "rwse_estimate",
    "triangle_counts",
]
