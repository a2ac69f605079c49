import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga
from graphattn_jax.encodings.host._adjacency import adjacency

deterministic = settings(max_examples=200, deadline=None, derandomize=True)


@given(
    weights=st.lists(st.sampled_from([1e-12, 1e-3, 50.0, 1e9]), min_size=1, max_size=6),
    broken=st.integers(0, 5),
    change=st.sampled_from(["one way", "1 % more", "rounding"]),
)
@deterministic
def test_each_pair_is_judged_by_its_own_weight(weights, broken, change):
    """Pairs 0 - 1, 2 - 3, ... with weights of any size, and one that may differ between its directions."""
    ends = np.arange(2 * len(weights)).reshape(-1, 2)
    senders, receivers = ends.ravel(), ends[:, ::-1].ravel()
    weight = np.repeat(weights, 2)
    edge = 2 * (broken % len(weights))
    weight[edge] *= {"one way": 0, "1 % more": 1.01, "rounding": 1 + 1e-9}[change]
    graph = ga.graphs.from_edge_list(senders, receivers)
    if change == "rounding":
        assert adjacency(graph, "test", edge_weight=weight).nnz == len(weight)
    else:
        with pytest.raises(ValueError, match="needs an undirected graph"):
            adjacency(graph, "test", edge_weight=weight)


def test_large_weights_do_not_hide_a_one_way_edge():
    graph = ga.graphs.from_edge_list([0, 1, 2], [1, 0, 3])
    with pytest.raises(ValueError, match="needs an undirected graph"):
        adjacency(graph, "test", edge_weight=np.array([1e9, 1e9, 50.0]))


def test_no_edges():
    assert adjacency(ga.graphs.from_edge_list([], [], num_nodes=3), "test").shape == (3, 3)
    assert adjacency(ga.graphs.from_edge_list([], []), "test").shape == (0, 0)
