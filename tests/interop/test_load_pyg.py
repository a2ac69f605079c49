"""Weights of PyTorch Geometric's layers give its results here.

`pyg_modules.json.gz` is written by `make_pyg_modules.py`, and names the versions of the packages.
"""

import dataclasses
import gzip
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga

STORED = json.loads(gzip.decompress(Path(__file__).with_name("pyg_modules.json.gz").read_bytes()))
GRAPH = {name: np.array(values) for name, values in STORED["graph"].items()}


class Module:
    """What a module shows to the reader: its state, its options, the modules in it."""

    def __init__(self, described, state):
        self.__dict__.update(described["options"])
        self._state = state
        self._inner = {name: module(inner, state) for name, inner in described["modules"].items()}
        self.__dict__.update(self._inner)

    def __iter__(self):
        return iter(self._inner.values())

    def __call__(self):
        raise AssertionError

    def state_dict(self):
        return self._state


def module(described, state):
    kind = type(described["type"], (Module,), {})
    return kind(described, state)


def state_of(name):
    return {key: np.array(x) for key, x in STORED["cases"][name]["state"].items()}


def module_of(name):
    return module(STORED["cases"][name]["module"], state_of(name))


def plain(nodes="x", edges=None):
    edges = None if edges is None else GRAPH[edges]
    n = len(GRAPH["x"])
    return ga.graphs.from_edge_list(
        GRAPH["senders"], GRAPH["receivers"], nodes=GRAPH[nodes][:n], edges=edges
    )


def looped(fill=None, edges=None):
    """PyG takes self-loops away before it adds its own."""
    graph = ga.graphs.remove_self_loops(plain(edges=edges))
    return ga.graphs.add_self_loops(graph, fill=fill)


def pair(edges=None):
    return ga.graphs.bipartite(
        GRAPH["senders"],
        GRAPH["receivers"],
        sender_nodes=GRAPH["other"],
        receiver_nodes=GRAPH["x"],
        edges=None if edges is None else GRAPH[edges],
    )


def improved():
    """Self-loops of weight 2 for nodes without one."""
    graph = ga.graphs.add_self_loops(plain(edges="edge_weight"), fill=2.0)
    return graph._replace(edges=None), {"edge_weight": graph.edges}


# PyG keeps it in float32.
PNA_DELTA = STORED["cases"]["pna"]["state"]["aggr_module.avg_deg_log"][0]
GAT, GATv2 = ga.attention.GAT, ga.attention.GATv2
TRANSFORMER, GLOBAL = ga.attention.GraphTransformer, ga.attention.GlobalAttention
GATED, GINE, GPS = ga.message_passing.GatedGCN, ga.message_passing.GINE, ga.models.GPSLayer
GCN, SAGE, PNA = ga.message_passing.GCN, ga.message_passing.SAGE, ga.message_passing.PNA
HEADS = GLOBAL(heads=2, output=True)

