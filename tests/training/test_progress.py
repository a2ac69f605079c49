import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from graphattn_jax.losses import l2_loss
from graphattn_jax.training import (
    Checkpointer,
    EarlyStopping,
    ShuffledBatches,
    fit,
    init_train_state,
    make_train_step,
    restore_params,
)

BATCHES = [np.full(2, value, np.float32) for value in (1.0, 2.0, 4.0)]


def loss_fn(params, seen, batch, dropout_key):
    return l2_loss(params["w"], batch), {}, seen + 1


def params(size=2):
    return {"w": jnp.zeros(size)}


OPTIMIZERS = {"sgd": optax.sgd(0.1), "adam": optax.adam(0.1)}
Checkpointer(".")  # before the first trace
STEPS = {name: make_train_step(loss_fn, optimizer) for name, optimizer in OPTIMIZERS.items()}


def train(folder, num_steps, optimizer="sgd", *, stopping=None, **options):
    state = init_train_state(
        *(params(), OPTIMIZERS[optimizer], jax.random.key(0)), model_state=jnp.int32(0)
    )
    return fit(
        *(state, STEPS[optimizer], ShuffledBatches(BATCHES, 0)),
        num_steps=num_steps,
        evaluate=lambda params, seen: {"far": abs(int(seen) - 3)},
        early_stopping=stopping,
        checkpointer=Checkpointer(folder, every=2) if folder else None,
        **options,
    )


@pytest.mark.parametrize("stopping", [None, EarlyStopping("far", "min")])
def test_parameters_and_statistics_alone(tmp_path, stopping):
    result = train(tmp_path, 6, stopping=stopping)
    checkpointer = Checkpointer(tmp_path)
    best = restore_params(checkpointer, params(1 + 1), jnp.int32(7))
    chex.assert_trees_all_equal(best, (result.best_state.params, result.best_state.model_state))
    last = restore_params(checkpointer, params(), jnp.int32(0), best=False)
    chex.assert_trees_all_equal(last, (result.state.params, result.state.model_state))
    assert int(best[1]) == (3 if stopping else 6) and int(last[1]) == 6
    earlier = restore_params(checkpointer, params(), jnp.int32(0), best=False, step=4)
    assert int(earlier[1]) == 4
    without, none = restore_params(checkpointer, params())
    chex.assert_trees_all_equal(without, best[0])
    assert none is None


def test_parameters_before_any_state_was_the_best(tmp_path):
    nothing = EarlyStopping("far", "min", patience=None)
    result = train(tmp_path, 2, stopping=nothing, eval_every=9)
    chex.assert_trees_all_equal(
        restore_params(Checkpointer(tmp_path), params()), (result.state.params, None)
    )


def test_parameters_that_do_not_fit_or_are_damaged(tmp_path):
    train(tmp_path, 2)
    checkpointer = Checkpointer(tmp_path)
    with pytest.raises(ValueError, match=r"leaf \['state'\]\.params\['w'\] holds float32\[2\]"):
        restore_params(checkpointer, params(3))
    with pytest.raises(ValueError, match=r"no leaf \['state'\]\.params\['v'\]"):
        restore_params(checkpointer, {"v": jnp.zeros(2)})
    (tmp_path / "step_0000000002" / "contents.json").write_text("{}")
    with pytest.raises(ValueError, match="is damaged"):
        restore_params(checkpointer, params())
    with pytest.raises(ValueError, match="must hold a checkpoint"):
        restore_params(Checkpointer(tmp_path / "none"), params())


@pytest.mark.parametrize("stopping", [None, EarlyStopping("far", "min")])
def test_going_on_with_another_optimizer_when_asked_to(tmp_path, stopping):
    first = train(tmp_path, 4, stopping=stopping)
    with pytest.raises(ValueError, match=r"another optimizer: .*opt_state.*new_optimizer=True"):
        train(tmp_path, 7, "adam", stopping=stopping)
    longer = train(tmp_path, 7, "adam", stopping=stopping, new_optimizer=True)
    assert longer.history[:4] == first.history and int(longer.state.model_state) == 7
    if stopping:
        assert longer.best_step == first.best_step == 3
        chex.assert_trees_all_equal(longer.best_state.params, first.best_state.params)

    # By hand: the state behind step 4 with a new Adam, and the batches from there on.
    state = init_train_state(
        *(first.state.params, OPTIMIZERS["adam"], jax.random.key(0)), model_state=jnp.int32(4)
    )._replace(step=jnp.int32(4))
    batches = ShuffledBatches(BATCHES, 0)
    for batch in [next(batches) for _ in range(7)][4:]:
        state, _ = STEPS["adam"](state, batch)
    chex.assert_trees_all_equal(longer.state, state)

    # It is a run of the new optimiser from now on, asked or not.
    for options in ({}, {"new_optimizer": True}):
        again = train(tmp_path, 7, "adam", stopping=stopping, **options)
        chex.assert_trees_all_equal(again.state, longer.state)


def test_another_optimizer_does_not_excuse_other_parameters_or_damage(tmp_path):
    train(tmp_path, 2)
    state = init_train_state(
        *(params(3), OPTIMIZERS["adam"], jax.random.key(0)), model_state=jnp.int32(0)
    )
    options = {"num_steps": 4, "checkpointer": Checkpointer(tmp_path), "new_optimizer": True}
    with pytest.raises(ValueError, match=r"leaf \['state'\]\.params\['w'\] holds"):
        fit(state, STEPS["adam"], ShuffledBatches(BATCHES, 0), **options)
    (tmp_path / "step_0000000002" / "contents.json").write_text("{}")
    with pytest.raises(ValueError, match="is damaged"):
        train(tmp_path, 4, "adam", new_optimizer=True)
