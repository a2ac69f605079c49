"""Objects of PyTorch Geometric: `python make_pyg_objects.py` writes `pyg_objects.json` beside itself.

Needs torch, torch_geometric and rdkit; the tests that read the file do not. An object is stored as what it answers when
it is asked for an attribute: numbers, tensors with dtype and layout, or what its methods return.
"""

import json
from pathlib import Path

NAMES = (
    *("x", "edge_index", "edge_attr", "edge_weight", "y", "num_nodes", "_num_nodes", "num_graphs"),
    *("batch", "ptr", "adj_t", "node_types", "x_s", "x_t", "is_bipartite", "_key"),
)
SMILES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[N+](C)(C)C/C=C/F",
    "O=S(=O)([O-])C#N.[Na+]",
    "C[C@H](N)O",
    "[Cu]<-N",
    "FS(F)(F)(F)(F)F",
]


def main():
    import torch
    import torch_geometric
    import torch_geometric.transforms as T
    from torch_geometric.data import Batch, Data, HeteroData, InMemoryDataset
    from torch_geometric.utils import from_smiles

    def numbers(*shape):
        return torch.arange(float(torch.tensor(shape).prod())).reshape(shape)

    def graph(n, **more):
        """A path 0 → 1 → ... → n - 1, with rows that say which node and which graph."""
        ids = torch.arange(n)
        return Data(
            x=10 * n + ids[:, None].float(), edge_index=torch.stack([ids[:-1], ids[1:]]), **more
        )

    class Stored(InMemoryDataset):
        def __init__(self, items):
            super().__init__(None)
            self._data, self.slices = self.collate(items)

    parts = [graph(n, y=torch.tensor([float(n)])) for n in (2, 3, 4)]
    dataset = Stored(parts)
    sizes = [Data(num_nodes=n, edge_index=torch.tensor([[0], [1]])) for n in (2, 4)]
    typed = HeteroData()
    typed["author"].x, typed["paper"].x = numbers(2, 3), numbers(4, 3)
    typed["author", "writes", "paper"].edge_index = torch.tensor([[0, 1], [1, 2]])
    typed["paper", "cites", "paper"].edge_index = torch.tensor([[0], [1]])
    together = Batch.from_data_list([typed, typed])
    whole = Batch.from_data_list(parts)

    objects = {
        "data": graph(3, edge_attr=numbers(2, 2), y=torch.tensor([1])),
        "scalar target": graph(3, y=torch.tensor(1.5)),
        "targets of nodes": graph(3, y=torch.tensor([0, 1, 1])),
        "targets of edges": graph(4, y=torch.tensor([0, 1, 1])),
        "several targets": graph(3, y=numbers(5)),
        "weighted": graph(3, edge_weight=numbers(2)),
        "batch": whole,
        "batch without ptr": Data(
            x=whole.x, edge_index=whole.edge_index, batch=whole.batch, y=whole.y
        ),
        "dataset": dataset,
        "subset": dataset[1:],
        "collated": dataset._data,
        "collated sizes": Stored(sizes)._data,
        "sizes": Stored(sizes),
        "typed": typed,
        "relation": typed["author", "writes", "paper"],
        "relation of one kind": typed["paper", "cites", "paper"],
        "relation of a batch": together["paper", "cites", "paper"],
        "named ends": Data(
            x_s=numbers(2, 1), x_t=numbers(2, 1), edge_index=torch.tensor([[0], [1]])
        ),
        "adj_t": T.ToSparseTensor()(graph(3)),
        "bfloat16": Data(
            x=torch.tensor([[0.1], [-3.0]]).bfloat16(), edge_index=torch.tensor([[0], [1]])
        ),
        "sparse": Data(x=torch.eye(2).to_sparse(), edge_index=torch.tensor([[0], [1]])),
        "sparse_csr": Data(x=torch.eye(2).to_sparse_csr(), edge_index=torch.tensor([[0], [1]])),
        "gradient": Data(x=numbers(2, 1).requires_grad_(), edge_index=torch.tensor([[0], [1]])),
        "molecules": [from_smiles(text) for text in SMILES],
    }
    path = Path(__file__).with_name("pyg_objects.json")
    stored = {
        "versions": [
            f"torch {torch.__version__}",
            f"torch_geometric {torch_geometric.__version__}",
        ],
        "smiles": SMILES,
        "objects": {name: described(thing) for name, thing in objects.items()},
    }
    path.write_text(json.dumps(stored) + "\n")
    print(path, path.stat().st_size)


def described(thing):
    """What it answers, as JSON."""
    import torch
    from torch_geometric.data import Dataset
    from torch_geometric.data.storage import EdgeStorage

    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if isinstance(thing, torch.Tensor):
        is_sparse = thing.layout is not torch.strided
        values = (thing.to_dense() if is_sparse else thing).detach().float().tolist()
        return {"tensor": values, "dtype": str(thing.dtype), "layout": str(thing.layout)}
    if callable(thing) and not hasattr(thing, "edge_index"):
        return {"returns": described(thing())}
    if isinstance(thing, tuple):
        return {"tuple": [described(part) for part in thing]}
    if isinstance(thing, list):
        return [described(part) for part in thing]
    answers = {name: described(getattr(thing, name, None)) for name in NAMES}
    answers = {name: answer for name, answer in answers.items() if answer is not None}
    if isinstance(thing, EdgeStorage) and isinstance(
        thing._key, tuple
    ):  # its entries are not all that it answers
        nodes = described(thing._parent()[thing._key[-1]])
        return {"answers": answers, "entries": list(thing), "nodes": nodes}
    if isinstance(thing, Dataset):
        return {"items": [described(item) for item in thing], "answers": answers}
    return {"answers": answers}


if __name__ == "__main__":
    main()
