"""Batches made in a thread: the same ones, errors where they are taken, positions, and an end."""

import gc
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import losses, training


class Source:
    """Numbers that name their place; one of them may fail, or take its time."""

    def __init__(self, length=5, fails=None, seconds=0.0):
        self.length, self.fails, self.seconds = length, fails, seconds

    def __len__(self):
        return self.length

    def __call__(self, seed, epoch, index):
        time.sleep(self.seconds)
        if (epoch, index) == self.fails:
            raise FileNotFoundError("features.npy")
        return {"x": np.float32(epoch * 100 + index + (seed or 0) * 1000)}


def numbers(batches, count):
    return [int(next(batches)["x"]) for _ in range(count)]


def threads():
    return [t for t in threading.enumerate() if t.name == "prefetch"]


def test_the_same_batches_in_the_same_order():
    plain = training.EpochBatches(Source(), 3)
    with training.prefetch(training.EpochBatches(Source(), 3), size=3) as batches:
        assert len(batches) == 5 and batches.is_endless
        first = next(batches)
        assert isinstance(first["x"], jax.Array)
        assert [int(first["x"]), *numbers(batches, 12)] == numbers(plain, 13)
    assert not threads()


def test_in_order_it_ends_and_begins_anew():
    with training.prefetch(training.EpochBatches(Source(3), None)) as batches:
        for _ in range(2):
            assert [int(batch["x"]) for batch in batches] == [0, 1, 2]
        assert not threads()


def test_a_position_is_that_of_the_last_batch_taken():
    batches = training.prefetch(training.EpochBatches(Source(), 0), size=4)
    numbers(batches, 7)
    time.sleep(0.05)  # the thread runs ahead
    state = batches.state_dict()
    assert (state["epoch"], state["index"]) == (1, 2)
    following = numbers(batches, 6)
    batches.load_state_dict(state)
    assert numbers(batches, 6) == following
    batches.close()
    assert numbers(batches, 2) == [203, 204]  # a closed one goes on where it was
    batches.close()


def test_an_error_is_raised_where_the_batch_is_taken():
    source = Source(fails=(1, 1))
    batches = training.prefetch(training.EpochBatches(source, 0))
    assert numbers(batches, 6)[-1] == 100
    with pytest.raises(FileNotFoundError, match="features"):
        next(batches)
    assert not threads()
    source.fails = None
    assert numbers(batches, 1) == [101]  # nothing was skipped
    batches.close()


def test_a_dropped_iterator_ends_its_thread():
    batches = training.prefetch(training.EpochBatches(Source(), 0))
    next(batches)
    assert threads()
    del batches
    gc.collect()
    for thread in threads():
        thread.join(timeout=5)
    assert not threads()


def test_the_share_of_waiting():
    slow = training.prefetch(training.EpochBatches(Source(seconds=0.05), 0))
    numbers(slow, 5)
    assert slow.metrics()["waiting"] > 0.5
    slow.close()
    ready = training.prefetch(training.EpochBatches(Source(), 0))
    numbers(ready, 1)
    ready.metrics()
    for _ in range(3):
        time.sleep(0.05)
        next(ready)
    assert ready.metrics()["waiting"] < 0.5
    ready.close()


def test_fit_resumes_and_reports_waiting(tmp_path):
    def loss_fn(params, batch, key):
        return losses.l2_loss(params["w"] * batch["x"][None], jnp.ones(1))

    optimizer = training.make_optimizer(1e-4)
    step = training.make_train_step(loss_fn, optimizer)
    state = training.init_train_state({"w": jnp.zeros(())}, optimizer, jax.random.key(0))

    def run(num_steps, **options):
        with training.prefetch(training.EpochBatches(Source(), 0)) as batches:
            return training.fit(state, step, batches, num_steps=num_steps, **options)

    whole = run(12)
    assert 0 <= whole.history[-1]["waiting"] <= 1
    for num_steps in (7, 12):
        checkpointer = training.Checkpointer(tmp_path, every=7)
        resumed = run(num_steps, checkpointer=checkpointer)
    assert resumed.state.params["w"] == whole.state.params["w"]


def test_what_has_no_position_is_refused():
    with pytest.raises(ValueError, match="batches must be a DataIterator"):
        training.prefetch(iter([1, 2]))
    with pytest.raises(ValueError, match="size must be a positive integer"):
        training.prefetch(training.EpochBatches(Source(), 0), 0)
