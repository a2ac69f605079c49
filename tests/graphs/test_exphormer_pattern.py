from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga
from graphattn_jax.graphs import exphormer_pattern


def ring(n):
    i = np.arange(n)
    return ga.graphs.add_reverse_edges(
        ga.graphs.from_edge_list(i, (i + 1) % n, nodes=np.ones((n, 2)), edges=i[:, None] + 1.0)
    )


def test_by_hand(two_graphs):
    graph, kinds, edge_ids, virtual = exphormer_pattern(two_graphs, num_virtual=2)
    ga.graphs.validate(graph)
    assert virtual.tolist() == [0, 0, 0, 1, 2, 0, 0, 1, 2]
    first = [0, 0, 1, 1, 1, 1, 2, 2, 2, 4, 4, 4, 3, 3, 3, 5, 5, 5]
    assert kinds.tolist() == [*first, 0, 0, 0, 1, 2, 2, 4, 4, 3, 3, 5, 5]
    assert edge_ids.tolist() == [0, 1, *[-1] * 16, 2, 3, 4, *[-1] * 9]
    assert graph.edges[:, 0].tolist() == [10, 11, *[0] * 16, 20, 21, 22, *[0] * 9]
    assert graph.nodes[:, 0].tolist() == [0, 1, 2, 0, 0, 3, 4, 0, 0]


@given(data=st.data(), num_virtual=st.integers(0, 3))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_every_edge_is_what_its_kind_says(data, num_virtual, batch_strategy, assert_same):
    old = ga.graphs.batch(data.draw(batch_strategy))
    graph, kinds, edge_ids, virtual = exphormer_pattern(old, num_virtual=num_virtual)
    ga.graphs.validate(graph)
    assert kinds.dtype == edge_ids.dtype == virtual.dtype == np.int32
    assert len(kinds) == len(edge_ids) == ga.graphs.num_edges(graph)
    assert len(virtual) == ga.graphs.num_nodes(graph)
    owner = np.asarray(ga.graphs.node_graph_ids(graph))
    for k in range(1, num_virtual + 1):
        assert owner[virtual == k].tolist() == list(range(len(old.n_node)))
        assert (virtual[graph.receivers[kinds == 2 * k]] == k).all()
        assert (virtual[graph.senders[kinds == 2 * k + 1]] == k).all()
        assert (kinds == 2 * k).sum() == (kinds == 2 * k + 1).sum() == ga.graphs.num_nodes(old)
    real = np.flatnonzero(virtual == 0)
    ends = np.stack([graph.senders, graph.receivers])
    assert (virtual[ends[:, kinds < 2]] == 0).all()
    is_old = kinds == 0
    assert edge_ids[is_old].tolist() == list(range(ga.graphs.num_edges(old)))
    assert (edge_ids[~is_old] == -1).all()
    np.testing.assert_array_equal(ends[:, is_old], real[np.stack([old.senders, old.receivers])])
    np.testing.assert_array_equal(graph.edges[is_old], old.edges)
    assert not graph.edges[~is_old].any()
    assert_same(jax.tree.map(lambda x: x[real], graph.nodes), old.nodes)


def test_without_an_expander_or_without_virtual_nodes():
    graph = ring(20)
    bare = exphormer_pattern(graph, degree=None, num_virtual=0)
    assert not bare.kinds.any() and not bare.virtual.any()
    np.testing.assert_array_equal(bare.graph.senders, graph.senders)
    assert np.unique(exphormer_pattern(graph, num_virtual=0).kinds).tolist() == [0, 1]
    stars = exphormer_pattern(graph, degree=None)
    assert np.bincount(stars.kinds).tolist() == [40, 0, 20, 20]
    np.testing.assert_array_equal(stars.graph.senders, ga.graphs.add_virtual_node(graph).senders)


def test_in_a_batch_as_alone(assert_same):
    graphs = [ring(n) for n in (20, 12, 20)]
    together = exphormer_pattern(ga.graphs.batch(graphs), seed=3)
    alone = [exphormer_pattern(graph, seed=3) for graph in graphs]
    assert_same(together.graph, ga.graphs.batch([pattern.graph for pattern in alone]))
    assert together.kinds.tolist() == [k for pattern in alone for k in pattern.kinds]
    assert together.virtual.tolist() == [k for pattern in alone for k in pattern.virtual]


def test_kinds_travel_as_features():
    pattern = exphormer_pattern(ring(20))
    graph = pattern.graph._replace(edges={"kind": pattern.kinds})
    padded = ga.graphs.pad(graph, ga.graphs.Budget(32, 256, 2))
    real = len(pattern.kinds)
    np.testing.assert_array_equal(padded.edges["kind"][:real], pattern.kinds)
    assert not padded.edges["kind"][real:].any()


def test_pair_encodings_of_the_original_graph_on_the_pattern():
    """Distances along the ring, on the expander's edges, then on those of two virtual nodes."""
    graph = ring(20)
    encoded = ga.encodings.precompute(
        graph,
        pairs={"hops": partial(ga.encodings.shortest_path_distances, max_distance=10)},
        pattern=partial(ga.graphs.add_expander, degree=3),
    )
    around = np.abs(encoded.senders - encoded.receivers)
    np.testing.assert_array_equal(encoded.edges["hops"], np.minimum(around, 20 - around))
    fill = ga.encodings.distance_buckets(10).virtual
    hops = ga.encodings.extend_to_virtual_nodes(encoded.edges["hops"], encoded, fill, count=2)
    kinds = exphormer_pattern(graph, num_virtual=2).kinds
    np.testing.assert_array_equal(hops == fill, kinds >= 2)
    np.testing.assert_array_equal(hops[kinds < 2], encoded.edges["hops"])


def test_errors(two_graphs):
    with pytest.raises(ValueError, match="num_virtual must be a positive integer, got int -1"):
        exphormer_pattern(two_graphs, num_virtual=-1)
    with pytest.raises(ValueError, match="degree must be an integer of at least 2"):
        exphormer_pattern(two_graphs, degree=0)
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 12, 4))
    with pytest.raises(ValueError, match="apply exphormer_pattern before pad"):
        exphormer_pattern(padded)
