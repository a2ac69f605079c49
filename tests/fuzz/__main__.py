"""Random calls of attention and layers, in every implementation, against their equations in float64 NumPy.

Values, gradients (by central differences too) and second derivatives. Prints each case that fails, with the number that
runs it again: python -m tests.fuzz --case NUMBER
"""

import itertools
import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from tests import conftest

from ._run import run_cases


@dataclass(frozen=True)
class Options:
    """What to run."""

    minutes: float = 5.0
    """How long to look for faults."""
    seed: int = 0
    """The first case; each seed has a million cases of its own."""
    case: Annotated[int | None, tyro.conf.arg(metavar="NUMBER")] = None
    """Only this case, as printed before."""


def main(options: Options) -> int:
    """The exit status: 1 where something is wrong."""
    conftest.pytest_configure(None)
    cases = itertools.count(1_000_000 * options.seed) if options.case is None else [options.case]
    count, faults = run_cases(cases, 60 * options.minutes)
    print(f"{count} cases, {len(faults)} with faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, prog="python -m tests.fuzz", description=__doc__)))
