import dataclasses

import jax
import jraph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


@given(data=st.data(), batch_size=st.integers(1, 4))
@deterministic
def test_packs_every_graph_in_order_as_jraph_does(data, batch_size, batch_strategy, assert_same):
    graphs = data.draw(batch_strategy)
    budget = ga.graphs.estimate_budget(graphs, batch_size)
    batches = list(ga.graphs.batches_to_budget(iter(graphs), budget))
    assert len({tuple(x.shape for x in jax.tree.leaves(b)) for b in batches}) == 1
    back = [graph for b in batches for graph in ga.graphs.unbatch(b)]
    for got, want in zip(back, graphs, strict=True):
        assert_same(got, want)
    theirs = list(jraph.dynamically_batch(iter(graphs), **dataclasses.asdict(budget)))
    assert [b.n_node.tolist() for b in batches] == [b.n_node.tolist() for b in theirs]


def test_is_lazy_and_closes_full_batches():
    pair = ga.graphs.from_edge_list([0], [1])

    def endless():
        while True:
            yield pair

    stream = ga.graphs.batches_to_budget(endless(), ga.graphs.Budget(100, 100, 4))
    assert int(ga.graphs.graph_mask(next(stream)).sum()) == 3
    assert list(ga.graphs.batches_to_budget([], ga.graphs.Budget(4, 4, 2))) == []


def test_oversized_graph_is_named():
    pair = ga.graphs.from_edge_list([0], [1])
    large = ga.graphs.from_edge_list(np.zeros(9, int), np.arange(9))
    with pytest.raises(ValueError, match=r"graph 2 does not fit .* 4 nodes too many \(9, room"):
        list(ga.graphs.batches_to_budget([pair, pair, large], ga.graphs.Budget(6, 9, 9)))
