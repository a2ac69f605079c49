"""Strict JAX: mixed dtypes and implicit broadcasting of ranks are errors, and so are warnings."""

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compilations dominate the suite's time. A quarter of it is LLVM's optimisation, which programs so small do not need.
os.environ["XLA_FLAGS"] = " ".join(
    (
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
        os.environ.get("XLA_FLAGS", ""),  # what the user says comes last and wins
    )
)

import jax
import numpy as np
import pytest

from graphattn_jax import ops

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# The cache is shared by the worker processes and by later runs, and holds the smallest programs too: op by op, they are
# most of what is compiled.
jax.config.update(
    "jax_compilation_cache_dir",
    os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(Path(__file__).parents[1] / ".jax_cache"),
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture
def rng():
    """A numpy generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture
def debug_nans():
    """Any NaN in a jitted computation raises."""
    with jax.debug_nans(True):
        yield


def pytest_configure(config):
    """The C++ kernels where there is a compiler, so that what users get by default is what is tested."""
    if "cpu" not in os.environ["JAX_PLATFORMS"]:
        return
    try:
        ops.build_cpp()
    except RuntimeError as error:
        print(f"Without the C++ kernels: {error}")
