import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


def _ring(n):
    return ga.graphs.from_edge_list(np.arange(n), np.roll(np.arange(n), 1), num_nodes=n)


def test_powers_of_two():
    assert [ga.graphs.bucket(n, multiple_of=1) for n in (0, 1, 2, 3, 5, 64, 65)] == [
        1, 1, 2, 4, 8, 64, 128,
    ]  # fmt: skip


@given(
    size=st.integers(0, 10**6),
    growth=st.floats(1.01, 3.0),
    multiple_of=st.sampled_from([1, 8, 128]),
)
@deterministic
def test_bucket_bounds(size, growth, multiple_of):
    rung = ga.graphs.bucket(size, growth=growth, multiple_of=multiple_of)
    assert rung >= size and rung % multiple_of == 0
    assert rung <= max(multiple_of, growth * size + 2 * multiple_of)
    assert ga.graphs.bucket(rung, growth=growth, multiple_of=multiple_of) == rung


def test_small_growth_has_more_rungs_and_less_waste():
    sizes = range(1, 5000)
    coarse = {ga.graphs.bucket(n) for n in sizes}
    fine = {ga.graphs.bucket(n, growth=1.25) for n in sizes}
    assert (len(coarse), len(fine)) == (11, 26)


def test_for_graph_keeps_room_for_the_padding_node():
    assert ga.graphs.Budget.for_graph(_ring(15)) == ga.graphs.Budget(16, 16, 2)
    assert ga.graphs.Budget.for_graph(_ring(16)) == ga.graphs.Budget(32, 16, 2)
    batch = ga.graphs.batch([_ring(4)] * 5)
    assert ga.graphs.Budget.for_graph(batch, growth=1.25) == ga.graphs.Budget(24, 24, 7)


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=10),
    batch_size=st.integers(1, 8),
    multiple_of=st.sampled_from([1, 8]),
)
@deterministic
def test_estimate_fits_every_graph_and_the_expected_batch(sizes, batch_size, multiple_of):
    graphs = [_ring(n) for n in sizes]
    budget = ga.graphs.estimate_budget(graphs, batch_size, multiple_of=multiple_of)
    for graph in graphs:
        ga.graphs.pad(graph, budget)
    assert budget.n_node >= 1.1 * batch_size * np.mean(sizes)
    assert budget.n_graph == batch_size + 1
    assert budget.n_node % multiple_of == budget.n_edge % multiple_of == 0


def test_estimate_by_hand():
    graphs = (_ring(n) for n in (2, 4))  # an iterator is read once
    budget = ga.graphs.estimate_budget(graphs, 10, headroom=1.5, multiple_of=1)
    assert budget == ga.graphs.Budget(n_node=46, n_edge=45, n_graph=11)
    batches = [ga.graphs.batch([_ring(2)] * 3)]
    assert ga.graphs.estimate_budget(batches, 1) == ga.graphs.Budget(8, 8, 4)


def test_errors():
    with pytest.raises(ValueError, match="n_graph must be an integer of at least 2, got 1"):
        ga.graphs.Budget(4, 4, 1)
    with pytest.raises(ValueError, match="n_node must be an integer of at least 1"):
        ga.graphs.Budget(2.5, 4, 2)
    with pytest.raises(ValueError, match="growth must be above 1"):
        ga.graphs.bucket(4, growth=1.0)
    with pytest.raises(ValueError, match="size must not be negative"):
        ga.graphs.bucket(-1)
    with pytest.raises(ValueError, match="headroom must be at least 1"):
        ga.graphs.estimate_budget([_ring(2)], 4, headroom=0.9)
    with pytest.raises(ValueError, match="at least one graph"):
        ga.graphs.estimate_budget([], 4)
    with pytest.raises(ValueError, match="batch_size must be a positive integer"):
        ga.graphs.estimate_budget([_ring(2)], 0)
