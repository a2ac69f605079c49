"""PyTorch Geometric's side of every case."""

from __future__ import annotations

import itertools
import math
import os
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader, NeighborLoader
from torch_geometric.nn import (
    GATConv,
    GATv2Conv,
    GINEConv,
    GPSConv,
    HGTConv,
    RGCNConv,
    TransformerConv,
    global_add_pool,
)
from torch_geometric.transforms import AddRandomWalkPE
from torch_geometric.utils import from_smiles, scatter, softmax

from experiments.benchmarks import worker
from experiments.benchmarks.cases import (
    OPERANDS,
    Case,
    GATTraining,
    GPSTraining,
    Operator,
    Preprocessing,
    Sampling,
    SegmentSum,
    TransformerTraining,
    TypedTraining,
)

NEGATIVE_SLOPE = 0.2


def build(case: Case, arrays: dict[str, Any], variant: str) -> worker.Step:
    """The step of a case.

    `variant` is "ops" (gathers, softmax, scatter), "conv" (PyG's own layers) or "compile" (these under torch.compile).
    """
    if isinstance(case, SegmentSum):
        return _segment_sum(case, arrays)
    if isinstance(case, Preprocessing):
        return _preprocessing(case, arrays)
    edge_index = torch.stack([arrays["senders"], arrays["receivers"]]).long()
    if isinstance(case, Sampling):
        return _sampling(case, arrays, edge_index)
    if isinstance(case, TypedTraining):
        return _typed_training(case, arrays, edge_index, variant)
    if isinstance(case, Operator):
        return _operator(case, arrays, edge_index, variant)
    models = {GATTraining: GAT, TransformerTraining: Transformer, GPSTraining: GPS}
    model = models[type(case)](case).to(edge_index.device)
    training = _gps_training if isinstance(case, GPSTraining) else _training
    model = torch.compile(model) if variant == "compile" else model
    return training(model, case, arrays, edge_index)


def _segment_sum(case: SegmentSum, arrays) -> worker.Step:
    segments = arrays["receivers"].long()
    return lambda: (scatter(arrays["values"], segments, 0, case.num_segments, reduce="sum"),)


def _operator(case: Operator, arrays, edge_index, variant: str) -> worker.Step:
    dtype = getattr(torch, case.dtype)
    operands = [arrays[name].to(dtype) for name in OPERANDS[case.score]]
    cotangent = arrays["cotangent"].to(dtype)
    attention = (_OPS if variant == "ops" else _CONVS)[case.score](case, edge_index)
    attention = torch.compile(attention) if variant == "compile" else attention

    def forward():
        with torch.no_grad():
            return (attention(*operands).view_as(arrays["value"]),)

    def forward_backward():
        for operand in operands:
            operand.requires_grad_()
        out = attention(*operands).view_as(arrays["value"])
        return out.detach(), *torch.autograd.grad(out, operands, cotangent)

    return forward_backward if case.gradient else forward


# --- ops: as one writes them with PyG's utilities -----------------------------------------------------------


def _attend(logits, value, senders, receivers):
    weights = softmax(logits, receivers, num_nodes=len(value))
    return scatter(weights[..., None] * value[senders], receivers, 0, len(value), reduce="sum")


def _dot_ops(case: Operator, edge_index):
    senders, receivers = edge_index

    def attention(query, key, value):
        logits = (query[receivers] * key[senders]).sum(-1) / math.sqrt(case.channels)
        return _attend(logits, value, senders, receivers)

    return attention


def _additive_ops(case: Operator, edge_index):
    senders, receivers = edge_index

    def attention(value, receiver_vector, sender_vector):
        query, key = ((value * a).sum(-1) for a in (receiver_vector, sender_vector))
        logits = F.leaky_relu(query[receivers] + key[senders], NEGATIVE_SLOPE)
        return _attend(logits, value, senders, receivers)

    return attention


def _gatv2_ops(case: Operator, edge_index):
    senders, receivers = edge_index

    def attention(query, value, vector):
        z = F.leaky_relu(query[receivers] + value[senders], NEGATIVE_SLOPE)
        return _attend((z * vector).sum(-1), value, senders, receivers)

    return attention


_OPS = {"dot": _dot_ops, "additive": _additive_ops, "gatv2": _gatv2_ops}


# --- conv: PyG's layers, their projections replaced by the identity -----------------------------------------


def _dot_conv(case: Operator, edge_index):
    width = case.heads * case.channels
    conv = TransformerConv(width, case.channels, case.heads, bias=False, root_weight=False)

    def attention(query, key, value):
        return conv.propagate(edge_index, query=query, key=key, value=value, edge_attr=None)

    return attention


def _additive_conv(case: Operator, edge_index):
    width = case.heads * case.channels
    conv = GATConv(width, case.channels, case.heads, add_self_loops=False, bias=False)
    conv.lin = torch.nn.Identity()

    def attention(value, receiver_vector, sender_vector):
        vectors = {"att_dst": receiver_vector[None], "att_src": sender_vector[None]}
        return torch.func.functional_call(conv, vectors, (value.flatten(1), edge_index))

    return attention


