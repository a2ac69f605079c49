"""Positional and structural encodings: where a node is in its graph, as arrays.

Exact encodings run on the host in numpy and SciPy, once per graph, and belong into the data pipeline; estimates and
learned encoders are jitted functions. Node encodings are `[N, K]`, pair encodings have one row per edge of the
`pattern` that attends. Always encode the original graph: every function takes it first, and the pattern beside it.
"""

from graphattn_jax.encodings._edge_paths import edge_features_on_paths
from graphattn_jax.encodings._effective_resistance import effective_resistance
from graphattn_jax.encodings._gaussian_bias import (
    GaussianBiasParams,
    gaussian_bias,
    init_gaussian_bias,
)
from graphattn_jax.encodings._path_bias import PathBiasParams, init_path_bias, path_bias
from graphattn_jax.encodings._per_type_degree import per_type_degree
from graphattn_jax.encodings._shortest_path import (
    DistanceBuckets,
    distance_buckets,
    shortest_path_distances,
)
from graphattn_jax.encodings._type_bias import (
    TypeBiasParams,
    TypeFactors,
    init_type_bias,
    type_bias,
)
from graphattn_jax.encodings._type_distance_bias import (
    TypeDistanceBiasParams,
    init_type_distance_bias,
    type_distance_bias,
)
from graphattn_jax.encodings._virtual_pairs import extend_to_virtual_nodes

__all__ = [
    "DistanceBuckets",
    "GaussianBiasParams",
    "PathBiasParams",
    "TypeBiasParams",
    "TypeDistanceBiasParams",
    "TypeFactors",
    "distance_buckets",
    "edge_features_on_paths",
    "effective_resistance",
    "extend_to_virtual_nodes",
    "gaussian_bias",
    "init_gaussian_bias",
    "init_path_bias",
    "init_type_bias",
    "init_type_distance_bias",
    "path_bias",
    "per_type_degree",
    "shortest_path_distances",
    "type_bias",
    "type_distance_bias",
]
