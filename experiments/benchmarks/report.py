"""From the reports of the workers to ratios, a table and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator

from experiments.benchmarks.rounds import busy

BUSY = "not a quiet machine, do not quote these numbers"

HEADERS = [
    "case",
    "against",
    "theirs / ours",
    "ours, s",
    "theirs, s",
    "memory, theirs / ours",
    "first call, s",
    "set-up, s",
]


def compare(case: str, runs: dict[str, list[dict[str, Any]]], peers: set[str]) -> list[dict]:
    """Everything that ran a case against the first, which is ours; of `peers` only the fastest.

    `runs` holds one worker report per round for each contender. Ratios are taken round by round, between processes that
    ran one after the other, then summarised. Without an opponent there is one entry, with `theirs` None.
    """
    ours, *others = runs
    rivals = [label for label in others if label in peers]
    rejected = sorted(rivals, key=lambda label: _over_rounds(runs[label], "median")["median"])[1:]
    opponents = [label for label in others if label not in rejected] or [None]
    return [_comparison(case, ours, label, runs) for label in opponents]


def _comparison(case: str, ours: str, theirs: str | None, runs: dict[str, list[dict]]) -> dict:
    entry: dict[str, Any] = {"case": case, "against": theirs}
    for side, label in (("ours", ours), ("theirs", theirs)):
        entry[side] = label and {
            "label": label,
            **{
                name: _over_rounds(runs[label], field)
                for name, field in (
                    ("seconds", "median"),
                    ("first_call_seconds", "first_call_seconds"),
                    ("setup_seconds", "setup_seconds"),
                    ("memory_bytes", "memory_bytes"),
                )
            },
        }
    if theirs is not None:
        rounds = zip(runs[ours], runs[theirs], strict=True)
        entry["ratio"] = _spread([b["median"] / a["median"] for a, b in rounds])
        ours_memory = entry["ours"]["memory_bytes"]["median"]
        entry["memory_ratio"] = (
            entry["theirs"]["memory_bytes"]["median"] / ours_memory if ours_memory else None
        )
    return entry


def _over_rounds(reports: list[dict], field: str) -> dict[str, float]:
    return _spread([report[field] for report in reports])


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "min": min(values), "max": max(values)}


def cells(entry: dict[str, Any]) -> list[str]:
    """One row of the table."""
    ours, theirs = entry["ours"], entry["theirs"]
    if theirs is None:
        pairs = [f"{ours[name]['median']:.3g}" for name in ("first_call_seconds", "setup_seconds")]
        memory = f"{_megabytes(ours)} MB"
        return [entry["case"], "–", "–", _seconds(ours), "–", memory, *pairs]
    ratio = entry["ratio"]
    memory_ratio = entry["memory_ratio"]
    return [
        entry["case"],
        theirs["label"],
        f"{ratio['median']:.2f} [{ratio['min']:.2f}, {ratio['max']:.2f}]",
        _seconds(ours),
        _seconds(theirs),
        ("–" if memory_ratio is None else f"{memory_ratio:.2f}")
        + f" ({_megabytes(theirs)} / {_megabytes(ours)} MB)",
        *(
            f"{ours[name]['median']:.3g}, {theirs[name]['median']:.3g}"
            for name in ("first_call_seconds", "setup_seconds")
        ),
    ]


def _seconds(side: dict[str, Any]) -> str:
    return f"{side['seconds']['median']:.3g}"


def _megabytes(side: dict[str, Any]) -> str:
    return f"{side['memory_bytes']['median'] / 1e6:.0f}"


def markdown(results: dict[str, Any]) -> str:
    """The table with what is needed to read it."""
    rows = [HEADERS, ["---"] * len(HEADERS), *map(cells, results["comparisons"])]
    lines = [
        *conditions(results),
        *(f"{case['case']}: {case['source']}; {sizes(case)}." for case in results["cases"]),
        *bandwidth_lines(results),
        *left_out_lines(results["cases"]),
    ]
    return table(rows) + "\n\n" + bullets(lines)


def sizes(case: dict[str, Any]) -> str:
    """How large a case was, in words."""
    names = ("num_nodes", "num_edges", "num_molecules")
    return ", ".join(f"{case[name]:,} {name[4:]}" for name in names if name in case)


def table(rows: list[list[str]]) -> str:
    """Of Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def bullets(lines: list[str]) -> str:
    """A list of Markdown."""
    return "\n".join(f"* {line}" for line in lines) + "\n"


def bold(text: str, is_bold: bool) -> str:
    """In Markdown."""
    return f"**{text}**" if is_bold else text


def conditions(results: dict[str, Any]) -> list[str]:
    """The machine, and the versions of each contender."""
    machine = results["machine"]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"load {machine['load']} at the start" + (f": {BUSY}." if busy(machine) else "."),
        *(
            f"{label}: " + ", ".join(f"{name} {v}" for name, v in versions.items() if v) + "."
            for label, versions in results["versions"].items()
        ),
    ]


def left_out_lines(entries: list[dict[str, Any]]) -> list[str]:
    """What did not run, and why; each reason once."""
    names: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        for label, reason in entry["left_out"].items():
            names.setdefault((label, reason), []).append(entry["case"])
    return [f"Without {label} ({', '.join(at)}): {why}" for (label, why), at in names.items()]


def bandwidth_lines(results: dict[str, Any]) -> list[str]:
    """How much of the memory's bandwidth each forward reaches, if it moves only what a fused one must.

    More than 100 % is possible where rows that are gathered several times come from a cache.
    """
    if "bandwidth" not in results:
        return []
    bandwidth = results["bandwidth"]
    lines = [f"A large copy moves {bandwidth / 1e9:.3g} GB/s."]
    for case in results["cases"]:
        if "bytes" in case:
            bound = case["bytes"] / bandwidth
            shares = ", ".join(
                f"{label} {bound / _over_rounds(reports, 'median')['median']:.0%}"
                for label, reports in case["runs"].items()
            )
            megabytes = case["bytes"] / 1e6
            lines.append(
                f"{case['case']}: {megabytes:.0f} MB, at that rate {1e3 * bound:.3g} ms; reached: {shares}."
            )
    return lines


def plot(comparisons: list[dict[str, Any]], path: Path) -> None:
    """Bars of theirs / ours per case on a log scale, whiskers over the rounds."""
    rows = [entry for entry in comparisons if entry["theirs"] is not None][::-1]
    ratios = np.array([[entry["ratio"][k] for k in ("median", "min", "max")] for entry in rows])
    median, low, high = ratios.T
    figure, axis = plt.subplots(figsize=(7.5, 1.2 + 0.42 * len(rows)), layout="constrained")
    # Bars start at 1, where both are equally fast.
    axis.barh(
        range(len(rows)),
        median - 1,
        left=1,
        xerr=(median - low, high - median),
        color=np.where(median >= 1, "tab:blue", "tab:red"),
        error_kw={"ecolor": "0.25", "capsize": 3},
        height=0.62,
    )
    axis.set_yticks(
        range(len(rows)),
        [f"{entry['case']}\nagainst {entry['against']}" for entry in rows],
        fontsize=8,
    )
    axis.axvline(1, color="0.2", lw=1)
    axis.set_xscale("log")
    axis.set_xlim(min(0.5, low.min() / 1.3), max(2, high.max() * 1.3))
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}×")
    axis.xaxis.set_minor_formatter("")
    axis.set_xlabel("their seconds / ours (right of the line: ours is faster)")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