# The layer, its graph.
CASES = {
    "gat": (GAT(3, 2, negative_slope=0.1), looped),
    "gat_edges": (
        GAT(3, 2, concat=False, use_bias=False),
        lambda: looped("mean", edges="edges"),
    ),
    "gat_filled": (GAT(3, 2), lambda: looped(0.5, edges="edges")),
    "gat_pair": (GAT(3, 2), pair),
    "gatv2": (GATv2(3, 2), lambda: looped("mean", edges="edges")),
    "gatv2_shared": (GATv2(3, 2, score=ga.attention.Shared(), concat=False), looped),
    "gatv2_pair": (GATv2(3, 2, use_bias=False), pair),
    "transformer": (TRANSFORMER(3, 2, separate=True), lambda: plain(edges="edges")),
    "transformer_mean": (TRANSFORMER(3, 2, separate=True, concat=False, use_bias=False), plain),
    "transformer_no_root": (TRANSFORMER(3, 2), plain),
    "transformer_pair": (TRANSFORMER(heads=2, separate=True), pair),
    "gcn": (GCN(3), lambda: ga.graphs.add_self_loops(plain())),
    "gcn_improved": (GCN(3, use_bias=False), improved),
    "sage": (SAGE(3), plain),
    "sage_no_root": (SAGE(3, use_bias=False), plain),
    "sage_pair": (SAGE(3), pair),
    "gine": (
        GINE(3, hidden_features=5, edge_map=True, activation="tanh"),
        lambda: plain(edges="edges"),
    ),
    "gine_mlp": (GINE(3, hidden_features=5), lambda: plain("edges", "edges")),
    "gated": (GATED(3, normalize=False), plain),
    "gated_edges": (GATED(3, normalize=False, edge_values=True), lambda: plain(edges="edges")),
    "gated_pair": (GATED(3, normalize=False, edge_values=True), lambda: pair("edges")),
    "pna": (PNA(6, log_degree_mean=PNA_DELTA), plain),
    "pna_towers": (
        PNA(6, log_degree_mean=PNA_DELTA, towers=2, channels=4),
        lambda: plain(edges="edges"),
    ),
    "pna_divided": (PNA(6, log_degree_mean=PNA_DELTA, towers=2), plain),
    "gps": (GPS(GINE(edge_map=True, hidden_features=5), HEADS), lambda: plain(edges="edges")),
    "gps_alone": (GPS(None, GLOBAL(output=True, use_bias=False)), plain),
    "gps_layer": (GPS(GAT(heads=2), HEADS, norm="layer"), plain),
}
REFUSED = {
    "gat_residual": (GAT(3, 2), "res.weight has no place in GAT.*residual=True"),
    "transformer_beta": (TRANSFORMER(3, 2, separate=True), "lin_beta.weight.*beta=True"),
    "sage_project": (SAGE(3), "lin.weight.*project=True"),
    "sage_max": (SAGE(3), "aggr='max' of SAGEConv is not SAGE.*aggr='mean'"),
    "pna_layers": (PNA(6, log_degree_mean=PNA_DELTA), r"no place for: pre_nns.0.2.bias, pre_nns"),
    "gps_graph": (GPS(None, GLOBAL(output=True), norm="layer"), "norm2.mode='graph' of LayerNorm"),
    "gps_performer": (GPS(None, GLOBAL(output=True)), "no entry 'attn.out_proj.weight'.*attn.q"),
}


def applied(layer, loaded, graph):
    """The new nodes."""
    graph, options = graph if type(graph) is tuple else (graph, {})
    arguments = loaded if isinstance(layer, GPS) else (loaded,)
    nodes = layer.apply(*arguments, graph, **options).graph.nodes
    return getattr(nodes, "receivers", nodes)


# What a state dict does not say, of what over the norm is taken and whether the root is used, is refused.
UNSAID = ("gps_layer", "transformer_no_root")


@pytest.mark.parametrize(
    ("name", "source"),
    [(name, module_of) for name in CASES]
    + [(name, state_of) for name in CASES if name not in UNSAID],
)
@jax.disable_jit()
def test_equals_pyg(name, source):
    layer, graph = CASES[name]
    with jax.enable_x64(True):
        out = applied(layer, ga.interop.load_pyg(layer, source(name)), graph())
        assert out.dtype == np.float64
        np.testing.assert_allclose(out, STORED["cases"][name]["out"], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_the_layer_does_not_compute(name):
    layer, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ga.interop.load_pyg(layer, module_of(name))


def test_every_case_is_compared():
    assert {*CASES, *REFUSED} == {*STORED["cases"]}
    assert STORED["versions"] == ["torch 2.13.0+cpu", "torch_geometric 2.8.1"]


def widths(name):
    """As in `layer.init`."""
    graph = CASES[name][1]()
    graph = graph[0] if type(graph) is tuple else graph
    nodes, edges = graph.nodes, graph.edges
    in_features = nodes.shape[1] if hasattr(nodes, "shape") else tuple(x.shape[1] for x in nodes)
    return in_features, None if edges is None or edges.ndim < 2 else edges.shape[1]


@pytest.mark.parametrize("name", CASES)
def test_is_what_init_gives(name):
    layer = CASES[name][0]
    loaded = ga.interop.load_pyg(layer, module_of(name))
    made = jax.eval_shape(lambda key: layer.init(key, *widths(name)), jax.random.key(0))
    if getattr(loaded, "root", None) is not None and isinstance(layer, TRANSFORMER):
        loaded = loaded._replace(root=loaded.root._replace(bias=None))
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), (loaded, made))
    assert shapes[0] == shapes[1]


