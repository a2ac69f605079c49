"""Weights of other packages: layers that were trained with PyTorch Geometric, as parameters of the layers here.

Nothing of the other package is imported: `load_pyg` reads arrays by their names.
"""

from graphattn_jax.interop._load_pyg import load_pyg

__all__ = ["load_pyg"]
