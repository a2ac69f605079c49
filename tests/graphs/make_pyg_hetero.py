"""Typed objects of PyTorch Geometric: `python make_pyg_hetero.py` writes `pyg_hetero.json` beside itself.

Needs torch and torch_geometric; the tests that read the file do not. An object is stored as its types, its relations
and the entries of its stores, tensors with their dtype.
"""

import json
from pathlib import Path


def main():
    import torch
    import torch_geometric
    import torch_geometric.transforms as T
    from torch_geometric.data import Batch, HeteroData

    def library():
        data = HeteroData()
        data["author"].num_nodes = 3
        data["paper"].x = torch.arange(8.0).reshape(4, 2)
        data["paper"].y = torch.tensor([0, 1, 1, 0])
        data["paper"].train_mask = torch.tensor([True, True, False, False])
        data["paper"].time = torch.tensor([1990, 2000, 2010, 2020])
        data["venue"].x = torch.arange(6.0).reshape(2, 3)
        data["author", "writes", "paper"].edge_index = torch.tensor([[2, 0, 0], [0, 3, 1]])
        data["paper", "cites", "paper"].edge_index = torch.tensor([[1, 3], [0, 1]])
        data["paper", "at", "venue"].edge_index = torch.empty(2, 0, dtype=torch.long)
        return data

    attributed = library()
    for relation in attributed.edge_types:
        count = attributed[relation].edge_index.shape[1]
        attributed[relation].edge_attr = torch.arange(float(count))[:, None].repeat(1, 2)
        attributed[relation].time = torch.arange(count)
    uncounted = HeteroData()
    uncounted["a"].x, uncounted["b"].name = torch.ones(2, 1), "nobody"
    uncounted["a", "to", "b"].edge_index = torch.tensor([[0], [1]])
    objects = {
        "library": library(),
        "reversed": T.ToUndirected()(library()),
        "attributed": attributed,
        "adj_t": T.ToSparseTensor()(library()),
        "batch": Batch.from_data_list([library(), library()]),
        "uncounted": uncounted,
    }
    path = Path(__file__).with_name("pyg_hetero.json")
    stored = {
        "versions": [
            f"torch {torch.__version__}",
            f"torch_geometric {torch_geometric.__version__}",
        ],
        "objects": {name: described(data) for name, data in objects.items()},
    }
    path.write_text(json.dumps(stored) + "\n")
    print(path, path.stat().st_size)


def described(data):
    """Types and relations with the entries of their stores, as JSON."""
    import torch

    def entry(x):
        if not isinstance(x, torch.Tensor):
            return x
        if x.layout != torch.strided:
            return {"layout": str(x.layout)}
        return {"tensor": x.tolist(), "dtype": str(x.dtype), "shape": list(x.shape)}

    names = (*data.node_types, *data.edge_types)
    return [[name, {key: entry(x) for key, x in data[name].items()}] for name in names]


if __name__ == "__main__":
    main()
