"""Positional and structural encodings: where a node is in its graph, as arrays.

Exact encodings run on the host in numpy and SciPy, once per graph, and belong into the data pipeline; estimates and
learned encoders are jitted functions. Node encodings are `[N, K]`, pair encodings have one row per edge of the
`pattern` that attends. Always encode the original graph: every function takes it first, and the pattern beside it.
"""

from graphattn_jax.encodings._chebyshev import chebyshev_coefficients, chebyshev_filter
from graphattn_jax.encodings._deepset import init_laplace_deepset, laplace_deepset
from graphattn_jax.encodings._eigenvectors import LaplacianEigenvectors, laplacian_eigenvectors
from graphattn_jax.encodings._heat_kernel import (
    heat_kernel_diagonal,
    heat_kernel_diagonal_estimate,
)
from graphattn_jax.encodings._laplacian import laplacian
from graphattn_jax.encodings._san import (
    SANEncoderLayerParams,
    SANEncoderParams,
    init_san_encoder,
    san_encoder,
)
from graphattn_jax.encodings._signnet import SignNetParams, init_signnet, signnet
from graphattn_jax.encodings._signs import flip_signs
from graphattn_jax.encodings._spe import SPEParams, init_spe, spe
from graphattn_jax.encodings._subspace import SubspaceEigenvectors, subspace_eigenvectors

__all__ = [
    "LaplacianEigenvectors",
    "SANEncoderLayerParams",
    "SANEncoderParams",
    "SPEParams",
    "SignNetParams",
    "SubspaceEigenvectors",
    "chebyshev_coefficients",
    "chebyshev_filter",
    "flip_signs",
    "heat_kernel_diagonal",
    "heat_kernel_diagonal_estimate",
    "init_laplace_deepset",
    "init_san_encoder",
    "init_signnet",
    "init_spe",
    "laplace_deepset",
    "laplacian",
    "laplacian_eigenvectors",
    "san_encoder",
    "signnet",
    "spe",
    "subspace_eigenvectors",
]
