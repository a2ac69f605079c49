"""Worker processes in alternating rounds."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.benchmarks.cases import CASES, Operator

ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-3
"""Largest `difference` between results that are the same computation."""


class Contender(NamedTuple):
    """A way to run a case: a worker module in an interpreter, and the variant that it is asked for."""

    label: str
    python: str
    module: str
    variant: str
    is_peer: bool = False


def list_contenders(case: str, implementations: Sequence[str], peer: str | None) -> list[Contender]:
    """Ours first, then the peer's variants in the interpreter `peer` (None = without a peer)."""
    ours = [
        Contender(
            "graphattn_jax" if name == "default" else f"graphattn_jax ({name})",
            sys.executable,
            "experiments.benchmarks.worker_jax",
            name,
        )
        for name in implementations
    ]
    if peer is None:
        return ours
    module = "experiments.benchmarks.worker_pyg"
    variants = CASES[case].peers
    return ours + [Contender(f"PyG ({v})", peer, module, v, is_peer=True) for v in variants]


def run_rounds(
    case: str,
    inputs: Path,
    contenders: Sequence[Contender],
    *,
    rounds: int,
    repeats: int,
    on_done: Callable[[], Any] = lambda: None,
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, float]]:
    """Run all contenders one after the other, `rounds` times.

    Returns the reports of each contender, and for ops the difference between its results and those of the first. What
    the workers write stands beside `inputs`.
    """
    runs: dict[str, list[dict[str, Any]]] = {contender.label: [] for contender in contenders}
    differences: dict[str, float] = {}
    for index in range(rounds):
        save = index == 0 and isinstance(CASES[case], Operator)
        paths = {}
        for number, contender in enumerate(contenders):
            options = ["--repeats", str(repeats)]
            if save:
                paths[contender.label] = inputs.with_name(f"results_{number}.npz")
                options += ["--save-results", str(paths[contender.label])]
            runs[contender.label].append(_run_worker(case, inputs, contender, options))
            on_done()
        if save:
            differences = check_results(case, paths)
    return runs, differences


def check_results(case: str, paths: dict[str, Path]) -> dict[str, float]:
    """The difference of all results from the first; stops if one of them is not the same computation."""
    (ours, expected), *others = paths.items()
    differences = {label: difference(expected, path) for label, path in others}
    for label, value in differences.items():
        if value > TOLERANCE:
            raise SystemExit(
                f"{case}: the results of {label} and {ours} differ by {value:.2g}, more than {TOLERANCE:g}: "
                "they do not compute the same."
            )
    return differences


def _run_worker(case: str, inputs: Path, contender: Contender, options: list[str]) -> dict:
    command = [contender.python, "-m", contender.module, case, "--inputs", str(inputs)]
    command += ["--variant", contender.variant, *options]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    if done.returncode:
        raise SystemExit(f"{case}: {contender.label} failed\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _environment() -> dict[str, str]:
    """The caller's, with this folder importable from any interpreter and working directory."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def difference(expected: Path, other: Path) -> float:
    """Of two sets of stored results: the largest entry of out − out', or ‖g − g'‖ / ‖g‖ of a gradient if that is more.

    Gradients are compared as a whole: at the kink of LeakyReLU the two sides may take different derivatives, and among
    100 million sums some are 0 up to rounding.
    """
    with np.load(expected) as a, np.load(other) as b:
        out, *gradients = a.files
        differences = [np.abs(a[out] - b[out]).max()]
        differences += [np.linalg.norm(a[g] - b[g]) / np.linalg.norm(a[g]) for g in gradients]
        return float(max(differences))


def check_peer(python: str) -> None:
    """Stop with instructions if the interpreter cannot run the peer."""
    try:
        done = subprocess.run(
            [python, "-c", "import numpy, torch_geometric"], capture_output=True, text=True
        )
        problem = done.stderr.strip().rpartition("\n")[2] if done.returncode else None
    except OSError as error:
        problem = str(error)
    if problem:
        raise SystemExit(
            f"PyTorch Geometric does not run in {python} ({problem}).\nInstall it there:\n"
            f"  {python} -m pip install torch==2.13.0\n"
            f'  {python} -m pip install "torch-geometric>=2.8,<3" numpy\n'
            "or name another interpreter with --peer-python, or measure without it: --peer none"
        )


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(gigabytes, 1),
        "system": platform.platform(),
        "load": round(os.getloadavg()[0], 2),
    }


def busy(machine: dict[str, Any]) -> bool:
    """Whether other work took more than a quarter of a core: then threads wait for it, and ratios mean little."""
    return machine["load"] > 0.25


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
