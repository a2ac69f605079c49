"""Cases by number: the same number is the same case, on every machine."""

import time
from collections.abc import Iterable

import jax
import numpy as np

from . import _layer_cases, _ops_cases, _typed_cases
from ._problem import Mismatch, Problem, check

KINDS = (
    _ops_cases.edge_attention,
    _ops_cases.edge_attention,
    _ops_cases.block_attention,
    _layer_cases.attention_layer,
    _layer_cases.attention_layer,
    _layer_cases.message_passing,
    _layer_cases.global_attention,
    _typed_cases.typed_layer,
    _typed_cases.typed_layer,
    _typed_cases.degree_scaler,
)


def problem_of(case: int) -> Problem:
    """The problem with this number."""
    rng = np.random.default_rng(case)
    return KINDS[case % len(KINDS)](rng)


def run_case(case: int) -> str | None:
    """What is wrong in this case, None for nothing."""
    problem = problem_of(case)
    try:
        # A compilation costs more than a hundred such cases, op by op.
        with jax.disable_jit():
            check(problem, np.random.default_rng([case, 1]))
    except Mismatch as error:
        return f"--case {case}: {problem.name}\n  {error}"
    except Exception as error:
        return f"--case {case}: {problem.name}\n  {type(error).__name__}: {error}"
    return None


def run_cases(cases: Iterable[int], seconds: float = float("inf")) -> tuple[int, list[str]]:
    """How many were run, and what is wrong."""
    start, count, faults = time.monotonic(), 0, []
    for case in cases:
        if time.monotonic() - start > seconds:
            break
        count += 1
        if (fault := run_case(case)) is not None:
            print(fault, flush=True)
            faults.append(fault)
    return count, faults
