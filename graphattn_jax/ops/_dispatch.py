"""One way to choose among the implementations of an op, and to say why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from graphattn_jax import _checks

__all__ = ["Choice", "Implementation", "choose", "explain"]


class Implementation(Protocol):
    """One way to compute an op. `supports` looks at shapes, dtypes and the machine, and computes nothing."""

    @property
    def name(self) -> str:
        """What `implementation=` calls it."""
        ...

    def supports(self, call: Any) -> str | None:
        """Why it cannot compute this call, as the end of a sentence that begins with its name; None if it can."""
        ...


class Choice(NamedTuple):
    """The implementation that `implementation=None` takes, and for every one a sentence that says why (not)."""

    implementation: str
    reasons: dict[str, str]

    def __str__(self) -> str:
        """A line per implementation."""
        return "\n".join(f"{name:<12} {reason}" for name, reason in self.reasons.items())


I = TypeVar("I", bound=Implementation)  # noqa: E741


def explain(implementations: Mapping[str, I], order: Iterable[str], call: Any) -> Choice:
    """What `choose` takes for this call: the first of `order` that supports it; the last one always does."""
    order = tuple(order)
    reasons, taken = {}, None
    for name in (*order, *(name for name in implementations if name not in order)):
        missing = implementations[name].supports(call)
        if missing is not None:
            reasons[name] = f"implementation={name!r} {missing}"
        elif name not in order:
            reasons[name] = "not chosen on this platform; it can be named"
        elif taken is None:
            taken = name
            reasons[name] = f"taken: the first of {', '.join(order)} that supports these arguments"
        else:
            reasons[name] = f"supports these arguments; {taken} is preferred"
    assert taken is not None, "the reference supports every call"
    return Choice(taken, reasons)


def choose(
    name: str | None, implementations: Mapping[str, I], order: Iterable[str], call: Any
) -> I:
    """The implementation of this name, or where it is None the one of `explain`, without asking the others.

    Raises:
      ValueError: an unknown name.
      NotImplementedError: the named implementation does not support the call.
    """
    if name is None:
        return next(x for x in map(implementations.__getitem__, order) if x.supports(call) is None)
    _checks.choice("implementation", name, implementations)
    missing = implementations[name].supports(call)
    if missing is not None:
        raise NotImplementedError(f"implementation={name!r} {missing}")
    return implementations[name]
