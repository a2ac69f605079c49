"""What is not known at the time of a seed is in no sample of it."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from graphattn_jax import graphs
from graphattn_jax.sampling import HGSampling, Neighbours, Sampler

ALWAYS = np.iinfo(np.int32).min


class Timed(NamedTuple):
    x: Any
    time: Any


def timed_graph(seed, n=60, e=500):
    rng = np.random.default_rng(seed)
    time = rng.integers(-5, 5, n).astype(np.int32)
    time[:6] = ALWAYS
    senders, receivers = rng.integers(0, n, (2, e))
    receivers[:100] = 7  # a hub
    x = rng.normal(size=(n, 2)).astype(np.float32)
    return graphs.from_edge_list(senders, receivers, nodes=Timed(x, time))


METHODS = (
    Neighbours((3, 3, 2), disjoint=True),
    Neighbours((None, None), disjoint=True),
    Neighbours((3, 3), replace=True, disjoint=True),
    Neighbours((3, 3), recent=True, disjoint=True),
    HGSampling(3, 2, disjoint=True),
)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_nothing_comes_from_the_future(method):
    for trial in range(8):
        graph = timed_graph(trial)
        rng = np.random.default_rng(trial)
        times = None if trial % 2 else rng.integers(-6, 6, 60)
        sampler = Sampler(graph, method, np.arange(60), 20, times=times)
        for index in range(3):
            sample = sampler(trial, 0, index)
            owner = graphs.node_graph_ids(sample.graph)
            later = graph.nodes.time[sample.node_ids] > sample.times[np.minimum(owner, 19)]
            assert not (later & (sample.hops > 0)).any()
            of_seed = graph.nodes.time[sample.node_ids[sample.seeds]] if times is None else None
            if of_seed is not None:
                np.testing.assert_array_equal(sample.times, np.where(sample.seed_mask, of_seed, 0))


def test_all_that_is_known_is_found():
    graph = timed_graph(1)
    times = np.random.default_rng(0).integers(-6, 6, 60)
    sampler = Sampler(graph, Neighbours((None,), disjoint=True), np.arange(60), 60, times=times)
    sample = sampler(None, 0, 0)
    owner = graphs.edge_graph_ids(sample.graph)
    for seed in range(60):
        known = (graph.receivers == seed) & (graph.nodes.time[graph.senders] <= times[seed])
        found = sample.edge_ids[(owner == seed) & (sample.edge_ids >= 0)]
        assert sorted(found) == np.flatnonzero(known).tolist()


def test_recent_neighbours_are_the_latest_known():
    graph = timed_graph(2)
    method = Neighbours((4,), recent=True, disjoint=True)
    sample = Sampler(graph, method, [7], 1, times=[2])(0, 0, 0)
    known = graph.nodes.time[graph.senders[graph.receivers == 7]]
    found = graph.nodes.time[graph.senders[sample.edge_ids[sample.edge_ids >= 0]]]
    assert sorted(found) == sorted(known[known <= 2])[-4:]


def test_seeds_of_different_times_share_no_nodes():
    graph = timed_graph(0)
    with pytest.raises(
        ValueError, match=r"have times, and seeds of different times .* disjoint=True"
    ):
        Sampler(graph, Neighbours((2,)), [0, 1], 2)
    with pytest.raises(ValueError, match="times must have shape"):
        Sampler(graph, Neighbours((2,), disjoint=True), [0, 1], 2, times=[0])
    without = graph._replace(nodes=graph.nodes.x)
    with pytest.raises(ValueError, match="times say what is known"):
        Sampler(without, Neighbours((2,), disjoint=True), [0, 1], 2, times=[0, 1])


def test_a_pair_is_asked_about_at_its_later_time():
    graph = timed_graph(0)
    pairs = np.array([[10, 20], [0, 30]])
    sample = Sampler(graph, Neighbours((2,), disjoint=True), pairs, 2)(None, 0, 0)
    np.testing.assert_array_equal(sample.times, graph.nodes.time[pairs].max(axis=1))
    assert jax.tree.map(np.shape, sample.seeds) == (2, 2)


def test_edges_of_a_typed_graph_get_the_time_between_their_ends():
    graph = graphs.from_types(
        {"event": 4, "place": 2},
        {
            ("event", "before", "event"): ([0, 1, 2, 3], [1, 2, 3, 0]),
            ("place", "of", "event"): ([0, 1, 0, 1], [0, 1, 2, 3]),
        },
        node_time={"event": np.array([10, 20, 30, 2**30])},
    )
    assert graph.nodes.time[4:].tolist() == [graphs.ALWAYS] * 2
    sampler = Sampler(graph, Neighbours((None, None), disjoint=True), [2], 1, times=[35])
    sample = sampler(0, 0, 0)
    real = sample.edge_ids >= 0
    when = sample.graph.edges.time
    assert when.dtype == np.float32 and not when[~real].any()
    got = dict(zip(sample.edge_ids[real].tolist(), when[real].tolist()))
    # The seed stands at the time at which it is asked about; a place was always there.
    assert got == {1: 15.0, 0: 10.0, 5: 0.0, 6: 0.0}
    own = graph._replace(edges=graph.edges._replace(time=np.arange(8, dtype=np.float32)))
    sample = Sampler(own, Neighbours((None,), disjoint=True), [2], 1)(0, 0, 0)
    assert sample.graph.edges.time[:2].tolist() == [1.0, 6.0]  # times that were given stay
