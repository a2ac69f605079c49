import jax
import numpy as np
import pytest

import graphattn_jax as ga


def random_batch(rng, sizes=((3, 5), (1, 0), (0, 0), (4, 7), (2, 2))):
    """Graphs of mixed sizes: several edges, none, no node at all; features everywhere."""
    return ga.graphs.batch(
        [
            ga.graphs.from_edge_list(
                rng.integers(0, max(n, 1), e),
                rng.integers(0, max(n, 1), e),
                num_nodes=n,
                nodes={"x": rng.normal(size=(n, 2)), "type": rng.integers(0, 3, n)},
                edges=rng.normal(size=(e, 3)),
                globals=np.array([i]),
            )
            for i, (n, e) in enumerate(sizes)
        ]
    )


@pytest.mark.parametrize("ids", [[0], [1], [2], [4, 3], [3, 0, 3, 2, 1], list(range(5))])
def test_is_batch_of_the_unbatched(rng, ids):
    batch = random_batch(rng)
    graphs = ga.graphs.unbatch(batch)
    want = ga.graphs.batch([graphs[i] for i in ids])
    got = ga.graphs.take(batch, ids)
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


def test_no_graph_at_all(rng):
    taken = ga.graphs.take(random_batch(rng), [])
    assert taken.n_node.shape == taken.n_edge.shape == taken.senders.shape == (0,)
    assert taken.edges.shape == (0, 3)


def test_without_features():
    pair = ga.graphs.from_edge_list([0], [1])
    taken = ga.graphs.take(ga.graphs.batch([pair, pair]), np.array([1]))
    assert taken.nodes is taken.edges is taken.globals is None
    assert taken.senders.tolist() == [0]


@pytest.mark.parametrize("ids", [[5], [-1], [0, 7]])
def test_ids_out_of_range(rng, ids):
    with pytest.raises(ValueError, match=r"graph_ids must lie in \[0, 5\) for 5 graphs"):
        ga.graphs.take(random_batch(rng), ids)


def test_refuses_masks_and_padded_graphs(rng):
    batch = random_batch(rng)
    with pytest.raises(ValueError, match="graph_ids must be integer ids"):
        ga.graphs.take(batch, np.ones(5, bool))
    with pytest.raises(ValueError, match="take got a padded graph"):
        ga.graphs.take(ga.graphs.pad(batch, ga.graphs.Budget.for_graph(batch)), [0])
