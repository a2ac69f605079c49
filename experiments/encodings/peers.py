"""Encodings beside PyTorch Geometric's transforms, in alternating processes.

python -m experiments.encodings.peers --peer-python .venv-peers/bin/python
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

import graphattn_jax as ga
from experiments.benchmarks.rounds import ROOT, check_peer, machine

CASES = {
    "RWSE(16), minesweeper": ("minesweeper", "rwse"),
    "LapPE(16), minesweeper": ("minesweeper", "laplacian"),
    "RWSE(16), NCI1": ("nci1", "rwse"),
    "LapPE(8), NCI1": ("nci1", "laplacian"),
}


@dataclass(frozen=True)
class Options:
    """Time encodings beside PyTorch Geometric's AddRandomWalkPE and AddLaplacianEigenvectorPE."""

    peer_python: str
    """Interpreter with torch and torch_geometric (`make peers`)."""
    rounds: int = 3
    """Processes of each side per case; the sides take turns."""
    out: Path = Path("runs/encodings/peers.json")
    """Where results go."""


def write_inputs(path: Path) -> None:
    """The graphs as arrays that both sides read."""
    for name in {graphs for graphs, _ in CASES.values()}:
        data = ga.data.load(name)
        graph = data.graphs if hasattr(data, "graphs") else data.graph
        arrays = {
            field: getattr(graph, field) for field in ("senders", "receivers", "n_node", "n_edge")
        }
        np.savez(path / f"{name}.npz", **arrays)


def run(options: Options) -> dict:
    """Every case: all times, the ratio of the medians, and its range over rounds."""
    check_peer(options.peer_python)
    folder = options.out.parent
    folder.mkdir(parents=True, exist_ok=True)
    write_inputs(folder)
    sides = {
        "ours": (sys.executable, "experiments.encodings.worker_ours"),
        "PyG": (options.peer_python, "experiments.encodings.worker_pyg"),
    }
    report: dict = {"machine": machine(), "cases": {}}
    for label, (graphs, encoding) in CASES.items():
        rounds = {side: [] for side in sides}
        for _ in range(options.rounds):
            for side, (python, module) in sides.items():
                command = [python, "-m", module, encoding, str(folder / f"{graphs}.npz")]
                done = subprocess.run(
                    command, capture_output=True, text=True, cwd=ROOT, check=False
                )
                if done.returncode:
                    raise SystemExit(f"{label}: {side} failed\n{done.stderr[-2000:]}")
                rounds[side].append(json.loads(done.stdout.splitlines()[-1]))
        ours, theirs = ([r["median"] for r in rounds[side]] for side in sides)
        ratios = np.divide(theirs, ours)
        report["cases"][label] = {
            "ratio": float(np.median(ratios)),
            "ratio_range": [float(ratios.min()), float(ratios.max())],
            "rounds": rounds,
        }
        print(
            f"{label}: {np.median(ratios):.1f}x [{ratios.min():.1f}-{ratios.max():.1f}], "
            f"ours {np.median(ours):.3f} s, PyG {np.median(theirs):.3f} s"
        )
    options.out.write_text(json.dumps(report, indent=2))
    return report


if __name__ == "__main__":
    run(tyro.cli(Options, prog="python -m experiments.encodings.peers"))
