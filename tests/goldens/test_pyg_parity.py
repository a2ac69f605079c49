"""The layers give what those of PyTorch Geometric give with the same weights.

`pyg.npz` is written by `make_pyg_goldens.py`, and names the versions of the packages.
"""

from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from graphattn_jax import attention, graphs, interop, models
from graphattn_jax import message_passing as mp

with np.load(Path(__file__).with_name("pyg.npz")) as file:
    GOLDENS = dict(file)

HEADS = 2
GRAPH = graphs.from_edge_list(
    GOLDENS["graph/senders"],
    GOLDENS["graph/receivers"],
    nodes=GOLDENS["graph/nodes"],
    edges=GOLDENS["graph/edges"],
)
WEIGHTS = GOLDENS["graph/edge_weight"]
LOOPS = graphs.add_self_loops(GRAPH)
LOOP_WEIGHTS = np.append(WEIGHTS, np.ones(len(GRAPH.nodes), np.float32))


DELTA = mp.log_degree_mean([GRAPH])
GCN, GATED = mp.GCN(8), mp.GatedGCN(8, normalize=False)
SHARED = attention.GATv2(heads=HEADS, channels=4, score=attention.Shared(), concat=False)
PNA = partial(mp.PNA, 8, log_degree_mean=DELTA)
TRANSFORMER = partial(attention.GraphTransformer, 4, HEADS)

# The layer, its graph, its options.
CASES = {
    "gcn": (GCN, LOOPS, {}),
    "gcn_weighted": (GCN, LOOPS, {"edge_weight": LOOP_WEIGHTS}),
    "gcn_no_loops": (GCN, GRAPH, {"edge_weight": WEIGHTS}),
    "sage": (mp.SAGE(8), GRAPH, {}),
    "gine": (mp.GINE(8, hidden_features=5, edge_map=True), GRAPH, {}),
    "gated": (GATED, GRAPH, {}),
    "gated_edges": (GATED, GRAPH, {}),
    "pna": (PNA(), GRAPH, {}),
    "pna_towers": (PNA(towers=2, channels=6), GRAPH, {}),
    "pna_divided": (PNA(towers=2), GRAPH, {}),
    "gat": (attention.GAT(4, HEADS), GRAPH, {}),
    "gat_loops": (attention.GAT(4, HEADS, concat=False), LOOPS, {}),
    "gatv2": (attention.GATv2(4, HEADS), GRAPH, {}),
    "gatv2_shared": (SHARED, LOOPS, {}),
    "transformer": (TRANSFORMER(separate=True), GRAPH, {}),
    "transformer_mean": (TRANSFORMER(concat=False), GRAPH, {}),
}


def state_of(name, prefix="param/"):
    prefix = f"{name}/{prefix}"
    return {k.removeprefix(prefix): v for k, v in GOLDENS.items() if k.startswith(prefix)}


@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "plain"])
@pytest.mark.parametrize("name", CASES)
@jax.disable_jit()
def test_layer_equals_that_of_pyg(name, prepared):
    layer, graph, options = CASES[name]
    state = state_of(name)
    if name == "transformer_mean":  # made with root_weight=False, which keeps the map
        state = {k: v for k, v in state.items() if "lin_skip" not in k}
    params = interop.load_pyg(layer, state)
    out = layer.apply(params, graphs.prepare(graph) if prepared else graph, **options)
    np.testing.assert_allclose(out.graph.nodes, GOLDENS[f"{name}/out"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "plain"])
@jax.disable_jit()
def test_gps_layer_equals_that_of_pyg_in_training_and_after(prepared):
    local = mp.GINE(edge_map=True, hidden_features=5)
    layer = models.GPSLayer(local, attention.GlobalAttention(heads=HEADS, output=True))
    params, state = interop.load_pyg(layer, state_of("gps"))
    graph = graphs.prepare(GRAPH, block_size=13) if prepared else GRAPH
    out = layer.apply(params, state, graph, training=True)
    np.testing.assert_allclose(out.graph.nodes, GOLDENS["gps/out"], rtol=1e-5, atol=1e-5)
    _, after = interop.load_pyg(layer, state_of("gps") | state_of("gps", "after/"))
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), out.state, after
    )
    out = layer.apply(params, after, graph)
    np.testing.assert_allclose(out.graph.nodes, GOLDENS["gps/evaluated"], rtol=1e-5, atol=1e-5)


def test_every_golden_is_compared():
    assert {k.split("/")[0] for k in GOLDENS if k.endswith("/out")} == {*CASES, "gps"}
    assert GOLDENS["versions"].tolist() == ["torch 2.13.0+cpu", "torch_geometric 2.8.1"]
