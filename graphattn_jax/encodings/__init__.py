"""Positional and structural encodings: where a node is in its graph, as arrays.

Exact encodings run on the host in numpy and SciPy, once per graph, and belong into the data pipeline; estimates and
learned encoders are jitted functions. Node encodings are `[N, K]`, pair encodings have one row per edge of the
`pattern` that attends. Always encode the original graph: every function takes it first, and the pattern beside it.
"""

from graphattn_jax.encodings._eigenvectors import LaplacianEigenvectors, laplacian_eigenvectors
from graphattn_jax.encodings._laplacian import laplacian

__all__ = ["LaplacianEigenvectors", "laplacian", "laplacian_eigenvectors"]
