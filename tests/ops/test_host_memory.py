"""Freed memory is used again: fewer page faults per step."""

import platform
import subprocess
import sys

import pytest

# Sixteen results of 1 MB at a time: more than glibc keeps by itself, less than a pool of a thread holds. The smallest
# count of several goes, for a pool that grows once more has some faults.
CODE = """
import resource, sys
import jax, jax.numpy as jnp
import graphattn_jax as ga

if sys.argv[1] != "default":
    assert ga.ops.keep_freed_memory(one_pool=sys.argv[1] == "one pool")
step = jax.jit(lambda xs: [jnp.sin(x) + 1 for x in xs])
xs = [jnp.ones((250_000,), jnp.float32)] * 16
counts = []
for _ in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        jax.block_until_ready(step(xs))
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(counts))
"""


def faults(mode):
    done = subprocess.run([sys.executable, "-c", CODE, mode], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_steps_reuse_the_pages_of_earlier_ones():
    default = faults("default")
    assert faults("one pool") < 0.5 * default
    assert faults("a pool per thread") < 0.5 * default
