"""What becomes a module: a table of functions, and how a module's arguments follow from their signatures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any, NamedTuple

from graphattn_jax import _checks, attention, message_passing, models
from graphattn_jax.typing import Array, PRNGKey


class Layer(NamedTuple):
    """A pair of functions that becomes a module.

    init(key, ...) gives parameters, or parameters and state if `apply` takes a `state`.
    apply(params, [state], inputs..., *, ...) gives an output, with such a state also the new one.
    example: arguments of the constructor in the docstring, without the widths of the inputs.
    call: arguments of the call there; `graph` has nodes `[4, 4]` and edges `[6, 3]`.
    """

    init: Callable[..., Any]
    apply: Callable[..., Any]
    example: str
    call: str = "graph"

    @property
    def has_state(self) -> bool:
        """Whether there are running statistics."""
        return "state" in _parameters(self.apply)

    @property
    def trains(self) -> bool:
        """Whether training differs from evaluation."""
        return "dropout_key" in _parameters(self.apply)

    @property
    def inferred(self) -> dict[str, str]:
        """The sizes of init that can be read off the inputs: name to "nodes", "edges" or "x"."""
        first = self.inputs[0].name
        sources = {"edge_features": "edges"} | dict.fromkeys(
            ("in_features", "width"), "nodes" if first == "graph" else first
        )
        required = (p.name for p in _parameters(self.init).values() if p.default is Parameter.empty)
        return {name: sources[name] for name in required if name in sources}

    @property
    def fields(self) -> list[Parameter]:
        """Arguments of the constructor: those of init but its key, and what `apply` takes beside arrays."""
        made = [
            p.replace(name=_RENAMED.get(p.name, p.name)) for p in _parameters(self.init).values()
        ][1:]
        names = {p.name for p in made}
        used = [p for p in self._keywords if not _is_array(p) and p.name not in names]
        return sorted(made + used, key=lambda p: p.kind)

    @property
    def inputs(self) -> list[Parameter]:
        """Positional arguments of the call."""
        parameters = _parameters(self.apply).values()
        positional = [p for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
        return positional[2 if self.has_state else 1 :]

    @property
    def arrays(self) -> list[Parameter]:
        """Keyword arguments of the call."""
        return [p for p in self._keywords if _is_array(p)]

    @property
    def _keywords(self) -> list[Parameter]:
        keywords = (p for p in _parameters(self.apply).values() if p.kind is Parameter.KEYWORD_ONLY)
        return [p for p in keywords if p.name not in ("training", "dropout_key")]

    def sizes(self, inputs: tuple[Any, ...]) -> dict[str, int]:
        """The inferred sizes of these inputs."""
        sizes = {}
        for name, source in self.inferred.items():
            x = inputs[0] if source == "x" else getattr(inputs[0], source)
            _checks.shape(source if source == "x" else f"graph.{source}", x, (None, None))
            sizes[name] = x.shape[1]
        return sizes

    def make(self, key: PRNGKey, options: Mapping[str, Any]) -> tuple[Any, Any]:
        """Parameters and state, None without one."""
        names = [name for name in _parameters(self.init) if name != "key"]
        made = self.init(key, **{name: options[_RENAMED.get(name, name)] for name in names})
        return made if self.has_state else (made, None)

    def is_random(self, options: Mapping[str, Any]) -> bool:
        """Whether training with these options differs from evaluation; networks may decide by their config."""
        return self.trains and options.get("dropout_rate", 1.0) > 0.0

    def run(
        self,
        params: Any,
        state: Any,
        inputs: tuple[Any, ...],
        options: Mapping[str, Any],
        arrays: Mapping[str, Any],
        dropout_key: Array | None,
        deterministic: bool,
    ) -> tuple[Any, Any]:
        """Output and new state, None without one."""
        parameters = _parameters(self.apply)
        fixed = {p.name: options[p.name] for p in self._keywords if not _is_array(p)}
        if deterministic and "dropout_rate" in fixed:
            fixed["dropout_rate"] = 0.0
        if "training" in parameters:
            fixed["training"] = not deterministic
        if self.trains:
            fixed["dropout_key"] = dropout_key
        if self.has_state:
            return self.apply(params, state, *inputs, **fixed, **arrays)
        return self.apply(params, *inputs, **fixed, **arrays), None

    def call_signature(self, *more: Parameter) -> inspect.Signature:
        """Of a module's `__call__`, with further keyword arguments."""
        own = [Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)]
        return inspect.Signature([*own, *self.inputs, *self.arrays, *more])

    def bind(
        self, signature: inspect.Signature, args: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The inputs of a call with this signature, and its keyword arguments."""
        given = signature.bind(*args, **keywords).arguments
        given.pop("self")
        return tuple(given.pop(p.name) for p in self.inputs), given

    def docstring(self, framework: str, fields: list[Parameter], example: str) -> str:
        """Summary and equation of `apply`, the arguments of constructor and call, and an example."""
        doc = inspect.getdoc(self.apply) or ""
        summary, equation = doc.split("\n\n")[:2]
        source = f"{self.apply.__module__.rsplit('.', 1)[0]}.{self.apply.__name__}"
        source = source.replace("graphattn_jax", "ga")
        told = _described(self.init) | _described(self.apply) | _COMMON
        told["use_bias"] = _described(self.init).get("bias", "")
        in_call = [p.name for p in self.inputs + self.arrays]
        return "\n\n".join(
            [
                summary,
                *([equation] if equation.startswith("    ") else []),
                f"The {framework} module of `{source}`, which has the details.",
                "Args:\n" + "\n".join(f"  {p.name}: {told[p.name]}" for p in fields),
                "Call:\n" + "\n".join(f"  {name}: {told[name]}" for name in in_call),
                "Example:\n" + "\n".join(f"  {line}" for line in [*_GRAPH, *example.splitlines()]),
            ]
        )


_RENAMED = {"bias": "use_bias"}  # init's flag; `bias` of a call is an array
_COMMON = {
    "deterministic": "True = evaluation, False = training: dropout, and statistics of the batch.",
    "rngs": "streams `params` and, for dropout, `dropout`.",
}
_GRAPH = (
    ">>> import numpy as np, graphattn_jax as ga",
    ">>> x, e = np.eye(4, dtype=np.float32), np.ones((6, 3), np.float32)",
    ">>> graph = ga.graphs.from_edge_list([0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2], nodes=x, edges=e)",
)


def _parameters(function: Callable[..., Any]) -> Mapping[str, Parameter]:
    return inspect.signature(function).parameters


def _is_array(parameter: Parameter) -> bool:
    """Whether an argument of `apply` belongs to the call: arrays, what holds arrays (`Any`), and what to return."""
    annotation = parameter.annotation
    return "Array" in annotation or annotation == "Any" or parameter.name == "return_attention"


def _described(function: Callable[..., Any]) -> dict[str, str]:
    """The entries under "Args:" of a docstring, each on one line."""
    section = re.search(r"Args:\n((?:  .*\n)+)", (inspect.getdoc(function) or "") + "\n")
    entries = re.findall(r"^  (\w[\w, ]*): (.*(?:\n    .*)*)", section[1] if section else "", re.M)
    return {
        name: re.sub(r"\s+", " ", text) for names, text in entries for name in names.split(", ")
    }


_WIDTH_4 = "ga.models.GPSConfig(ga.models.InputSpec(nodes=4), width=4, heads=2, num_layers=1)"
_SMALL = "width=8, heads=2, num_layers=1"

LAYERS: dict[str, Layer] = {
    "GAT": Layer(attention.init_gat, attention.gat, "channels=8, heads=2"),
    "GATv2": Layer(attention.init_gatv2, attention.gatv2, "channels=8, heads=2"),
    "GraphTransformer": Layer(
        attention.init_graph_transformer, attention.graph_transformer, "channels=8, heads=2"
    ),
    "GlobalAttention": Layer(
        attention.init_graph_transformer, attention.global_attention, "channels=8, heads=2"
    ),
    "Exphormer": Layer(attention.init_exphormer, attention.exphormer, "channels=8, heads=2"),
    "SAN": Layer(attention.init_san, attention.san, "channels=8, heads=2, full=False"),
    "GRIT": Layer(attention.init_grit, attention.grit, "channels=8, heads=2"),
    "DegreeScaler": Layer(
        attention.init_degree_scaler, attention.degree_scaler, "", call="x, x[:, 0]"
    ),
    "GCN": Layer(message_passing.init_gcn, message_passing.gcn, "out_features=8"),
    "SAGE": Layer(message_passing.init_sage, message_passing.sage, "out_features=8"),
    "GINE": Layer(message_passing.init_gine, message_passing.gine, "out_features=8"),
    "GatedGCN": Layer(message_passing.init_gated_gcn, message_passing.gated_gcn, "out_features=8"),
    "PNA": Layer(
        message_passing.init_pna, message_passing.pna, "out_features=8, log_degree_mean=1.0"
    ),
    "PlainNetwork": Layer(
        models.init_plain_network,
        models.plain_network,
        "out_features=3, spec=ga.models.AttentionSpec()",
    ),
    "ResidualNetwork": Layer(
        models.init_residual_network,
        models.residual_network,
        "out_features=3, width=8, heads=2, spec=ga.models.AttentionSpec()",
    ),
    "GPSLayer": Layer(models.init_gps_layer, models.gps_layer, f"config={_WIDTH_4}"),
    "GPSNetwork": Layer(models.init_gps_network, models.gps_network, f"config={_WIDTH_4}"),
    "GRITNetwork": Layer(
        models.init_grit_network,
        models.grit_network,
        f"config=ga.models.GRITConfig(nodes=4, edges=3, walks=4, {_SMALL})",
        call="ga.models.prepare_grit(graph, 4)",
    ),
    "GraphormerNetwork": Layer(
        models.init_graphormer_network,
        models.graphormer_network,
        f"config=ga.models.GraphormerConfig(nodes=4, feed_forward=8, max_distance=3, {_SMALL})",
        call="ga.models.prepare_graphormer(graph._replace(edges=None), 3)",
    ),
    "AttentionPool": Layer(models.init_attention_pool, models.attention_pool, "heads=2"),
    "Readout": Layer(models.init_readout, models.readout, "out_features=3"),
}
