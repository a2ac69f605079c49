"""A random order of which any position can be asked for alone."""

import numpy as np
import pytest

from graphattn_jax.sampling._permutation import shuffled


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16, 17, 64, 100, 1000])
def test_it_is_a_permutation(size):
    for epoch in range(3):
        order = shuffled(7, epoch, np.arange(size), size)
        assert sorted(order.tolist()) == list(range(size))


def test_any_position_alone():
    order = shuffled(3, 1, np.arange(50), 50)
    np.testing.assert_array_equal(shuffled(3, 1, np.array([40, 2, 2]), 50), order[[40, 2, 2]])
    assert not len(shuffled(3, 1, np.zeros(0, int), 50))


def test_seeds_and_epochs_have_orders_of_their_own():
    orders = {
        tuple(shuffled(seed, epoch, np.arange(20), 20)) for seed in range(9) for epoch in range(9)
    }
    assert len(orders) == 81


def test_everything_stands_everywhere_equally_often():
    size, draws = 6, 1200
    counts = np.zeros((size, size))
    for epoch in range(draws):
        counts[np.arange(size), shuffled(0, epoch, np.arange(size), size)] += 1
    expected = draws / size
    assert ((counts - expected) ** 2 / expected).sum() < 60  # chi-square, 25 degrees of freedom
