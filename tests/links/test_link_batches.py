"""Batches of links: all of an epoch once, in one shape, never with their own edges as messages."""

import jax
import numpy as np
import pytest
from test_link_index import mixed
from test_link_split import facts, homogeneous

import graphattn_jax as ga
from graphattn_jax.links import LinkBatches, Links, index_links, ranking_batches, split_links


def real_edges(graph):
    return ga.graphs.unpad(jax.device_get(graph))


def test_an_epoch_has_every_link_once():
    graph = homogeneous(0)
    part = split_links(graph).train
    batches = LinkBatches(part, 4, seed=0, index=index_links(graph), negatives=3)
    epochs = []
    for _ in range(2):
        epoch = [next(batches) for _ in range(len(batches))]
        rows = [np.stack(b.links[::2], axis=1)[b.where] for b in epoch]
        epochs.append([tuple(row) for row in np.concatenate(rows)])
        for batch in epoch:
            assert batch.links.heads.shape == (4,) and batch.negatives.tails.shape == (4, 3)
            assert not batch.negatives_where[~batch.where].any()
    want = sorted(zip(part.links.heads, part.links.tails))
    assert sorted(epochs[0]) == sorted(epochs[1]) == want and epochs[0] != epochs[1]


@pytest.mark.parametrize("make", [homogeneous, mixed])
def test_hidden_links_are_new_ones_of_one_shape_and_no_messages(make):
    graph = make(1)
    batches = LinkBatches(graph, 5, seed=0, hide=0.4)
    shapes, seen = set(), set()
    for _ in range(3 * len(batches)):
        batch = next(batches)
        leaves, structure = jax.tree.flatten(batch)
        shapes.add((structure, tuple((x.shape, str(x.dtype)) for x in leaves)))
        messages = real_edges(batch.graph)
        said = set(facts(messages))
        links = ga.links.LinkPart(graph, batch.links, None)
        for h, t in zip(links.links.heads, links.links.tails):
            seen.add((h, t))
            ends = [f[1:] for f in said if f and (make is homogeneous)]
            assert (frozenset((h, t)),) not in ends
        if make is mixed:
            known = index_links(messages)
            assert not ga.links.is_known(known, batch.links).any()
    assert len(shapes) == 1  # one compilation
    assert len(seen) > 5


def test_goes_on_where_it_was():
    graph = homogeneous(0)

    def make(hide=0.5):
        return LinkBatches(graph, 3, seed=5, index=index_links(graph), negatives=2, hide=hide)

    one, two = make(), make()
    for _ in range(len(one) + 2):
        next(one)
    two.load_state_dict(one.state_dict())
    for _ in range(len(one)):
        for x, y in zip(jax.tree.leaves(next(one)), jax.tree.leaves(next(two))):
            np.testing.assert_array_equal(x, y)
    assert isinstance(one, ga.training.DataIterator)
    with pytest.raises(ValueError, match="state was saved with num_links="):
        make(0.3).load_state_dict(one.state_dict())


def test_ranking_batches_ask_for_both_ends():
    graph = mixed()
    index = index_links(graph)
    links = Links(graph.senders[:5], graph.edges.relation[:5], graph.receivers[:5])
    batches = ranking_batches(links, index, 3)
    assert [b.links.tails is None for b in batches] == [True, True, False, False]
    assert [b.where.sum() for b in batches] == [3, 2, 3, 2]
    answers = np.concatenate([b.answers[b.where] for b in batches])
    np.testing.assert_array_equal(answers, np.concatenate([links.tails, links.heads]))
    for batch in batches:
        assert batch.candidates.shape == (3, 9)
        assert batch.candidates[np.arange(3), batch.answers].all()


def test_what_does_not_fit_is_said():
    graph = homogeneous(0)
    part = split_links(graph).train
    with pytest.raises(ValueError, match="negatives=2 need an index"):
        LinkBatches(part, 4, seed=0, negatives=2)
    with pytest.raises(ValueError, match="part must be a LinkPart"):
        LinkBatches(graph, 4, seed=0)
    with pytest.raises(ValueError, match="part must be a LinkPart"):
        LinkBatches(part, 4, seed=0, hide=0.5)
    with pytest.raises(ValueError, match="part must have links to predict, got none"):
        LinkBatches(graph, 4, seed=0, hide=0.0)
    with pytest.raises(ValueError, match="batch_size must be a positive integer"):
        LinkBatches(part, -1, seed=0)
    with pytest.raises(ValueError, match="share must be a share"):
        LinkBatches(graph, 4, seed=0, hide=2.0)
