"""The C++ kernels of attention on the CPU, XLA custom calls that are compiled on request."""

from graphattn_jax.ops._native._build import build_cpp, call, check_built, dropout_attributes

__all__ = ["build_cpp", "call", "check_built", "dropout_attributes"]
