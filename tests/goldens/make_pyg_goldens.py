"""Results of PyTorch Geometric on a small graph: `python make_pyg_goldens.py` writes `pyg.npz` beside itself.

Needs torch and torch_geometric; the tests that read the file do not. Every layer is stored as
`<case>/param/<name in PyG>` and `<case>/out`, all on the one graph of `graph/*`.
"""

from pathlib import Path

import numpy as np

NODES, EDGES, WIDTH, EDGE_WIDTH, OUT, HEADS = 12, 30, 6, 3, 8, 2


def main():
    import torch
    import torch_geometric
    from torch_geometric import nn

    torch.manual_seed(1)  # a seed without standard deviations below √1e-5, which PyG takes for 0
    rng = np.random.default_rng(0)
    # Distinct pairs without self-loops, with some mutual; the last node only sends and receives nothing.
    pairs = [(i, j) for i in range(NODES) for j in range(NODES - 1) if i != j]
    edge_index = torch.tensor([pairs[k] for k in rng.permutation(len(pairs))[:EDGES]]).T
    x = torch.tensor(rng.normal(size=(NODES, WIDTH)), dtype=torch.float32)
    edge_attr = torch.tensor(rng.normal(size=(EDGES, EDGE_WIDTH)), dtype=torch.float32)
    edge_weight = torch.tensor(rng.uniform(0.1, 2, EDGES), dtype=torch.float32)
    degrees = torch.bincount(torch.bincount(edge_index[1], minlength=NODES))

    def mlp():
        return torch.nn.Sequential(
            torch.nn.Linear(WIDTH, 5), torch.nn.ReLU(), torch.nn.Linear(5, OUT)
        )

    def pna(**options):
        return nn.PNAConv(
            WIDTH,
            OUT,
            aggregators=["mean", "min", "max", "std"],
            scalers=["identity", "amplification", "attenuation"],
            deg=degrees,
            **options,
        )

    def gated(**options):
        return nn.ResGatedGraphConv(WIDTH, OUT, **options)

    gated_edges = gated(edge_dim=EDGE_WIDTH)
    with torch.no_grad():  # PyG adds edges to the values as well, which GatedGCN does not
        gated_edges.lin_value.weight[:, WIDTH:] = 0

    WEIGHTED, FEATURES = {"edge_weight": edge_weight}, {"edge_attr": edge_attr}
    CASES = {
        "gcn": (nn.GCNConv(WIDTH, OUT), {}),
        "gcn_weighted": (nn.GCNConv(WIDTH, OUT), WEIGHTED),
        "gcn_no_loops": (nn.GCNConv(WIDTH, OUT, add_self_loops=False), WEIGHTED),
        "sage": (nn.SAGEConv(WIDTH, OUT), {}),
        "gine": (nn.GINEConv(mlp(), eps=0.3, train_eps=True, edge_dim=EDGE_WIDTH), FEATURES),
        "gated": (gated(), {}),
        "gated_edges": (gated_edges, FEATURES),
        "pna": (pna(), {}),
        "pna_towers": (pna(towers=2, edge_dim=EDGE_WIDTH), FEATURES),
        "pna_divided": (pna(towers=2, divide_input=True), {}),
        "gat": (nn.GATConv(WIDTH, 4, HEADS, edge_dim=EDGE_WIDTH, add_self_loops=False), FEATURES),
        "gat_loops": (nn.GATConv(WIDTH, 4, HEADS, concat=False), {}),
        "gatv2": (
            nn.GATv2Conv(WIDTH, 4, HEADS, edge_dim=EDGE_WIDTH, add_self_loops=False),
            FEATURES,
        ),
        "gatv2_shared": (nn.GATv2Conv(WIDTH, 4, HEADS, share_weights=True, concat=False), {}),
        "transformer": (nn.TransformerConv(WIDTH, 4, HEADS, edge_dim=EDGE_WIDTH), FEATURES),
        "transformer_mean": (
            nn.TransformerConv(WIDTH, 4, HEADS, concat=False, root_weight=False),
            {},
        ),
    }

    arrays = {
        "versions": np.array(
            [f"torch {torch.__version__}", f"torch_geometric {torch_geometric.__version__}"]
        ),
        "graph/senders": edge_index[0].numpy().astype(np.int32),
        "graph/receivers": edge_index[1].numpy().astype(np.int32),
        "graph/nodes": x.numpy(),
        "graph/edges": edge_attr.numpy(),
        "graph/edge_weight": edge_weight.numpy(),
    }
    for name, (layer, options) in CASES.items():
        with torch.no_grad():
            for parameter in layer.parameters():  # biases start at zero, which would hide them
                if parameter.ndim == 1:
                    parameter += 0.3 * torch.randn_like(parameter)
            arrays[f"{name}/out"] = layer(x, edge_index, **options).numpy()
        for key, value in layer.state_dict().items():
            arrays[f"{name}/param/{key}"] = value.numpy()

    # Behind the others, whose random numbers stay what they were.
    local = nn.GINEConv(
        torch.nn.Sequential(torch.nn.Linear(WIDTH, 5), torch.nn.ReLU(), torch.nn.Linear(5, WIDTH)),
        edge_dim=EDGE_WIDTH,
    )
    layer = nn.GPSConv(WIDTH, local, heads=HEADS, attn_type="multihead")
    batch = torch.tensor([0] * NODES)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
        for key, value in layer.state_dict().items():
            arrays[f"gps/param/{key}"] = value.numpy().copy()
        arrays["gps/out"] = layer(x, edge_index, batch, **FEATURES).numpy()
        for key, value in layer.state_dict().items():
            if "running" in key:
                arrays[f"gps/after/{key}"] = value.numpy()
        arrays["gps/evaluated"] = layer.eval()(x, edge_index, batch, **FEATURES).numpy()

    path = Path(__file__).with_name("pyg.npz")
    np.savez_compressed(path, **arrays)
    print(path, path.stat().st_size, *arrays["versions"])


if __name__ == "__main__":
    main()
