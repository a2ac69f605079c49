"""GraphSAGE: a mean beside the node itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, nn, ops
from graphattn_jax import message_passing as mp

MEAN_AND_ROOT = mp.SAGEParams(
    neighbor=nn.LinearParams(jnp.array([[1.0, 0.0]]), jnp.array([0.5, 0.0])),
    root=nn.LinearParams(jnp.array([[0.0, 1.0]]), None),
)


def test_mean_of_incoming_edges_and_the_node_itself():
    nodes = np.array([[1.0], [3.0], [8.0], [-1.0]], np.float32)
    graph = graphs.from_edge_list([0, 1, 2, 2, 2], [2, 2, 3, 3, 2], nodes=nodes)
    out = mp.SAGE().apply(MEAN_AND_ROOT, graph).graph.nodes
    # Node 2 hears 1, 3 and itself; node 3 hears 8 twice; the others nothing.
    np.testing.assert_allclose(out, [[0.5, 1], [0.5, 3], [4.5, 8], [8.5, -1]], rtol=1e-6)


def test_the_mean_does_not_grow_with_the_degree():
    """1000 neighbours in bfloat16: counts and sums are float32."""
    n = 1001
    star = graphs.from_edge_list(
        np.arange(1, n), np.zeros(n - 1, np.int32), nodes=np.ones((n, 1), np.float32)
    )
    star = star._replace(nodes=jnp.asarray(star.nodes, jnp.bfloat16))
    for graph in (star, graphs.prepare(star)):
        out = mp.SAGE().apply(MEAN_AND_ROOT, graph).graph.nodes
        assert out.dtype == jnp.bfloat16
        assert out[0].tolist() == [1.5, 1.0]


def test_sage_arguments():
    params = mp.SAGE(2, use_bias=False).init(jax.random.key(0), 4)
    assert params.neighbor.bias is None and params.root.bias is None
    with pytest.raises(ValueError, match="features must be a positive integer"):
        mp.SAGE(-1)
    for width in (0, (4, 0)):
        with pytest.raises(ValueError, match="in_features must be a positive integer"):
            mp.SAGE(2).init(jax.random.key(0), width)
    with pytest.raises(ValueError, match=r"one for \(senders, receivers\), got \(4, 4, 4\)"):
        mp.SAGE(2).init(jax.random.key(0), (4, 4, 4))
    sparse = ops.SparseFeatures.from_dense(np.ones((2, 4), np.float32))
    graph = graphs.from_edge_list([0], [1], nodes=np.ones((2, 1)))._replace(nodes=sparse)
    with pytest.raises(ValueError, match="needs the nodes as an array, got SparseFeatures"):
        mp.SAGE(2).apply(params, graph)
