"""A layer of GraphGPS from GPSConv, with its statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphattn_jax import models, nn
from graphattn_jax.attention import GlobalAttention
from graphattn_jax.interop._attention import multihead
from graphattn_jax.interop._entries import Entries


def gps_layer(
    layer: models.GPSLayer, entries: Entries, read: Callable[[Any, Entries], Any]
) -> tuple[models.GPSLayerParams, models.GPSLayerState]:
    """GPSConv: norm1 is behind its `conv`, norm2 behind attention, norm3 at the end."""
    if type(layer.attention) is not GlobalAttention:
        raise ValueError(
            f"GPSConv attends to all nodes, got {layer}. "
            "Fix: attention=ga.attention.GlobalAttention(heads=..., output=True)."
        )
    if layer.local is not None and layer.local.updates_edges:
        raise ValueError(
            f"{layer.local} has norms and residual connections of its own in a GPSLayer, which GPSConv does not "
            "have around its conv. Fix: another local layer."
        )
    local, local_norm = None, (None, None)
    if layer.local is not None:
        local = read(layer.local, entries.part("conv", layer.local))
        local_norm = _norm(layer, entries, "norm1")
    else:
        entries.ignore(
            *(match[0] for match in entries.names(r"norm1\..*"))
        )  # of no use without a conv
    attend = entries.part("attn", layer.attention)
    attention = multihead(layer.attention, attend)
    attend.close()
    attention_norm, output_norm = (_norm(layer, entries, name) for name in ("norm2", "norm3"))
    width = attention.query_weight.shape[0]
    entries.part("mlp", layer).says(**{"1": "ReLU"})
    inner = entries.linear("mlp.0", width, 2 * width)
    feed_forward = nn.MLPParams((inner, entries.linear("mlp.3", 2 * width, width)))
    params = models.GPSLayerParams(
        local=local,
        local_norm=local_norm[0],
        inner_norm=None,
        edge_norm=None,
        attention=attention,
        attention_norm=attention_norm[0],
        feed_forward=feed_forward,
        output_norm=output_norm[0],
    )
    state = models.GPSLayerState(
        local_norm=local_norm[1],
        inner_norm=None,
        edge_norm=None,
        attention_norm=attention_norm[1],
        output_norm=output_norm[1],
    )
    return params, state


def _norm(layer: models.GPSLayer, entries: Entries, name: str) -> tuple[Any, Any]:
    """Its parameters and statistics."""
    if layer.norm == "batch":
        name = f"{name}.module"
        return (
            nn.BatchNormParams(
                *(entries.array(f"{name}.{part}", "D") for part in ("weight", "bias"))
            ),
            nn.BatchNormState(
                *(entries.array(f"{name}.running_{part}", "D") for part in ("mean", "var"))
            ),
        )
    if entries.module is None:
        raise ValueError(
            f"a state dict does not say over what {entries.prefix}{name} is taken: PyG's layer_norm over all nodes of "
            'a graph, or over each node as norm="layer" here (norm_kwargs={"mode": "node"}). '
            "Fix: give the GPSConv itself."
        )
    entries.part(name, layer).says(mode="node")
    return nn.LayerNormParams(
        *(entries.array(f"{name}.{part}", "D") for part in ("weight", "bias"))
    ), None
