"""The typed layers against those of PyTorch Geometric, with its weights; plain, prepared and padded graphs."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import nn

HEADS, NUM_RELATIONS = 2, 5


@cache
def stored():
    with np.load(Path(__file__).parent / "typed.npz") as arrays:
        return dict(arrays)


@cache
def graph():
    arrays = stored()
    nodes = {k.split("/")[1]: v for k, v in arrays.items() if k.startswith("nodes/")}
    edges = {
        tuple(k.split("/")[1:]): v.astype(np.int32)
        for k, v in arrays.items()
        if k.startswith("edges/")
    }
    return ga.graphs.from_types(nodes, edges)


def params_of(case):
    start = f"{case}/param/"
    return {k.removeprefix(start): v for k, v in stored().items() if k.startswith(start)}


def by_type(params, name):
    """A map per type."""
    schema = ga.graphs.schema_of(graph())
    weight, bias = (
        np.stack([params[f"{name}.{t}.{part}"] for t in schema.types])
        for part in ("weight", "bias")
    )
    return weight.swapaxes(1, 2), bias


def by_relation(params, name):
    schema = ga.graphs.schema_of(graph())
    return np.concatenate([params[f"{name}.{'__'.join(r)}"] for r in schema.relations])


def hgt(params):
    weight, bias = by_type(params, "kqv_lin.lins")
    key, query, value = (
        nn.TypedLinearParams(w, b)
        for w, b in zip(np.split(weight, 3, axis=2), np.split(bias, 3, axis=1), strict=True)
    )
    relation_key, relation_value = (
        params[f"{name}.weight"].reshape(HEADS, NUM_RELATIONS, *params[f"{name}.weight"].shape[1:])
        for name in ("k_rel", "v_rel")
    )
    return ga.attention.HGTParams(
        query=query,
        key=key,
        value=value,
        relation_key=relation_key.swapaxes(0, 1),
        relation_value=relation_value.swapaxes(0, 1),
        prior=by_relation(params, "p_rel"),
        edge_key=None,
        edge_value=None,
        time=None,
        output=nn.TypedLinearParams(*by_type(params, "out_lin.lins")),
        skip=np.concatenate([params[f"skip.{t}"] for t in ga.graphs.schema_of(graph()).types]),
        norm_scale=None,
        norm_bias=None,
    )


def han(params):
    return ga.attention.HANParams(
        projection=nn.TypedLinearParams(*by_type(params, "proj")),
        receiver_vector=by_relation(params, "lin_dst"),
        sender_vector=by_relation(params, "lin_src"),
        fusion=nn.SemanticAttentionParams(
            nn.LinearParams(params["k_lin.weight"].T, params["k_lin.bias"]), params["q"][0]
        ),
    )


def rgcn(params):
    weight = params["weight"]
    if "comp" in params:
        weight = nn.BasisParams(params["comp"], weight)
    return ga.message_passing.RGCNParams(weight, params["root"], params["bias"])


def rgat(params):
    vectors = []
    for name in ("q", "k"):
        by_head = params[name].reshape(HEADS, -1, HEADS)
        own = by_head[np.arange(HEADS), :, np.arange(HEADS)]
        vectors.append(np.broadcast_to(own, (NUM_RELATIONS, *own.shape)))
    return ga.attention.RGATParams(params["weight"], *vectors, params["bias"])


A, M = ga.attention, ga.message_passing
CASES = {
    "hgt": (hgt, lambda s: A.HGT(heads=HEADS, channels=4, schema=s)),
    "hgt_skip": (hgt, lambda s: A.HGT(heads=HEADS, schema=s)),
    "han": (han, lambda s: A.HAN(channels=4, heads=HEADS, schema=s, activation="relu")),
    "rgcn": (rgcn, lambda s: M.RGCN(8, schema=s)),
    "rgcn_basis": (rgcn, lambda s: M.RGCN(8, schema=s, sharing=nn.Basis(3))),
    "rgcn_blocks": (rgcn, lambda s: M.RGCN(8, schema=s, sharing=nn.BlockDiagonal(2))),
    "rgcn_sum": (rgcn, lambda s: M.RGCN(8, schema=s, reduce="sum")),
    "rgat": (rgat, lambda s: A.RGAT(4, HEADS, schema=s)),
    "rgat_within": (rgat, lambda s: A.RGAT(4, HEADS, schema=s, within=True, concat=False)),
}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_pyg(case):
    convert, make = CASES[case]
    layer = make(ga.graphs.schema_of(graph()))
    params = jax.tree.map(jnp.asarray, convert(params_of(case)))
    want = stored()[f"{case}/out"]
    padded = ga.graphs.pad(graph(), ga.graphs.Budget(20, 96, 2))
    for given in (graph(), ga.graphs.prepare(graph()), padded):
        got = jax.jit(layer.apply)(params, given).graph.nodes.features
        np.testing.assert_allclose(got[: len(want)], want, rtol=1e-5, atol=1e-6)