def _gatv2_conv(case: Operator, edge_index):
    width = case.heads * case.channels
    conv = GATv2Conv(width, case.channels, case.heads, add_self_loops=False, bias=False)
    conv.lin_l = conv.lin_r = torch.nn.Identity()

    def attention(query, value, vector):
        nodes = (value.flatten(1), query.flatten(1))
        return torch.func.functional_call(conv, {"att": vector[None]}, (nodes, edge_index))

    return attention


_CONVS = {"dot": _dot_conv, "additive": _additive_conv, "gatv2": _gatv2_conv}


# --- training -----------------------------------------------------------------------------------------------


class GAT(torch.nn.Module):
    """Two layers with dropout on inputs and attention. Self-loops are in the input, not added at every step."""

    def __init__(self, case: GATTraining):
        super().__init__()
        options = {"dropout": case.dropout, "add_self_loops": False}
        self.dropout = case.dropout
        self.first = GATConv(case.num_features, case.channels, case.heads, **options)
        self.second = GATConv(case.heads * case.channels, case.num_classes, **options)

    def forward(self, nodes, edge_index):
        nodes = F.dropout(nodes, self.dropout, self.training)
        nodes = F.elu(self.first(nodes, edge_index))
        nodes = F.dropout(nodes, self.dropout, self.training)
        return self.second(nodes, edge_index)


class Transformer(torch.nn.Module):
    """Two layers with ELU, then a linear classifier."""

    def __init__(self, case: TransformerTraining):
        super().__init__()
        width = case.heads * case.channels
        self.first = TransformerConv(case.num_features, case.channels, case.heads)
        self.second = TransformerConv(width, case.channels, case.heads)
        self.classifier = torch.nn.Linear(width, case.num_classes)

    def forward(self, nodes, edge_index):
        nodes = F.elu(self.first(nodes, edge_index))
        nodes = F.elu(self.second(nodes, edge_index))
        return self.classifier(nodes)


class GPS(torch.nn.Module):
    """Atoms and walks side by side, ten layers, the sum over nodes, and a head that halves its width twice."""

    def __init__(self, case: GPSTraining):
        super().__init__()
        width, linear = case.width, torch.nn.Linear
        self.atoms = torch.nn.Embedding(case.atoms, width - case.walk_width)
        self.bonds = torch.nn.Embedding(case.bonds, width)
        self.norm = torch.nn.BatchNorm1d(case.walks)
        self.walks = linear(case.walks, case.walk_width)

        def mlp(*widths):
            layers = [
                layer
                for pair in itertools.pairwise(widths)
                for layer in (linear(*pair), torch.nn.ReLU())
            ]
            return torch.nn.Sequential(*layers[:-1])

        self.layers = torch.nn.ModuleList(
            GPSConv(width, GINEConv(mlp(width, width, width)), case.heads, attn_type="multihead")
            for _ in range(case.num_layers)
        )
        self.head = mlp(width, width // 2, width // 4, 1)

    def forward(self, data):
        x = torch.cat([self.atoms(data.atoms), self.walks(self.norm(data.walks))], dim=1)
        edges = self.bonds(data.bonds)
        for layer in self.layers:
            x = layer(x, data.edge_index, data.batch, edge_attr=edges)
        return self.head(global_add_pool(x, data.batch))[:, 0]


class HGT(torch.nn.Module):
    """Two layers, then a linear classifier of all nodes, type by type."""

    def __init__(self, case: TypedTraining, edge_index, num_nodes: int):
        super().__init__()
        width, metadata = case.num_features, (case.types, case.relations)
        self.types, self.edges = (
            case.types,
            dict(zip(case.relations, edge_index.unbind(1), strict=True)),
        )
        self.layers = torch.nn.ModuleList(
            HGTConv(width, width, metadata, case.heads) for _ in range(2)
        )
        self.classifier = torch.nn.Linear(width, case.num_classes)

    def forward(self, nodes):
        x = dict(zip(self.types, nodes.chunk(len(self.types)), strict=True))
        for layer in self.layers:
            x = layer(x, self.edges)
        return self.classifier(torch.cat([x[name] for name in self.types]))


class RGCN(torch.nn.Module):
    """The same on one list of nodes."""

    def __init__(self, case: TypedTraining, edge_index, num_nodes: int):
        super().__init__()
        width, of_type = case.num_features, num_nodes // case.num_types
        first = {name: i * of_type for i, name in enumerate(case.types)}
        ends = torch.tensor([[first[s], first[t]] for s, _, t in case.relations]).T[:, :, None]
        self.edge_index = (edge_index + ends.to(edge_index.device)).flatten(1)
        kinds = torch.arange(case.num_relations, device=edge_index.device)
        self.edge_type = kinds.repeat_interleave(edge_index.shape[2])
        self.layers = torch.nn.ModuleList(
            RGCNConv(width, width, case.num_relations) for _ in range(2)
        )
        self.classifier = torch.nn.Linear(width, case.num_classes)

    def forward(self, nodes):
        for layer in self.layers:
            nodes = layer(nodes, self.edge_index, self.edge_type)
        return self.classifier(nodes)


def _typed_training(case: TypedTraining, arrays, edge_index, variant: str) -> worker.Step:
    """Full-graph training steps, one after the other; each returns its loss."""
    kind, num_nodes = {"hgt": HGT, "rgcn": RGCN}[case.layer], len(arrays["nodes"])
    model = kind(case, edge_index, num_nodes).to(edge_index.device)
    model = torch.compile(model) if variant == "compile" else model
    optimizer = torch.optim.Adam(model.parameters(), case.learning_rate)
    labels = arrays["labels"].long()

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(arrays["nodes"]), labels)
        loss.backward()
        optimizer.step()
        return (loss.detach(),)

    return step


