"""Positional and structural encodings: where a node is in its graph, as arrays.

Exact encodings run on the host in numpy and SciPy, once per graph, and belong into the data pipeline (`host`);
estimates run under `jax.jit` (`device`), and so do encoders with parameters (`learned`). Node encodings are `[N, K]`,
pair encodings have one row per edge of the `pattern` that attends. Always encode the original graph: every function
takes it first, and the pattern beside it.
"""

from graphattn_jax.encodings._vocabulary import (
    DistanceBuckets,
    LaplacianEigenvectors,
    MagneticEigenvectors,
    distance_buckets,
)
from graphattn_jax.encodings.device._chebyshev import chebyshev_coefficients, chebyshev_filter
from graphattn_jax.encodings.device._degree_encoding import degree_encoding
from graphattn_jax.encodings.device._heat_kernel_estimate import heat_kernel_diagonal_estimate
from graphattn_jax.encodings.device._random_feature_propagation import random_feature_propagation
from graphattn_jax.encodings.device._rwse_estimate import RWSEEstimate, rwse_estimate
from graphattn_jax.encodings.device._signs import flip_signs, turn_phases
from graphattn_jax.encodings.device._subspace import (
    SubspaceEigenvectors,
    SubspaceIteration,
    subspace_eigenvectors,
)
from graphattn_jax.encodings.host._common_neighbours import common_neighbours
from graphattn_jax.encodings.host._edge_paths import edge_features_on_paths
from graphattn_jax.encodings.host._effective_resistance import effective_resistance
from graphattn_jax.encodings.host._eigenvectors import laplacian_eigenvectors
from graphattn_jax.encodings.host._electrostatic import electrostatic
from graphattn_jax.encodings.host._heat_kernel import heat_kernel_diagonal
from graphattn_jax.encodings.host._hitting_times import hitting_times
from graphattn_jax.encodings.host._laplacian import laplacian
from graphattn_jax.encodings.host._magnetic import magnetic_laplacian_eigenvectors
from graphattn_jax.encodings.host._per_type_degree import per_type_degree
from graphattn_jax.encodings.host._precompute import precompute
from graphattn_jax.encodings.host._rrwp import rrwp
from graphattn_jax.encodings.host._rwse import rwse
from graphattn_jax.encodings.host._shortest_path import shortest_path_distances
from graphattn_jax.encodings.host._triangle_counts import triangle_counts
from graphattn_jax.encodings.host._virtual_pairs import extend_to_virtual_nodes
from graphattn_jax.encodings.learned._centrality import (
    CentralityParams,
    centrality,
    init_centrality,
)
from graphattn_jax.encodings.learned._deepset import init_laplace_deepset, laplace_deepset
from graphattn_jax.encodings.learned._gaussian_bias import (
    GaussianBiasParams,
    gaussian_bias,
    init_gaussian_bias,
)
from graphattn_jax.encodings.learned._graphormer_bias import (
    GraphormerBiasParams,
    graphormer_bias,
    init_graphormer_bias,
)
from graphattn_jax.encodings.learned._laplacian_loss import laplacian_loss
from graphattn_jax.encodings.learned._lspe import LSPEParams, init_lspe, lspe
from graphattn_jax.encodings.learned._path_bias import PathBiasParams, init_path_bias, path_bias
from graphattn_jax.encodings.learned._pearl import PEARLParams, init_pearl, pearl
from graphattn_jax.encodings.learned._san import (
    SANEncoderLayerParams,
    SANEncoderParams,
    init_san_encoder,
    san_encoder,
)
from graphattn_jax.encodings.learned._signnet import SignNetParams, init_signnet, signnet
from graphattn_jax.encodings.learned._spe import SPEParams, init_spe, spe
from graphattn_jax.encodings.learned._type_bias import (
    TypeBiasParams,
    TypeFactors,
    init_type_bias,
    type_bias,
)
from graphattn_jax.encodings.learned._type_distance_bias import (
    TypeDistanceBiasParams,
    init_type_distance_bias,
    type_distance_bias,
)

__all__ = [
    "CentralityParams",
    "DistanceBuckets",
    "GaussianBiasParams",
    "GraphormerBiasParams",
    "LSPEParams",
    "LaplacianEigenvectors",
    "MagneticEigenvectors",
    "PEARLParams",
    "PathBiasParams",
    "RWSEEstimate",
    "SANEncoderLayerParams",
    "SANEncoderParams",
    "SPEParams",
    "SignNetParams",
    "SubspaceEigenvectors",
    "SubspaceIteration",
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
    "magnetic_laplacian_eigenvectors",
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
    "turn_phases",
    "type_bias",
    "type_distance_bias",
]
