"""Values to JSON and back: every one of the package, and one's own."""

import dataclasses
import importlib
import inspect
import json
import pkgutil
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax
from graphattn_jax import attention, graphs, links, message_passing, models, nn, ops, values

SCHEMA = graphs.Schema(("a", "b"), (("a", "to", "b"),))
INPUTS = models.TypedInputs(SCHEMA, widths=(3, 0), counts=(2, 4))

# What a value of a type needs beside its defaults.
NEEDED = {
    **{f"attention.{name}": {"schema": SCHEMA} for name in ("HAN", "HGT", "RGAT", "SimpleHGN")},
    "message_passing.RGCN": {"schema": SCHEMA},
    "graphs.Schema": dataclasses.asdict(SCHEMA),
    "models.TokenInputs": {"inputs": INPUTS},
    "models.RelGT": {"tokens": models.TokenInputs(INPUTS), "out_features": 3},
    "models.TypedInputs": {"schema": SCHEMA, "widths": (3, 0), "counts": (2, 4)},
    "models.TypedNetwork": {"inputs": INPUTS, "layers": (attention.GAT(3),)},
    **{f"links.{name}": {"num_relations": 2} for name in ("Bilinear", "ComplEx", "DistMult")},
    "models.MaskedFeatures": {
        "encoder": models.PlainNetwork(4, (attention.GAT(3),)), "decoder": attention.GAT(4), "features": 4, "width": 3
    },
    "models.LinkNetwork": {"encoder": models.TypedNetwork(INPUTS, ()), "decoder": links.DotProduct(), "width": 64},
    "nn.Basis": {"num_bases": 3},
    "nn.BlockDiagonal": {"num_blocks": 2},
    "nn.LowRank": {"rank": 2},
    "nn.Clusters": {"of_type": (0, 1, 0)},
    **{
        f"models.{name}": {"in_features": 4, "out_features": 2}
        for name in ("DIFFormer", "NodeFormer", "Polynormer", "SGFormer")
    },
    "models.PlainNetwork": {"in_features": 4, "layers": (attention.GAT(3),)},
    "models.ResidualNetwork": {"in_features": 4, "out_features": 2, "layer": attention.GAT(heads=2), "width": 8},
    "models.GPS": {"inputs": models.Inputs(nodes=(5, 3))},
    "models.GRITNetwork": {"nodes": (5,), "walks": 4},
    "models.Graphormer": {"nodes": (5,)},
    "models.Inputs": {"nodes": 4},
    "models.SeHGNN": {"inputs": (("own", 3), ("cites", 3)), "out_features": 2, "own": "own"},
    "models.Readout": {"out_features": 3},
    "attention.GatedEdges": {"layer": attention.GAT(3)},
    "attention.RelativeBias": {"layer": attention.GAT(3), "num_buckets": 4},
    "sampling.SaintEdges": {"size": 8},
    "sampling.SaintNodes": {"size": 8},
    "sampling.SaintWalks": {"roots": 8, "length": 2},
    "sampling.HGSampling": {"size": 8, "steps": 2},
    "sampling.Neighbours": {"fanouts": (15, None)},
    "graphs.Categorical": {"vocabulary": ("a", "b")},
    "graphs.Numeric": {"mean": 0.5, "std": 2.0},
    "graphs.ColumnEncoding": {"columns": (("a", graphs.Numeric(0.5, 2.0)), ("b", graphs.Cyclic()))},
    "graphs.Budget": {"n_node": 8, "n_edge": 8, "n_graph": 2},
}  # fmt: skip
# What is a dataclass and no value: it holds arrays.
WITH_ARRAYS = {
    *(
        "graphs.Halo",
        "graphs.Clusters",
        "graphs.Layout",
        "ops.Blocks",
        "ops.Dropout",
        "ops.EdgeLayout",
        "ops.Edges",
    ),
    *("ops.AdditiveScore", "ops.DotScore", "ops.GATv2Score", "ops.SymmetrizedScore"),
    *("sampling.Sampler", "sampling.ClusterSampler", "sampling.SaintSampler"),
    *("ops.SparseFeatures", "ops.Groups", "graphs.Table", "graphs.TypedNodes"),
    "links.LinkIndex",
}


