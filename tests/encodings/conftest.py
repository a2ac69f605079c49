"""Graphs whose spectra are known."""

import networkx as nx
import numpy as np
import pytest

import graphattn_jax as ga


def undirected(graph):
    """A GraphsTuple with both directions of the edges of a networkx graph."""
    graph = nx.convert_node_labels_to_integers(graph)
    ends = np.array(graph.edges(), np.int32).reshape(-1, 2)
    return ga.graphs.from_edge_list(
        np.concatenate([ends[:, 0], ends[:, 1]]),
        np.concatenate([ends[:, 1], ends[:, 0]]),
        num_nodes=graph.number_of_nodes(),
    )


@pytest.fixture
def graph_of():
    """Turns a networkx graph into a GraphsTuple."""
    return undirected


@pytest.fixture
def mixed_batch():
    """A cycle, a graph of two paths and two isolated nodes, one node, a complete graph, two larger random graphs."""
    return [
        undirected(g)
        for g in (
            nx.cycle_graph(7),
            nx.disjoint_union_all([nx.path_graph(4), nx.empty_graph(2), nx.path_graph(3)]),
            nx.empty_graph(1),
            nx.complete_graph(5),
            nx.gnm_random_graph(24, 60, seed=0),
            nx.gnm_random_graph(24, 50, seed=1),
        )
    ]
