"""Modules of PyTorch Geometric: `python make_pyg_modules.py` writes `pyg_modules.json.gz` beside itself.

Needs torch and torch_geometric; the tests that read the file do not. A case has the `state` by its names in PyG, the
`module`, its types and options, and the `out`put on the one `graph`, all in float64.
"""

import gzip
import json
from pathlib import Path

import numpy as np

NODES, EDGES, WIDTH, OTHER, EDGE_WIDTH, HEADS = 8, 18, 4, 3, 2, 2


def main():
    import torch
    import torch_geometric
    from torch_geometric import nn

    rng = np.random.default_rng(0)

    def rounded(*shape):
        """Few digits, which compress."""
        return torch.tensor(rng.normal(size=shape).round(2))

    # The last node receives nothing, nodes 0 and 1 have self-loops.
    pairs = [(i, j) for i in range(NODES) for j in range(NODES - 1) if i != j or i < 2]
    chosen = {(0, 0), (1, 1)} | {pairs[k] for k in rng.permutation(len(pairs))[: EDGES - 2]}
    edge_index = torch.tensor(sorted(chosen)).T
    x, other = rounded(NODES, WIDTH), rounded(NODES, OTHER)
    edge_attr, edge_weight = (
        rounded(edge_index.shape[1], EDGE_WIDTH),
        rounded(edge_index.shape[1]) ** 2,
    )
    batch = torch.tensor([0] * NODES)
    degrees = torch.bincount(torch.bincount(edge_index[1], minlength=NODES))
    with_edges, weighted, pair = {"edge_attr": edge_attr}, {"edge_weight": edge_weight}, (other, x)

    def mlp(out=WIDTH, act=torch.nn.ReLU):
        return torch.nn.Sequential(torch.nn.Linear(WIDTH, 5), act(), torch.nn.Linear(5, out))

    def pna(**options):
        return nn.PNAConv(
            WIDTH,
            6,
            ["mean", "min", "max", "std"],
            ["identity", "amplification", "attenuation"],
            degrees,
            **options,
        )

    E = EDGE_WIDTH
    cases = {
        "gat": (nn.GATConv(WIDTH, 3, HEADS, negative_slope=0.1), {}, x),
        "gat_edges": (
            nn.GATConv(WIDTH, 3, HEADS, concat=False, bias=False, edge_dim=E),
            with_edges,
            x,
        ),
        "gat_filled": (nn.GATConv(WIDTH, 3, HEADS, edge_dim=E, fill_value=0.5), with_edges, x),
        "gat_pair": (nn.GATConv((OTHER, WIDTH), 3, HEADS, add_self_loops=False), {}, pair),
        "gatv2": (nn.GATv2Conv(WIDTH, 3, HEADS, edge_dim=E), with_edges, x),
        "gatv2_shared": (nn.GATv2Conv(WIDTH, 3, HEADS, share_weights=True, concat=False), {}, x),
        "gatv2_pair": (
            nn.GATv2Conv((OTHER, WIDTH), 3, HEADS, bias=False, add_self_loops=False),
            {},
            pair,
        ),
        "transformer": (nn.TransformerConv(WIDTH, 3, HEADS, edge_dim=E), with_edges, x),
        "transformer_mean": (nn.TransformerConv(WIDTH, 3, HEADS, concat=False, bias=False), {}, x),
        "transformer_no_root": (nn.TransformerConv(WIDTH, 3, HEADS, root_weight=False), {}, x),
        "transformer_pair": (nn.TransformerConv((OTHER, WIDTH), 2, HEADS), {}, pair),
        "gcn": (nn.GCNConv(WIDTH, 3), {}, x),
        "gcn_improved": (nn.GCNConv(WIDTH, 3, improved=True, bias=False), weighted, x),
        "sage": (nn.SAGEConv(WIDTH, 3), {}, x),
        "sage_no_root": (nn.SAGEConv(WIDTH, 3, root_weight=False, bias=False), {}, x),
        "sage_pair": (nn.SAGEConv((OTHER, WIDTH), 3), {}, pair),
        "gine": (nn.GINEConv(mlp(3, torch.nn.Tanh), eps=0.3, edge_dim=E), with_edges, x),
        "gine_mlp": (
            nn.GINEConv(nn.MLP([E, 5, 3], norm=None), train_eps=True),
            with_edges,
            edge_attr[:NODES],
        ),
        "gated": (nn.ResGatedGraphConv(WIDTH, 3), {}, x),
        "gated_edges": (nn.ResGatedGraphConv(WIDTH, 3, edge_dim=E, bias=False), with_edges, x),
        "gated_pair": (nn.ResGatedGraphConv((OTHER, WIDTH), 3, edge_dim=E), with_edges, pair),
        "pna": (pna(), {}, x),
        "pna_towers": (pna(towers=2, edge_dim=E), with_edges, x),
        "pna_divided": (pna(towers=2, divide_input=True, train_norm=True), {}, x),
        "gps": (nn.GPSConv(WIDTH, nn.GINEConv(mlp(), edge_dim=E), heads=HEADS), with_edges, x),
        "gps_alone": (nn.GPSConv(WIDTH, None, heads=1, attn_kwargs={"bias": False}), {}, x),
        "gps_layer": (
            nn.GPSConv(
                WIDTH,
                nn.GATConv(WIDTH, 2, HEADS, add_self_loops=False),
                heads=HEADS,
                norm="layer_norm",
                norm_kwargs={"mode": "node"},
            ),
            {},
            x,
        ),
        # Refused: what ours does not have.
        "gat_residual": (nn.GATConv(WIDTH, 3, HEADS, residual=True), {}, x),
        "transformer_beta": (nn.TransformerConv(WIDTH, 3, HEADS, beta=True), {}, x),
        "sage_project": (nn.SAGEConv(WIDTH, 3, project=True), {}, x),
        "sage_max": (nn.SAGEConv(WIDTH, 3, aggr="max"), {}, x),
        "pna_layers": (pna(pre_layers=2), {}, x),
        "gps_graph": (nn.GPSConv(WIDTH, None, norm="layer_norm"), {}, x),
        "gps_performer": (nn.GPSConv(WIDTH, None, attn_type="performer"), {}, x),
    }

    stored = {
        "versions": [
            f"torch {torch.__version__}",
            f"torch_geometric {torch_geometric.__version__}",
        ],
        "graph": {
            "senders": edge_index[0].tolist(),
            "receivers": edge_index[1].tolist(),
            "x": x.tolist(),
            "other": other.tolist(),
            "edges": edge_attr.tolist(),
            "edge_weight": edge_weight.tolist(),
        },
        "cases": {},
    }
    for name, (module, options, inputs) in cases.items():
        module = module.double().eval()
        with torch.no_grad():
            for key, value in module.state_dict().items():
                if value.dtype.is_floating_point and "avg_deg" not in key:
                    drawn = 0.5 * rounded(*value.shape)
                    value.copy_(drawn.abs() if "running" in key else drawn)
            more = (batch,) if isinstance(module, nn.GPSConv) else ()
            out = module(inputs, edge_index, *more, **options)
        stored["cases"][name] = {
            "module": described(module),
            "state": {key: value.tolist() for key, value in module.state_dict().items()},
            "out": out.numpy().round(10).tolist(),
        }

    path = Path(__file__).with_name("pyg_modules.json.gz")
    path.write_bytes(gzip.compress(json.dumps(stored).encode(), mtime=0))
    print(path, path.stat().st_size, *stored["versions"])


def described(module):
    """Its type, its plain attributes and the modules in it."""
    plain = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and isinstance(value, (bool, int, float, str, list))
        and "Aggregation" not in str(value)
        and "Param" not in str(value)
    }
    return {
        "type": type(module).__name__,
        "options": json.loads(json.dumps(plain, default=str)),
        "modules": {name: described(inner) for name, inner in module.named_children()},
    }


if __name__ == "__main__":
    main()
