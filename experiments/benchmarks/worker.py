"""What every worker process does: read the inputs, measure the cases, print a report of each as a line of JSON.

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
import traceback
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
"""Runs the case once and returns its results, which may have to be waited for."""


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
    `wait(results)` returns when they are there. With `queue`, steps are handed out without waiting for the one before.
    """

    to_device: Callable[[np.ndarray], Any]
    to_host: Callable[[Any], np.ndarray]
    build: Callable[[Any, dict[str, Any], str], Step]
    versions: dict[str, str | None]
    memory: Memory = HOST
    wait: Callable[[Sequence[Any]], Any] = lambda results: None
    queue: bool = False


def main(prepare: Callable[[str, Case], Side]) -> None:
    """Command line of a worker; `prepare(device, case)` comes before its first array."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="+", choices=ALL)
    parser.add_argument("--inputs", type=Path, required=True, help="folder written by the driver")
    parser.add_argument("--variant", default="default")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--save", type=Path, help="folder for what the steps return")
    parser.add_argument("--compare", type=Path, help="folder with what they should return")
    options = parser.parse_args()
    side = prepare(options.device, ALL[options.cases[0]])
    for name in options.cases:
        try:
            report = _measure_case(name, side, options)
        except Exception as error:
            if len(options.cases) == 1:
                raise
            traceback.print_exc()
            report = {"error": f"{type(error).__name__}: {error}".strip().rpartition("\n")[2]}
        print(json.dumps(report), flush=True)


def _measure_case(name: str, side: Side, options: argparse.Namespace) -> dict[str, Any]:
    case = ALL[name]
    with np.load(options.inputs / file_name(name)) as stored:
        arrays = {
            key: array if array.dtype.kind == "U" else side.to_device(array)
            for key, array in stored.items()
        }
    report, results = measure(
        lambda: side.build(case, arrays, options.variant), options.repeats, side
    )
    if len(options.cases) > 1:  # what others have left behind is in it
        del report["memory_bytes"]
    results = [side.to_host(result) for result in results]
    if not all(np.isfinite(result).all() for result in results):
        raise ValueError(f"{name}: the results are not finite")
    if options.save:
        np.savez(options.save / file_name(name), *results)
    if options.compare:
        with np.load(options.compare / file_name(name)) as expected:
            report["difference"] = difference([expected[key] for key in expected.files], results)
    return {**report, "versions": {"python": platform.python_version(), **side.versions}}


def file_name(case: str) -> str:
    """Of its inputs and of its results."""
    return case.replace("/", " ") + ".npz"


def difference(expected: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> float:
    """The largest entry of out − out', or ‖g − g'‖ / ‖g‖ of a gradient if that is more.

    Gradients are compared as a whole: at the kink of LeakyReLU the two sides may take different derivatives, and among
    100 million sums some are 0 up to rounding.
    """
    (out, *gradients), (other, *others) = expected, results
    differences = [np.abs(out - other).max()]
    differences += [
        np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(gradients, others, strict=True)
    ]
    return float(max(differences))


def measure(
    build: Callable[[], Step], repeats: int, side: Side
) -> tuple[dict[str, Any], Sequence[Any]]:
    """Times of a step, what came before the first, memory, and the results of the last step.

    `memory_bytes` is by how much the memory rose at its highest, from the moment when the library is imported and the
    inputs are read to the last step: set-up, compilation and steps.
    """

    def run(times: int) -> Sequence[Any]:
        results: Sequence[Any] = ()
        for _ in range(times):
            results = step()
            if not side.queue:
                side.wait(results)
        side.wait(results)
        return results

    before = side.memory.start()
    setup, step = _timed(build)
    first_call, _ = _timed(lambda: run(1))
    warm, _ = _timed(lambda: run(1))
    steps = max(1, math.ceil(MIN_SECONDS / warm))
    seconds, results = [], ()
    for _ in range(repeats):
        together, results = _timed(lambda: run(steps))
        seconds.append(together / steps)
    report = {
        "median": float(np.median(seconds)),
        "min": min(seconds),
        "max": max(seconds),
        "seconds": seconds,
        "steps_per_repeat": steps,
        "setup_seconds": setup,
        "first_call_seconds": first_call,
        "memory_bytes": side.memory.peak() - before,
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
