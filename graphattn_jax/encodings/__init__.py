"""Positional and structural encodings: where a node is in its graph, as arrays.

Exact encodings run on the host in numpy and SciPy, once per graph, and belong into the data pipeline; estimates and
learned encoders are jitted functions. Node encodings are `[N, K]`, pair encodings have one row per edge of the
`pattern` that attends. Always encode the original graph: every function takes it first, and the pattern beside it.
"""

from graphattn_jax.encodings._edge_paths import edge_features_on_paths
from graphattn_jax.encodings._effective_resistance import effective_resistance
from graphattn_jax.encodings._shortest_path import (
    DistanceBuckets,
    distance_buckets,
    shortest_path_distances,
)
from graphattn_jax.encodings._virtual_pairs import extend_to_virtual_nodes

__all__ = [
    "DistanceBuckets",
    "distance_buckets",
    "edge_features_on_paths",
    "effective_resistance",
    "extend_to_virtual_nodes",
    "shortest_path_distances",
]
