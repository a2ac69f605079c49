"""The named arrays of a module of PyTorch, read one by one."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks, nn
from graphattn_jax._tensors import as_numpy, is_tensor

# How often batch norm has seen a batch, which only a momentum of None would read.
_COUNTERS = re.compile(r"(^|\.)num_batches_tracked$")


class Entries:
    """The entries of a state dict below a prefix, and the module itself where it was given.

    Every array is asked for once by name and shape; `close` refuses what nobody has asked for.
    """

    def __init__(self, source: Any, prefix: str, layer: Any) -> None:
        self.layer = layer
        self.prefix = prefix if prefix.endswith(".") or not prefix else f"{prefix}."
        self.module = None
        if not isinstance(source, Mapping):
            if not callable(getattr(source, "state_dict", None)):
                raise ValueError(
                    f"state_dict must be a mapping from names to arrays, or a module that has one, got "
                    f"{_checks.describe(source)}. Fix: conv.state_dict()."
                )
            path = [part for part in prefix.split(".") if part]
            self.module = reduce(lambda module, part: getattr(module, part, None), path, source)
            source = source.state_dict()
        self._source = source
        self._left = {str(name) for name in source if not _COUNTERS.search(str(name))}
        self._check_any()

    def _check_any(self) -> None:
        if not self._own():
            known = ", ".join(sorted({str(name).split(".")[0] for name in self._source})) or "none"
            raise ValueError(
                f"state_dict has no entries that begin with {self.prefix!r}; its names begin with {known}."
            )

    def _own(self) -> list[str]:
        """Full names of what is left below the prefix."""
        return sorted(name for name in self._left if name.startswith(self.prefix))

    def part(self, name: str, layer: Any) -> Entries:
        """What belongs to a module inside this one: what one of the two has read is not left in the other."""
        inner = copy.copy(self)
        inner.layer, inner.prefix = layer, f"{self.prefix}{name}."
        inner.module = getattr(self.module, name, None)
        inner._check_any()
        return inner

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self._source

    def names(self, pattern: str) -> list[re.Match[str]]:
        """Those that fit the pattern as a whole."""
        names = (name.removeprefix(self.prefix) for name in self._own())
        return [match for name in names if (match := re.fullmatch(pattern, name))]

    def array(self, name: str, *shape: int | str) -> Any:
        """One that must be there, of this shape: an int for a fixed size, a letter for a free one."""
        full = self.prefix + name
        if full not in self._source:
            raise ValueError(
                f"state_dict has no entry {full!r}, which {self.layer} needs. It has: "
                f"{', '.join(self._own())}."
            )
        x = self._source[full]
        x = as_numpy(full, x) if is_tensor(x) else np.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(f"{full} must be floating point, got {_checks.describe(x)}.")
        sizes = dict(zip(shape, x.shape))  # a letter that stands twice is one size
        wanted = tuple(want if isinstance(want, int) else sizes.get(want) for want in shape)
        if x.shape != wanted:
            raise ValueError(
                f"{full} must have shape [{', '.join(map(str, shape))}], got {list(x.shape)}. "
                f"Fix: choices of {self.layer} that are those of the module."
            )
        self._left.discard(full)
        return x

    def scalar(self, name: str) -> Any:
        """A number, which PyTorch keeps as `[1]` or `[]`."""
        is_vector = name in self and len(self._source[self.prefix + name].shape)
        return self.array(name, *(1,) * bool(is_vector)).reshape(())

    def bias(self, name: str, *shape: int | str) -> Any:
        """One that is there just where the layer has biases."""
        return self.array(name, *shape) if self.layer.use_bias else None

    def linear(
        self, name: str, width: int | str = "in", out: int | str = "out", *, bias: bool = True
    ) -> Any:
        """Of a `torch.nn.Linear`, which keeps its weight as `[out, in]`."""
        weight = self.array(f"{name}.weight", out, width).T
        return nn.LinearParams(
            weight, self.array(f"{name}.bias", weight.shape[1]) if bias else None
        )

    def says(self, fix: str = "", **options: Any) -> None:
        """The options of the module, where it was given, are these, a tuple for any of several; one that is a module is
        told by its type.
        """
        for name, want in options.items():
            if not hasattr(self.module, name):
                continue
            got = getattr(self.module, name)
            got = type(got).__name__ if callable(got) else got
            if got not in (want if isinstance(want, tuple) else (want,)):
                raise ValueError(
                    f"{self.prefix}{name}={got!r} of {type(self.module).__name__} is not {self.layer}, "
                    f"which has {name}={want!r}." + (f" Fix: {fix}" if fix else "")
                )

    def refuse(self, name: str, reason: str) -> None:
        """An entry that the layer has no place for, and what to do."""
        if name in self:
            raise ValueError(f"{self.prefix}{name} has no place in {self.layer}: {reason}")

    def ignore(self, *names: str) -> None:
        """Entries that the module has and does not use."""
        self._left -= {self.prefix + name for name in names}

    def close(self) -> None:
        """Nothing is left over."""
        if own := self._own():
            raise ValueError(
                f"state_dict has entries that {self.layer} has no place for: {', '.join(own)}. "
                "Fix: choices of the layer that are those of the module, or prefix= for a part of a larger one."
            )
