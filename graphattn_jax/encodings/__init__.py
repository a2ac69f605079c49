"""Positional and structural encodings: where a node is in its graph, as arrays.

Exact encodings run on the host in numpy and SciPy, once per graph, and belong into the data pipeline; estimates and
learned encoders are jitted functions. Node encodings are `[N, K]`, pair encodings have one row per edge of the
`pattern` that attends. Always encode the original graph: every function takes it first, and the pattern beside it.
"""

from graphattn_jax.encodings._centrality import CentralityParams, centrality, init_centrality
from graphattn_jax.encodings._chebyshev import chebyshev_coefficients, chebyshev_filter
from graphattn_jax.encodings._common_neighbours import common_neighbours
from graphattn_jax.encodings._deepset import init_laplace_deepset, laplace_deepset
from graphattn_jax.encodings._degree_encoding import degree_encoding
from graphattn_jax.encodings._edge_paths import edge_features_on_paths
from graphattn_jax.encodings._effective_resistance import effective_resistance
from graphattn_jax.encodings._eigenvectors import LaplacianEigenvectors, laplacian_eigenvectors
from graphattn_jax.encodings._electrostatic import electrostatic
from graphattn_jax.encodings._gaussian_bias import (
    GaussianBiasParams,
    gaussian_bias,
    init_gaussian_bias,
)
from graphattn_jax.encodings._graphormer_bias import (
    GraphormerBiasParams,
    graphormer_bias,
    init_graphormer_bias,
)
from graphattn_jax.encodings._heat_kernel import heat_kernel_diagonal, heat_kernel_diagonal_estimate
from graphattn_jax.encodings._hitting_times import hitting_times
from graphattn_jax.encodings._laplacian import laplacian
from graphattn_jax.encodings._laplacian_loss import laplacian_loss
from graphattn_jax.encodings._lspe import LSPEParams, init_lspe, lspe
from graphattn_jax.encodings._path_bias import PathBiasParams, init_path_bias, path_bias
from graphattn_jax.encodings._pearl import PEARLParams, init_pearl, pearl
from graphattn_jax.encodings._per_type_degree import per_type_degree
from graphattn_jax.encodings._precompute import precompute
from graphattn_jax.encodings._random_feature_propagation import random_feature_propagation
from graphattn_jax.encodings._rrwp import rrwp
from graphattn_jax.encodings._rwse import rwse
from graphattn_jax.encodings._rwse_estimate import RWSEEstimate, rwse_estimate
from graphattn_jax.encodings._san import (
    SANEncoderLayerParams,
    SANEncoderParams,
    init_san_encoder,
    san_encoder,
)
from graphattn_jax.encodings._shortest_path import (
    DistanceBuckets,
    distance_buckets,
    shortest_path_distances,
)
from graphattn_jax.encodings._signnet import SignNetParams, init_signnet, signnet
from graphattn_jax.encodings._signs import flip_signs
from graphattn_jax.encodings._spe import SPEParams, init_spe, spe
from graphattn_jax.encodings._subspace import SubspaceEigenvectors, subspace_eigenvectors
from graphattn_jax.encodings._triangle_counts import triangle_counts
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
    "CentralityParams",
    "DistanceBuckets",
    "GaussianBiasParams",
    "GraphormerBiasParams",
    "LSPEParams",
    "LaplacianEigenvectors",
    "PEARLParams",
    "PathBiasParams",
    "RWSEEstimate",
    "SANEncoderLayerParams",
    "SANEncoderParams",
    "SPEParams",
    "SignNetParams",
    "SubspaceEigenvectors",
    "TypeBiasParams",
    "TypeDistanceBiasParams",
    "TypeFactors",
    "centrality",
    "chebyshev_coefficients",
    "chebyshev_filter",
    "common_neighbours",
    "degree_encoding",
    "distance_buckets",
    "edge_features_on_paths",
    "effective_resistance",
    "electrostatic",
    "extend_to_virtual_nodes",
    "flip_signs",
    "gaussian_bias",
    "graphormer_bias",
    "heat_kernel_diagonal",
    "heat_kernel_diagonal_estimate",
    "hitting_times",
    "init_centrality",
    "init_gaussian_bias",
    "init_graphormer_bias",
    "init_laplace_deepset",
    "init_lspe",
    "init_path_bias",
    "init_pearl",
    "init_san_encoder",
    "init_signnet",
    "init_spe",
    "init_type_bias",
    "init_type_distance_bias",
    "laplace_deepset",
    "laplacian",
    "laplacian_eigenvectors",
    "laplacian_loss",
    "lspe",
    "path_bias",
    "pearl",
    "per_type_degree",
    "precompute",
    "random_feature_propagation",
    "rrwp",
    "rwse",
    "rwse_estimate",
    "san_encoder",
    "shortest_path_distances",
    "signnet",
    "spe",
    "subspace_eigenvectors",
    "triangle_counts",
    "type_bias",
    "type_distance_bias",
]
