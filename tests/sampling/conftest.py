"""Graphs to sample from, and what a sample has to be of them."""

import numpy as np
import pytest

from graphattn_jax import graphs


def random_graph(seed=0, n=60, e=400, hub=True):
    """With parallel edges, loops, a hub and nodes that nobody speaks to; features name nodes and edges."""
    rng = np.random.default_rng(seed)
    senders, receivers = rng.integers(0, n, e), rng.integers(0, n - 5, e)
    if hub:
        receivers[: e // 4] = 3
    return graphs.from_edge_list(
        senders,
        receivers,
        nodes=np.stack([np.arange(n), rng.normal(size=n)], 1).astype(np.float32),
        edges=np.stack([np.arange(e), rng.normal(size=e)], 1).astype(np.float32),
    )


def check_sample(graph, sample):
    """Every row is a row of the whole graph, with its own features, and no edge is there twice."""
    real_nodes, real_edges = sample.node_ids >= 0, sample.edge_ids >= 0
    layout = sample.graph.layout
    np.testing.assert_array_equal(layout.node_mask, real_nodes)
    np.testing.assert_array_equal(layout.edge_mask, real_edges)
    nodes, edges = sample.node_ids[real_nodes], sample.edge_ids[real_edges]
    for ends, whole in (
        (sample.graph.senders, graph.senders),
        (sample.graph.receivers, graph.receivers),
    ):
        np.testing.assert_array_equal(sample.node_ids[ends[real_edges]], whole[edges])
    if graph.nodes is not None and hasattr(graph.nodes, "shape"):
        np.testing.assert_array_equal(sample.graph.nodes[real_nodes], graph.nodes[nodes])
        assert not sample.graph.nodes[~real_nodes].any()
    if hasattr(graph.edges, "shape"):
        np.testing.assert_array_equal(sample.graph.edges[real_edges], graph.edges[edges])
    return nodes, edges


@pytest.fixture
def whole():
    return random_graph()
