"""Values to JSON and back: every one of the package, and one's own."""

import dataclasses
import importlib
import inspect
import json
from dataclasses import dataclass

import numpy as np
import pytest

from graphattn_jax import attention, message_passing, models, nn, ops, values

ROOMS = ("attention", "message_passing", "models", "ops")
# What a value of a type needs beside its defaults.
NEEDED = {
    "models.PlainNetwork": {"in_features": 4, "layers": (attention.GAT(3),)},
    "models.ResidualNetwork": {"in_features": 4, "out_features": 2, "layer": attention.GAT(heads=2), "width": 8},
    "models.GPS": {"inputs": models.Inputs(nodes=(5, 3))},
    "models.GRITNetwork": {"nodes": (5,), "walks": 4},
    "models.Graphormer": {"nodes": (5,)},
    "models.Inputs": {"nodes": 4},
    "models.Readout": {"out_features": 3},
    "attention.RelativeBias": {"layer": attention.GAT(3), "num_buckets": 4},
}  # fmt: skip
KINDS = (nn.Layer, models.Network, attention.Score, models.Inputs, models.Readout)


def kinds():
    """Values of the package: layers, networks, scores, normalizers and what networks are made of."""
    for room in ROOMS:
        module = importlib.import_module(f"graphattn_jax.{room}")
        for name in module.__all__:
            kind = getattr(module, name)
            if not (inspect.isclass(kind) and dataclasses.is_dataclass(kind)):
                continue
            is_normalizer = hasattr(kind, "is_constraint")
            if not inspect.isabstract(kind) and (is_normalizer or issubclass(kind, KINDS)):
                yield f"{room}.{name}", kind


ALL = dict(kinds())
NAMES = {name: vars(importlib.import_module(f"graphattn_jax.{name}")) for name in ROOMS}
NAMESPACE = {k: v for room in NAMES.values() for k, v in room.items() if inspect.isclass(v)}


@dataclass(frozen=True, repr=False)
class Twice(nn.Layer):
    layer: nn.Layer
    sizes: tuple[int, ...] = (1, 2)

    def init(self, key, in_features, edge_features=None):
        return self.layer.init(key, in_features, edge_features)

    def apply(self, params, graph, *, training=False, key=None):
        return self.layer.apply(params, graph)


def test_all_kinds_are_found():
    assert {"attention.GAT", "message_passing.PNA", "models.GPS", "ops.Sinkhorn"} <= set(ALL)
    assert set(NEEDED) <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_there_and_back_by_way_of_json(name):
    value = ALL[name](**NEEDED.get(name, {}))
    again = values.from_json(json.loads(json.dumps(values.to_json(value))))
    assert again == value and hash(again) == hash(value) and type(again) is type(value)
    assert values.to_json(value)["type"] == name
    assert eval(repr(value), dict(NAMESPACE)) == value


def test_choices_within_choices():
    network = models.GPS(
        models.Inputs((28,), (4,), 20, 28),
        local=message_passing.GatedGCN(normalize=False),
        attention=attention.GATv2(
            heads=4, score=attention.Cosine(0.25), normalizer=ops.Sinkhorn(5, heads=(True,) * 4)
        ),
    )
    assert values.from_json(json.loads(json.dumps(values.to_json(network)))) == network
    assert network != dataclasses.replace(network, local=message_passing.GatedGCN())


def test_classes_of_ones_own_are_named():
    value = Twice(attention.GAT(8, 2))
    data = values.to_json(value)
    assert data["type"] == "Twice" and data["sizes"] == [1, 2]
    assert values.from_json(data, types=[Twice]) == value
    with pytest.raises(ValueError, match=r"unknown type .Twice.\. Fix: .* types=\[MyLayer\]"):
        values.from_json(data)


def test_nothing_else_is_ever_looked_up():
    for name in ("os.system", "ops.segment_sum", "ops._normalizers", "nn", "", None, "ops.Nothing"):
        with pytest.raises(ValueError, match="unknown type"):
            values.from_json({"type": name})


def test_what_json_cannot_hold_is_named():
    @dataclass(frozen=True)
    class Own:
        field: object

    for field, got in (
        (np.ones(2), "ndarray"),
        (abs, "builtin"),
        (float("nan"), "float nan"),
        ([1], "list"),
    ):
        with pytest.raises(ValueError, match=rf"Own\.field must be .* got {got}"):
            values.to_json(Own(field))
    with pytest.raises(ValueError, match=r"Own\.field\[1\] must be"):
        values.to_json(Own((1, abs)))
    with pytest.raises(
        ValueError, match=r"ops\.Sinkhorn has no field .iteration.; its fields are gradient"
    ):
        values.from_json({"type": "ops.Sinkhorn", "iteration": 5})
    with pytest.raises(ValueError, match="iterations must be a positive integer"):
        values.from_json({"type": "ops.Sinkhorn", "iterations": 0})
