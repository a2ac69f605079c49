"""Checkpoints that are whole, verified, or refused by name."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.training._files import checksums, replacing
from graphattn_jax.typing import Params

_CHECKSUMS = "SHA256SUMS"
_CONTENTS = "contents.json"
_ARRAYS = "arrays"
_STEP = re.compile(r"step_(\d{10})")


class Checkpointer:
    """Numbered checkpoints of a pytree in a directory.

    Each is a folder `step_<number>`: arrays written by Orbax, `contents.json`, and `SHA256SUMS`
    (readable by `sha256sum -c`). It is written under another name and renamed when complete, so
    a killed run leaves no half checkpoint, and every byte is verified before anything is
    restored.

    Args:
      directory: created at the first save.
      keep: how many of the latest checkpoints stay.
      every: steps between saves in `fit`, which also saves at its end.
      fallback: when the latest checkpoint is damaged, restore the newest intact one before it
        instead of raising.

    Raises:
      ValueError: `keep` or `every` is not a positive integer.

    Cost: reading or writing all arrays once, and hashing them. One process.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp, tempfile
      >>> folder = tempfile.TemporaryDirectory()
      >>> checkpointer = ga.training.Checkpointer(folder.name, keep=2)
      >>> for step in (1, 2, 3):
      ...     checkpointer.save(step, {"w": jnp.full(2, float(step))}, {"note": "demo"})
      >>> checkpointer.steps()
      [2, 3]
      >>> tree, extra = checkpointer.restore({"w": jnp.zeros(2)})
      >>> print(tree["w"], extra)
      [3. 3.] {'note': 'demo'}
      >>> folder.cleanup()
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        keep: int = 2,
        every: int = 100,
        fallback: bool = False,
    ):
        _checks.positive("keep", keep)
        _checks.positive("every", every)
        # Not at the first save: importing Orbax imports Pallas, which changes JAX's trace context,
        # and every function traced before would be traced and compiled once more.
        import orbax.checkpoint  # noqa: F401

        self.directory = Path(directory).absolute()
        self.keep = keep
        self.every = every
        self.fallback = fallback

    def steps(self) -> list[int]:
        """The steps of the complete checkpoints, ascending."""
        if not self.directory.is_dir():
            return []
        matches = (_STEP.fullmatch(path.name) for path in self.directory.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def save(self, step: int, tree: Any, extra: dict[str, Any] | None = None) -> None:
        """Write one checkpoint, then drop the old ones.

        Checkpoints of later steps are dropped too: a run that went back to an earlier step and
        went on from there has abandoned them.

        Args:
          step: in [0, 10^10).
          tree: pytree of arrays; typed PRNG keys included.
          extra: what JSON can hold, NaN included.

        Raises:
          ValueError: `step` is out of range, or JSON cannot hold `extra`.
        """
        import orbax.checkpoint as ocp

        step = int(step)
        if not 0 <= step < 10**10:
            raise ValueError(f"step must lie in [0, 10^10), got {step}.")
        leaves = _named_leaves(tree)
        contents = {"step": step, "leaves": _signature(leaves), "extra": extra or {}}
        try:
            text = json.dumps(contents)
        except TypeError as error:
            raise ValueError(f"extra must hold what JSON can hold: {error}.") from error

        temporary = self.directory / f".step_{step:010d}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        with ocp.StandardCheckpointer() as writer:
            writer.save(temporary / _ARRAYS, _storable(leaves))
        (temporary / _CONTENTS).write_text(text)
        (temporary / _CHECKSUMS).write_bytes(_listing(checksums(temporary)))

        shutil.rmtree(self._path(step), ignore_errors=True)
        temporary.rename(self._path(step))
        earlier = [s for s in self.steps() if s <= step]
        for stale in set(self.steps()) - set(earlier[-self.keep :]):
            shutil.rmtree(self._path(stale))

    def restore(
        self, template: Any, *, step: int | None = None, partial: bool = False
    ) -> tuple[Any, dict[str, Any]]:
        """Read one checkpoint, verified in full before any of it is returned.

        Args:
          template: pytree with the structure, shapes, dtypes and shardings that are wanted, such
            as a freshly initialised state; its values are not read.
          step: which one. None = the latest, or with `fallback` the latest intact one.
          partial: `template` may lack what was saved: it has None in the place of a subtree that is left out.

        Returns:
          `(tree, extra)` as saved.

        Raises:
          ValueError: there is no such checkpoint, it is damaged (the message names the file), or
            it does not fit `template` (the message names the leaf).
        """
        steps = self.steps()
        if not steps or (step is not None and step not in steps):
            wanted = "a checkpoint" if step is None else f"step {step}"
            raise ValueError(f"directory {self.directory} must hold {wanted}, it has {steps}.")
        if step is None:
            step = self._latest_intact(steps) if self.fallback else steps[-1]
        folder = self._path(step)
        damage = _damage(folder)
        if damage:
            raise ValueError(
                f"checkpoint {folder} is damaged: {damage}. Nothing was restored. Fix: remove "
                "that folder, or use Checkpointer(..., fallback=True), to go on from an older one."
            )
        contents = json.loads((folder / _CONTENTS).read_text())
        return self._read(folder, contents["leaves"], template, partial), contents["extra"]

    def _path(self, step: int) -> Path:
        return self.directory / f"step_{step:010d}"

    def _latest_intact(self, steps: list[int]) -> int:
        damages = {}
        for step in reversed(steps):
            damages[step] = _damage(self._path(step))
            if not damages[step]:
                return step
        raise ValueError(f"all checkpoints in {self.directory} are damaged: {damages}.")

    def _read(self, folder: Path, saved: dict[str, str], template: Any, partial: bool) -> Any:
        import orbax.checkpoint as ocp

        leaves = _named_leaves(template)
        wanted = _signature(leaves)
        _check_fits(
            str(folder), {k: v for k, v in saved.items() if not partial or k in wanted}, wanted
        )
        # Orbax finds arrays by their place among those that were saved.
        places = {name: leaves.get(name) for name in saved if not _is_empty(saved[name])}
        tree = [
            ocp.PLACEHOLDER
            if x is None
            else jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=getattr(x, "sharding", None))
            for x in places.values()
        ]
        arguments = ocp.args.PyTreeRestore(tree, ocp.checkpoint_utils.construct_restore_args(tree))
        with ocp.PyTreeCheckpointer() as reader:
            stored = dict(zip(places, reader.restore(folder / _ARRAYS, args=arguments)))
        restored = [stored[k] if x.size else jnp.zeros(x.shape, x.dtype) for k, x in leaves.items()]
        return jax.tree.unflatten(jax.tree.structure(template), restored)


