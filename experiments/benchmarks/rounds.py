"""Worker processes in alternating rounds."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np

from experiments.benchmarks import worker_c
from experiments.benchmarks.cases import ALL, COPY, Copy, Operator
from experiments.benchmarks.worker import file_name

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
            variants = ("conv", "compile")
        contenders += [Contender(f"PyG ({v})", peer, module, v, is_peer=True) for v in variants]
    return contenders


def run_rounds(
    case: str,
    folder: Path,
    contenders: Sequence[Contender],
    *,
    rounds: int,
    repeats: int,
    device: str = "cpu",
    on_done: Callable[[], Any] = lambda: None,
) -> Runs:
    """Run all contenders one after the other, `rounds` times.

    Results of ops are compared with those of the first. That one must run; another that fails (a kernel for other
    hardware, too little memory) is left out. The inputs are in `folder`, where results to compare with are kept too.
    """
    runs = Runs({contender.label: [] for contender in contenders}, {}, {})
    for index in range(rounds):
        for number, contender in enumerate(contenders):
            label = contender.label
            if label not in runs.left_out:
                compared = index == 0 and isinstance(ALL[case], Operator)
                role = ("compare" if number else "save") if compared else None
                options = _options(folder, repeats, device, role)
                try:
                    (report,) = run_worker([case], folder, contender, options)
                except WorkerError as error:
                    if number == 0:
                        raise SystemExit(f"{case}: {label} failed\n{error}") from None
                    runs.left_out[label] = error.last_line
                    del runs.reports[label]
                else:
                    runs.reports[label].append(report)
                    check_difference(case, contenders[0].label, label, report)
                    if "difference" in report:
                        runs.differences[label] = report.pop("difference")
            on_done()
    return runs


def run_points(
    points: Sequence[str],
    folder: Path,
    contenders: Sequence[Contender],
    *,
    repeats: int,
    device: str = "cpu",
    on_done: Callable[[], Any] = lambda: None,
) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Run each contender on all cases in one process; yields its label and, by case, its report or {"error": why}.

    Results are compared with those of the first, which must run.
    """
    for number, contender in enumerate(contenders):
        options = _options(folder, repeats, device, "compare" if number else "save")
        reports: dict[str, dict[str, Any]] = {}
        try:
            for case, report in zip(points, run_worker(points, folder, contender, options)):
                reports[case] = report
                check_difference(case, contenders[0].label, contender.label, report)
                on_done()
        except WorkerError as error:
            reports |= {p: {"error": error.last_line} for p in points if p not in reports}
        problems = [report["error"] for report in reports.values() if "error" in report]
        if number == 0 and problems:
            raise SystemExit(f"{contender.label} failed: {problems[0]}")
        yield contender.label, reports


def _options(folder: Path, repeats: int, device: str, role: str | None) -> list[str]:
    options = ["--repeats", str(repeats), "--device", device]
    if role is None:
        return options
    (folder / "results").mkdir(parents=True, exist_ok=True)
    return [*options, f"--{role}", str(folder / "results")]


def measure_bandwidth(folder: Path, *, repeats: int, device: str) -> float:
    """Bytes per second, read and written, of a large copy by our side."""
    np.savez(folder / file_name(COPY))
    (ours,) = list_contenders(COPY, ("default",), None)
    runs = run_rounds(COPY, folder, [ours], rounds=1, repeats=repeats, device=device)
    (report,) = runs.reports[ours.label]
    return 2 * Copy().num_bytes / report["median"]


def check_difference(case: str, ours: str, label: str, report: dict[str, Any]) -> None:
    """Stop if the results are not those of the same computation."""
    tolerance = TOLERANCE[getattr(ALL[case], "dtype", "float32")]
    if (value := report.get("difference", 0.0)) > tolerance:
        raise SystemExit(
            f"{case}: the results of {label} and {ours} differ by {value:.2g}, more than {tolerance:g}: "
            "they do not compute the same."
        )


class WorkerError(Exception):
    """What a worker wrote before it failed."""

    @property
    def last_line(self) -> str:
        """The error, as a rule."""
        return str(self).strip().rpartition("\n")[2]


def run_worker(
    cases: Sequence[str], folder: Path, contender: Contender, options: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """A report per case, as they come."""
    command = [contender.python, "-m", contender.module, *cases, "--inputs", str(folder)]
    command += ["--variant", contender.variant, *options]
    with (
        TemporaryFile("w+") as errors,
        Popen(command, stdout=PIPE, stderr=errors, text=True, env=_environment()) as process,
    ):
        assert process.stdout is not None
        yield from (json.loads(line) for line in process.stdout if line.startswith("{"))
        if process.wait():
            errors.seek(0)
            raise WorkerError(errors.read()[-3000:])


def _environment() -> dict[str, str]:
    """The caller's, with this folder importable from any interpreter and working directory, and errors that end with
    their message.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    ours = {"PYTHONPATH": os.pathsep.join(paths), "JAX_TRACEBACK_FILTERING": "off"}
    return {**os.environ, **ours}


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
