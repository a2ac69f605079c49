"""Random small graphs: empty ones, isolated nodes, duplicates and self-loops included."""

import jax
import numpy as np
import pytest
from hypothesis import strategies as st

import graphattn_jax as ga


@st.composite
def _graphs(draw, min_nodes=0, max_nodes=6, max_edges=10):
    n = draw(st.integers(min_nodes, max_nodes))
    ids = st.lists(st.integers(0, max(n - 1, 0)), max_size=max_edges if n else 0)
    senders = draw(ids)
    receivers = draw(
        st.lists(st.integers(0, max(n - 1, 0)), min_size=len(senders), max_size=len(senders))
    )
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return ga.graphs.from_edge_list(
        senders,
        receivers,
        nodes={"x": rng.normal(size=(n, 2)).astype(np.float32), "type": rng.integers(0, 3, n)},
        edges=rng.normal(size=(len(senders), 3)).astype(np.float32),
        globals=rng.normal(size=(1, 1)).astype(np.float32),
    )


@pytest.fixture(scope="session")
def graph_strategy():
    """Hypothesis strategy for one graph."""
    return _graphs()


@pytest.fixture(scope="session")
def batch_strategy():
    """Hypothesis strategy for a list of one to five graphs."""
    return st.lists(_graphs(), min_size=1, max_size=5)


@pytest.fixture(scope="session")
def assert_same():
    """Same type, structure, dtypes, shapes and values."""

    def check(got, want):
        assert type(got) is type(want)
        assert jax.tree.structure(got) == jax.tree.structure(want)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b), strict=True)

    return check


@pytest.fixture
def two_graphs():
    """A batch of a 3-node path 0 → 1 → 2 and a 2-node graph with a self-loop and a duplicate."""
    path = ga.graphs.from_edge_list(
        [0, 1], [1, 2], nodes=[[0.0], [1.0], [2.0]], edges=[[10.0], [11.0]], globals=[[5.0]]
    )
    other = ga.graphs.from_edge_list(
        [0, 1, 1], [0, 0, 0], nodes=[[3.0], [4.0]], edges=[[20.0], [21.0], [22.0]], globals=[[6.0]]
    )
    return ga.graphs.batch([path, other])