def kinds():
    """The public dataclasses of the package that have instances."""
    for room in pkgutil.iter_modules(graphattn_jax.__path__):
        module = importlib.import_module(f"graphattn_jax.{room.name}")
        for name in getattr(module, "__all__", ()):
            kind = getattr(module, name)
            if dataclasses.is_dataclass(kind) and not inspect.isabstract(kind):
                yield f"{room.name}.{name}", kind


ALL = {name: kind for name, kind in kinds() if name not in WITH_ARRAYS}
NAMESPACE = {kind.__name__: kind for kind in ALL.values()}


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
    assert set(NEEDED) <= set(ALL) and set(dict(kinds())) >= WITH_ARRAYS
    assert len(NAMESPACE) == len(ALL)
    public = [*vars(attention).values(), *vars(message_passing).values(), *vars(models).values()]
    seams = (nn.Layer, models.Network, attention.Score)
    for kind in filter(inspect.isclass, public):
        is_value = issubclass(kind, seams) and kind not in seams and not inspect.isabstract(kind)
        assert not is_value or kind in ALL.values()


@pytest.mark.parametrize("name", ALL)
def test_there_and_back_by_way_of_json(name):
    value = ALL[name](**NEEDED.get(name, {}))
    again = values.from_json(json.loads(json.dumps(values.to_json(value))))
    assert again == value and hash(again) == hash(value) and type(again) is type(value)
    assert values.to_json(value)["type"] == name
    assert eval(repr(value), dict(NAMESPACE)) == value
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.anything = 1


BAD = (
    -1,
    -0.5,
    float("nan"),
    float("inf"),
    "nonsense",
    b"",
    object(),
    [1],
    {},
    {1},
    1 + 2j,
    Ellipsis,
)


@pytest.mark.parametrize("name", ALL)
def test_a_field_takes_what_it_means_and_nothing_else(name):
    """Each field of each value with each of these: refused, or kept by JSON."""
    given = NEEDED.get(name, {})
    good = ALL[name](**given)
    for field in (field for field in dataclasses.fields(good) if field.init):
        for bad in BAD:
            try:
                value = ALL[name](**given | {field.name: bad})
            except ValueError:
                continue
            again = values.from_json(values.to_json(value))
            assert again == value, (field.name, bad)


def test_choices_within_choices():
    network = models.GPS(
        models.Inputs((28,), (4,), 20, 28),
        local=message_passing.GatedGCN(normalize=False),
        attention=attention.GATv2(
            heads=4, score=attention.Cosine(0.25), normalizer=ops.Sinkhorn(5, heads=(True,) * 4)
        ),
    )
    assert values.from_json(json.loads(json.dumps(values.to_json(network)))) == network
    assert eval(repr(network), dict(NAMESPACE)) == network
    assert network != dataclasses.replace(network, local=message_passing.GatedGCN())


def test_classes_of_ones_own_are_named():
    value = Twice(attention.GAT(8, 2))
    data = values.to_json(value)
    assert data["type"] == "Twice" and data["sizes"] == [1, 2]
    assert values.from_json(data, types=[Twice]) == value
    with pytest.raises(ValueError, match=r"unknown type .Twice.\. Fix: .* types=\[MyLayer\]"):
        values.from_json(data)


