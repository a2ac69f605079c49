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

from experiments.benchmarks import worker_c
from experiments.benchmarks.cases import ALL, COPY, Copy, Operator

ROOT = Path(__file__).parents[2]
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}
"""Largest `difference` between results that are the same computation; the peer also sums in bfloat16."""


class Contender(NamedTuple):
    """A way to run a case: a worker module in an interpreter, and the variant that it is asked for."""

    label: str
    python: str
    module: str
    variant: str
    is_peer: bool = False


class Runs(NamedTuple):
    """Of a case, by label: a report per round, the difference from the first one's results, and why some are absent."""

    reports: dict[str, list[dict[str, Any]]]
    differences: dict[str, float]
    left_out: dict[str, str]


def list_contenders(
    case: str,
    implementations: Sequence[str],
    peer: str | None,
    *,
    device: str = "cpu",
    c_loop: bool = False,
) -> list[Contender]:
    """Ours first, the C loop where it applies, then the peer's variants in the interpreter `peer` (None = no peer)."""
    contenders = [
        Contender(
            "graphattn_jax" if name == "default" else f"graphattn_jax ({name})",
            sys.executable,
            "experiments.benchmarks.worker_jax",
            name,
        )
        for name in implementations
    ]
    if c_loop and worker_c.supports(ALL[case]):
        contenders.append(
            Contender("C loop", sys.executable, "experiments.benchmarks.worker_c", "c")
        )
    if peer is not None:
        module = "experiments.benchmarks.worker_pyg"
        variants = ALL[case].peers
        if device == "gpu" and "conv" in variants:
            variants = (*variants, "compile")
        contenders += [Contender(f"PyG ({v})", peer, module, v, is_peer=True) for v in variants]
    return contenders


def run_rounds(
    case: str,
    inputs: Path,
    contenders: Sequence[Contender],
    *,
    rounds: int,
    repeats: int,
    device: str = "cpu",
    on_done: Callable[[], Any] = lambda: None,
) -> Runs:
    """Run all contenders one after the other, `rounds` times.

    Results of ops are compared with those of the first. That one must run; another that fails (a kernel for other
    hardware, too little memory) is left out. What the workers write stands beside `inputs`.
    """
    runs = Runs({contender.label: [] for contender in contenders}, {}, {})
    for index in range(rounds):
        save = index == 0 and isinstance(ALL[case], Operator)
        paths = {}
        for number, contender in enumerate(contenders):
            label, path = contender.label, inputs.with_name(f"results_{number}.npz")
            options = ["--repeats", str(repeats), "--device", device]
            options += ["--save-results", str(path)] if save else []
            if label not in runs.left_out:
                try:
                    runs.reports[label].append(_run_worker(case, inputs, contender, options))
                    paths[label] = path
                except WorkerError as error:
                    if number == 0:
                        raise SystemExit(f"{case}: {label} failed\n{error}") from None
                    runs.left_out[label] = str(error).strip().rpartition("\n")[2]
                    del runs.reports[label]
            on_done()
        if save:
            runs.differences.update(check_results(case, paths))
    return runs


def measure_bandwidth(folder: Path, *, repeats: int, device: str) -> float:
    """Bytes per second, read and written, of a large copy by our side."""
    inputs = folder / "nothing.npz"
    np.savez(inputs)
    (ours,) = list_contenders(COPY, ("default",), None)
    runs = run_rounds(COPY, inputs, [ours], rounds=1, repeats=repeats, device=device)
    (report,) = runs.reports[ours.label]
    return 2 * Copy().num_bytes / report["median"]


def check_results(case: str, paths: dict[str, Path]) -> dict[str, float]:
    """The difference of all results from the first; stops if one of them is not the same computation."""
    tolerance = TOLERANCE[getattr(ALL[case], "dtype", "float32")]
    (ours, expected), *others = paths.items()
    differences = {label: difference(expected, path) for label, path in others}
    for label, value in differences.items():
        if value > tolerance:
            raise SystemExit(
                f"{case}: the results of {label} and {ours} differ by {value:.2g}, more than {tolerance:g}: "
                "they do not compute the same."
            )
    return differences


class WorkerError(Exception):
    """What a worker wrote before it failed."""


def _run_worker(case: str, inputs: Path, contender: Contender, options: list[str]) -> dict:
    command = [contender.python, "-m", contender.module, case, "--inputs", str(inputs)]
    command += ["--variant", contender.variant, *options]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    if done.returncode:
        raise WorkerError(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def _environment() -> dict[str, str]:
    """The caller's, with this folder importable from any interpreter and working directory, and errors that end with
    their message.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    ours = {"PYTHONPATH": os.pathsep.join(paths), "JAX_TRACEBACK_FILTERING": "off"}
    return {**os.environ, **ours}


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


def check_gpu() -> None:
    """Stop with instructions if JAX has no GPU."""
    if problem := _problem(sys.executable, "import jax; jax.devices('cuda')"):
        raise SystemExit(
            f"--device gpu: JAX has none in {sys.executable} ({problem}).\n"
            f'Install its CUDA version: {sys.executable} -m pip install "jax[cuda13]"'
        )


def check_peer(python: str, device: str = "cpu") -> None:
    """Stop with instructions if the interpreter cannot run the peer."""
    if device == "gpu" and _problem(python, "import torch; torch.cuda.get_device_name()"):
        raise SystemExit(
            f"--device gpu: PyTorch has none in {python}. Install its CUDA version, or measure without it: --peer none"
        )
    if problem := _problem(python, "import numpy, torch_geometric"):
        raise SystemExit(
            f"PyTorch Geometric does not run in {python} ({problem}).\nInstall it there:\n"
            f"  {python} -m pip install torch==2.13.0\n"
            f'  {python} -m pip install "torch-geometric>=2.8,<3" numpy\n'
            "or name another interpreter with --peer-python, or measure without it: --peer none"
        )


def _problem(python: str, code: str) -> str | None:
    """The last line of the error if an interpreter cannot run this."""
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else None


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