def test_log_degree_mean_is_that_of_the_module():
    np.testing.assert_allclose(ga.message_passing.log_degree_mean([plain()]), PNA_DELTA, rtol=1e-6)
    with pytest.raises(ValueError, match=r"avg_deg_log is 1\.\d+.*Fix: log_degree_mean=1\.\d+"):
        ga.interop.load_pyg(PNA(6), state_of("pna"))


def changed(name, **entries):
    """The state with other entries, None for none."""
    state = state_of(name) | {key.replace("__", "."): x for key, x in entries.items()}
    return {key: x for key, x in state.items() if x is not None}


ONES = np.ones


@pytest.mark.parametrize(
    ("layer", "state", "message"),
    [
        (
            GCN(3),
            changed("gcn", lin__weight=None),
            r"no entry 'lin.weight', which GCN\(features=3\)",
        ),
        (GCN(5), state_of("gcn"), r"lin.weight must have shape \[5, in\], got \[3, 4\]"),
        (GCN(), state_of("gcn"), r"lin.weight must have shape \[D, D\], got \[3, 4\]"),
        (GCN(3, use_bias=False), state_of("gcn"), r"GCN\(.*\) has no place for: bias"),
        (GCN(3), changed("gcn", bias=None), "no entry 'bias'"),
        (GCN(3), changed("gcn", extra=ONES(1)), "no place for: extra"),
        (GCN(3), changed("gcn", bias=ONES(3, int)), "bias must be floating point, got int64"),
        (GCN(3), changed("gcn", bias=ONES((3, 1))), r"bias must have shape \[3\], got \[3, 1\]"),
        (GAT(3, 4), state_of("gat"), r"att_dst must have shape \[1, 4, 3\], got \[1, 2, 3\]"),
        (GAT(heads=2), state_of("gat"), r"lin.weight must have shape \[6, 6\], got \[6, 4\]"),
        (GATv2(heads=2), state_of("gatv2"), r"lin_r.weight must have shape \[6, 6\], got \[6, 4\]"),
        (
            TRANSFORMER(heads=2, separate=True),
            state_of("transformer"),
            r"shape \[D, D\], got \[6, 4\]",
        ),
        (GAT(3, 2, concat=False), state_of("gat"), r"bias must have shape \[3\], got \[6\]"),
        (GAT(3, 2, score=ga.attention.Cosine()), state_of("gat"), r"score must be Standard\(\)"),
        (
            GATv2(3, 2, score=ga.attention.Shared()),
            state_of("gatv2"),
            "lin_l and lin_r differ",
        ),
        (
            GATv2(3, 2, score=ga.attention.Pairwise()),
            state_of("gatv2"),
            r"Standard\(\) or Shared\(\)",
        ),
        (TRANSFORMER(3, 2), state_of("transformer_no_root"), r"lin_skip.weight.*separate=True"),
        (TRANSFORMER(3, 2, output=True), state_of("transformer"), "Fix: output=False"),
        (GINE(3), state_of("gine"), "nn.0.weight must have shape"),
        (GINE(3, hidden_features=5), state_of("gine"), "no place for: lin.bias, lin.weight"),
        (
            GINE(3),
            changed("gine", nn__4__weight=ONES((3, 3))),
            "nn.0.weight, nn.2.weight, nn.4.weight",
        ),
        (GATED(3), state_of("gated"), r"Fix: GatedGCN\(normalize=False\)"),
        (
            GATED(3, normalize=False),
            state_of("gated_edges"),
            "lin_value.weight reads edge features",
        ),
        (
            GATED(3, normalize=False),
            changed("gated", lin_skip__weight=None),
            "no entry 'lin_skip.weight'",
        ),
        (
            GPS(GINE(), GATv2(heads=2)),
            state_of("gps"),
            "Fix: attention=ga.attention.GlobalAttention",
        ),
        (GPS(None, GLOBAL(heads=2)), state_of("gps"), "output=True"),
        (GPS(GINE(), GLOBAL(heads=3, output=True)), state_of("gps"), "conv.nn.0.weight"),
        (
            GPS(None, GLOBAL(heads=3, output=True)),
            state_of("gps_alone"),
            "out_proj.weight is of width 4",
        ),
        (GPS(GATED(), HEADS), state_of("gps"), "Fix: another local layer"),
        (
            GATED(3, normalize=False),
            changed("gated", lin_key__weight=ONES((3, 3))),
            "read 3 and 4 features, lin_skip.weight 4 of the receivers",
        ),
        (GPS(None, HEADS), state_of("gps"), "no place for: conv.eps"),
        (
            GPS(None, GLOBAL(output=True, use_bias=False)),
            changed("gps_alone", mlp__5__bias=ONES(4)),
            "no place for: mlp.5.bias",
        ),
        (GPS(GCN(), HEADS), state_of("gps_alone"), "no entries that begin with 'conv.'"),
        (
            GPS(None, GLOBAL(output=True), norm="layer"),
            state_of("gps_graph"),
            "Fix: give the GPSConv itself",
        ),
        (GPS(None, GLOBAL(output=True)), state_of("gps_graph"), "no entry 'norm2.module.weight'"),
        (ga.attention.SAN(heads=2), state_of("gat"), "layer must be one of GAT, GATv2"),
        (GAT, state_of("gat"), "as a value such as"),
        (GCN(3), None, "state_dict must be a mapping from names to arrays"),
        (GCN(3), {}, "no entries that begin with ''; its names begin with none"),
    ],
)
def test_errors_name_the_entry(layer, state, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ga.interop.load_pyg(layer, state)


@pytest.mark.parametrize(
    ("layer", "name", "message"),
    [
        (GAT(3, 2), "gat", "negative_slope=0.1 of GATConv is not GAT.*negative_slope=0.2"),
        (TRANSFORMER(2, 3, separate=True), "transformer", "heads=2 of TransformerConv"),
        (TRANSFORMER(3, 2), "transformer", "root_weight=True of TransformerConv"),
        (GATv2(3, 2), "gatv2_shared", "concat=False|share_weights=True"),
        (GINE(3, hidden_features=5, edge_map=True), "gine", "nn has Tanh inside"),
        (
            PNA(6, log_degree_mean=PNA_DELTA, towers=2, channels=2),
            "pna_divided",
            "divide_input=True",
        ),
        (GPS(None, HEADS), "gps_alone", "attn.num_heads=1 of MultiheadAttention"),
    ],
)
def test_options_of_the_module_are_those_of_the_layer(layer, name, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ga.interop.load_pyg(layer, module_of(name))


@pytest.mark.parametrize("kind", ["normalize", "flow", "act", "aggregators", "scaler", "mlp"])
def test_options_without_weights(kind):
    layer, name, change = {
        "normalize": (GCN(3), "gcn", {"normalize": False}),
        "flow": (SAGE(3), "sage", {"flow": "target_to_source"}),
        "act": (GATED(3, normalize=False), "gated", {"act": type("Tanh", (), {"__call__": id})()}),
        "mlp": (GPS(None, GLOBAL(output=True, use_bias=False)), "gps_alone", {}),
        "aggregators": (PNA(6, log_degree_mean=PNA_DELTA), "pna", {}),
        "scaler": (PNA(6, log_degree_mean=PNA_DELTA), "pna", {}),
    }[kind]
    conv = module_of(name)
    conv.__dict__.update(change)
    if kind == "aggregators":
        conv.aggr_module.aggr.aggrs = list(conv.aggr_module.aggr.aggrs)[::-1]
    if kind == "mlp":
        conv.mlp.__dict__["1"] = type("GELU", (), {"__call__": id})()
    if kind == "scaler":
        conv.aggr_module.scaler = ["attenuation", "amplification", "identity"]
    with pytest.raises(ValueError, match=f"{kind}.*(of|must be)"):
        ga.interop.load_pyg(layer, conv)


def test_a_part_of_a_larger_module():
    state = {f"convs.1.{key}": x for key, x in state_of("sage").items()} | {"head.bias": ONES(2)}
    part = ga.interop.load_pyg(SAGE(3), state, prefix="convs.1")
    whole = ga.interop.load_pyg(SAGE(3), state_of("sage"))
    assert jax.tree.all(jax.tree.map(np.array_equal, part, whole))
    with pytest.raises(
        ValueError, match=r"begin with 'convs.2.'; its names begin with convs, head"
    ):
        ga.interop.load_pyg(SAGE(3), state, prefix="convs.2.")
    with pytest.raises(
        ValueError, match=r"no entry 'convs.1.lin.weight'.*It has: convs.1.lin_l.bias"
    ):
        ga.interop.load_pyg(GCN(3), state, prefix="convs.1.")
    described = {
        "type": "Net",
        "options": {},
        "modules": {
            "convs": {
                "type": "ModuleList",
                "options": {},
                "modules": {"1": STORED["cases"]["sage_max"]["module"]},
            }
        },
    }
    with pytest.raises(ValueError, match=r"convs\.1\.aggr='max'"):
        ga.interop.load_pyg(SAGE(3), module(described, state), prefix="convs.1.")
    with pytest.raises(ValueError, match=r"no entries that begin with 'convs\.2\.'"):
        ga.interop.load_pyg(SAGE(3), module(described, state), prefix="convs.2.")


class Tensor:
    """What a torch tensor shows; a plain np.asarray of it fails."""

    layout = "torch.strided"

    def __init__(self, array, dtype="torch.float32"):
        self.array, self.dtype, self.shape = np.asarray(array, np.float32), dtype, array.shape

    def __array__(self, *_, **__):
        raise RuntimeError("can't convert a tensor that requires grad")

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array

    def float(self):
        return Tensor(self.array)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_tensors(dtype):
    state = {key: Tensor(x, f"torch.{dtype}") for key, x in state_of("gcn").items()}
    params = ga.interop.load_pyg(GCN(3), state)
    assert params.weight.dtype == params.bias.dtype == dtype
    want = state_of("gcn")["lin.weight"].T.astype(params.weight.dtype)
    np.testing.assert_array_equal(params.weight, want)
    kept = params.weight + 0
    state["lin.weight"].array += 1
    np.testing.assert_array_equal(params.weight, kept)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_parameters_are_of_the_dtype_of_the_arrays(name, dtype):
    state = {key: x.astype(jnp.dtype(dtype)) for key, x in state_of(name).items()}
    layer = CASES[name][0]
    if name.startswith("pna"):
        delta = float(state["aggr_module.avg_deg_log"][0])
        layer = dataclasses.replace(layer, log_degree_mean=delta)
    conv = module(STORED["cases"][name]["module"], state)
    loaded, exact = (
        ga.interop.load_pyg(layer, conv),
        ga.interop.load_pyg(CASES[name][0], module_of(name)),
    )
    assert {x.dtype for x in jax.tree.leaves(loaded)} == {jnp.dtype(dtype)}
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x.astype("float32"), y, rtol=0.03, atol=0.03),
        loaded,
        exact,
    )
