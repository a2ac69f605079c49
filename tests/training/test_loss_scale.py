"""Float16: small gradients survive, large ones are taken again with a smaller scale."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import graphattn_jax as ga
from graphattn_jax.training import fit, init_train_state, make_train_step

RATE = 1.0
SMALL, USUAL = jnp.float32(1e-9), jnp.float32(1.0)


def loss_fn(params, slope, dropout_key):
    """Slope w, through float16 on the way back: 1e-9 is nothing there."""
    through = params["w"].astype(jnp.float16).astype(jnp.float32)
    return through * slope, jnp.float32(1)


def start(loss_scale, **options):
    optimizer = optax.sgd(RATE)
    state = init_train_state(
        {"w": jnp.float32(0)}, optimizer, jax.random.key(0), loss_scale=loss_scale
    )
    return make_train_step(loss_fn, optimizer, **options), state


def test_what_float16_cannot_hold_is_learned_with_a_scale():
    lost, kept = (start(scale)[0](start(scale)[1], SMALL) for scale in (None, 2.0**15))
    assert lost[0].params["w"] == 0 and "loss_scale" not in lost[1] and "skipped" not in lost[1]
    np.testing.assert_allclose(kept[0].params["w"], -RATE * SMALL, rtol=1e-2)
    np.testing.assert_allclose(kept[1]["grad_norm"], SMALL, rtol=1e-2)
    assert kept[1]["finite"] and not kept[1]["skipped"] and kept[1]["loss"] == 0


@pytest.mark.parametrize("check_finite", [True, False])
def test_an_overflow_is_taken_again_with_half_the_scale(check_finite):
    step, state = start(2.0**18, check_finite=check_finite)  # float16 ends at 65504
    scales = []
    for _ in range(4):
        before = state.params["w"].copy()
        state, metrics = step(state, USUAL)
        scales.append(float(metrics["loss_scale"]))
        moved = bool(state.params["w"] != before)
        assert moved == (not metrics["skipped"]) and metrics["finite"]
    assert scales == [2.0**18, 2.0**17, 2.0**16, 2.0**15]
    assert state.params["w"] == -RATE and state.loss_scale.good_steps == 1


def test_the_scale_grows_after_many_good_steps():
    step, state = start(4.0)
    state = state._replace(loss_scale=state.loss_scale._replace(good_steps=jnp.int32(1998)))
    scales = []
    for _ in range(3):
        state, metrics = step(state, USUAL)
        scales.append(float(metrics["loss_scale"]))
    assert scales == [4, 4, 8]


def test_what_no_scale_helps_is_not_finite():
    step, _ = start(2.0)
    for slope, expected in ((jnp.float32(1e30), [True, False]), (jnp.float32(jnp.nan), [False])):
        _, fresh = start(2.0)
        found = []
        for _ in expected:
            fresh, metrics = step(fresh, slope)
            found.append(bool(metrics["finite"]))
        assert found == expected and fresh.params["w"] == 0


def test_fit_goes_through_skipped_steps_and_resumes(tmp_path):
    def run(checkpointer, steps):
        step, state = start(2.0**18)
        return fit(
            state, step, ga.training.Repeat(USUAL), num_steps=steps, checkpointer=checkpointer
        )

    whole = run(ga.training.Checkpointer(tmp_path / "a", every=10), 6)
    again = ga.training.Checkpointer(tmp_path / "b", every=10)
    run(again, 2)
    resumed = run(again, 6)
    np.testing.assert_equal(resumed.history, whole.history)
    for result in (resumed, whole):
        assert result.state.params["w"] == -3 * RATE
        assert result.state.loss_scale.good_steps == 3
    records = whole.history
    assert records[0]["loss_scale"] == 2.0**18 and np.isnan(records[0]["grad_norm"])
    assert records[-1]["grad_norm"] == 1 and records[-1]["loss_scale"] == 2.0**15
    params, _ = ga.training.restore_params(again, {"w": jnp.float32(0)})
    assert params["w"] == whole.state.params["w"]


@pytest.mark.parametrize("wrong", [0, -1.0, "2", True, np.inf])
def test_a_scale_is_a_number_from_1_on(wrong):
    with pytest.raises(ValueError, match="loss_scale must be a number from 1 on"):
        start(wrong)
