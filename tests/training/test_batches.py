import json

import numpy as np
import pytest

from graphattn_jax.training import DataIterator, Repeat, ShuffledBatches


def take(batches, n):
    return [next(batches) for _ in range(n)]


def test_every_epoch_holds_each_batch_once_in_another_order():
    batches = ShuffledBatches(list(range(20)), seed=3)
    first, second = take(batches, 20), take(batches, 20)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert take(ShuffledBatches(list(range(20)), seed=3), 20) == first
    assert take(ShuffledBatches(list(range(20)), seed=4), 20) != first


@pytest.mark.parametrize("position", [0, 3, 7, 8, 20])
def test_position_is_restored_exactly(position):
    batches = ShuffledBatches("abcdefg", seed=0)
    take(batches, position)
    state = batches.state_dict()
    want = take(batches, 15)
    resumed = ShuffledBatches("abcdefg", seed=0)
    take(resumed, 5)
    resumed.load_state_dict(state)
    assert take(resumed, 15) == want


def test_a_position_is_plain_json_and_a_length_that_of_an_epoch():
    batches = ShuffledBatches("abc", seed=np.int64(1))
    assert len(batches) == 3 and len(Repeat(None)) == 1
    assert json.loads(json.dumps(batches.state_dict()))["seed"] == 1


def test_repeat_moves_the_batch_once():
    batches = Repeat({"x": np.arange(3)})
    assert next(batches) is next(iter(batches))
    assert next(batches)["x"].tolist() == [0, 1, 2]


def test_protocol_and_errors():
    assert isinstance(Repeat(None), DataIterator)
    assert isinstance(ShuffledBatches([1], 0), DataIterator)
    assert not isinstance([1], DataIterator)
    with pytest.raises(ValueError, match="batches must hold at least one"):
        ShuffledBatches([], seed=0)
    with pytest.raises(ValueError, match="seed must be a non-negative integer"):
        ShuffledBatches([1], seed=-1)
    with pytest.raises(ValueError, match=r"saved with num_batches=3, this iterator has num_.*=2"):
        ShuffledBatches("ab", 0).load_state_dict(ShuffledBatches("abc", 0).state_dict())
    with pytest.raises(ValueError, match="saved with seed=1, this iterator has seed=0"):
        ShuffledBatches("ab", 0).load_state_dict(ShuffledBatches("ab", 1).state_dict())
