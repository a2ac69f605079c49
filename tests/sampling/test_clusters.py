"""Cluster-GCN: every part once an epoch, all edges within and between the parts of a batch."""

import jax
import numpy as np
import pytest

from graphattn_jax import attention, graphs, models
from graphattn_jax.sampling import ClusterSampler, partition
from tests.sampling.conftest import check_sample


@pytest.mark.parametrize("world", [1, 2])
def test_every_part_once_with_the_edges_among_its_batch(whole, world):
    parts = np.random.default_rng(0).integers(0, 7, 60)
    parts[:3] = -1
    seeds = np.random.default_rng(1).permutation(60)[:30]
    for seed in (None, 4):
        seen, found = [], []
        for rank in range(world):
            sampler = ClusterSampler(
                *(whole, parts, 2), seeds=seeds, targets=seeds * 10, rank=rank, world=world
            )
            assert len(sampler) == (4 if world == 1 else 2)
            for index in range(len(sampler)):
                sample = sampler(seed, 1, index)
                nodes, edges = check_sample(whole, sample)
                inside = np.isin(whole.senders, nodes) & np.isin(whole.receivers, nodes)
                assert edges.tolist() == np.flatnonzero(inside).tolist()
                assert len(set(parts[nodes])) <= 2
                seen += nodes.tolist()
                mask = sample.seed_mask
                ids = sample.node_ids[sample.seeds[mask]]
                np.testing.assert_array_equal(sample.targets[mask], ids * 10)
                found += ids.tolist()
        assert sorted(seen) == np.flatnonzero(parts >= 0).tolist()
        assert sorted(found) == sorted(set(seeds) & set(seen))


def test_parts_keep_company_of_their_own_each_epoch(whole):
    sampler = ClusterSampler(whole, np.arange(60) // 6, 2)
    companies = {
        frozenset(sample.node_ids[sample.node_ids >= 0] // 6)
        for sample in (sampler(0, epoch, 0) for epoch in range(20))
    }
    assert len(companies) > 10


def test_all_parts_at_once_are_the_whole_graph(whole):
    network = models.PlainNetwork(2, (attention.GATv2(4, 2),), edge_features=2)
    params, state = network.init(jax.random.key(0))
    sample = ClusterSampler(whole, np.arange(60) % 4, 4)(3, 0, 0)
    expected = network.apply(params, state, whole).prediction
    got = network.apply(params, state, sample.graph).prediction
    real = sample.node_ids >= 0
    np.testing.assert_allclose(got[real], expected[sample.node_ids[real]], rtol=1e-5, atol=1e-5)


def test_no_batch_exceeds_the_worst_case(whole):
    sampler = ClusterSampler(whole, np.random.default_rng(3).integers(0, 9, 60), 3)
    nodes, edges = sampler._largest()
    for epoch in range(5):
        for index in range(3):
            sample = sampler(0, epoch, index)
            assert (sample.node_ids >= 0).sum() <= nodes and (sample.edge_ids >= 0).sum() <= edges


def test_metis_cuts_few_edges():
    pytest.importorskip("pymetis")
    rng = np.random.default_rng(0)
    block = rng.permutation(np.repeat([0, 1], 30))
    ends = rng.integers(0, 60, (2, 3000))
    alike = block[ends[0]] == block[ends[1]]
    senders, receivers = ends[:, alike | (rng.random(3000) < 0.02)]
    parts = partition(graphs.from_edge_list(senders, receivers, num_nodes=60), 2)
    assert parts.dtype == np.int32 and np.bincount(parts).tolist() == [30, 30]
    assert (parts == block).all() or (parts == 1 - block).all()


def test_what_does_not_fit_is_named(whole):
    for make, message in (
        (lambda: ClusterSampler(whole, np.zeros(3, int), 1), r"parts must have shape \[60\]"),
        (lambda: ClusterSampler(whole, np.full(60, -1), 1), "at least one node in a part"),
        (lambda: ClusterSampler(whole, np.zeros(60, int) - 2, 1), "at least one node in a part"),
        (lambda: ClusterSampler(whole, np.arange(60) - 2, 1), "parts must be at least -1, got -2"),
        (lambda: ClusterSampler(whole, np.zeros(60, int), 0), "batch_size must be a positive"),
        (
            lambda: ClusterSampler(whole, np.zeros(60, int), 1, seeds=[2, 2]),
            r"seeds must be different nodes\. Fix: np\.unique",
        ),
        (lambda: partition(whole, 61), "num_parts must be at most 60"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
