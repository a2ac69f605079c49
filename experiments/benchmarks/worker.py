"""What every worker process does: read the inputs, measure one case, print a report as one line of JSON.

Runs in the peer's interpreter too: numpy and the standard library only.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.benchmarks.cases import ALL, Case

MIN_SECONDS = 0.2
"""Steps shorter than this are timed several at a time."""

Step = Callable[[], Sequence[Any]]
"""Runs the case once, waits for it, and returns its results."""


class Memory(NamedTuple):
    """`start()` forgets earlier peaks where that can be done; `peak()` is the highest since, both in bytes."""

    start: Callable[[], int]
    peak: Callable[[], int]


def start_peak() -> int:
    """Forget earlier peaks of the resident memory where the system can (Linux); returns the new one, in bytes."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Highest resident memory of this process in bytes.

    Linux counts the memory of the parent at the start of a process in its `ru_maxrss`, but not in `VmHWM`.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


HOST = Memory(start_peak, peak)
"""Resident memory of the process."""


class Side(NamedTuple):
    """What a worker needs of a library.

    `build(case, arrays, variant)` prepares a step; `variant` is an implementation of ours, or a way to run the peer.
    """

    to_device: Callable[[np.ndarray], Any]
    to_host: Callable[[Any], np.ndarray]
    build: Callable[[Any, dict[str, Any], str], Step]
    versions: dict[str, str | None]
    memory: Memory = HOST


def main(prepare: Callable[[str, Case], Side]) -> None:
    """Command line of a worker; `prepare(device, case)` comes before its first array."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=ALL)
    parser.add_argument("--inputs", type=Path, required=True, help="arrays, written by the driver")
    parser.add_argument("--variant", default="default")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--save-results", type=Path, help="where to keep what the step returns")
    options = parser.parse_args()
    case = ALL[options.case]
    side = prepare(options.device, case)
    with np.load(options.inputs) as stored:
        arrays = {
            name: array if array.dtype.kind == "U" else side.to_device(array)
            for name, array in stored.items()
        }
    report, results = measure(
        lambda: side.build(case, arrays, options.variant),
        options.repeats,
        side.memory,
    )
    results = [side.to_host(result) for result in results]
    if not all(np.isfinite(result).all() for result in results):
        raise SystemExit(f"{options.case}: the results are not finite")
    if options.save_results:
        np.savez(options.save_results, *results)
    print(
        json.dumps({**report, "versions": {"python": platform.python_version(), **side.versions}})
    )


def measure(
    build: Callable[[], Step], repeats: int, memory: Memory = HOST
) -> tuple[dict[str, Any], Sequence[Any]]:
    """Times of a step, what came before the first, memory, and the results of the last step.

    `memory_bytes` is by how much the memory rose at its highest, from the moment when the library is imported and the
    inputs are read to the last step: set-up, compilation and steps.
    """
    before = memory.start()
    setup, step = _timed(build)
    first_call, _ = _timed(step)
    warm, _ = _timed(step)
    steps = max(1, math.ceil(MIN_SECONDS / warm))
    seconds, results = [], ()
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(steps):
            results = step()
        seconds.append((time.perf_counter() - start) / steps)
    report = {
        "median": float(np.median(seconds)),
        "min": min(seconds),
        "max": max(seconds),
        "seconds": seconds,
        "steps_per_repeat": steps,
        "setup_seconds": setup,
        "first_call_seconds": first_call,
        "memory_bytes": memory.peak() - before,
    }
    return report, results


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def installed(*packages: str) -> dict[str, str | None]:
    """Their versions; None for what is not installed."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
