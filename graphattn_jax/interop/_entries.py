"""The named arrays of a module of PyTorch, read one by one."""

from __future__ import annotations

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
        self.layer, self.prefix = layer, prefix
        self.module = None
        if not isinstance(source, Mapping):
            if not callable(getattr(source, "state_dict", None)):
                raise ValueError(
                    f"state_dict must be a mapping from names to arrays, or a module that has one, got "
                    f"{_checks.describe(source)}. Fix: conv.state_dict()."
                )
            path = [part for part in prefix.split(".") if part]
            self.module = reduce(lambda module, part: getattr(module, part), path, source)
            source = source.state_dict()
        self._source = source
        self._left = {
            name.removeprefix(prefix)
            for name in source
            if name.startswith(prefix) and not _COUNTERS.search(name)
        }
        if not self._left:
            known = ", ".join(sorted({name.split(".")[0] for name in source})) or "none"
            raise ValueError(
                f"state_dict has no entries that begin with {prefix!r}; its names begin with {known}."
            )

    def part(self, name: str, layer: Any) -> Entries:
        """What belongs to a module inside this one; to be closed by itself."""
        inner = Entries(self._source, f"{self.prefix}{name}.", layer)
        inner.module = getattr(self.module, name, None)
        self._left -= {own for own in self._left if own.startswith(f"{name}.")}
        return inner

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self._source

    def names(self, pattern: str) -> list[re.Match[str]]:
        """Those that fit the pattern as a whole."""
        return [match for name in sorted(self._left) if (match := re.fullmatch(pattern, name))]

    def array(self, name: str, *shape: int | str) -> Any:
        """One that must be there, of this shape: an int for a fixed size, a letter for a free one."""
        full = self.prefix + name
        if full not in self._source:
            raise ValueError(
                f"state_dict has no entry {full!r}, which {self.layer} needs. It has: "
                f"{', '.join(sorted(self.prefix + name for name in self._left))}."
            )
        x = self._source[full]
        x = as_numpy(full, x) if is_tensor(x) else np.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(f"{full} must be floating point, got {_checks.describe(x)}.")
        sizes = dict(
            zip(reversed(shape), reversed(x.shape))
        )  # a letter that stands twice is one size
        if len(x.shape) != len(shape) or x.shape != tuple(
            want if isinstance(want, int) else sizes[want] for want in shape
        ):
            raise ValueError(
                f"{full} must have shape [{', '.join(map(str, shape))}], got {list(x.shape)}. "
                f"Fix: choices of {self.layer} that are those of the module."
            )
        self._left.discard(name)
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
        self._left -= {*names}

    def close(self) -> None:
        """Nothing is left over."""
        if self._left:
            names = ", ".join(sorted(self.prefix + name for name in self._left))
            raise ValueError(
                f"state_dict has entries that {self.layer} has no place for: {names}. "
                "Fix: choices of the layer that are those of the module, or prefix= for a part of a larger one."
            )
