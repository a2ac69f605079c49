"""The C++ kernels of attention on the CPU, XLA custom calls that are compiled on request."""

from graphattn_jax.ops._native._build import build_cpp, call, dropout_attributes, missing

__all__ = ["build_cpp", "call", "dropout_attributes", "missing"]
