"""Layers without attention, each with the names of its counterpart."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphattn_jax import message_passing as mp
from graphattn_jax import nn
from graphattn_jax.interop._entries import Entries

_ACTIVATIONS = {
    "relu": "ReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "elu": "ELU",
    "tanh": "Tanh",
    "identity": "Identity",
}


def gcn(layer: mp.GCN, entries: Entries) -> mp.GCNParams:
    """GCNConv; its self-loops, `improved` and edge weights are those of the graph."""
    entries.says(flow="source_to_target", normalize=True, aggr=("add", "sum"))
    weight = entries.linear("lin", *_widths(layer), bias=False).weight
    return mp.GCNParams(weight, entries.bias("bias", weight.shape[1]))


def sage(layer: mp.SAGE, entries: Entries) -> mp.SAGEParams:
    """SAGEConv with the mean; root_weight=False is a root of 0."""
    entries.says(flow="source_to_target", normalize=False, aggr="mean")
    entries.refuse(
        "lin.weight",
        "PyG's project=True maps the senders first. Fix: nn.linear and relu of these entries before the layer, and "
        "leave them out.",
    )
    neighbor = entries.linear("lin_l", out=layer.features or "out", bias=layer.use_bias)
    senders, out = neighbor.weight.shape
    if "lin_r.weight" in entries:
        root = entries.linear("lin_r", "in" if layer.features else out, out, bias=False)
    else:
        width = senders if layer.features else out
        zero: Any = np.zeros((width, out), neighbor.weight.dtype)
        root = nn.LinearParams(zero, None)
    return mp.SAGEParams(neighbor, root)


def gine(layer: mp.GINE, entries: Entries) -> mp.GINEParams:
    """GINEConv around a `Sequential`, or an `MLP` without norms, of two linear maps."""
    entries.says(flow="source_to_target", aggr=("add", "sum"))
    found = entries.names(r"(nn\.(?:lins\.)?(\d+))\.weight")
    names = [match[1] for match in sorted(found, key=lambda match: int(match[2]))]
    if len(names) != 2:
        raise ValueError(
            f"the MLP of {layer} is two linear maps; state_dict has {entries.prefix}nn with "
            f"{', '.join(f'{name}.weight' for name in names) or 'none that are numbered'}."
        )
    _check_activation(layer, entries)
    inside = layer.hidden_features or layer.features or "D"
    first = entries.linear(names[0], "D", inside)
    width, hidden = first.weight.shape
    return mp.GINEParams(
        epsilon=entries.scalar("eps"),
        edge=entries.linear("lin", out=width) if layer.edge_map else (),
        mlp=nn.MLPParams((first, entries.linear(names[1], hidden, layer.features or width))),
    )


def gated_gcn(layer: mp.GatedGCN, entries: Entries) -> mp.GatedGCNParams:
    """ResGatedGraphConv: its maps read [x ‖ e], and the gate has two of e, whose sum is ours."""
    if layer.normalize or not layer.use_bias:
        raise ValueError(
            f"the gates of ResGatedGraphConv have biases and are not normalised, got {layer}. "
            "Fix: GatedGCN(normalize=False), use_bias=True."
        )
    entries.says(flow="source_to_target", act="Sigmoid", root_weight=True, aggr=("add", "sum"))
    root = entries.linear("lin_skip", *_widths(layer), bias=False).weight
    receivers, out = root.shape
    key, query = (entries.linear(f"lin_{name}", out=out) for name in ("key", "query"))
    value = entries.linear("lin_value", len(query.weight), out)
    edges = len(key.weight) - receivers
    senders = len(query.weight) - edges
    if edges < 0 or senders < 1:
        raise ValueError(
            f"{entries.prefix}lin_key.weight and lin_query.weight read {len(key.weight)} and {len(query.weight)} "
            f"features, lin_skip.weight {receivers} of the receivers: no width of edges fits."
        )
    parts: Any = (
        np.split(maps.weight, [width])
        for maps, width in ((key, receivers), (query, senders), (value, senders))
    )
    (of_receiver, edge_key), (of_sender, edge_query), (of_value, edge_value) = parts
    if edges and not layer.edge_values and edge_value.any():
        raise ValueError(
            f"{entries.prefix}lin_value.weight reads edge features, which the values of {layer} do not. "
            "Fix: edge_values=True."
        )
    bias: Any = entries.array("bias", out) if "bias" in entries else np.zeros(out, root.dtype)
    return mp.GatedGCNParams(
        receiver=nn.LinearParams(of_receiver, key.bias + query.bias),
        sender=nn.LinearParams(of_sender, None),
        edge=nn.LinearParams(edge_key + edge_query, None) if edges else None,
        value=nn.LinearParams(of_value, value.bias),
        root=nn.LinearParams(root, bias),
        edge_value=nn.LinearParams(edge_value, None) if edges and layer.edge_values else None,
    )


def pna(layer: mp.PNA, entries: Entries) -> mp.PNAParams:
    """PNAConv; its towers read all of x (`channels` as many as x has) or, with divide_input, a slice each."""
    t = layer.towers
    divided = layer.channels is None
    entries.says(flow="source_to_target", towers=t)
    entries.says(
        "channels=None is divide_input=True.", **({"divide_input": divided} if t > 1 else {})
    )
    _check_aggregators(entries)
    mix = entries.linear("lin", layer.features or "D", layer.features or "D")
    out = len(mix.weight) // t
    first = entries.array("pre_nns.0.0.bias", layer.channels or "F")
    f, dtype = len(first), first.dtype
    width = f * t if divided else f
    edge_map: Any = (
        entries.linear("edge_encoder", out=f) if "edge_encoder.weight" in entries else None
    )

    def zeros(*shape: int) -> Any:
        return np.zeros(shape, dtype)

    receiver, sender, bias = zeros(width, t, f), zeros(width, t, f), zeros(t, f)
    edge = zeros(len(edge_map.weight), t, f) if edge_map else None
    update, root, root_bias = zeros(3, 4, f, t, out), zeros(width, t, out), zeros(t, out)
    for k in range(t):
        own = slice(k * f, (k + 1) * f) if divided else slice(None)
        message = entries.linear(f"pre_nns.{k}.0", (3 if edge_map else 2) * f, f)
        after = entries.linear(f"post_nns.{k}.0", (1 + 3 * 4) * f, out)
        receiver[own, k], sender[own, k] = message.weight[:f], message.weight[f : 2 * f]
        bias[k] = message.bias
        if edge is not None:
            edge[:, k] = edge_map.weight @ message.weight[2 * f :]
            bias[k] += edge_map.bias @ message.weight[2 * f :]
        root[own, k], root_bias[k] = after.weight[:f], after.bias
        update[:, :, :, k] = after.weight[f:].reshape(3, 4, f, out)
    return mp.PNAParams(
        receiver=receiver,
        sender=sender,
        edge=edge,
        message_bias=bias,
        update=update,
        root=nn.LinearParams(root.reshape(width, t * out), root_bias.reshape(-1)),
        mix=mix,
    )


def _check_aggregators(entries: Entries) -> None:
    """Those of PNA in their order, and the statistic that the scalers are relative to."""
    of_module = entries.part("aggr_module", entries.layer)
    of_module.says(scaler=["identity", "amplification", "attenuation"])
    kinds = getattr(getattr(of_module.module, "aggr", None), "aggrs", None)
    names = ["MeanAggregation", "MinAggregation", "MaxAggregation", "StdAggregation"]
    if kinds is not None and [type(kind).__name__ for kind in kinds] != names:
        raise ValueError(
            f"{entries.prefix}aggregators must be mean, min, max, std in this order for {entries.layer}."
        )
    delta, want = float(of_module.scalar("avg_deg_log")), entries.layer.log_degree_mean
    if not np.isclose(delta, want, rtol=1e-5):
        raise ValueError(
            f"{of_module.prefix}avg_deg_log is {delta:.9g}, {entries.layer} has log_degree_mean={want}. "
            f"Fix: log_degree_mean={delta:.9g}."
        )
    of_module.ignore("avg_deg_lin")  # of a scaler that is not ours


def _check_activation(layer: mp.GINE, entries: Entries) -> None:
    """Of the module, what stands between the two maps."""
    between: Any = getattr(entries.module, "nn", ())
    parts = [between.act] if hasattr(between, "act") else between
    kinds = {type(part).__name__ for part in parts} - {"Linear", "Dropout"}
    if kinds - {_ACTIVATIONS.get(str(layer.activation))}:
        raise ValueError(
            f"{entries.prefix}nn has {', '.join(sorted(kinds))} inside, {layer} has activation={layer.activation!r}."
        )


def _widths(layer: Any) -> tuple[int | str, int | str]:
    """In and out: equal without `features`."""
    return ("in", layer.features) if layer.features else ("D", "D")
