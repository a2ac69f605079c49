"""Attention layers, each with the names of its counterpart."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphattn_jax import attention
from graphattn_jax.interop._entries import Entries

_RESIDUAL = (
    "PyG's residual=True adds W x to the output. Fix: leave the entry out, and add "
    "ga.nn.linear(ga.nn.LinearParams(weight.T, None), x)."
)


def gat(layer: attention.GAT, entries: Entries) -> attention.GATParams:
    """GATConv."""
    _check_score(layer)
    entries.says(
        flow="source_to_target",
        heads=layer.heads,
        concat=layer.concat,
        negative_slope=layer.negative_slope,
        aggr=("add", "sum"),
    )
    entries.refuse("res.weight", _RESIDUAL)
    h = layer.heads
    receiver_vector = entries.array("att_dst", 1, h, layer.channels or "C")[0]
    c = receiver_vector.shape[1]
    own = _own_width(layer, h, c)
    receiver_weight: Any = None
    edge_weight: Any = None
    if "lin_src.weight" in entries:
        weight = _heads(entries, "lin_src", h, c)
        receiver_weight = _heads(entries, "lin_dst", h, c, own)
    else:
        weight = _heads(entries, "lin", h, c, own)
    if "lin_edge.weight" in entries:
        edge_vector = entries.array("att_edge", 1, h, c)[0]
        wide = np.promote_types(edge_vector.dtype, np.float32)
        edge_map = _heads(entries, "lin_edge", h, c).astype(wide)
        edge_weight = (edge_map * edge_vector.astype(wide)).sum(-1).astype(edge_vector.dtype)
    return attention.GATParams(
        weight=weight,
        receiver_weight=receiver_weight,
        receiver_vector=receiver_vector,
        sender_vector=entries.array("att_src", 1, h, c)[0],
        edge_weight=edge_weight,
        score=None,
        bias=entries.bias("bias", h * c if layer.concat else c),
    )


def gatv2(layer: attention.GATv2, entries: Entries) -> attention.GATv2Params:
    """GATv2Conv: lin_l maps the senders, lin_r the receivers; share_weights=True is the score `Shared`."""
    _check_score(layer, attention.Standard, attention.Shared)
    shared = layer.score.is_tied
    entries.says(
        fix="score=ga.attention.Shared() is share_weights=True, Standard() is False.",
        share_weights=shared,
    )
    entries.says(
        flow="source_to_target",
        heads=layer.heads,
        concat=layer.concat,
        negative_slope=layer.negative_slope,
        aggr=("add", "sum"),
    )
    entries.refuse("res.weight", _RESIDUAL)
    h = layer.heads
    vector = entries.array("att", 1, h, layer.channels or "C")[0]
    c = vector.shape[1]
    sender = _heads(entries, "lin_l", h, c), _head_bias(entries, "lin_l", h, c)
    own = _own_width(layer, h, c)
    receiver = _heads(entries, "lin_r", h, c, own), _head_bias(entries, "lin_r", h, c)
    if shared and not all(map(np.array_equal, sender, receiver)):
        raise ValueError(
            f"{entries.prefix}lin_l and lin_r differ, which {layer} has as one. Fix: score=Standard()."
        )
    return attention.GATv2Params(
        *sender,
        *((None, None) if shared else receiver),
        vector=vector,
        edge_weight=_heads(entries, "lin_edge", h, c) if "lin_edge.weight" in entries else None,
        score=None,
        bias=entries.bias("bias", h * c if layer.concat else c),
    )


def graph_transformer(
    layer: attention.GraphTransformer, entries: Entries
) -> attention.GraphTransformerParams:
    """TransformerConv: one edge map for keys and values; root_weight=True is `separate=True`."""
    _check_score(layer)
    if layer.output is not False:
        raise ValueError(f"TransformerConv has no output map, got {layer}. Fix: output=False.")
    entries.says(
        flow="source_to_target",
        heads=layer.heads,
        concat=layer.concat,
        root_weight=layer.separate,
        aggr=("add", "sum"),
    )
    entries.refuse(
        "lin_beta.weight",
        "PyG's beta=True mixes message and root by a gate, as no layer here does. Fix: train with beta=False.",
    )
    h = layer.heads
    c = layer.channels or entries.array("lin_query.weight", "D", "D").shape[0] // h
    root = None
    if layer.separate:
        root = entries.linear("lin_skip", out=h * c if layer.concat else c, bias=layer.use_bias)
    elif entries.module is not None:
        entries.ignore("lin_skip.weight", "lin_skip.bias")
    else:  # root_weight=False keeps its lin_skip, so that a state dict does not say whether it is used
        entries.refuse(
            "lin_skip.weight",
            "Fix: separate=True, which is root_weight=True; for root_weight=False leave the entries of lin_skip out.",
        )
    edge = _heads(entries, "lin_edge", h, c) if "lin_edge.weight" in entries else None
    query, key, value = (
        (_heads(entries, f"lin_{name}", h, c), _head_bias(entries, f"lin_{name}", h, c))
        for name in ("query", "key", "value")
    )
    return attention.GraphTransformerParams(
        *query, *key, *value, edge_key=edge, edge_value=edge, score=None, output=None, root=root
    )


def multihead(
    layer: attention.GlobalAttention, entries: Entries
) -> attention.GraphTransformerParams:
    """MultiheadAttention of torch: query, key and value in one matrix."""
    _check_score(layer)
    if layer.output is not True or layer.separate:
        raise ValueError(
            f"MultiheadAttention has an output map and no root map, got {layer}. "
            "Fix: GlobalAttention(heads=..., output=True)."
        )
    entries.says(num_heads=layer.heads)
    width = entries.array("out_proj.weight", "D", "D").shape[0]
    h = layer.heads
    if width % h or layer.channels not in (None, width // h):
        raise ValueError(
            f"{entries.prefix}out_proj.weight is of width {width}, which {layer} does not have. "
            "Fix: heads that divide it, and channels=None."
        )
    weights = np.split(entries.array("in_proj_weight", 3 * width, width), 3)
    biases: list[Any] = [None] * 3
    if layer.use_bias:
        biases = [b.reshape(h, -1) for b in np.split(entries.array("in_proj_bias", 3 * width), 3)]
    projections = [
        part
        for w, b in zip(weights, biases, strict=True)
        for part in (w.T.reshape(width, h, -1), b)
    ]
    return attention.GraphTransformerParams(
        *projections,
        edge_key=None,
        edge_value=None,
        score=None,
        output=entries.linear("out_proj", width, width, bias=layer.use_bias),
        root=None,
    )


def _check_score(layer: Any, *kinds: type) -> None:
    if not isinstance(layer.score, kinds or attention.Standard):
        names = " or ".join(f"{kind.__name__}()" for kind in kinds or (attention.Standard,))
        raise ValueError(f"score must be {names} for weights of PyG, got {layer.score}.")


def _own_width(layer: Any, heads: int, channels: int) -> int | str:
    """That of the receivers: without `channels` the one that H C is made for."""
    return "D" if layer.channels else heads * channels


def _heads(entries: Entries, name: str, heads: int, channels: int, width: int | str = "D") -> Any:
    """A weight `[H C, D]` as `[D, H, C]`."""
    weight = entries.array(f"{name}.weight", heads * channels, width)
    return weight.T.reshape(-1, heads, channels)


def _head_bias(entries: Entries, name: str, heads: int, channels: int) -> Any:
    bias = entries.bias(f"{name}.bias", heads * channels)
    return None if bias is None else bias.reshape(heads, channels)
