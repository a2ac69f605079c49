import json
import subprocess
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from graphattn_jax.training import (
    Checkpointer,
    TrainState,
    init_train_state,
    load_params,
    save_params,
)


class Layer(NamedTuple):
    weight: jax.Array
    bias: jax.Array | None


def params(scale=1.0):
    return {
        "layers": [Layer(jnp.arange(6.0).reshape(2, 3) * scale, None)],
        "half": jnp.array([0.1, -3.0], jnp.bfloat16) * jnp.bfloat16(scale),
        "empty": jnp.zeros((0, 4)),
        "scalar": jnp.float32(scale),
    }


def state(scale=1.0, seed=0) -> TrainState:
    return init_train_state(params(scale), optax.adam(0.1), jax.random.key(seed))


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_state_with_keys_and_optimizer_comes_back_bit_for_bit(tmp_path):
    saved = state(0.1, seed=7)._replace(step=jnp.int32(5))
    extra = {"history": [{"loss": 0.1, "accuracy": float("inf")}], "best_step": None}
    Checkpointer(tmp_path).save(5, saved, extra)
    restored, got = Checkpointer(tmp_path).restore(state())
    chex.assert_trees_all_equal(restored, saved)
    chex.assert_trees_all_equal_dtypes(restored, saved)
    assert isinstance(restored.params["layers"][0], Layer)
    assert got == extra


def test_keeps_the_latest_and_drops_abandoned_later_steps(tmp_path):
    checkpointer = Checkpointer(tmp_path / "new" / "folder", keep=2)
    assert checkpointer.steps() == []
    for step in (1, 2, 30):
        checkpointer.save(step, {"x": jnp.full(2, step)})
    assert checkpointer.steps() == [2, 30]
    assert checkpointer.restore({"x": jnp.zeros(2, int)}, step=2)[0]["x"].tolist() == [2, 2]
    checkpointer.save(3, {"x": jnp.full(2, 3)})
    assert checkpointer.steps() == [2, 3]
    checkpointer.save(3, {"x": jnp.full(2, -3)})
    assert checkpointer.restore({"x": jnp.zeros(2, int)})[0]["x"].tolist() == [-3, -3]
    assert len(list(checkpointer.directory.iterdir())) == 2


def test_unfinished_checkpoint_is_not_one(tmp_path):
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save(1, {"x": jnp.ones(2)})
    leftover = tmp_path / ".step_0000000002.tmp"
    (leftover / "arrays").mkdir(parents=True)
    assert checkpointer.steps() == [1]
    checkpointer.save(2, {"x": jnp.ones(2)})
    assert checkpointer.steps() == [1, 2] and not leftover.exists()


def test_every_damaged_file_is_named_and_nothing_is_restored(tmp_path):
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save(1, {"x": jnp.arange(5.0)}, {"note": "kept"})
    template = {"x": jnp.zeros(5)}
    folder = tmp_path / "step_0000000001"
    for path in files(folder):
        good = path.read_bytes()
        damages = [good + b"x"]
        if good:
            middle = len(good) // 2
            flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
            damages += [good[:-1], flipped]
        for bad in damages:
            path.write_bytes(bad)
            with pytest.raises(ValueError, match=r"step_0000000001 is damaged.*Nothing was res"):
                checkpointer.restore(template)
        if path.name != "SHA256SUMS":
            with pytest.raises(ValueError, match=f"damaged: {path.relative_to(folder)} is not as"):
                checkpointer.restore(template)
        path.unlink()
        with pytest.raises(ValueError, match=f"{path.name} is missing"):
            checkpointer.restore(template)
        path.write_bytes(good)
    tree, extra = checkpointer.restore(template)
    assert tree["x"].tolist() == [0, 1, 2, 3, 4] and extra == {"note": "kept"}


def test_checksums_are_in_the_common_format(tmp_path):
    Checkpointer(tmp_path).save(1, {"x": jnp.ones(2)})
    folder = tmp_path / "step_0000000001"
    subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=folder, check=True)


