"""GraphSAINT: chances that are counted, and sums whose expectation is that of the whole graph."""

import numpy as np
import pytest

from graphattn_jax import graphs
from graphattn_jax.sampling import SaintEdges, SaintNodes, SaintSampler, SaintWalks
from tests.sampling.conftest import check_sample, random_graph

METHODS = (SaintNodes(12), SaintEdges(8), SaintWalks(roots=5, length=2))


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_sample_is_an_induced_part(whole, method):
    sampler = SaintSampler(whole, method, counted=20, seeds=np.arange(0, 60, 2))
    nodes_most, edges_most = sampler._largest()
    for index in range(len(sampler)):
        sample = sampler(0, 0, index)
        nodes, edges = check_sample(whole, sample)
        inside = np.isin(whole.senders, nodes) & np.isin(whole.receivers, nodes)
        assert edges.tolist() == np.flatnonzero(inside).tolist()
        assert 0 < len(nodes) <= min(method.most, nodes_most) and len(edges) <= edges_most
        np.testing.assert_array_equal(sample.node_ids[sample.seed_mask] % 2, 0)
        assert not sample.weights[~sample.seed_mask].any()
        assert not sample.edge_weights[sample.edge_ids < 0].any()


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_loss_and_sums_are_unbiased(method):
    """Means over many samples against the sums over the whole graph."""
    random, ring = (
        random_graph(1, n=15, e=20, hub=False),
        np.arange(15),
    )  # with a ring nobody is alone
    ends = np.append(random.senders, ring), np.append(random.receivers, (ring + 1) % 15)
    graph = graphs.add_reverse_edges(graphs.from_edge_list(*ends))
    sampler = SaintSampler(graph, method, counted=3000, batches=3000)
    x = np.random.default_rng(0).normal(size=15) + 2
    total, sums, there = 0.0, np.zeros(15), np.zeros(15)
    for index in range(3000):
        draw = sampler._draw(sampler._nodes(7, 0, index))
        weights, edge_weights = sampler._weights(draw)
        total += (weights * x[draw.node_ids]).sum()
        np.add.at(
            sums,
            draw.node_ids[draw.receivers],
            edge_weights * x[draw.node_ids[draw.senders]],
        )
        there[draw.node_ids] += 1
    np.testing.assert_allclose(total / 3000, x[sampler.seeds].mean(), rtol=0.05)
    expected = np.zeros(15)
    np.add.at(expected, graph.receivers, x[graph.senders])
    often = there > 300
    assert often.sum() > 10
    np.testing.assert_allclose((sums / there)[often], expected[often], rtol=0.15, atol=0.3)


def test_chances_of_nodes_and_edges():
    """Nodes 1 and 2 hear 0, and 2 hears 1: degrees 0, 1, 2."""
    graph = graphs.from_edge_list([0, 0, 1], [1, 2, 2])
    sampler = SaintSampler(graph, SaintNodes(4), counted=4000)
    q = np.array([1 + 1 / 4 + 1 / 9, 1 / 4 + 1 / 9, 1 / 9])
    q /= q.sum()
    present = 1 - (1 - q) ** 4
    np.testing.assert_allclose(sampler.node_counts / 4000, present, atol=0.03)
    both = present[[0, 0, 1]] + present[[1, 2, 2]] - 1 + (1 - q[[0, 0, 1]] - q[[1, 2, 2]]) ** 4
    np.testing.assert_allclose(sampler.edge_counts / 4000, both, atol=0.03)
    sampler = SaintSampler(graph, SaintEdges(1), counted=4000)
    q = np.array([1 + 1 / 2, 1 + 1 / 3, 1 / 2 + 1 / 3])
    np.testing.assert_allclose(sampler.edge_counts / 4000, q / q.sum(), atol=0.03)


def test_walks_go_against_the_edges():
    path = graphs.from_edge_list([0, 1, 2], [1, 2, 3])
    sampler = SaintSampler(path, SaintWalks(roots=1, length=2), counted=5)
    found = {tuple(sampler._nodes(0, 0, index)) for index in range(100)}
    assert found == {(0,), (0, 1), (0, 1, 2), (1, 2, 3)}


def test_an_epoch_has_about_as_many_nodes_as_the_graph(whole):
    sampler = SaintSampler(whole, SaintWalks(roots=4, length=2), counted=50)
    drawn = sum((sampler(0, 0, i).node_ids >= 0).sum() for i in range(len(sampler)))
    assert 40 < drawn < 80
    assert len(SaintSampler(whole, SaintNodes(3), batches=9, counted=2)) == 9


def test_what_does_not_fit_is_named(whole):
    with pytest.raises(ValueError, match="method must be SaintNodes, SaintEdges or SaintWalks"):
        SaintSampler(whole, 12)
    with pytest.raises(ValueError, match="counted must be a positive integer"):
        SaintSampler(whole, SaintNodes(3), counted=0)
    for make in (lambda: SaintNodes(0), lambda: SaintEdges(0), lambda: SaintWalks(3, 0)):
        with pytest.raises(ValueError, match="must be a positive integer"):
            make()
