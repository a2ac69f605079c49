"""Keys numbered in the order in which they come."""

import numpy as np
import pytest

from graphattn_jax.sampling._numbering import Numbering


@pytest.mark.parametrize("size", [60, 2**40], ids=["table", "sorted"])
def test_as_a_dictionary_numbers_them(size):
    rng = np.random.default_rng(0)
    numbers, found = {}, Numbering(size, 10)
    for count in (0, 7, 30, 1, 50):
        keys = rng.integers(0, 60, count)
        wanted = [numbers.setdefault(key, len(numbers)) for key in keys.tolist()]
        assert found.add(keys).tolist() == wanted
        assert found.keys.tolist() == list(numbers)
        asked = rng.integers(0, 60, 20)
        assert found.find(asked).tolist() == [numbers.get(key, -1) for key in asked.tolist()]