def test_classes_of_ones_own_are_checked():
    assert values.from_json({"type": "Twice", "layer": None}, types=Twice) == Twice(None)
    with pytest.raises(
        ValueError, match=r"types must hold dataclasses, such as MyLayer, got Twice"
    ):
        values.from_json({}, types=[Twice(attention.GAT(3))])
    with pytest.raises(ValueError, match="types must hold dataclasses"):
        values.from_json({}, types=[int])
    other = dataclasses.make_dataclass("Twice", ["layer"], frozen=True)
    with pytest.raises(ValueError, match="types must have different names, got two of 'Twice'"):
        values.from_json({}, types=[Twice, other])
    assert values.from_json({"type": "Twice"} | {"layer": 1}, types=[other, other]) == other(1)

    @dataclass(frozen=True)
    class Typed:
        type: str

    with pytest.raises(ValueError, match=r"Typed has a field named 'type'.*another name"):
        values.to_json(Typed("a"))


def test_numbers_of_numpy_are_written_as_those_of_python():
    network = models.PlainNetwork(
        np.int64(4), (attention.GAT(np.int32(3), negative_slope=np.float64(0.1)),)
    )
    again = values.from_json(json.loads(json.dumps(values.to_json(network))))
    assert again == network and hash(again) == hash(network)
    assert type(again.in_features) is int and type(again.layers[0].channels) is int

    @dataclass(frozen=True)
    class Own:
        field: object

    for number in (np.float32(0.1), np.bool_(True), jnp.bfloat16.dtype.type(0.5), np.uint8(255)):
        (_, got) = json.loads(json.dumps(values.to_json(Own(number)))).values()
        assert got == number and hash(got) == hash(number)
    with pytest.raises(ValueError, match=r"Own\.field must be a finite number.* got float inf"):
        values.to_json(Own(np.float32(np.inf)))


def test_fields_that_are_made_of_others_are_not_written():
    @dataclass(frozen=True)
    class Squared:
        side: int
        area: int = dataclasses.field(init=False)

        def __post_init__(self):
            object.__setattr__(self, "area", self.side**2)

    data = values.to_json(Squared(3))
    assert data.keys() == {"type", "side"}
    assert values.from_json(data, types=[Squared]).area == 9


def test_nothing_else_is_ever_looked_up():
    names = ("os.system", "ops.segment_sum", "ops._normalizers", "nn", "", None, "ops.Nothing")
    for name in (*names, "..ops.Softmax", "training.fit", "__init__.ops", ["ops.Softmax"], 3):
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
        (np.array(1.0), "ndarray"),
        (np.dtype(np.float32), "Float32DType"),
        (1j, "complex 1j"),
        (Own, "type"),
        ([1], "list"),
        ({"a": 1}, "dict"),
        (nn.EdgeInputs(), "EdgeInputs"),  # would come back as a plain tuple
    ):
        with pytest.raises(ValueError, match=rf"Own\.field must be .* got {got}"):
            values.to_json(Own(field))
    with pytest.raises(ValueError, match=r"Own\.field\[1\] must be"):
        values.to_json(Own((1, abs)))
    network = models.PlainNetwork(4, (attention.GAT(3),), activation=jax.nn.elu)
    with pytest.raises(ValueError, match=r"PlainNetwork\.activation must be .* got \w*Function"):
        values.to_json(network)
    for value in ([attention.GAT(3)], {}, attention.GAT):
        with pytest.raises(ValueError, match="value must be a finite number"):
            values.to_json(value)
    with pytest.raises(
        ValueError, match=r"ops\.Sinkhorn has no field .iteration.; its fields are gradient"
    ):
        values.from_json({"type": "ops.Sinkhorn", "iteration": 5})
    with pytest.raises(ValueError, match="iterations must be a positive integer"):
        values.from_json({"type": "ops.Sinkhorn", "iterations": 0})
    with pytest.raises(ValueError, match=r"RelativeBias cannot be made of these fields: .*'layer'"):
        values.from_json({"type": "attention.RelativeBias", "num_buckets": 3})
    with pytest.raises(ValueError, match=r"AttentionLayer cannot be made .* abstract"):
        values.from_json({"type": "attention.AttentionLayer"})
