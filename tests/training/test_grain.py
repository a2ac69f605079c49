"""Batches through grain: the same ones, and a state that is saved."""

import json

import numpy as np
import pytest

from graphattn_jax import training
from graphattn_jax.sampling import Neighbours, Sampler
from tests.sampling.conftest import random_graph


def sampler():
    return Sampler(random_graph(), Neighbours((3, 2)), np.arange(50), 16)


class Iterator:
    """As those of grain; the state of a `DataLoader` is bytes, that of a dataset a dict."""

    def __init__(self, as_bytes):
        self.place, self.as_bytes = 0, as_bytes

    def __iter__(self):
        return self

    def __next__(self):
        self.place += 1
        return self.place

    def get_state(self):
        state = {"next_index": self.place}
        return json.dumps(state).encode() if self.as_bytes else state

    def set_state(self, state):
        assert isinstance(state, bytes) == self.as_bytes
        self.place = (json.loads(state) if self.as_bytes else state)["next_index"]


def test_a_sequence_has_the_batches_of_all_epochs():
    sequence = training.BatchSequence(sampler(), 3, num_epochs=2)
    batches = training.EpochBatches(sampler(), 3)
    assert len(sequence) == 8
    for place in range(8):
        np.testing.assert_array_equal(sequence[place].node_ids, next(batches).node_ids)
    with pytest.raises(IndexError):
        sequence[8]
    with pytest.raises(ValueError, match="num_epochs must be a positive integer"):
        training.BatchSequence(sampler(), 3, 0)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_the_state_goes_through_json(as_bytes):
    batches = training.GrainBatches(Iterator(as_bytes))
    assert isinstance(batches, training.DataIterator)
    assert [next(batches) for _ in range(3)] == [1, 2, 3]
    state = json.loads(json.dumps(batches.state_dict()))
    again = training.GrainBatches(Iterator(as_bytes))
    again.load_state_dict(state)
    assert next(again) == next(batches) == 4
    with pytest.raises(ValueError, match="dataset must be one of grain"):
        training.GrainBatches([1, 2])


def test_with_grain():
    grain = pytest.importorskip("grain")
    sequence = training.BatchSequence(sampler(), 3, num_epochs=2)
    dataset = grain.MapDataset.source(sequence).to_iter_dataset()
    batches = training.GrainBatches(dataset)
    for place in range(3):
        np.testing.assert_array_equal(next(batches).node_ids, sequence[place].node_ids)
    again = training.GrainBatches(dataset)
    again.load_state_dict(json.loads(json.dumps(batches.state_dict())))
    np.testing.assert_array_equal(next(again).edge_ids, sequence[3].edge_ids)
