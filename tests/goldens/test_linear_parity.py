"""Linear attention beside that of PyTorch Geometric with the same weights, and where that is another function.

`linear.npz` is written by `make_linear_goldens.py`, and names the versions of the packages.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, nn, ops
from graphattn_jax import linear_attention as la

with np.load(Path(__file__).with_name("linear.npz")) as file:
    GOLDENS = dict(file)

NODES = GOLDENS["nodes"]
GRAPH = graphs.from_edge_list([], [], nodes=NODES)
SIZES = np.array([12])
HEADS = 2


def linear(name):
    """A linear map of torch, whose weight is `[out, in]`."""
    bias = GOLDENS.get(f"{name}.bias")
    return nn.LinearParams(GOLDENS[f"{name}.weight"].T, bias)


def heads_of(name):
    return nn.linear(linear(name), NODES).reshape(12, HEADS, -1)


@jax.disable_jit()
def test_performer_with_rectified_features():
    """PyG's features are rectified projections, not those of the softmax, on directions of length one: its layer
    estimates no softmax. What sums them up is the same op.
    """
    query, key, value = (heads_of(f"performer/param/{name}") for name in "qkv")
    w = GOLDENS["performer/param/fast_attn.projection_matrix"]
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), 1, rtol=1e-5)
    query, key = (jax.nn.relu(x @ w.T) + 0.001 for x in (query, key))
    out = ops.linear_attention(query, key, value, SIZES).reshape(12, -1)
    out = nn.linear(linear("performer/param/attn_out"), out)
    np.testing.assert_allclose(out, GOLDENS["performer/out"], rtol=1e-5, atol=1e-5)


@jax.disable_jit()
def test_sgformer_with_every_row_of_length_one():
    """PyG divides each row by its own length, the paper and its authors' code by the norm of the whole matrix. So ours
    gives its result only where all rows are equally long, and one node and head are all there is of each.
    """
    query, key, value = (heads_of(f"sgformer/param/{name}") for name in "qkv")
    query, key = (x / jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (query, key))
    counted = jnp.concatenate([value, jnp.ones((12, HEADS, 1))], axis=-1)
    sums = ops.kernel_sum(query, key, counted, SIZES) + 12 * counted
    want = (sums[..., :-1] / sums[..., -1:]).mean(1)
    np.testing.assert_allclose(want, GOLDENS["sgformer/out"], rtol=1e-5, atol=1e-5)
    layer = la.SGFormerAttention(channels=3, heads=HEADS)
    params = la.QueryKeyValue(*(linear(f"sgformer/param/{name}") for name in "qkv"))
    out = layer.apply(params, GRAPH).graph.nodes
    assert np.abs(out - want).max() > 1e-2


# Of PyG's channels, heads last; ours stand head by head.
HEAD_BY_HEAD = np.arange(6).reshape(3, HEADS).T.ravel()


@pytest.mark.parametrize("name", ["polynormer", "polynormer_apart"])
@jax.disable_jit()
def test_polynormer(name):
    """PyG has a constant for β, 0.9."""

    def to_heads(part):
        weight, bias = linear(f"{name}/param/{part}")
        return nn.LinearParams(weight[:, HEAD_BY_HEAD], bias[HEAD_BY_HEAD])

    shared = name == "polynormer"
    output = linear(f"{name}/param/lin_out")
    norm = (GOLDENS[f"{name}/param/lns.{part}"][HEAD_BY_HEAD] for part in ("weight", "bias"))
    params = la.PolynormerAttentionParams(
        query=None if shared else to_heads("q"),
        key=to_heads("k"),
        value=to_heads("v"),
        gate=to_heads("h_lins"),
        beta=jnp.full(6, np.log(9), jnp.float32),
        norm=nn.LayerNormParams(*norm),
        output=output._replace(weight=output.weight[HEAD_BY_HEAD]),
    )
    layer = la.PolynormerAttention(channels=3, heads=HEADS, shared=shared)
    out = layer.apply(params, GRAPH).graph.nodes
    np.testing.assert_allclose(out, GOLDENS[f"{name}/out"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["performer", "sgformer", "polynormer", "polynormer_apart"])
def test_padding_changes_the_result_of_pyg(name):
    """It masks the values, while padding still counts among keys and nodes. Ours: `test_padding_changes_nothing`."""
    assert np.abs(GOLDENS[f"{name}/padded"] - GOLDENS[f"{name}/out"]).max() > 1e-3


def test_every_golden_is_compared():
    names = {key.split("/")[0] for key in GOLDENS if key.endswith("/out")}
    assert names == {"performer", "sgformer", "polynormer", "polynormer_apart"}
    assert GOLDENS["versions"].tolist() == ["torch 2.13.0+cpu", "torch_geometric 2.8.1"]
