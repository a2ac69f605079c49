"""Lowering for an H100 on a machine without one."""

import warnings

import jax
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

from graphattn_jax.ops import _pallas

KERNEL = "__gpu$xla.gpu.triton"


def lowered_for_h100(monkeypatch, f, *arguments) -> str:
    """The StableHLO text of `f`, with its Triton kernels in it."""
    monkeypatch.setattr(_pallas, "on_gpu", lambda: True)
    device = AbstractDevice(device_kind="NVIDIA H100 80GB HBM3", num_cores=132, platform="gpu")
    check = jax.export.DisabledSafetyCheck.custom_call(KERNEL)
    with use_abstract_mesh(AbstractMesh((), (), abstract_device=device)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The Pallas Triton backend", DeprecationWarning)
        exported = jax.export.export(jax.jit(f), platforms=["cuda"], disabled_checks=[check])
        return exported(*arguments).mlir_module()
