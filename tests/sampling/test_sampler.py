"""A sampler is a pure function of three integers; an epoch has every seed once, over any number of hosts."""

import dataclasses
import pickle

import jax
import numpy as np
import pytest

from graphattn_jax import graphs
from graphattn_jax.sampling import Neighbours, Sampler
from graphattn_jax.training import EpochBatches

METHOD = Neighbours((3, 2))


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)
        assert np.asarray(x).dtype == np.asarray(y).dtype


def test_a_batch_depends_on_its_three_numbers_alone(whole):
    def make():
        return Sampler(whole, METHOD, np.arange(50), 16, targets={"y": np.arange(50)})

    sampler = make()
    batches = {(e, i): sampler(3, e, i) for e in range(2) for i in range(len(sampler))}
    again = pickle.loads(pickle.dumps(make()))
    for (epoch, index), sample in reversed(batches.items()):
        same(again(3, epoch, index), sample)
    assert (batches[0, 0].node_ids != batches[1, 0].node_ids).any()
    assert (sampler(4, 0, 0).node_ids != batches[0, 0].node_ids).any()


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_every_seed_once_over_all_hosts(whole, world):
    seeds = np.arange(5, 42)
    hosts = [Sampler(whole, METHOD, seeds, 5, rank=r, world=world) for r in range(world)]
    assert len({len(host) for host in hosts}) == 1
    for seed in (None, 2):
        found = []
        for host in hosts:
            for index in range(len(host)):
                sample = host(seed, 1, index)
                found += sample.node_ids[sample.seeds[sample.seed_mask]].tolist()
        assert sorted(found) == seeds.tolist()


def test_without_a_seed_they_come_in_order(whole):
    seeds = np.array([7, 3, 50, 3])
    batches = EpochBatches(Sampler(whole, METHOD, seeds, 3), seed=None)
    for _ in range(2):
        found = [s.node_ids[s.seeds[s.seed_mask]].tolist() for s in batches]
        assert found == [[7, 3, 50], [3]]


def test_sizes_are_static_and_nothing_is_lost(whole):
    sampler = Sampler(whole, METHOD, np.arange(50), 16)
    shapes = {jax.tree.map(np.shape, sampler(0, e, i)) for e in range(5) for i in range(4)}
    assert len(shapes) == 1
    assert len(sampler.budgets) > 1 or sampler.budgets[-1].n_node >= 61
    tight = dataclasses.replace(sampler, budgets=(graphs.Budget(17, 4, 2), *sampler.budgets[-1:]))
    same(tight(0, 0, 0).targets, sampler(0, 0, 0).targets)
    with pytest.raises(ValueError, match=r"does not fit the budget: .* would fit"):
        dataclasses.replace(sampler, budgets=(graphs.Budget(17, 4, 2),))(0, 0, 0)


def test_features_may_lie_on_disk(whole, tmp_path):
    nodes = np.memmap(tmp_path / "nodes", np.float32, "w+", shape=whole.nodes.shape)
    nodes[:] = whole.nodes
    on_disk = Sampler(whole._replace(nodes=nodes), METHOD, np.arange(50), 16)
    same(on_disk(0, 0, 1), Sampler(whole, METHOD, np.arange(50), 16)(0, 0, 1))
    assert isinstance(on_disk.graph.nodes.base, np.memmap) or isinstance(
        on_disk.graph.nodes, np.memmap
    )


def test_the_edges_between_the_nodes_of_a_pair_can_be_hidden(whole):
    pairs = np.stack([whole.senders, whole.receivers], 1)[100:140]
    for method in (Neighbours((None, None)), Neighbours((4, 4), disjoint=True)):
        sampler = Sampler(whole, method, pairs, 16, hide_pairs=True)
        for index in range(3):
            sample = sampler(0, 0, index)
            edges = sample.edge_ids[sample.edge_ids >= 0]
            found = {frozenset(x) for x in zip(whole.senders[edges], whole.receivers[edges])}
            asked = sample.node_ids[sample.seeds[sample.seed_mask]]
            assert not found & {frozenset(pair) for pair in asked.tolist()} and len(edges)
    with pytest.raises(ValueError, match=r"hide_pairs is for seeds \[S, 2\]"):
        Sampler(whole, METHOD, [1, 2], 2, hide_pairs=True)


def test_globals_travel(whole):
    graph = whole._replace(globals=np.array([[4.0]], np.float32))
    sample = Sampler(graph, METHOD, np.arange(9), 4)(0, 0, 0)
    assert sample.graph.globals[0] == 4
    sample = Sampler(graph, Neighbours((2,), disjoint=True), np.arange(9), 4)(0, 0, 0)
    assert sample.graph.globals[:, 0].tolist() == [4, 4, 4, 4, 0]


def test_repr(whole):
    assert repr(Sampler(whole, METHOD, np.arange(50), 16)) == (
        f"Sampler({METHOD}: 50 seeds of 60 nodes and 400 edges in 4 batches of 16)"
    )


def test_what_does_not_fit_is_named(whole):
    def sampler(method=METHOD, seeds=(0, 1), batch_size=2, graph=whole, **options):
        return Sampler(graph, method, np.asarray(seeds), batch_size, **options)

    for make, message in (
        (lambda: sampler(seeds=[60]), r"seeds must lie in \[0, 60\)"),
        (lambda: sampler(seeds=[0.5]), "seeds must be integer ids"),
        (lambda: sampler(seeds=np.zeros((2, 3), int)), r"seeds must be \[S\] ids"),
        (lambda: sampler(batch_size=0), "batch_size must be a positive integer"),
        (lambda: sampler(rank=2, world=2), "rank must be an integer from 0 to world - 1 = 1"),
        (lambda: sampler(targets=np.zeros(60)), r"targets must have a row .* labels\[seeds\]"),
        (lambda: sampler(times=np.zeros(2, int)), "times say what is known"),
        (lambda: sampler(budgets=[1]), "budgets must be a tuple of ga.graphs.Budget"),
        (lambda: sampler(graph=graphs.batch([whole, whole])), "graph must be one graph, got .* 2"),
        (lambda: sampler(Neighbours(({"to": 2},))), "fanouts must be numbers for a graph without"),
        (lambda: Neighbours(()), "fanouts must be a tuple with a number per hop"),
        (lambda: Neighbours((0,)), r"fanouts\[0\] must be a positive integer"),
        (lambda: Neighbours((1, {"to": 0})), r"fanouts\[1\] of 'to' must be a positive integer"),
        (lambda: Neighbours((None,), replace=True), "must be a number with replace=True"),
        (lambda: Neighbours((2,), replace=True, recent=True), "recent=True takes the latest"),
        (lambda: sampler()(0, 0, 1), "index must be below 1"),
        (lambda: sampler()(-1, 0, 0), "seed must be a non-negative integer"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
