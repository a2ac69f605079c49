"""Typed layers of PyTorch Geometric on a small typed graph: `python make_typed_goldens.py` writes `typed.npz` beside
itself. Needs torch and torch_geometric; the tests that read the file do not.

The graph is `edges/<source>/<name>/<target>` and `nodes/<type>`, a layer `<case>/param/<name in PyG>` and `<case>/out`
over all nodes, type by type.
"""

from pathlib import Path

import numpy as np

WIDTH, OUT, HEADS = 6, 8, 2
COUNTS = {"author": 4, "paper": 6, "venue": 3}
RELATIONS = (
    ("author", "writes", "paper"),
    ("paper", "rev_writes", "author"),
    ("paper", "cites", "paper"),
    ("paper", "at", "venue"),
    ("venue", "rev_at", "paper"),
)


def main():
    import torch
    import torch_geometric
    from torch_geometric import nn

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    x = {
        name: torch.tensor(rng.normal(size=(n, WIDTH)), dtype=torch.float32)
        for name, n in COUNTS.items()
    }
    edges = {}
    for relation in RELATIONS:
        source, _, target = relation
        pairs = np.argwhere(rng.random((COUNTS[source], COUNTS[target])) < 0.5)
        edges[relation] = torch.tensor(pairs.T)
    first = dict(zip(COUNTS, np.cumsum([0, *COUNTS.values()])))
    flat_x = torch.cat(list(x.values()))
    edge_index = torch.cat(
        [e + torch.tensor([[first[s]], [first[t]]]) for (s, _, t), e in edges.items()], 1
    )
    edge_type = torch.cat([torch.full((e.shape[1],), i) for i, e in enumerate(edges.values())])
    metadata = (list(COUNTS), list(RELATIONS))
    flat = (flat_x, edge_index, edge_type)

    def rgat(**options):
        layer = nn.RGATConv(WIDTH, OUT // HEADS, len(RELATIONS), heads=HEADS, **options)
        with torch.no_grad():  # ours has a vector per head, theirs one over all heads
            for vector in (layer.q, layer.k):
                vector *= torch.kron(torch.eye(HEADS), torch.ones(OUT // HEADS, 1))
        return layer

    cases = {
        "hgt": (nn.HGTConv(WIDTH, OUT, metadata, heads=HEADS), (x, edges)),
        "hgt_skip": (nn.HGTConv(WIDTH, WIDTH, metadata, heads=HEADS), (x, edges)),
        "han": (nn.HANConv(WIDTH, OUT, metadata, heads=HEADS), (x, edges)),
        "rgcn": (nn.RGCNConv(WIDTH, OUT, len(RELATIONS)), flat),
        "rgcn_basis": (nn.RGCNConv(WIDTH, OUT, len(RELATIONS), num_bases=3), flat),
        "rgcn_blocks": (nn.RGCNConv(WIDTH, OUT, len(RELATIONS), num_blocks=2), flat),
        "rgcn_sum": (nn.RGCNConv(WIDTH, OUT, len(RELATIONS), aggr="sum"), flat),
        "rgat": (rgat(), flat),
        "rgat_within": (rgat(attention_mechanism="within-relation", concat=False), flat),
    }
    arrays = {f"nodes/{name}": value.numpy() for name, value in x.items()}
    arrays |= {"edges/" + "/".join(relation): e.numpy() for relation, e in edges.items()}
    for name, (layer, inputs) in cases.items():
        with torch.no_grad():
            for parameter in layer.parameters():  # priors, gates and biases start at constants
                parameter += 0.1 * torch.randn_like(parameter)
                if "rgat" in name and parameter.shape == (OUT, HEADS):
                    parameter *= torch.kron(torch.eye(HEADS), torch.ones(OUT // HEADS, 1))
        out = layer.eval()(*inputs)
        if isinstance(out, dict):
            out = torch.cat([out[kind] for kind in COUNTS])
        arrays |= {f"{name}/param/{k}": v.detach().numpy() for k, v in layer.state_dict().items()}
        arrays[f"{name}/out"] = out.detach().numpy()
    np.savez_compressed(Path(__file__).parent / "typed.npz", **arrays)
    print(torch_geometric.__version__, {k: v.shape for k, v in arrays.items() if "param" in k})


if __name__ == "__main__":
    main()
