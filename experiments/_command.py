"""The command line of the experiments."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from rich.console import Console

import graphattn_jax as ga
from experiments.cpu import prepare_cpu

CACHE = Path(
    os.environ.get("JAX_COMPILATION_CACHE_DIR")
    or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "graphattn_jax/compiled"
)
Cache = Annotated[
    Path | None,
    tyro.conf.arg(
        help="Where compiled programs are kept, so that the next start finds them; None = nowhere."
    ),
]
"""Type and default of the option --cache, which every experiment has."""


def main(options: type, command: Callable[[Any, Console], Any], prog: str) -> None:
    """The command line of an experiment: `command(options, console)`.

    Ctrl-C ends it in one line. Needs `out` and `cache` among the options.
    """
    console, chosen = Console(), tyro.cli(options, prog=prog)
    try:
        keep_compiled(chosen.cache, console)
        with console.status("C++ kernels"):  # compiled once
            prepare_cpu(one_pool=False)
        command(chosen, console)
    except KeyboardInterrupt:
        again = shlex.join([*prog.split(), *sys.argv[1:]])
        console.print(
            f"Stopped. What was trained is kept in {chosen.out}; to continue: {again}",
            markup=False,
            soft_wrap=True,
        )
        raise SystemExit(130) from None


def keep_compiled(folder: Path | None, console: Console) -> None:
    """Compiled programs stay in a folder, where the next process finds them; says so."""
    jax.config.update("jax_compilation_cache_dir", None if folder is None else str(folder))
    if folder is not None:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        console.print(
            f"Compiled programs are kept in {folder} (--cache None: nowhere).",
            markup=False,
            soft_wrap=True,
        )


def check_names(**named: tuple[Iterable[str], Iterable[str]]) -> None:
    """Options that are names: given ones against valid ones.

    Raises:
      SystemExit: an unknown one, with those that there are.
    """
    for option, (given, valid) in named.items():
        unknown = [name for name in given if name not in valid]
        if unknown:
            raise SystemExit(f"--{option}: {', '.join(unknown)} is not one of {', '.join(valid)}")


def check_counts(**counts: int | None) -> None:
    """Options that are counts; None = not given.

    Raises:
      SystemExit: one below 1.
    """
    for option, count in counts.items():
        if count is not None and count < 1:
            raise SystemExit(f"--{option} must be at least 1")


def load(name: str) -> Any:
    """`ga.data.load`, for a command.

    Raises:
      SystemExit: a file or a package is missing; the loader says what to do.
    """
    try:
        return ga.data.load(name)
    except (FileNotFoundError, ImportError) as error:
        raise SystemExit(str(error)) from error
