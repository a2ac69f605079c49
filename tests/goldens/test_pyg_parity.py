"""The layers give what those of PyTorch Geometric give with the same weights.

`pyg.npz` is written by `make_pyg_goldens.py`, and names the versions of the packages.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import attention, graphs, models, nn
from graphattn_jax import message_passing as mp

with np.load(Path(__file__).with_name("pyg.npz")) as file:
    GOLDENS = dict(file)

HEADS, STANDARD = 2, attention.Standard()
GRAPH = graphs.from_edge_list(
    GOLDENS["graph/senders"],
    GOLDENS["graph/receivers"],
    nodes=GOLDENS["graph/nodes"],
    edges=GOLDENS["graph/edges"],
)
WEIGHTS = GOLDENS["graph/edge_weight"]
LOOPS = graphs.add_self_loops(GRAPH)
LOOP_WEIGHTS = np.append(WEIGHTS, np.ones(len(GRAPH.nodes), np.float32))


def linear(p, name, *, bias=True):
    return nn.LinearParams(p[f"{name}.weight"].T, p[f"{name}.bias"] if bias else None)


def heads(matrix):
    """`[H·C, D]` as `[D, H, C]`."""
    return matrix.T.reshape(matrix.shape[1], HEADS, -1)


def gcn(p, graph, edge_weight=None):
    params = mp.GCNParams(p["lin.weight"].T, p["bias"])
    return mp.GCN().apply(params, graph, edge_weight=edge_weight)


def sage(p, graph):
    params = mp.SAGEParams(linear(p, "lin_l"), linear(p, "lin_r", bias=False))
    return mp.SAGE().apply(params, graph)


def gine(p, graph):
    mlp = nn.MLPParams((linear(p, "nn.0"), linear(p, "nn.2")))
    layer = mp.GINE(edge_map=True)
    return layer.apply(mp.GINEParams(p["eps"][0], linear(p, "lin"), mlp), graph)


def gated(p, graph):
    """PyG maps [x ‖ e] for both ends of the gate; the two edge parts are one."""
    width = graph.nodes.shape[1]
    key, query, value = (p[f"lin_{name}.weight"] for name in ("key", "query", "value"))
    edge = (key + query)[:, width:].T
    params = mp.GatedGCNParams(
        receiver=nn.LinearParams(key[:, :width].T, p["lin_key.bias"] + p["lin_query.bias"]),
        sender=nn.LinearParams(query[:, :width].T, None),
        edge=nn.LinearParams(edge, None) if edge.size else None,
        value=nn.LinearParams(value[:, :width].T, p["lin_value.bias"]),
        root=nn.LinearParams(p["lin_skip.weight"].T, p["bias"]),
    )
    return mp.GatedGCN(normalize=False).apply(params, graph)


def pna(p, graph):
    """PyG's towers read all of x or, with `divide_input`, a slice each: blocks of our maps."""
    width, channels = graph.nodes.shape[1], len(p["pre_nns.0.0.bias"])
    out = len(p["post_nns.0.0.bias"])
    towers = len(p["lin.bias"]) // out
    receiver, sender = np.zeros((2, width, towers, channels), np.float32)
    root = np.zeros((width, towers, out), np.float32)
    update = np.zeros((3, 4, channels, towers, out), np.float32)
    bias = np.stack([p[f"pre_nns.{t}.0.bias"] for t in range(towers)])
    edge = None
    if "edge_encoder.weight" in p:
        edge = np.zeros((graph.edges.shape[1], towers, channels), np.float32)
    for t in range(towers):
        own = slice(t * channels, (t + 1) * channels) if channels < width else slice(None)
        pre, post = p[f"pre_nns.{t}.0.weight"].T, p[f"post_nns.{t}.0.weight"].T
        receiver[own, t], sender[own, t] = pre[:channels], pre[channels : 2 * channels]
        root[own, t] = post[:channels]
        update[:, :, :, t] = post[channels:].reshape(3, 4, channels, out)
        if edge is not None:
            edge[:, t] = p["edge_encoder.weight"].T @ pre[2 * channels :]
            bias[t] += p["edge_encoder.bias"] @ pre[2 * channels :]
    post_bias = np.concatenate([p[f"post_nns.{t}.0.bias"] for t in range(towers)])
    params = mp.PNAParams(
        receiver,
        sender,
        edge,
        bias,
        update,
        root=nn.LinearParams(root.reshape(width, -1), post_bias),
        mix=linear(p, "lin"),
    )
    delta = mp.log_degree_mean([graph])
    np.testing.assert_allclose(delta, p["aggr_module.avg_deg_log"], rtol=1e-6)
    return mp.PNA(towers=towers, log_degree_mean=delta).apply(params, graph)


def gat(p, graph, **options):
    edge = None
    if "lin_edge.weight" in p:
        edge = jnp.einsum("dhc,hc->dh", heads(p["lin_edge.weight"]), p["att_edge"][0])
    params = attention.GATParams(
        weight=heads(p["lin.weight"]),
        receiver_weight=None,
        receiver_vector=p["att_dst"][0],
        sender_vector=p["att_src"][0],
        edge_weight=edge,
        score=None,
        bias=p["bias"],
    )
    return attention.GAT(heads=HEADS, **options).apply(params, graph)


