"""The layers of typed graphs, and GRIT's degree scaler, in float64 NumPy. Nothing of the library is used."""

import math

import numpy as np
from scipy.special import erf

from ._equations import in_degree, leaky_relu, linear, normalize, reverse_edges, softmax_of, sum_by


def by_type(params, x, kinds):
    """Each row by the matrix and bias of its type."""
    out = np.einsum("nd,ndf->nf", x, params.weight[kinds])
    return out if params.bias is None else out + params.bias[kinds]


def split(x, heads):
    return x.reshape(len(x), heads, x.shape[1] // heads)


def combined(messages, graph, concat=True):
    out = sum_by(messages, graph.receivers, graph.num_rows, graph.real)
    return out.reshape(len(out), math.prod(out.shape[1:])) if concat else out.mean(axis=1)


def weights_of(layer, logits, graph, bias, within=False):
    """By the normalizer of the layer, over a receiver's edges, or over those of one relation."""
    if type(layer.score).__name__ == "Symmetrized":
        reverse = reverse_edges(graph)
        mutual, back = (reverse >= 0)[:, None], np.maximum(reverse, 0)
        logits = np.where(mutual, (logits + logits[back]) / 2, logits)
    logits = logits + bias
    name = type(layer.normalizer).__name__
    if within and name == "Softmax":
        place = graph.receivers * len(graph.targets) + graph.relation
        return softmax_of(logits, place, graph.real)
    return normalize(name, logits, graph, getattr(layer.normalizer, "iterations", 0))


def hgt(layer, params, x, edges, graph, bias):
    i, j, r, heads = graph.receivers, graph.senders, graph.relation, layer.heads
    query = split(by_type(params.query, x, graph.kinds), heads)
    own_key = params.query if params.key is None else params.key
    key = split(by_type(own_key, x, graph.kinds), heads)
    value = split(by_type(params.value, x, graph.kinds), heads)
    turn = params.relation_key * params.prior[:, :, None, None]
    if params.key is None:
        back = np.array(graph.back)
        partner = turn[np.maximum(back, 0)].swapaxes(2, 3)
        turn = np.where((back >= 0)[:, None, None, None], (turn + partner) / 2, turn)
    spoken = np.einsum("ehc,ehcd->ehd", key[j], turn[r])
    message = np.einsum("ehc,ehcd->ehd", value[j], params.relation_value[r])
    if params.edge_key is not None:
        spoken = spoken + np.einsum("ed,dhc->ehc", edges, params.edge_key)
        message = message + np.einsum("ed,dhc->ehc", edges, params.edge_value)
    logits = (query[i] * spoken).sum(-1) * query.shape[-1] ** -0.5
    weights = weights_of(layer, logits, graph, bias)
    m = combined(weights[:, :, None] * message, graph)
    out = by_type(params.output, m * (1 + erf(m / math.sqrt(2))) / 2, graph.kinds)
    if out.shape == x.shape:
        gate = 1 / (1 + np.exp(-params.skip[graph.kinds]))[:, None]
        out = gate * out + (1 - gate) * x
    if params.norm_scale is not None:
        centred = out - out.mean(axis=1, keepdims=True)
        unit = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        out = unit * params.norm_scale[graph.kinds] + params.norm_bias[graph.kinds]
    return out


def rgcn(layer, params, x, edges, graph, bias):
    messages = np.einsum("ed,edf->ef", x[graph.senders], params.weight[graph.relation])
    if layer.reduce == "mean":
        place = graph.receivers * len(graph.targets) + graph.relation
        count = sum_by(
            np.ones(graph.num_edges), place, graph.num_rows * len(graph.targets), graph.real
        )
        messages = messages / np.maximum(count[place], 1)[:, None]
    out = sum_by(messages, graph.receivers, graph.num_rows, graph.real)
    out = out + (0 if params.root is None else x @ params.root)
    return out + (0 if params.bias is None else params.bias)


def rgat(layer, params, x, edges, graph, bias):
    matrices, heads = params.weight[graph.relation], layer.heads
    value = split(np.einsum("ed,edf->ef", x[graph.senders], matrices), heads)
    heard = split(np.einsum("ed,edf->ef", x[graph.receivers], matrices), heads)
    logits = leaky_relu(
        (heard * params.receiver_vector[graph.relation]).sum(-1)
        + (value * params.sender_vector[graph.relation]).sum(-1)
        + bias,
        layer.negative_slope,
    )
    weights = weights_of(layer, logits, graph, 0, layer.within)
    out = combined(weights[:, :, None] * value, graph, layer.concat)
    return out + (0 if params.bias is None else params.bias)


def han(layer, params, x, edges, graph, bias):
    heads, relations = layer.heads, len(graph.targets)
    h = split(by_type(params.projection, x, graph.kinds), heads)
    sent = (h[graph.senders] * params.sender_vector[graph.relation]).sum(-1)
    heard = (h[graph.receivers] * params.receiver_vector[graph.relation]).sum(-1)
    logits = leaky_relu(sent + heard, layer.negative_slope)
    weights = weights_of(layer, logits, graph, bias, within=True)
    place = graph.relation * graph.num_rows + graph.receivers
    messages = weights[:, :, None] * h[graph.senders]
    z = sum_by(messages, place, relations * graph.num_rows, graph.real)
    z = z.reshape(relations, graph.num_rows, math.prod(z.shape[1:]))
    z = np.where(z > 0, z, np.expm1(np.minimum(z, 0)))
    out = np.zeros(z.shape[1:])
    for kind in set(graph.targets):
        to_kind = np.flatnonzero(np.array(graph.targets) == kind)
        nodes = np.flatnonzero(graph.kinds == kind)
        if len(nodes):
            own = z[to_kind][:, nodes]
            score = np.tanh(linear(params.fusion.map, own)).mean(axis=1) @ params.fusion.vector
            beta = np.exp(score - score.max())
            out[nodes] = np.einsum("r,rnc->nc", beta / beta.sum(), own)
    return out


def simple_hgn(layer, params, x, edges, graph, bias):
    h = np.einsum("nd,dhc->nhc", x, params.weight)
    of_relation = np.einsum(
        "rd,dhc,hc->rh", params.relation, params.relation_weight, params.relation_vector
    )
    query, key = (h * params.receiver_vector).sum(-1), (h * params.sender_vector).sum(-1)
    ends = query[graph.receivers] + key[graph.senders] + of_relation[graph.relation]
    logits = leaky_relu(ends, layer.negative_slope) + bias
    weights = weights_of(layer, logits, graph, 0)
    out = combined(weights[:, :, None] * h[graph.senders], graph, layer.concat)
    return out + (0 if params.root is None else linear(params.root, x))


def degree_scaler(params, x, graph):
    plain, scaled = params.weight
    return x * (plain + np.log1p(in_degree(graph))[:, None] * scaled)