def save_params(path: str | os.PathLike[str], params: Params) -> None:
    """Write parameters to one `.npz` file, one array per leaf, named by its place in the tree.

    For sharing trained parameters: NumPy alone reads the file. The file is replaced as a whole.

    Args:
      path: file name; ".npz" is not added.
      params: pytree of arrays; bfloat16 and other extension types are stored as their bits.

    Raises:
      ValueError: a leaf is a PRNG key (a `Checkpointer` saves those).

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp, numpy as np, pathlib, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "params.npz")
      ...     ga.training.save_params(path, {"w": jnp.ones(2)})
      ...     print(sorted(np.load(path)), ga.training.load_params(path, {"w": jnp.zeros(2)}))
      ["['w']", 'dtypes'] {'w': Array([1., 1.], dtype=float32)}
    """
    leaves = _named_leaves(params)
    for name, leaf in leaves.items():
        if not hasattr(leaf, "dtype"):
            raise ValueError(
                f"params{name} must be an array, got {_checks.describe(leaf)}. Fix: jnp.asarray(x, jnp.float32)."
            )
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            raise ValueError(f"params{name} must be a plain array, got a PRNG key.")
    arrays = {name: _as_bits(np.asarray(leaf)) for name, leaf in leaves.items()}
    arrays["dtypes"] = np.array(json.dumps({name: str(x.dtype) for name, x in leaves.items()}))
    with replacing(Path(path)) as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_params(path: str | os.PathLike[str], template: Params) -> Params:
    """Read parameters that `save_params` wrote.

    Args:
      path: the file.
      template: pytree with the wanted structure, shapes and dtypes, e.g. from `init_x`; its
        values are not read.

    Returns:
      The parameters, as JAX arrays in the structure of `template`.

    Raises:
      ValueError: the file is damaged (the message names it) or does not fit `template` (the
        message names the leaf). No pickled data is ever loaded.
      FileNotFoundError: there is no such file.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp, pathlib, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "params.npz")
      ...     ga.training.save_params(path, {"w": jnp.ones(2)})
      ...     ga.training.load_params(path, {"w": jnp.zeros(3)})
      Traceback (most recent call last):
      ValueError: ...['w'] holds float32[2], the template wants float32[3]...
    """
    try:
        with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        dtypes = json.loads(arrays.pop("dtypes").item())
        arrays = {name: arrays[name].view(jnp.dtype(dtype)) for name, dtype in dtypes.items()}
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged zip file raises nearly anything
        raise ValueError(f"{path} is damaged or not from save_params: {error}.") from error
    leaves = _named_leaves(template)
    _check_fits(str(path), _signature(arrays), _signature(leaves))
    restored = [jnp.asarray(arrays[name]) for name in leaves]
    return jax.tree.unflatten(jax.tree.structure(template), restored)


