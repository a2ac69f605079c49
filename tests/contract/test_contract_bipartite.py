"""Layers between two sets of nodes. As one graph of all nodes, whose edges lead from the first set to the second, with
the features of either set in columns of their own, it must give the same.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _table import EDGE_WIDTH, HEADS

from graphattn_jax import graphs, ops, testing
from graphattn_jax.attention import GAT, Cosine, GATv2, GraphTransformer, Pairwise, Shared

pytestmark = pytest.mark.oldest

SENDERS, RECEIVERS = 5, 4
D_SENDERS, D_RECEIVERS = 3, 2
rng = np.random.default_rng(0)
EDGES = (
    rng.integers(0, SENDERS, 9),
    rng.integers(0, RECEIVERS - 1, 9),
)  # the last receiver hears nothing
FEATURES = rng.normal(size=(9, EDGE_WIDTH)).astype(np.float32)
MASK = np.arange(9) % 4 != 1


class Row(NamedTuple):
    """equal: both sets have the same features, and one map."""

    layer: object
    equal: bool = False
    edges: bool = False


ROWS = {
    "GAT": Row(GAT(3, HEADS)),
    "GAT-one map": Row(GAT(3, HEADS), equal=True, edges=True),
    "GAT-shared": Row(GAT(3, HEADS, score=Shared(), normalizer=ops.Sigmoid()), equal=True),
    "GATv2": Row(GATv2(3, HEADS)),
    "GATv2-edges": Row(GATv2(3, HEADS, concat=False), edges=True),
    "GATv2-cosine": Row(GATv2(3, HEADS, score=Cosine(0.5)), equal=True, edges=True),
    "GraphTransformer": Row(GraphTransformer(3, HEADS, separate=True, output=5)),
    "GraphTransformer-edges": Row(GraphTransformer(3, HEADS), edges=True),
    "GraphTransformer-pairwise": Row(GraphTransformer(3, HEADS, score=Pairwise()), equal=True),
}
each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


def widths(row):
    return (D_SENDERS, D_SENDERS if row.equal else D_RECEIVERS)


def nodes(row):
    d_senders, d_receivers = widths(row)
    rng = np.random.default_rng(1)
    return (
        rng.normal(size=(SENDERS, d_senders)).astype(np.float32),
        rng.normal(size=(RECEIVERS, d_receivers)).astype(np.float32),
    )


def init(row):
    in_features = widths(row)[0] if row.equal else widths(row)
    params = row.layer.init(jax.random.key(0), in_features, EDGE_WIDTH if row.edges else None)
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [x + 0.3 * jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves)]
    return jax.tree.unflatten(structure, noisy)


def two_sets(row, senders, receivers, mask=None):
    features = FEATURES if row.edges else None
    both = {"sender_nodes": nodes(row)[0], "receiver_nodes": nodes(row)[1]}
    graph = graphs.bipartite(*EDGES, **both, edges=features, edge_mask=mask)
    return graph._replace(nodes=graphs.NodePair(senders, receivers))


def one_set(row, params, senders, receivers):
    """The square graph, and parameters for its nodes: maps of either set below each other."""
    if row.equal:
        x = jnp.concatenate([senders, receivers])
    else:
        x = jax.scipy.linalg.block_diag(senders, receivers)

        def of_senders(weight):
            return jnp.pad(weight, [(0, D_RECEIVERS), (0, 0), (0, 0)])

        def of_receivers(weight):
            return jnp.pad(weight, [(D_SENDERS, 0), (0, 0), (0, 0)])

        if isinstance(row.layer, GAT):
            stacked = of_senders(params.weight) + of_receivers(params.receiver_weight)
            params = params._replace(weight=stacked, receiver_weight=None)
        elif isinstance(row.layer, GATv2):
            params = params._replace(
                sender_weight=of_senders(params.sender_weight),
                receiver_weight=of_receivers(params.receiver_weight),
            )
        else:
            params = params._replace(
                query_weight=of_receivers(params.query_weight),
                key_weight=of_senders(params.key_weight),
                value_weight=of_senders(params.value_weight),
            )
            if params.root is not None:
                root = jnp.pad(params.root.weight, [(D_SENDERS, 0), (0, 0)])
                params = params._replace(root=params.root._replace(weight=root))
    graph = graphs.GraphsTuple(
        nodes=x,
        edges=FEATURES if row.edges else None,
        senders=EDGES[0],
        receivers=EDGES[1] + SENDERS,
        globals=None,
        n_node=np.array([SENDERS + RECEIVERS]),
        n_edge=np.array([len(EDGES[0])]),
    )
    return graph, params


@each_row
@jax.disable_jit()
def test_equals_the_square_graph_in_values_and_gradients(row):
    def square(params, senders, receivers):
        graph, params = one_set(row, params, senders, receivers)
        return row.layer.apply(params, graph).graph.nodes[SENDERS:]

    def pair(params, senders, receivers):
        graph = two_sets(row, senders, receivers)
        out = row.layer.apply(params, graph).graph.nodes
        assert out.senders is senders
        return out.receivers

    def plain(params, senders, receivers):
        graph = graphs.GraphsTuple(*two_sets(row, senders, receivers))
        return row.layer.apply(params, graph).graph.nodes.receivers

    testing.assert_implementations_agree(
        {"square": square, "prepared": pair, "plain": plain},
        init(row),
        *nodes(row),
        rtol=2e-5,
        atol=2e-6,
    )


@each_row
def test_masked_edges_are_as_if_they_were_not_there(row):
    params, both = init(row), nodes(row)
    apply = jax.jit(row.layer.apply)
    out = apply(params, two_sets(row, *both, mask=MASK))
    fewer = graphs.bipartite(
        EDGES[0][MASK],
        EDGES[1][MASK],
        sender_nodes=both[0],
        receiver_nodes=both[1],
        edges=FEATURES[MASK] if row.edges else None,
    )
    want = apply(params, fewer)
    np.testing.assert_allclose(out.graph.nodes.receivers, want.graph.nodes.receivers, atol=1e-5)
    np.testing.assert_allclose(out.attention.weights[MASK], want.attention.weights, atol=1e-6)
    assert not out.attention.weights[~MASK].any()


def test_constraints_and_unequal_widths_are_refused():
    row = ROWS["GATv2"]
    with pytest.raises(ValueError, match="needs the same nodes on both sides"):
        layer = GATv2(3, HEADS, normalizer=ops.Sinkhorn())
        layer.apply(init(row), two_sets(row, *nodes(row)))
    with pytest.raises(ValueError, match="one projection for both ends"):
        GAT(3, score=Shared()).init(jax.random.key(0), (3, 2))
    with pytest.raises(
        ValueError, match=r"graph\.nodes\.receivers must be an array of shape \[N, 3\]"
    ):
        layer = GATv2(3, HEADS)
        layer.apply(layer.init(jax.random.key(0), 3), two_sets(row, *nodes(row)))
