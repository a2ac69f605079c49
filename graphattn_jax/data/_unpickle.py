"""Reading the pickles of the Planetoid files without giving them anything to run.

A pickle may call whatever it can name. Here it may name six things, and each stands for a builtin
container or a small record class of this file: it never reaches numpy's or scipy's own unpickling,
which trusts its input. Any other name is refused.
"""

from __future__ import annotations

import collections
import pickle
from pathlib import Path

import numpy as np
import scipy.sparse

from graphattn_jax.data._files import unreadable

_PLAIN_DTYPES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"})


class _Dtype:
    """A numpy dtype: a plain number type and a byte order."""

    def __init__(self, code, align, copy):
        if code not in _PLAIN_DTYPES:
            raise pickle.UnpicklingError(f"arrays of dtype {code!r} are not accepted")
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        _, byte_order, *_ = state
        if byte_order in ("<", ">"):  # else "|": one byte
            self.dtype = self.dtype.newbyteorder(byte_order)


class _Array:
    """A numpy array, filled from its bytes."""

    def __init__(self, subtype, shape, typecode):
        self.value = np.zeros(0)

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        value = np.frombuffer(data.encode("latin1"), dtype.dtype)
        self.value = value.reshape(shape, order="F" if fortran else "C")


class _CSR:
    """A scipy CSR matrix, rebuilt and checked from the dictionary of its attributes."""

    def __setstate__(self, state):
        arrays = (state["data"].value, state["indices"].value, state["indptr"].value)
        # a copy, because the arrays view the bytes of the file and scipy sorts in place
        self.value = scipy.sparse.csr_matrix(arrays, shape=state["_shape"], copy=True)
        self.value.check_format(full_check=True)


_ALLOWED = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("scipy.sparse.csr", "csr_matrix"): _CSR,
    ("collections", "defaultdict"): collections.defaultdict,
    ("__builtin__", "list"): list,
}


class _RecordUnpickler(pickle.Unpickler):
    def find_class(self, module_name, global_name):
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            allowed = ", ".join(".".join(name) for name in _ALLOWED)
            raise pickle.UnpicklingError(
                f"it asks for {module_name}.{global_name}, which is refused; allowed: {allowed}"
            ) from None


def read_pickle(path: Path) -> np.ndarray | scipy.sparse.csr_matrix | dict:
    """The array, CSR matrix or dictionary in a Python 2 pickle; nothing in the file is run.

    Raises:
      ValueError: the file names a class outside the list above, or is not such a pickle.
    """
    try:
        with path.open("rb") as file:
            value = _RecordUnpickler(file, encoding="latin1").load()
        if not isinstance(value, (_Array, _CSR, dict)):
            raise pickle.UnpicklingError(f"it holds {type(value).__name__}")
        return value if isinstance(value, dict) else value.value
    # A damaged pickle fails in any way its opcodes can; whatever it did, it did to records.
    except Exception as error:
        raise unreadable(path, error) from error
