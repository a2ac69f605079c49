import networkx as nx
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import edge_features_on_paths, shortest_path_distances
from graphattn_jax.encodings.host import _edge_paths


def undirected(graph):
    return ga.graphs.add_reverse_edges(ga.graphs.from_networkx(graph))


def random_tree(seed, nodes=30):
    return undirected(nx.random_labeled_tree(nodes, seed=seed))


def check(graph, pattern, max_distance, **options):
    """Each row is the path from the receiver back to the sender that takes the first edges."""
    pairs = ga.graphs.all_pairs(graph)
    n = ga.graphs.num_nodes(graph)
    far = shortest_path_distances(graph, max_distance, pattern=pairs, **options).reshape(n, n)
    hops = shortest_path_distances(graph, max_distance, pattern=pattern, **options)
    paths = edge_features_on_paths(graph, max_distance, pattern=pattern, **options)
    assert paths.shape == (len(hops), max_distance)
    length = np.where(hops <= max_distance, hops, 0)
    np.testing.assert_array_equal((paths >= 0).sum(1), length)
    ends = zip(pattern.senders, pattern.receivers, length, paths, strict=True)
    for sender, node, left, path in ends:
        for edge in path[:left]:
            into = np.flatnonzero(graph.receivers == node)
            left = left - 1
            nearer = [e for e in into if far[graph.senders[e], sender] == left]
            assert edge == nearer[0]
            node = graph.senders[edge]
        assert node == sender or not (path >= 0).any()


@pytest.mark.parametrize("max_distance", [1, 3, 8])
def test_paths_are_shortest_paths(max_distance):
    graph = ga.testing.random_graph(0, 20, 60, 1, undirected=True)
    check(graph, ga.graphs.all_pairs(graph), max_distance)


def test_directed_paths():
    graph = ga.testing.random_graph(1, 15, 30, 1)
    check(graph, ga.graphs.all_pairs(graph), 6, directed="keep")


def test_more_senders_than_bits_in_a_word():
    graph = random_tree(0, nodes=80)
    check(graph, ga.graphs.all_pairs(graph), 30)


def test_small_pieces_are_the_whole(monkeypatch):
    graph = ga.testing.random_graph(2, 12, 40, 1, undirected=True)
    pairs = ga.graphs.all_pairs(graph)
    whole = edge_features_on_paths(graph, 4, pattern=pairs)
    monkeypatch.setattr(_edge_paths, "AT_ONCE", 2)
    np.testing.assert_array_equal(edge_features_on_paths(graph, 4, pattern=pairs), whole)


def test_a_tie_takes_the_first_edge():
    """From 0 to 3 in a square: by 1 or by 2, whichever edge into 3 comes first."""
    square = ga.graphs.from_edge_list([0, 0, 1, 2], [1, 2, 3, 3])
    pair = ga.graphs.from_edge_list([0], [3])
    first = edge_features_on_paths(square, 2, pattern=pair, directed="keep")
    assert first.tolist() == [[2, 0]]
    turned = ga.testing.permute_edges(square, np.array([0, 1, 3, 2]))
    second = edge_features_on_paths(turned, 2, pattern=pair, directed="keep")
    assert second.tolist() == [[2, 1]]  # now by node 2


def test_ties_do_not_depend_on_names_of_nodes():
    graph = ga.testing.random_graph(3, 12, 50, 1, undirected=True)
    moved = ga.testing.permute_nodes(graph, np.random.default_rng(0).permutation(12))
    np.testing.assert_array_equal(
        edge_features_on_paths(graph, 3), edge_features_on_paths(moved, 3)
    )


def test_in_trees_neither_the_order_of_edges_nor_the_direction_matters():
    graph = random_tree(4)
    pairs = ga.graphs.all_pairs(graph)
    paths = edge_features_on_paths(graph, 30, pattern=pairs)
    order = np.random.default_rng(0).permutation(ga.graphs.num_edges(graph))
    other = edge_features_on_paths(ga.testing.permute_edges(graph, order), 30, pattern=pairs)
    np.testing.assert_array_equal(np.where(other >= 0, order[other], -1), paths)
    # The reverse pair runs the same undirected edges in the opposite order.
    reverse = ga.ops.reverse_edges(graph.senders, graph.receivers)
    for there, back in zip(paths, paths.reshape(30, 30, 30).swapaxes(0, 1).reshape(900, 30)):
        np.testing.assert_array_equal(there[there >= 0], np.asarray(reverse)[back[back >= 0]][::-1])


def test_padding_and_virtual_nodes_have_no_path():
    graph = random_tree(5, nodes=4)
    budget = ga.graphs.Budget(n_node=6, n_edge=9, n_graph=2)
    paths = edge_features_on_paths(graph, 2)
    padded = edge_features_on_paths(ga.graphs.pad(graph, budget), 2)
    np.testing.assert_array_equal(padded, np.vstack([paths, np.full((3, 2), -1)]))
    grown = ga.encodings.extend_to_virtual_nodes(paths, graph, -1)
    np.testing.assert_array_equal(grown, np.vstack([paths, np.full((8, 2), -1)]))


def test_duplicates_give_the_first_and_loops_nothing():
    graph = ga.graphs.from_edge_list([0, 0, 0, 1, 1], [0, 1, 1, 0, 0])
    paths = edge_features_on_paths(graph, 2)
    assert paths.tolist() == [[-1, -1], [1, -1], [1, -1], [3, -1], [3, -1]]


def test_errors():
    arrow = ga.graphs.from_edge_list([0], [1])
    with pytest.raises(ValueError, match="edge_features_on_paths needs an undirected graph"):
        edge_features_on_paths(arrow, 2)
    with pytest.raises(ValueError, match="directed must be one of 'error', 'keep'"):
        edge_features_on_paths(arrow, 2, directed="symmetrize")
    with pytest.raises(ValueError, match="max_distance must be a positive integer"):
        edge_features_on_paths(arrow, 0)
