"""Features that are mostly zeros, such as bags of words: only what is not zero is stored and multiplied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops._edge_attention import edge_aggregate
from graphattn_jax.ops._pattern import Edges, prepare_edges
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["SparseFeatures", "is_sparse"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class SparseFeatures:
    """A sparse feature matrix X, `[N, D]`, that is never made dense.

        (X W)_n = Σ_{k: row_k = n} value_k W[column_k],    dW = Xᵀ G,  (dW)_d = Σ_{k: column_k = d} value_k G[row_k]

    X is a bipartite graph of columns that send to rows, and the product an `edge_aggregate` over it: gathers of rows of
    W forward and of G backward, over neighbour tiles of either side, without a scatter of rows.

    It stands in for `graph.nodes` where a weight multiplies them first: `nn.linear`, `nn.mlp`, `attention.project`, the
    layers `GAT`, `GATv2`, `GraphTransformer` and `GCN`, the plain and the residual network. `ops.dropout` drops stored
    values, which is dropout of X: a zero stays one. Other functions raise a `ValueError`.

    Args:
      values: `[K]` floating point, the stored entries.
      edges: the bipartite pattern of columns → rows, prepared; it also knows N and D.

    Raises:
      ValueError: used as a dense array.

    Cost: O(K F) time for F columns of W, against O(N D F) dense; about 40 bytes per stored entry.
    Padding: `graphs.pad` appends empty rows, whose product is 0.

    Example:
      >>> import jax.numpy as jnp, scipy.sparse, graphattn_jax as ga
      >>> x = ga.ops.SparseFeatures.from_scipy(scipy.sparse.eye_array(3, 1000, dtype="float32"))
      >>> x
      SparseFeatures(float32 [3, 1000], 3 stored)
      >>> (x @ jnp.ones((1000, 4))).shape
      (3, 4)
    """

    values: ArrayLike
    edges: Edges

    @classmethod
    def from_scipy(cls, matrix: Any, dtype: Any = None) -> SparseFeatures:
        """From a SciPy sparse matrix `[N, D]` of any format, on the host.

        Duplicate entries are summed and stored zeros dropped. `dtype` of the values; None = float32.
        """
        if not scipy.sparse.issparse(matrix):
            raise ValueError(
                f"matrix must be a SciPy sparse matrix, got {_checks.describe(matrix)}. "
                "Fix: use SparseFeatures.from_dense for a dense one."
            )
        _checks.shape("matrix", matrix, ("N", "D"))
        matrix = scipy.sparse.csr_array(matrix, copy=True)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        entries = matrix.tocoo()
        rows, columns = (ids.astype(np.int32) for ids in (entries.row, entries.col))
        num_rows, num_columns = entries.shape
        edges = Edges(columns, rows, num_senders=num_columns, num_receivers=num_rows)
        values = entries.data.astype(jnp.float32 if dtype is None else dtype)
        return cls(values, prepare_edges(edges))

    @classmethod
    def from_dense(cls, x: ArrayLike, dtype: Any = None) -> SparseFeatures:
        """From a dense matrix `[N, D]`, on the host; as `from_scipy` of the same."""
        x = np.asarray(x)
        _checks.shape("x", x, ("N", "D"))
        return cls.from_scipy(scipy.sparse.csr_array(x), dtype)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D), static."""
        return self.edges.num_rows, self.edges.num_senders

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    @property
    def dtype(self) -> Any:
        """That of the values."""
        return self.values.dtype

    def astype(self, dtype: Any) -> SparseFeatures:
        """The same with values of another type."""
        return replace(self, values=self.values.astype(dtype))

    def __matmul__(self, weight: ArrayLike) -> Array:
        """X W for W `[D, F]`: `[N, F]` in the dtype of W, accumulated in float32 or wider."""
        weight = jnp.asarray(weight)
        _checks.shape("weight", weight, (self.shape[1], "F"))
        values = jnp.asarray(self.values).astype(accumulation_dtype(self.dtype))
        return edge_aggregate(values[:, None], weight[:, None, :], self.edges)[:, 0]

    def without_layout(self) -> SparseFeatures:
        """The same, multiplied by plain gathers and sums: slower, with a forward mode (`jax.jvp`, `jax.hessian`)."""
        return replace(self, edges=replace(self.edges, layout=None))

    def to_scipy(self) -> scipy.sparse.csr_array:
        """The matrix as SciPy's, on the host."""
        ids = self.edges.receivers, self.edges.senders
        values, rows, columns = (np.asarray(x) for x in (self.values, *ids))
        return scipy.sparse.csr_array((values, (rows, columns)), shape=self.shape)

    def to_dense(self) -> np.ndarray:
        """The matrix as a numpy array, on the host: N D entries."""
        return self.to_scipy().toarray()

    def with_rows(self, num_rows: int) -> SparseFeatures:
        """The same with empty rows appended, or the last rows dropped, which must be empty."""
        stored = np.asarray(self.edges.receivers)
        if len(stored) and stored.max() >= num_rows:
            raise ValueError(f"rows from {num_rows} on must be empty to be dropped, got {self!r}.")
        edges = replace(self.edges, num_receivers=num_rows, layout=None)
        return replace(self, edges=prepare_edges(edges))

    def __repr__(self) -> str:
        num_rows, num_columns = self.shape
        stored = self.values.shape[0]
        return f"SparseFeatures({self.dtype} [{num_rows}, {num_columns}], {stored} stored)"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise ValueError(self._not_dense())

    def __jax_array__(self) -> Array:
        raise ValueError(self._not_dense())

    def _not_dense(self) -> str:
        return (
            f"{self!r} is used where a dense array is needed. Fix: multiply it by a weight first (x @ weight, "
            "ga.nn.linear), or give the dense matrix, x.to_dense()."
        )


def is_sparse(x: Any) -> bool:
    """Whether `x` is a `SparseFeatures`: a leaf where features are walked by rows.

    Args:
      x: anything.

    Returns:
      A bool.

    Example:
      >>> import jax, scipy.sparse, graphattn_jax as ga
      >>> nodes = {"words": ga.ops.SparseFeatures.from_scipy(scipy.sparse.eye_array(3, dtype="float32"))}
      >>> jax.tree.map(lambda x: x.shape, nodes, is_leaf=ga.ops.is_sparse)
      {'words': (3, 3)}
    """
    return isinstance(x, SparseFeatures)
