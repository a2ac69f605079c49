"""A step over several devices is the step of one."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from graphattn_jax import graphs, losses, metrics, models, nn, ops, training
from graphattn_jax.attention import GraphTransformer

MESH = training.device_mesh(jax.devices()[:2])


def path(seed):
    rng = np.random.default_rng(seed)
    length = 3 + seed % 4
    line = graphs.from_edge_list(
        np.arange(length - 1),
        np.arange(1, length),
        nodes=rng.normal(size=(length, 6)).astype(np.float32),
        globals=rng.normal(size=(1, 1)).astype(np.float32),
    )
    return graphs.add_reverse_edges(line)


GRAPHS = graphs.batch([path(seed) for seed in range(8)])
WHOLE = training.GraphBatches(GRAPHS, 8, seed=None).epoch()[0]
PARTS = training.GraphBatches(GRAPHS, 2, seed=None, parts=4).epoch()[0]
GPS = models.GPS(
    models.Inputs(nodes=6), width=8, num_layers=1, attention=GraphTransformer(heads=2, channels=4)
)
LAYER_NORM = models.GPS(models.Inputs(nodes=6), width=8, num_layers=1, norm="layer", attention=None)


def loss_of(network):
    def loss_fn(params, model_state, batch, key):
        out = network.apply(params, model_state, batch, training=True, key=key)
        where = graphs.graph_mask(batch)
        pair = losses.l2_loss(out.prediction, batch.globals, where=where)
        mae = metrics.mean_absolute_error(out.prediction, batch.globals, where=where)
        return pair, {"mae": mae}, out.state

    return loss_fn


def trained(network, batch, steps=2, **options):
    """The state and the losses after some steps."""
    optimizer = optax.sgd(0.1)
    params, statistics = network.init(jax.random.key(0))
    state = training.init_train_state(params, optimizer, jax.random.key(1), model_state=statistics)
    step = training.make_train_step(loss_of(network), optimizer, **options)
    for _ in range(steps):
        state, metrics = step(state, batch)
    return (state.params, state.model_state), metrics


def assert_close(got, want, tolerance=1e-5):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), got, want
    )


@pytest.fixture(scope="module")
def of_one_device():
    return trained(GPS, WHOLE)


@pytest.mark.parametrize("devices", [training.device_mesh(), "pmap"], ids=["mesh", "pmap"])
def test_devices_give_parameters_statistics_and_metrics_of_one(devices, of_one_device):
    assert_close(trained(GPS, PARTS, devices=devices), of_one_device)


@pytest.mark.parametrize("devices", [None, MESH], ids=["one device", "two devices"])
def test_accumulated_parts_give_the_gradient_of_the_whole(devices):
    got = trained(LAYER_NORM, PARTS, devices=devices, accumulate=2 if devices else 4)
    assert_close(got, trained(LAYER_NORM, WHOLE))


def test_accumulated_statistics_take_the_parts_in_turn():
    (_, statistics), _ = trained(GPS, PARTS, steps=1, accumulate=4)
    params, expected = GPS.init(jax.random.key(0))
    for i in range(4):
        part = jax.tree.map(lambda x, i=i: x[i], PARTS)
        expected = GPS.apply(params, expected, part, training=True, key=jax.random.key(0)).state
    assert_close(statistics, expected)


def test_gradients_cross_the_devices_once():
    optimizer = optax.sgd(0.1)
    params, statistics = LAYER_NORM.init(jax.random.key(0))
    state = training.init_train_state(params, optimizer, jax.random.key(1), model_state=statistics)
    step = training.make_train_step(loss_of(LAYER_NORM), optimizer, devices=MESH, accumulate=2)
    text = step.lower(state, PARTS).compile().as_text()
    sizes = [int(n or 1) for n in re.findall(r"= f32\[(\d*)\][^ ]* all-reduce\(", text)]
    num_params = sum(x.size for x in jax.tree.leaves(params))
    assert sorted(sizes) == [1, num_params + 3], "the count; gradient, loss and the pair of aux"


def test_each_device_drops_others():
    def loss_fn(params, batch, key):
        kept = ops.dropout(jnp.ones(64), 0.5, key)
        total = jnp.sum(kept * batch["x"][0] * params)
        return total, jnp.ones(())

    optimizer = optax.sgd(1.0)
    params = jnp.ones(64)
    state = training.init_train_state(params, optimizer, jax.random.key(0))
    step = training.make_train_step(loss_fn, optimizer, devices=MESH)
    state, _ = step(state, {"x": np.array([[1.0], [10.0]], np.float32)})
    gradient = (params - state.params) * 2 / 2  # mean of two, each doubled what it kept
    assert set(np.unique(np.asarray(gradient)).tolist()) == {0.0, 1.0, 10.0, 11.0}


def test_bfloat16_computes_on_parameters_in_float32():
    seen = []

    def loss_fn(params, batch, key):
        seen.append((params.dtype, batch.nodes.dtype, batch.globals.dtype))
        return losses.l2_loss((batch.nodes @ params)[:1], batch.globals[:1])

    optimizer = optax.sgd(0.1)
    state = training.init_train_state(jnp.ones((6, 1)), optimizer, jax.random.key(0))
    step = training.make_train_step(loss_fn, optimizer, compute_dtype="bfloat16")
    state, metrics = step(state, WHOLE)
    assert seen[0] == (jnp.bfloat16, jnp.bfloat16, jnp.float32)
    assert state.params.dtype == jnp.float32 and metrics["loss"].dtype == jnp.float32


def test_evaluation_adds_the_pairs_of_all_devices():
    def metric_fn(params, batch):
        where = graphs.graph_mask(batch)
        guess = jnp.broadcast_to(params, batch.globals.shape)
        return {"mae": metrics.mean_absolute_error(guess, batch.globals, where=where)}

    params = jnp.zeros(())
    whole = training.make_eval_step(metric_fn)(params, WHOLE)
    mesh = training.device_mesh()
    assert_close(training.make_eval_step(metric_fn, devices=mesh)(params, PARTS), whole)
    assert_close(training.make_eval_step(metric_fn, devices="pmap")(params, PARTS), whole)


@pytest.mark.parametrize("implementation", ["reference", "xla"])
def test_batch_norm_over_devices_is_that_of_all_rows(implementation, rng):
    x = jnp.asarray(rng.normal(size=(2, 5, 3)), jnp.float32)
    real, g = jnp.asarray(rng.random((2, 5)) < 0.7), jnp.asarray(rng.normal(size=x.shape), x.dtype)
    params, state = nn.init_batch_norm(3)

    def norm(params, x, real):
        return nn.batch_norm(
            params, state, x, where=real, training=True, implementation=implementation
        )

    def objective(params, x):
        y, state = jax.vmap(norm, (None, 0, 0), axis_name=ops.BATCH_AXIS)(params, x, real)
        return jnp.sum(y * g), state

    def of_all(params, x):
        y, state = norm(params, x.reshape(10, 3), real.reshape(10))
        return jnp.sum(y * g.reshape(10, 3)), state

    (value, spread), gradient = jax.value_and_grad(objective, (0, 1), has_aux=True)(params, x)
    (want, whole), want_gradient = jax.value_and_grad(of_all, (0, 1), has_aux=True)(params, x)
    assert_close((value, gradient), (want, want_gradient))
    for part in range(2):
        assert_close(jax.tree.map(lambda leaf, part=part: leaf[part], spread), whole)


def test_hosts_share_an_epoch_in_batches_of_one_shape():
    def real(batch):
        return batch.globals[batch.layout.graph_mask].ravel()

    options = {"seed": 3, "block_size": 8}
    whole = training.GraphBatches(GRAPHS, 2, parts=2, **options).epoch()
    halves = [
        training.GraphBatches(GRAPHS, 1, parts=2, rank=i, world=2, **options).epoch()
        for i in range(2)
    ]
    for batch, *own in zip(whole, *halves, strict=True):
        got = np.concatenate([real(part) for part in own])
        np.testing.assert_array_equal(got, real(batch))
        assert len({part.nodes.shape for part in own}) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: training.device_mesh([]), "at least one device"),
        (lambda: training.stack_batches([]), "at least one batch"),
        (
            lambda: training.stack_batches([{"x": np.ones(2)}, {"x": np.ones(3)}]),
            r"batches\[1\].*one budget",
        ),
        (
            lambda: trained(LAYER_NORM, WHOLE, devices=MESH),
            r"batch.nodes must have 2 parts.*stack_batches",
        ),
        (
            lambda: trained(LAYER_NORM, PARTS, devices=jax.sharding.Mesh(jax.devices(), ("data",))),
            "one axis 'batch'.*device_mesh",
        ),
        (lambda: trained(LAYER_NORM, PARTS, devices="pmpa"), "devices must be.*pmap"),
        (lambda: trained(LAYER_NORM, PARTS, accumulate=0), "accumulate must be"),
        (lambda: trained(LAYER_NORM, PARTS, compute_dtype="int8"), "compute_dtype must be"),
        (
            lambda: training.GraphBatches(GRAPHS, 2, seed=0, rank=2, world=2),
            "rank must be.*process_index",
        ),
        (lambda: training.GraphBatches(GRAPHS, 2, seed=0, parts=0), "parts must be"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