def _named_leaves(tree: Any) -> dict[str, Any]:
    """Leaves by their path, such as `.params['w']`, in the order of `jax.tree.leaves`."""
    return {
        jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _signature(leaves: dict[str, Any]) -> dict[str, str]:
    return {name: f"{x.dtype}{list(x.shape)}" for name, x in leaves.items()}


def _storable(leaves: dict[str, Any]) -> list[Any]:
    """What Orbax writes: it refuses arrays without elements, which need no bytes."""
    return [leaf for leaf in leaves.values() if leaf.size]


def _is_empty(signature: str) -> bool:
    return 0 in json.loads(signature[signature.index("[") :])


def _check_fits(source: str, saved: dict[str, str], wanted: dict[str, str]) -> None:
    for name in wanted:
        if name not in saved:
            raise ValueError(
                f"{source} has no leaf {name}, which the template wants. "
                "Fix: build the template with the model and optimizer that were saved."
            )
        if saved[name] != wanted[name]:
            raise ValueError(
                f"{source}: leaf {name} holds {saved[name]}, the template wants {wanted[name]}. "
                "Fix: build the template with the sizes that were saved."
            )
    for name in saved:
        if name not in wanted:
            raise ValueError(
                f"{source} holds a leaf {name}, which the template lacks. "
                "Fix: build the template with the model and optimizer that were saved."
            )


def _listing(digests: dict[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()


def _damage(folder: Path) -> str:
    """What is wrong with the files of a checkpoint; empty when they are as they were written."""
    found = checksums(folder)
    if found.pop(_CHECKSUMS, None) is None:
        return f"{_CHECKSUMS} is missing"
    listing = (folder / _CHECKSUMS).read_bytes()
    if listing == _listing(found):
        return ""
    lines = listing.decode(errors="replace").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in listed:
            return f"{name} is not listed in {_CHECKSUMS}"
        if listed[name] != found[name]:
            return f"{name} is not as it was written (checksum differs)"
    return f"{_CHECKSUMS} is not as it was written"


def _as_bits(x: np.ndarray) -> np.ndarray:
    """Extension types as unsigned integers of their size; NumPy's own types as they are."""
    return x if x.dtype.isbuiltin == 1 else x.view(f"u{x.dtype.itemsize}")
