"""A network in one file."""

import json
from dataclasses import dataclass, replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _networks import MOLECULES, NETWORKS, Mean, noisy, ready, start

import graphattn_jax as ga
from graphattn_jax import models


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_loaded_is_what_was_saved(name, tmp_path):
    network, (params, state) = NETWORKS[name].network, start(name)
    models.save(tmp_path / "network", network, params, state)
    assert [path.name for path in tmp_path.iterdir()] == ["network"]
    again, *arrays = models.load(tmp_path / "network", types=[Mean])
    assert again == network
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(arrays))
    chex.assert_trees_all_equal(arrays, [params, state])
    assert jax.tree.structure(arrays) == jax.tree.structure([params, state])


def test_it_predicts_the_same(tmp_path):
    network, (params, state) = NETWORKS["gps-zinc"].network, start("gps-zinc")
    graph = ready("gps-zinc", MOLECULES)
    models.save(tmp_path / "runs" / "gps.npz", network, params, state)
    again, *arrays = models.load(tmp_path / "runs" / "gps.npz")
    want = network.apply(params, state, graph).prediction
    np.testing.assert_array_equal(again.apply(*arrays, graph).prediction, want)


@pytest.fixture
def small(tmp_path):
    """`(path, network, params, state)`: a file, and what is in it."""
    network = models.PlainNetwork.gat(4, 3, channels=2, heads=2)
    params, state = network.init(jax.random.key(0))
    path = tmp_path / "small.npz"
    models.save(path, network, params, state)
    return path, network, params, state


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_survives(dtype, small):
    path, network, params, state = small
    half = jax.tree.map(lambda x: x.astype(dtype), noisy(params))
    models.save(path, network, half, state)
    chex.assert_trees_all_equal(models.load(path)[1], half)
    assert jax.tree.leaves(models.load(path)[1])[0].dtype == dtype


def test_double_precision_is_refused_where_it_would_be_cut(small):
    path, network, params, state = small
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda x: x.astype(jnp.float64), params)
        models.save(path, network, wide, state)
        chex.assert_trees_all_equal(models.load(path)[1], wide)
    with pytest.raises(ValueError, match=r"is float64, which JAX would cut. Fix: jax.config"):
        models.load(path)


def test_numpy_reads_it_and_nothing_is_pickled(small):
    path, network, params, _ = small
    with np.load(path, allow_pickle=False) as file:
        contents = json.loads(file["contents"].item())
        np.testing.assert_array_equal(file["params.layers[0].weight"], params.layers[0].weight)
    assert contents["network"] == ga.values.to_json(network)
    assert contents["graphattn_jax"] == ga.__version__


@dataclass(frozen=True, repr=False)
class Ends(models.Network):
    """Somebody's own network around somebody's own layer."""

    layer: Mean

    def init(self, key):
        return self.layer.init(key, 4), {"count": jnp.zeros((), jnp.int32)}

    def apply(self, params, state, graph, *, training=False, key=None):
        out = self.layer.apply(params, graph, training=training, key=key)
        return models.Output(out.graph.nodes, state, (None,))


def test_classes_of_ones_own_are_named(tmp_path):
    network = Ends(Mean(3))
    models.save(tmp_path / "own", network, *network.init(jax.random.key(0)))
    again, _, state = models.load(tmp_path / "own", types=[Ends, Mean])
    assert again == network and state["count"].dtype == jnp.int32
    assert repr(again) == "Ends(layer=Mean(features=3))"
    with pytest.raises(ValueError, match=r"own, written by .*unknown type 'Mean'.*types="):
        models.load(tmp_path / "own", types=[Ends])


def test_a_failed_write_leaves_the_file_as_it_was(small, monkeypatch):
    path, network, params, state = small
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        models.save(path, network, noisy(params), state)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def changed(path, **changes):
    """The same file with other contents."""
    with np.load(path) as file:
        arrays = dict(file)
    contents = json.loads(arrays["contents"].item()) | changes
    np.savez(path, **arrays | {"contents": np.array(json.dumps(contents))})


def test_files_that_cannot_be_read(small, tmp_path):
    path, *_ = small
    whole = path.read_bytes()
    damaged = r"small.npz is damaged, or not a file of ga\.models\.save"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=damaged):
        models.load(path)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    with pytest.raises(ValueError, match=damaged):
        models.load(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=damaged):
        models.load(path)
    np.savez(path, weight=np.ones(3))
    with pytest.raises(ValueError, match=damaged + r".*load_params"):
        models.load(path)
    np.save(path.with_suffix(".npy"), np.ones(3))
    with pytest.raises(ValueError, match="damaged, or not a file"):
        models.load(path.with_suffix(".npy"))
    with pytest.raises(FileNotFoundError):
        models.load(tmp_path / "nothing")


def test_a_file_of_a_later_version(small):
    path, *_ = small
    changed(path, format=2, graphattn_jax="9.0.0")
    with pytest.raises(ValueError, match=r"graphattn-jax 9\.0\.0 in format 2.*Fix: upgrade"):
        models.load(path)
    network = {"type": "models.PlainNetwork", "in_features": 4, "layers": [], "depth": 3}
    changed(path, format=1, network=network)
    with pytest.raises(ValueError, match=r"by graphattn-jax 9\.0\.0 .*no field 'depth'"):
        models.load(path)
    changed(path, network={"type": "models.PlainNetwork", "in_features": 4})
    with pytest.raises(ValueError, match=r"by graphattn-jax 9\.0\.0 .*layers"):
        models.load(path)
    changed(path, network=ga.values.to_json(ga.attention.GAT(3)))
    with pytest.raises(ValueError, match="which is no network"):
        models.load(path)


def test_arrays_of_another_network(small):
    path, network, params, state = small
    wider = replace(network, in_features=5)
    with pytest.raises(ValueError, match=r"params\.layers\[0\]\.weight is float32 array of shape"):
        models.save(path, wider, params, state)
    changed(path, network=ga.values.to_json(wider))
    with pytest.raises(
        ValueError, match=r"small.npz: params\.layers\[0\].*wants float32\[5, 2, 2\]"
    ):
        models.load(path)
    fewer = params._replace(layers=params.layers[:1])
    with pytest.raises(ValueError, match=r"no array for params\.layers\[1\]"):
        models.save(path, network, fewer, state)
    with pytest.raises(ValueError, match="an array that the network lacks: state"):
        models.save(path, network, params, jnp.ones(3))
    whole = jax.tree.map(lambda x: x.astype(jnp.int32), params)
    with pytest.raises(ValueError, match="is int32 array"):
        models.save(path, network, whole, state)


def test_what_cannot_be_saved(small):
    path, network, params, state = small
    with pytest.raises(ValueError, match="network must be a network"):
        models.save(path, network.layers[0], params.layers[0], None)
    with pytest.raises(ValueError, match=r"PlainNetwork\.activation must be"):
        models.save(path, replace(network, activation=jax.nn.silu), params, state)
