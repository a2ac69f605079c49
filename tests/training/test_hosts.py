"""Two processes that share the steps of a run train as one."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RUN = """
import json, sys
import jax, numpy as np, optax
import graphattn_jax as ga

address, rank, world = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
jax.config.update("jax_platforms", "cpu")
if world > 1:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(address, world, rank)
else:
    jax.config.update("jax_num_cpu_devices", 2)
mesh = ga.training.device_mesh()

def path(length):
    line = ga.graphs.from_edge_list(
        np.arange(length - 1), np.arange(1, length),
        nodes=np.sin(np.arange(4.0 * length, dtype=np.float32)).reshape(length, 4),
        globals=np.full((1, 1), length, np.float32))
    return ga.graphs.add_reverse_edges(line)

graphs = ga.graphs.batch([path(length) for length in (3, 4, 5, 6, 7)])
network = ga.models.GPS(ga.models.Inputs(nodes=4), width=8, num_layers=1, attention=None)

def loss_fn(params, state, batch, key):
    out = network.apply(params, state, batch, training=True, key=key)
    where = ga.graphs.graph_mask(batch)
    return ga.losses.l2_loss(out.prediction, batch.globals, where=where), {}, out.state

optimizer = optax.sgd(0.01)
params, state = network.init(jax.random.key(0))
start = ga.training.init_train_state(params, optimizer, jax.random.key(1), model_state=state)
batches = ga.training.GraphBatches(
    graphs, 1, seed=0, parts=len(mesh.local_devices), rank=rank, world=world)
result = ga.training.fit(
    start, ga.training.make_train_step(loss_fn, optimizer, devices=mesh), batches,
    num_steps=4, eval_every=1)
print(json.dumps([record["loss"] for record in result.history]))
"""


def losses(world):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, address, str(rank), str(world)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for rank in range(world)
    ]
    printed = [process.communicate(timeout=300) for process in started]
    assert all(process.returncode == 0 for process in started), printed
    return [json.loads(out.splitlines()[-1]) for out, _ in printed]


@pytest.mark.experiment
def test_two_processes_train_as_one():
    (one,) = losses(1)
    first, second = losses(2)
    assert first == second
    np.testing.assert_allclose(first, one, rtol=1e-5)
