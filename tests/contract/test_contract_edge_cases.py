"""Degenerate graphs: finite values and gradients, without a NaN on the way."""

import jax
import numpy as np
import pytest
from _table import EDGE_WIDTH, WIDTH, each_layer_and_normalizer, on_features

from graphattn_jax import graphs, testing

pytestmark = pytest.mark.oldest

# Senders, receivers, number of nodes.
ONE_NODE = ([], [], 1)
SELF_LOOP = ([0], [0], 1)
ISOLATED = ([0], [2], 4)
LOOPS_ONLY = ([0, 1, 2], [0, 1, 2], 3)
DUPLICATES = ([0, 0, 0, 1, 1], [1, 1, 1, 0, 1], 2)
STAR = ([1, 2, 3, 0, 0, 0], [0, 0, 0, 1, 2, 3], 4)  # no doubly stochastic weights exist
NO_NODES = ([], [], 0)
NO_EDGES = ([], [], 3)


def make_graph(senders, receivers, num_nodes):
    rng = np.random.default_rng(0)
    return graphs.from_edge_list(
        np.array(senders, np.int32),
        np.array(receivers, np.int32),
        num_nodes=num_nodes,
        nodes=rng.normal(size=(num_nodes, WIDTH)).astype(np.float32),
        edges=rng.normal(size=(len(senders), EDGE_WIDTH)).astype(np.float32),
    )


def assert_finite(case, graph):
    def apply(params, graph):
        out = case.apply(params, graph)
        return out.graph.nodes, out.graph.edges, out.attention

    params = case.init()
    testing.assert_finite_gradients(on_features(apply, graph), params, graph.nodes, graph.edges)


@each_layer_and_normalizer
@pytest.mark.parametrize("scale", [0.0, 100.0])
@pytest.mark.usefixtures("debug_nans")
@jax.disable_jit()
def test_degenerate_graphs_and_features(case, scale):
    structures = (ONE_NODE, SELF_LOOP, NO_NODES, ISOLATED, LOOPS_ONLY, DUPLICATES, STAR)
    graph = graphs.batch([make_graph(*structure) for structure in structures])
    graph = graph._replace(nodes=(scale * graph.nodes).astype(np.float32))
    assert_finite(case, graphs.prepare(graph))


@each_layer_and_normalizer
@pytest.mark.parametrize("structure", [NO_NODES, NO_EDGES], ids=["no_nodes", "no_edges"])
@pytest.mark.usefixtures("debug_nans")
@jax.disable_jit()
def test_nothing_at_all(case, structure):
    graph = make_graph(*structure)
    assert_finite(case, graphs.prepare(graph))


@each_layer_and_normalizer
@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "only marked"])
@pytest.mark.usefixtures("debug_nans")
@jax.disable_jit()
def test_only_padding(case, prepared):
    padded = graphs.pad(make_graph(*NO_EDGES), graphs.Budget(n_node=6, n_edge=5, n_graph=2))
    assert_finite(case, padded if prepared else graphs.PaddedGraphsTuple(*padded))
