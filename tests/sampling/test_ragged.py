"""Random places in rows of different lengths."""

from itertools import combinations

import numpy as np

from graphattn_jax.sampling._ragged import distinct, places, with_replacement


def by_row(row, place, rows):
    return [place[row == i].tolist() for i in range(rows)]


def test_all_places():
    row, place = places(np.array([2, 0, 3]))
    assert row.tolist() == [0, 0, 2, 2, 2] and place.tolist() == [0, 1, 0, 1, 2]


def test_distinct_entries_of_every_row():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 40, 300)
    wanted = rng.choice([0, 1, 3, 20], 300)
    row, place = distinct(rng, counts, wanted)
    for i, found in enumerate(by_row(row, place, 300)):
        assert len(set(found)) == len(found) == min(counts[i], wanted[i])
        assert all(0 <= p < counts[i] for p in found)
        if counts[i] <= wanted[i]:
            assert found == list(range(counts[i]))


def test_every_set_is_equally_likely():
    rows = 20_000
    _, place = distinct(np.random.default_rng(1), np.full(rows, 5), np.full(rows, 3))
    found = [tuple(sorted(x)) for x in place.reshape(rows, 3).tolist()]
    sets = list(combinations(range(5), 3))
    counts = np.array([found.count(x) for x in sets])
    assert counts.sum() == rows
    assert ((counts - rows / 10) ** 2 / (rows / 10)).sum() < 30  # chi-square, 9 degrees of freedom


def test_a_hub_costs_what_is_taken_of_it():
    row, place = distinct(np.random.default_rng(2), np.array([2**40]), np.array([4]))
    assert row.tolist() == [0] * 4 and len(set(place.tolist())) == 4 and place.max() < 2**40


def test_with_replacement_each_entry_is_equally_likely():
    row, place = with_replacement(
        np.random.default_rng(3), np.array([4, 0, 1]), np.array([40_000, 5, 3])
    )
    assert np.bincount(row, minlength=3).tolist() == [40_000, 0, 3]
    assert abs(np.bincount(place[row == 0]) - 10_000).max() < 500
    assert place[row == 2].tolist() == [0, 0, 0]
