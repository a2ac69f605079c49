"""A network with its arrays in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import __version__, _checks, values
from graphattn_jax.models._network import Network

__all__ = ["load", "save"]

_FORMAT = 1
_CONTENTS = "contents"


def save(path: str | os.PathLike[str], network: Network, params: Any, state: Any) -> None:
    """Write a network, its parameters and its statistics to one file.

    It is an `.npz` file: the network as JSON (`ga.values.to_json`), and one array per leaf, named by its place. Nothing
    in it is pickled. A file of this name is replaced as a whole, or stays as it was.

    Args:
      path: file name; nothing is added to it, folders that are missing are made.
      network: any network whose fields `ga.values.to_json` takes.
      params, state: of this network, as from `network.init` or as training left them; of any floating dtype.

    Raises:
      ValueError: not a network, fields that JSON cannot hold, arrays that are not of this network.

    Cost: that of writing the arrays.

    Example:
      >>> import pathlib, tempfile, jax, graphattn_jax as ga
      >>> network = ga.models.PlainNetwork.gat(16, 3)
      >>> params, state = network.init(jax.random.key(0))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "gat.npz")
      ...     ga.models.save(path, network, params, state)
      ...     again, params, state = ga.models.load(path)
      >>> again == network
      True
    """
    if not isinstance(network, Network):
        raise ValueError(
            f"network must be a network such as ga.models.GPS(...), got {_checks.describe(network)}."
        )
    leaves = _named_leaves(params, state)
    _check_fits("params and state", leaves, _template(network))
    contents = {
        "format": _FORMAT,
        "graphattn_jax": __version__,
        "jax": jax.__version__,
        "network": values.to_json(network),
        "dtypes": {name: str(leaf.dtype) for name, leaf in leaves.items()},
    }
    arrays = {name: _as_bits(np.asarray(leaf)) for name, leaf in leaves.items()}
    arrays[_CONTENTS] = np.array(json.dumps(contents))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: str | os.PathLike[str], types: Iterable[type] = ()) -> tuple[Any, Any, Any]:
    """Read what `save` wrote.

    Args:
      path: the file.
      types: classes of one's own that occur in the network: layers, scores, normalizers, or the network itself. Nothing
        but these and this package is ever looked up.

    Returns:
      `(network, params, state)`, the arrays as JAX arrays in the trees that `network.init` makes.

    Raises:
      ValueError: a damaged file, a file of something else, a class that is not in `types`, a file of a later version,
        or arrays that this version's network does not have. No pickled data is ever loaded.
      FileNotFoundError: there is no such file.

    Cost: that of reading the arrays; `network.init` is traced, not run.

    Example:
      >>> import pathlib, tempfile, graphattn_jax as ga
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "notes.txt")
      ...     _ = path.write_text("not a network")
      ...     ga.models.load(path)
      Traceback (most recent call last):
      ValueError: ...notes.txt is damaged, or not a file of ga.models.save...
    """
    contents, leaves = _read(path)
    if contents["format"] > _FORMAT:
        raise ValueError(
            f"{path} was written by graphattn-jax {contents['graphattn_jax']} in format {contents['format']}, this is "
            f"{__version__} and reads formats up to {_FORMAT}. Fix: upgrade graphattn-jax."
        )
    try:
        network = values.from_json(contents["network"], types)
        if not isinstance(network, Network):
            raise ValueError(f"it holds {_checks.describe(network)}, which is no network.")
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path}, written by graphattn-jax {contents['graphattn_jax']} (this is {__version__}): {error}"
        ) from error
    template = _template(network)
    _check_fits(f"{path}", leaves, template)
    for name, leaf in leaves.items():
        if jax.dtypes.canonicalize_dtype(leaf.dtype) != leaf.dtype:
            raise ValueError(
                f"{path}: {name} is {leaf.dtype}, which JAX would cut. Fix: jax.config.update('jax_enable_x64', True)."
            )
    restored = [jnp.asarray(leaves[name]) for name in template]
    structure = jax.tree.structure(_init_shapes(network))
    return network, *jax.tree.unflatten(structure, restored)


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The contents and the arrays of a file, all of it read and its checksums compared."""
    try:
        with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        contents = json.loads(arrays.pop(_CONTENTS).item())
        missing = {"format", "graphattn_jax", "network", "dtypes"} - contents.keys()
        if missing or not isinstance(contents["format"], int):
            raise KeyError(*sorted(missing))
        if contents["dtypes"].keys() != arrays.keys():
            raise KeyError("its arrays are not those that it names")
        leaves = {name: arrays[name].view(jnp.dtype(d)) for name, d in contents["dtypes"].items()}
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged zip file raises nearly anything
        raise ValueError(
            f"{path} is damaged, or not a file of ga.models.save: {type(error).__name__} {error}. Fix: another copy "
            "of it; parameters alone, of ga.training.save_params, are read by ga.training.load_params."
        ) from error
    return contents, leaves


def _init_shapes(network: Network) -> Any:
    return jax.eval_shape(lambda: network.init(jax.random.key(0)))


def _template(network: Network) -> dict[str, Any]:
    """Shapes and dtypes of all leaves."""
    return _named_leaves(*_init_shapes(network))


def _named_leaves(params: Any, state: Any) -> dict[str, Any]:
    """Leaves by their place, such as `params.layers[0].weight`."""
    return {
        name + jax.tree_util.keystr(place): leaf
        for name, tree in (("params", params), ("state", state))
        for place, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _check_fits(source: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """The same places, shapes and kinds of dtypes: a network in bfloat16 is that network too."""
    fix = "Fix: the parameters and statistics of this very network."
    for name in [*wanted, *found]:
        if name not in found or name not in wanted:
            what = "no array for" if name not in found else "an array that the network lacks:"
            raise ValueError(f"{source}: {what} {name}. {fix}")
        leaf, like = found[name], wanted[name]
        if not hasattr(leaf, "dtype") or leaf.shape != like.shape or _kind(leaf) != _kind(like):
            raise ValueError(
                f"{source}: {name} is {_checks.describe(leaf)}, the network wants {like.dtype}{list(like.shape)}. {fix}"
            )


def _kind(x: Any) -> str:
    """What a dtype may be exchanged within."""
    return "floating" if jnp.issubdtype(x.dtype, jnp.floating) else str(x.dtype)


def _as_bits(x: np.ndarray) -> np.ndarray:
    """Extension types, such as bfloat16, as unsigned integers of their size; NumPy's own types as they are."""
    return x if x.dtype.isbuiltin == 1 else x.view(f"u{x.dtype.itemsize}")