def test_falls_back_to_an_intact_step_only_when_asked(tmp_path):
    checkpointer = Checkpointer(tmp_path, keep=3)
    for step in (1, 2, 3):
        checkpointer.save(step, {"x": jnp.full(2, step)})
    (tmp_path / "step_0000000003" / "contents.json").write_text("{")
    template = {"x": jnp.zeros(2, int)}
    with pytest.raises(ValueError, match="step_0000000003 is damaged"):
        checkpointer.restore(template)
    fallback = Checkpointer(tmp_path, fallback=True)
    assert fallback.restore(template)[0]["x"].tolist() == [2, 2]
    with pytest.raises(ValueError, match="step_0000000003 is damaged"):
        fallback.restore(template, step=3)
    for step in (1, 2):
        (tmp_path / f"step_000000000{step}" / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match=r"all checkpoints in .* are damaged"):
        fallback.restore(template)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"w": jnp.zeros((2, 3)), "b": jnp.zeros(3)}, r"leaf \['w'\] holds float32\[3, 2\]"),
        ({"w": jnp.zeros((3, 2), int), "b": jnp.zeros(3)}, r"the template wants int32\[3, 2\]"),
        ({"w": jnp.zeros((3, 2))}, r"holds a leaf \['b'\], which the template lacks"),
        (
            {"w": jnp.zeros((3, 2)), "b": jnp.zeros(3), "c": jnp.zeros(1)},
            r"has no leaf \['c'\], which the template wants",
        ),
    ],
)
def test_mismatch_names_the_leaf(tmp_path, template, message):
    tree = {"w": jnp.zeros((3, 2)), "b": jnp.zeros(3)}
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save(1, tree)
    with pytest.raises(ValueError, match=message):
        checkpointer.restore(template)
    save_params(tmp_path / "params.npz", tree)
    with pytest.raises(ValueError, match=message):
        load_params(tmp_path / "params.npz", template)


def test_checkpointer_errors(tmp_path):
    with pytest.raises(ValueError, match="keep must be a positive integer"):
        Checkpointer(tmp_path, keep=0)
    with pytest.raises(ValueError, match="every must be a positive integer"):
        Checkpointer(tmp_path, every=0)
    checkpointer = Checkpointer(tmp_path)
    with pytest.raises(ValueError, match=r"must hold a checkpoint, it has \[\]"):
        checkpointer.restore({})
    with pytest.raises(ValueError, match="extra must hold what JSON can hold"):
        checkpointer.save(1, {"x": jnp.ones(1)}, {"array": jnp.ones(1)})
    with pytest.raises(ValueError, match=r"step must lie in \[0, 10\^10\), got -1"):
        checkpointer.save(-1, {"x": jnp.ones(1)})
    assert checkpointer.steps() == []
    checkpointer.save(jnp.int32(1), {"x": jnp.ones(1)})
    with pytest.raises(ValueError, match=r"must hold step 4, it has \[1\]"):
        checkpointer.restore({"x": jnp.ones(1)}, step=4)


def test_params_file_keeps_structure_bits_and_names(tmp_path):
    path = tmp_path / "deep" / "params.npz"
    save_params(path, params(0.3))
    restored = load_params(path, params())
    chex.assert_trees_all_equal(restored, params(0.3))
    chex.assert_trees_all_equal_dtypes(restored, params())
    with np.load(path, allow_pickle=False) as file:
        assert "['layers'][0].weight" in file.files
        assert json.loads(file["dtypes"].item())["['half']"] == "bfloat16"
    assert [p.name for p in path.parent.iterdir()] == ["params.npz"]
    save_params(path, jnp.ones(3))  # a tree of one leaf
    assert load_params(path, jnp.zeros(3)).tolist() == [1, 1, 1]


def test_no_single_flipped_byte_of_a_params_file_passes_unnoticed(tmp_path):
    path = tmp_path / "params.npz"
    tree = {"w": jnp.arange(3.0)}
    save_params(path, tree)
    good = path.read_bytes()
    refused = 0
    for i in range(len(good)):
        path.write_bytes(good[:i] + bytes([good[i] ^ 0x10]) + good[i + 1 :])
        try:
            chex.assert_trees_all_equal(load_params(path, tree), tree)
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > len(good) // 2
    for end in (0, 10, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:end])
        with pytest.raises(ValueError, match="is damaged or not from save_params"):
            load_params(path, tree)


def test_params_file_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_params(tmp_path / "absent.npz", {})
    with pytest.raises(ValueError, match=r"params\['k'\] must be a plain array, got a PRNG key"):
        save_params(tmp_path / "p.npz", {"k": jax.random.key(0)})
    np.savez(tmp_path / "pickled.npz", dtypes=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_params(tmp_path / "pickled.npz", {})
    assert not (tmp_path / "p.npz").exists()
