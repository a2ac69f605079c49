"""Positional and structural encodings: where a node is in its graph, as arrays.

Exact encodings run on the host in numpy and SciPy, once per graph, and belong into the data pipeline; estimates and
learned encoders are jitted functions. Node encodings are `[N, K]`, pair encodings have one row per edge of the
`pattern` that attends. Always encode the original graph: every function takes it first, and the pattern beside it.
"""

from graphattn_jax.encodings._common_neighbours import common_neighbours
from graphattn_jax.encodings._degree_encoding import degree_encoding
from graphattn_jax.encodings._electrostatic import electrostatic
from graphattn_jax.encodings._hitting_times import hitting_times
from graphattn_jax.encodings._precompute import precompute
from graphattn_jax.encodings._rrwp import rrwp
from graphattn_jax.encodings._rwse import rwse
from graphattn_jax.encodings._triangle_counts import triangle_counts

__all__ = [
    "common_neighbours",
    "degree_encoding",
    "electrostatic",
    "hitting_times",
    "precompute",
    "rrwp",
    "rwse",
    "triangle_counts",
]
