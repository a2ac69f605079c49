"""Building the C++ kernels: where they go, and what is said when they cannot be made."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from graphattn_jax import ops
from graphattn_jax.ops import _native
from graphattn_jax.ops._native import _build


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("GRAPHATTN_CACHE", str(tmp_path))
    for function in (_build._library, _build.loaded):
        function.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    for function in (_build._library, _build.loaded):
        function.cache_clear()


def test_nothing_is_built_by_itself(elsewhere):
    assert "is not built on this machine. Fix: ga.ops.build_cpp()" in _native.missing()
    edges = ops.prepare_edges(ops.Edges(np.arange(3), np.arange(3), num_senders=3))
    x = np.ones((3, 1, 64), np.float32)
    with pytest.raises(
        NotImplementedError, match=r"'cpp' is not built on this machine\. Fix: ga\.ops"
    ):
        ops.edge_attention(x, x, x, edges, implementation="cpp")
    assert ops.explain_choice(x, x, x, edges).implementation == "xla"
    assert not list(elsewhere.iterdir())


def test_no_compiler(elsewhere, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="needs a C\\+\\+ compiler: g\\+\\+, clang"):
        ops.build_cpp()


def test_a_compiler_that_fails_says_what_it_said(elsewhere, monkeypatch):
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(RuntimeError, match="build_cpp failed: false -std"):
        ops.build_cpp()
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("check", [True, False])
def test_shard_map_works_or_falls_back(check):
    ids = np.arange(4)
    edges = ops.prepare_edges(ops.Edges(ids, ids[::-1].copy(), num_senders=4))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 1, 3)), jnp.float32)

    def attend(x):
        return ops.edge_attention(x[0], x[0], x[0], edges).out[None]

    one = PartitionSpec("data")
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    sharded = jax.shard_map(attend, mesh=mesh, in_specs=one, out_specs=one, check_vma=check)
    got = jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(sharded(x)))))(x)
    alone = jax.jit(jax.vmap(jax.grad(lambda x: jnp.sum(jnp.sin(attend(x[None]))))))(x)
    np.testing.assert_allclose(got, alone, atol=1e-6)