def gatv2(p, graph, *, score=STANDARD, **options):
    """lin_l maps the senders, lin_r the receivers."""
    shared = score.is_tied
    params = attention.GATv2Params(
        sender_weight=heads(p["lin_l.weight"]),
        sender_bias=p["lin_l.bias"].reshape(HEADS, -1),
        receiver_weight=None if shared else heads(p["lin_r.weight"]),
        receiver_bias=None if shared else p["lin_r.bias"].reshape(HEADS, -1),
        vector=p["att"][0],
        edge_weight=heads(p["lin_edge.weight"]) if "lin_edge.weight" in p else None,
        score=None,
        bias=p["bias"],
    )
    return attention.GATv2(heads=HEADS, score=score, **options).apply(params, graph)


def transformer(p, graph, *, root=True, **options):
    def part(name):
        return heads(p[f"lin_{name}.weight"]), p[f"lin_{name}.bias"].reshape(HEADS, -1)

    edge = heads(p["lin_edge.weight"]) if "lin_edge.weight" in p else None
    params = attention.GraphTransformerParams(
        *part("query"),
        *part("key"),
        *part("value"),
        edge_key=edge,
        edge_value=edge,
        score=None,
        output=None,
        root=linear(p, "lin_skip") if root else None,
    )
    layer = attention.GraphTransformer(heads=HEADS, separate=root, **options)
    return layer.apply(params, graph)


# The layer, its graph, its options.
CASES = {
    "gcn": (gcn, LOOPS, {}),
    "gcn_weighted": (gcn, LOOPS, {"edge_weight": LOOP_WEIGHTS}),
    "gcn_no_loops": (gcn, GRAPH, {"edge_weight": WEIGHTS}),
    "sage": (sage, GRAPH, {}),
    "gine": (gine, GRAPH, {}),
    "gated": (gated, GRAPH, {}),
    "gated_edges": (gated, GRAPH, {}),
    "pna": (pna, GRAPH, {}),
    "pna_towers": (pna, GRAPH, {}),
    "pna_divided": (pna, GRAPH, {}),
    "gat": (gat, GRAPH, {}),
    "gat_loops": (gat, LOOPS, {"concat": False}),
    "gatv2": (gatv2, GRAPH, {}),
    "gatv2_shared": (gatv2, LOOPS, {"score": attention.Shared(), "concat": False}),
    "transformer": (transformer, GRAPH, {}),
    "transformer_mean": (transformer, GRAPH, {"root": False, "concat": False}),
}


@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "plain"])
@pytest.mark.parametrize("name", CASES)
@jax.disable_jit()
def test_layer_equals_that_of_pyg(name, prepared):
    layer, graph, options = CASES[name]
    prefix = f"{name}/param/"
    params = {k.removeprefix(prefix): v for k, v in GOLDENS.items() if k.startswith(prefix)}
    out = layer(params, graphs.prepare(graph) if prepared else graph, **options)
    np.testing.assert_allclose(out.graph.nodes, GOLDENS[f"{name}/out"], rtol=1e-5, atol=1e-5)


def gps_parameters(p):
    weight, bias = p["attn.in_proj_weight"], p["attn.in_proj_bias"]
    projections = [
        part
        for w, b in zip(np.split(weight, 3), np.split(bias, 3), strict=True)
        for part in (heads(w), b.reshape(HEADS, -1))
    ]
    norms = [
        nn.BatchNormParams(p[f"norm{k}.module.weight"], p[f"norm{k}.module.bias"])
        for k in (1, 2, 3)
    ]
    local = mp.GINEParams(
        p["conv.eps"][0],
        linear(p, "conv.lin"),
        nn.MLPParams((linear(p, "conv.nn.0"), linear(p, "conv.nn.2"))),
    )
    attended = attention.GraphTransformerParams(
        *projections, None, None, None, output=linear(p, "attn.out_proj"), root=None
    )
    return models.GPSLayerParams(
        local=local,
        local_norm=norms[0],
        inner_norm=None,
        edge_norm=None,
        attention=attended,
        attention_norm=norms[1],
        feed_forward=nn.MLPParams((linear(p, "mlp.0"), linear(p, "mlp.3"))),
        output_norm=norms[2],
    )


def gps_state(p, prefix):
    states = [
        nn.BatchNormState(
            *(p[f"{prefix}norm{k}.module.running_{name}"] for name in ("mean", "var"))
        )
        for k in (1, 2, 3)
    ]
    return models.GPSLayerState(states[0], None, None, states[1], states[2])


@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "plain"])
@jax.disable_jit()
def test_gps_layer_equals_that_of_pyg_in_training_and_after(prepared):
    p = {k.removeprefix("gps/"): v for k, v in GOLDENS.items() if k.startswith("gps/")}
    params = gps_parameters({k.removeprefix("param/"): v for k, v in p.items()})
    layer = models.GPSLayer(
        mp.GINE(edge_map=True), attention.GlobalAttention(heads=HEADS, output=True)
    )
    graph = graphs.prepare(GRAPH, block_size=13) if prepared else GRAPH
    out = layer.apply(params, gps_state(p, "param/"), graph, training=True)
    np.testing.assert_allclose(out.graph.nodes, p["out"], rtol=1e-5, atol=1e-5)
    after = gps_state(p, "after/")
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), out.state, after
    )
    out = layer.apply(params, after, graph)
    np.testing.assert_allclose(out.graph.nodes, p["evaluated"], rtol=1e-5, atol=1e-5)


def test_every_golden_is_compared():
    assert {k.split("/")[0] for k in GOLDENS if k.endswith("/out")} == {*CASES, "gps"}
    assert GOLDENS["versions"].tolist() == ["torch 2.13.0+cpu", "torch_geometric 2.8.1"]