def _preprocessing(case: Preprocessing, arrays) -> worker.Step:
    smiles, walks = arrays["smiles"].tolist(), AddRandomWalkPE(case.walks, attr_name="walks")

    def step():
        graphs = [walks(from_smiles(text)) for text in smiles]
        loader = DataLoader(graphs, case.batch_size, shuffle=True)
        sizes, total = torch.zeros(2), torch.zeros(case.walks)
        for batch in loader:
            sizes += torch.tensor([batch.num_nodes, batch.num_edges])
            total += batch.walks.sum(dim=0)
        return sizes, total / sizes[0]

    return step


def _sampling(case: Sampling, arrays, edge_index) -> worker.Step:
    seeds = torch.arange(min(case.batches * case.batch_size, len(arrays["nodes"])))
    loader = NeighborLoader(
        Data(x=arrays["nodes"], edge_index=edge_index),
        list(case.fanouts),
        seeds,
        batch_size=case.batch_size,
        shuffle=True,
    )

    def step():
        total = torch.zeros(arrays["nodes"].shape[1], dtype=torch.float64)
        for batch in loader:
            total += batch.x[: batch.batch_size].double().sum(dim=0)
        return (total,)

    return step


def _gps_training(model, case: GPSTraining, arrays, edge_index) -> worker.Step:
    """Epochs, one after the other; each returns its mean loss. Batches are made on the CPU, as a loader does."""
    device = edge_index.device
    arrays, edge_index = {name: array.cpu() for name, array in arrays.items()}, edge_index.cpu()
    starts = torch.cumsum(arrays["n_node"], 0) - arrays["n_node"]
    parts = [arrays["n_node"].tolist(), arrays["n_edge"].tolist()]
    columns = zip(
        arrays["atoms"].long().split(parts[0]),
        arrays["walks"].split(parts[0]),
        arrays["bonds"].long().split(parts[1]),
        (edge_index - torch.repeat_interleave(starts, arrays["n_edge"])).split(parts[1], dim=1),
        arrays["targets"].split(1),
        strict=True,
    )
    names = ("atoms", "walks", "bonds", "edge_index", "y")
    graphs = [
        Data(num_nodes=len(column[0]), **dict(zip(names, column, strict=True)))
        for column in columns
    ]
    loader = DataLoader(graphs, case.batch_size, shuffle=True)
    optimizer = torch.optim.AdamW(
        model.parameters(), case.learning_rate, weight_decay=case.weight_decay
    )

    def epoch():
        losses = []
        for batch in loader:
            optimizer.zero_grad()
            batch = batch.to(device)
            loss = F.l1_loss(model(batch), batch.y)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return (torch.stack(losses).mean(),)

    return epoch


def _training(model, case: GATTraining | TransformerTraining, arrays, edge_index) -> worker.Step:
    """Full-graph training steps, one after the other; each returns its loss."""
    optimizer = torch.optim.Adam(
        model.parameters(), case.learning_rate, weight_decay=getattr(case, "weight_decay", 0.0)
    )
    train = slice(None) if arrays["train"].all() else arrays["train"]
    labels = arrays["labels"].long()[train]

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(arrays["nodes"], edge_index)[train], labels)
        loss.backward()
        optimizer.step()
        return (loss.detach(),)

    return step


def prepare(device: str, case: Case) -> worker.Side:
    """The process before its first array."""
    torch.manual_seed(0)
    packages = ("torch", "torch-geometric", "pyg-lib", "torch-scatter", "numpy")
    versions = worker.installed(*packages)
    if device == "cpu":
        torch.set_num_threads(os.cpu_count() or 1)
        return worker.Side(torch.from_numpy, _to_host, build, versions)
    versions["device"] = torch.cuda.get_device_name()

    def start() -> int:
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()

    memory = worker.Memory(start, torch.cuda.max_memory_allocated)
    return worker.Side(
        lambda x: torch.from_numpy(x).cuda(),
        _to_host,
        build,
        versions,
        memory,
        lambda results: torch.cuda.synchronize(),
        True,
    )


def _to_host(result: torch.Tensor) -> np.ndarray:
    return result.float().cpu().numpy()


if __name__ == "__main__":
    worker.main(prepare)
