"""One table of the encodings that run on the host, and what each of them keeps to. A new encoding is one row."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import encodings


class Node(NamedTuple):
    """A node encoding `encode(graph) -> [N, ...]`."""

    encode: Callable
    directed: bool = False  # it has a meaning for directed graphs, without an option
    padding: float = 0  # what padding rows hold


class Pair(NamedTuple):
    """A pair encoding `encode(graph, pattern) -> [E_pattern, ...]`."""

    encode: Callable
    directed: bool = False
    padding: float = 0
    symmetric: bool = True  # the same for a pair and its reverse
    edge_order: bool = True  # free of the order of edges; ties may break it


def path_features(graph, pattern):
    """The features along the paths in place of the ids, which move in a batch."""
    paths = encodings.edge_features_on_paths(graph, 3, pattern=pattern)
    features = np.append(graph.edges, np.zeros_like(graph.edges, shape=(1, 2)), axis=0)
    return features[paths].reshape(len(paths), 6)


def neighbours_by_type(graph):
    return encodings.per_type_degree(graph, 3, node_types=graph.nodes["type"])


def edges_by_type(graph):
    kind = (graph.edges[:, 0] > 0).astype(np.int32)
    return encodings.per_type_degree(graph, 2, edge_types=kind, direction="out")


def short_distances(graph, pattern):
    return encodings.shortest_path_distances(graph, 2, pattern=pattern)


def long_distances(graph, pattern):
    """K beyond the number of nodes."""
    return encodings.shortest_path_distances(graph, 30, pattern=pattern)


def directed_distances(graph, pattern):
    return encodings.shortest_path_distances(graph, 3, pattern=pattern, directed="keep")


def resistance(graph, pattern):
    return encodings.effective_resistance(graph, pattern=pattern)


ENCODINGS = {
    "neighbours_by_type": Node(neighbours_by_type, directed=True),
    "edges_by_type": Node(edges_by_type, directed=True),
    "short_distances": Pair(short_distances),
    "long_distances": Pair(long_distances),
    "directed_distances": Pair(directed_distances, directed=True),
    "path_features": Pair(path_features, symmetric=False, edge_order=False),
    "resistance": Pair(resistance),
}


def make(senders, receivers, num_nodes):
    rng = np.random.default_rng(len(senders))
    return ga.graphs.from_edge_list(
        senders,
        receivers,
        num_nodes=num_nodes,
        nodes={"type": rng.integers(0, 3, num_nodes)},
        edges=rng.normal(size=(len(senders), 2)).astype(np.float32),
    )


def both_ways(senders, receivers, num_nodes):
    return make(senders + receivers, receivers + senders, num_nodes)


def random(num_nodes, num_edges):
    graph = ga.testing.random_graph(num_edges, num_nodes, num_edges, 1, undirected=True)
    return make(graph.senders, graph.receivers, num_nodes)


GRAPHS = {
    "random": random(9, 24),
    "disconnected": random(11, 12),
    "isolated": both_ways([1, 1, 3], [3, 5, 5], 7),
    "loops_and_duplicates": both_ways([0, 0, 1, 2, 2], [1, 1, 2, 2, 2], 4),
    "only_loops": make([0, 1, 1], [0, 1, 1], 2),
    "one_edge": both_ways([0], [1], 2),
    "one_node": make([], [], 1),
    "no_edges": make([], [], 3),
    "empty": make([], [], 0),
}
ARROWS = make([0, 1, 2], [1, 2, 0], 4)

of_all = pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
of_pairs = pytest.mark.parametrize(
    "encoding",
    [e for e in ENCODINGS.values() if isinstance(e, Pair)],
    ids=[name for name, e in ENCODINGS.items() if isinstance(e, Pair)],
)
on_all = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)


def encode(encoding, graph, pattern=None):
    return encoding.encode(graph) if isinstance(encoding, Node) else encoding.encode(graph, pattern)


def same(got, want):
    """Equal up to rounding, in dtype and shape, without NaN."""
    assert got.dtype == want.dtype
    assert not np.isnan(want).any()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, strict=True)


@of_all
@on_all
def test_rows_and_dtypes(encoding, graph):
    pairs = ga.graphs.all_pairs(graph)
    got = encode(encoding, graph, pairs)
    assert isinstance(got, np.ndarray)
    assert got.dtype in (np.float32, np.int32)
    is_node = isinstance(encoding, Node)
    assert len(got) == (ga.graphs.num_nodes(graph) if is_node else ga.graphs.num_edges(pairs))
    assert not np.isnan(got).any()


@of_pairs
@on_all
def test_without_a_pattern_the_pairs_are_the_edges(encoding, graph):
    same(encoding.encode(graph, None), encoding.encode(graph, graph))


@of_pairs
@on_all
def test_pairs_do_not_depend_on_one_another(encoding, graph):
    pairs = ga.graphs.all_pairs(graph)
    some = np.random.default_rng(0).permutation(ga.graphs.num_edges(pairs))[::3]
    few = make(pairs.senders[some], pairs.receivers[some], ga.graphs.num_nodes(graph))
    same(encoding.encode(graph, few), encoding.encode(graph, pairs)[some])


@of_all
@on_all
def test_padding_changes_nothing_and_gets_nothing(encoding, graph):
    pairs = ga.graphs.all_pairs(graph)
    budget = ga.graphs.Budget(n_node=15, n_edge=200, n_graph=3)
    padded, pattern = ga.graphs.pad(graph, budget), ga.graphs.pad(pairs, budget)
    want, got = encode(encoding, graph, pairs), encode(encoding, padded, pattern)
    same(got[: len(want)], want)
    assert len(got) == (15 if isinstance(encoding, Node) else 200)
    np.testing.assert_array_equal(got[len(want) :], encoding.padding)


@of_all
def test_a_batch_is_each_graph_alone(encoding):
    graphs = list(GRAPHS.values())
    whole = ga.graphs.batch(graphs)
    got = encode(encoding, whole, ga.graphs.all_pairs(whole))
    same(got, np.concatenate([encode(encoding, g, ga.graphs.all_pairs(g)) for g in graphs]))


@of_all
@on_all
def test_nodes_by_another_name(encoding, graph):
    order = np.random.default_rng(0).permutation(ga.graphs.num_nodes(graph))
    moved = ga.testing.permute_nodes(graph, order)
    if isinstance(encoding, Node):
        return same(encoding.encode(moved), encoding.encode(graph)[order])
    pairs = ga.graphs.all_pairs(graph)
    same(
        encoding.encode(moved, ga.testing.permute_nodes(pairs, order)),
        encoding.encode(graph, pairs),
    )


@of_all
@on_all
def test_edges_in_another_order(encoding, graph):
    if isinstance(encoding, Pair) and not encoding.edge_order:
        pytest.skip("takes the first of equal paths")
    order = np.random.default_rng(0).permutation(ga.graphs.num_edges(graph))
    pairs = ga.graphs.all_pairs(graph)
    same(
        encode(encoding, ga.testing.permute_edges(graph, order), pairs),
        encode(encoding, graph, pairs),
    )


@of_pairs
@on_all
def test_a_pair_and_its_reverse(encoding, graph):
    if not encoding.symmetric:
        pytest.skip("tells a pair from its reverse")
    n = ga.graphs.num_nodes(graph)
    got = encoding.encode(graph, ga.graphs.all_pairs(graph))
    square = got.reshape(n, n, *got.shape[1:])
    np.testing.assert_array_equal(square, square.swapaxes(0, 1))


@of_all
def test_directed_graphs_are_refused_unless_they_have_a_meaning(encoding):
    if encoding.directed:
        assert len(encode(encoding, ARROWS)) == (4 if isinstance(encoding, Node) else 3)
    else:
        with pytest.raises(ValueError, match=r"needs an undirected graph.*Fix: "):
            encode(encoding, ARROWS)


@of_all
def test_the_graph_stays_as_it_was(encoding):
    graph = GRAPHS["random"]
    before = jax.tree.map(np.copy, graph)
    encode(encoding, graph, ga.graphs.all_pairs(graph))
    jax.tree.map(np.testing.assert_array_equal, graph, before)


@of_pairs
def test_a_pattern_on_other_nodes_is_refused(encoding):
    other = ga.graphs.add_virtual_node(GRAPHS["one_edge"])
    with pytest.raises(ValueError, match="pattern must have the nodes of graph, got 3 and 2"):
        encoding.encode(GRAPHS["one_edge"], other)


@of_all
def test_device_arrays_are_read_too(encoding):
    graph = jax.tree.map(jax.numpy.asarray, GRAPHS["random"])
    same(encode(encoding, graph), encode(encoding, GRAPHS["random"]))
