"""The recipe in docs/training.md keeps compiled train steps for the next process."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

TRAIN = """
import jax, jax.numpy as jnp
from jax import monitoring
events = []
monitoring.register_event_listener(lambda event, **_: events.append(event.rpartition("/")[2]))
import graphattn_jax as ga

def loss_fn(params, batch, dropout_key):
    x = ga.ops.dropout(ga.nn.mlp(params, batch), 0.5, dropout_key)
    return ga.losses.l2_loss(x, jnp.ones_like(x))

optimizer = ga.training.make_optimizer(0.1)
params = ga.nn.init_mlp(jax.random.key(0), [4, 64, 64, 1])
state = ga.training.init_train_state(params, optimizer, jax.random.key(1))
step = ga.training.make_train_step(loss_fn, optimizer)  # donates
for _ in range(3):
    state, metrics = step(state, jnp.ones((32, 4)))
print(events.count("cache_hits"), events.count("cache_misses"), float(metrics["loss"]).hex())
"""


def variables():
    page = (ROOT / "docs/training.md").read_text()
    return dict(re.findall(r'^export (JAX_\w+)="?([^"\n]*)', page, re.MULTILINE))


def train(home):
    recipe = {name: value.replace("$HOME", str(home)) for name, value in variables().items()}
    environment = {**os.environ, **recipe, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True, check=True
    )
    hits, misses, loss = done.stdout.split()
    return int(hits), int(misses), loss


def test_second_process_compiles_nothing_that_was_kept(tmp_path):
    assert set(variables()) == {
        "JAX_COMPILATION_CACHE_DIR",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    }
    hits, misses, loss = train(tmp_path)
    assert hits == 0 and misses > 0
    assert any((tmp_path / ".cache/jax").iterdir())
    hits_again, _, loss_again = train(tmp_path)
    assert hits_again > 0
    assert loss_again == loss  # bit for bit, with donated buffers
