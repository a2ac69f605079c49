"""The typed layers edge by edge in float64, as their equations stand."""

import numpy as np
from scipy.special import erf


class Edges:
    """An edge list with its types, and sums over it."""

    def __init__(self, graph):
        self.senders, self.receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
        self.relation = np.asarray(graph.edges.relation)
        self.kinds = np.asarray(graph.nodes.type)
        self.x = np.asarray(graph.nodes.features, np.float64)
        self.features, self.time = graph.edges.features, graph.edges.time
        self.schema = graph.nodes.schema

    def softmax(self, logits, groups):
        out = np.zeros_like(logits)
        for group in set(groups):
            own = [i for i, g in enumerate(groups) if g == group]
            e = np.exp(logits[own] - logits[own].max(axis=0))
            out[own] = e / e.sum(axis=0)
        return out

    def to_receivers(self, rows):
        out = np.zeros((len(self.x), *rows.shape[1:]))
        np.add.at(out, self.receivers, rows)
        return out


def numbers(tree):
    """A params tree in float64 numpy, None for None."""
    if tree is None:
        return None
    if hasattr(tree, "_fields"):
        return type(tree)(*map(numbers, tree))
    return np.asarray(tree, np.float64)


def leaky(x, slope):
    return np.where(x > 0, x, slope * x)


def reverse_of(g):
    """Edge ids of the partners of the reverse relation; edges are distinct."""
    index = {e: i for i, e in enumerate(zip(g.senders, g.receivers, g.relation))}
    back = g.schema.reverses
    found = (index.get((r, s, back[k]), -1) for s, r, k in zip(g.senders, g.receivers, g.relation))
    return np.array(list(found))


def constrain(layer, logits, g, within=False):
    """The softmax, post-hoc symmetric one, D^-1/2 E D^-1/2, doubly stochastic one, over all relations or each."""
    name = type(layer.normalizer).__name__
    rows = list(zip(g.receivers, g.relation)) if within else list(g.receivers)
    softmax = g.softmax(logits, rows)
    if name == "Softmax":
        return softmax
    reverse = reverse_of(g)
    mutual = (reverse >= 0)[:, None]
    if name == "PostHoc":
        return np.where(mutual, 0.5 * (softmax + softmax[reverse]), softmax)
    both = np.where(mutual, 0.5 * (logits + logits[reverse]), logits)
    columns = [rows[e] for e in reverse]

    def total(weights, by):
        sums = {row: weights[[i for i, x in enumerate(by) if x == row]].sum(axis=0) for row in by}
        return np.array([sums[row] for row in by])

    if name == "Symmetric":
        d = np.sqrt(total(np.exp(both), rows) * total(np.exp(both), rows)[reverse])
        return np.where(mutual, np.exp(both) / d, g.softmax(both, rows))
    assert name == "Sinkhorn" and mutual.all()
    weights = np.exp(both)
    for _ in range(2000):  # the fixed point of both normalisations
        weights = weights / total(weights, rows)
        weights = weights / total(weights, columns)
    return weights


def hgt(layer, params, graph):
    g, p, heads = Edges(graph), numbers(params), layer.heads
    score = type(layer.score).__name__

    def typed(linear, node, x):
        y = x @ linear.weight[g.kinds[node]]
        return (y + (0 if linear.bias is None else linear.bias[g.kinds[node]])).reshape(heads, -1)

    key = p.query if p.key is None else p.key
    logits, messages = [], []
    for e, (j, i, r) in enumerate(zip(g.senders, g.receivers, g.relation)):
        x = g.x[j]
        if layer.relative_time:
            k = np.arange((len(x) + 1) // 2)
            angle = g.time[e] * 10000.0 ** (-2 * k / len(x))
            wave = np.stack([np.sin(angle), np.cos(angle)], 1).ravel()[: len(x)] / np.sqrt(len(x))
            x = x + wave @ p.time.weight + p.time.bias
        query = typed(p.query, i, g.x[i])
        a = p.relation_key[r] * p.prior[r][:, None, None]
        back = g.schema.reverses[r]
        if score == "Shared" and back >= 0:
            a = 0.5 * (a + (p.relation_key * p.prior[:, :, None, None])[back].swapaxes(1, 2))
        spoken = np.einsum("hc,hcd->hd", typed(key, j, x), a)
        message = np.einsum("hc,hcd->hd", typed(p.value, j, x), p.relation_value[r])
        if p.edge_key is not None:
            spoken = spoken + np.einsum("d,dhc->hc", g.features[e], p.edge_key)
            message = message + np.einsum("d,dhc->hc", g.features[e], p.edge_value)
        logits.append((query * spoken).sum(axis=1) / np.sqrt(query.shape[1]))
        messages.append(message)
    logits = np.array(logits)
    if score == "Symmetrized":
        reverse = reverse_of(g)
        logits = np.where((reverse >= 0)[:, None], 0.5 * (logits + logits[reverse]), logits)
    weights = constrain(layer, logits, g)
    m = g.to_receivers(weights[:, :, None] * np.array(messages)).reshape(len(g.x), -1)
    m = 0.5 * m * (1 + erf(m / np.sqrt(2)))
    out = np.einsum("nd,ndf->nf", m, p.output.weight[g.kinds])
    out = out + (0 if p.output.bias is None else p.output.bias[g.kinds])
    if out.shape == g.x.shape:
        gate = 1 / (1 + np.exp(-p.skip[g.kinds]))[:, None]
        out = gate * out + (1 - gate) * g.x
    if p.norm_scale is not None:
        centred = out - out.mean(axis=1, keepdims=True)
        unit = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
        out = unit * p.norm_scale[g.kinds] + p.norm_bias[g.kinds]
    return out, weights


def rgcn(layer, params, graph):
    g, p = Edges(graph), numbers(params)
    matrices = np.asarray(layer.sharing.matrices(params.weight), np.float64)
    z = np.zeros((len(matrices), len(g.x), matrices.shape[2]))
    for i in range(len(g.x)):
        for r in range(len(matrices)):
            heard = g.senders[(g.receivers == i) & (g.relation == r)]
            if len(heard):
                total = (g.x[heard] @ matrices[r]).sum(axis=0)
                z[r, i] = total / (len(heard) if layer.reduce == "mean" else 1)
    out = z.sum(axis=0) if layer.fusion is None else fused(layer.fusion, p.fusion, g, z)
    out = out + (0 if p.root is None else g.x @ p.root)
    return out + (0 if p.bias is None else p.bias), None


def rgat(layer, params, graph):
    g, p, heads = Edges(graph), numbers(params), layer.heads
    matrices = np.asarray(layer.sharing.matrices(params.weight), np.float64)

    def mapped(nodes):
        return np.einsum("ed,edf->ef", g.x[nodes], matrices[g.relation]).reshape(
            len(nodes), heads, -1
        )

    value = mapped(g.senders)
    query = (mapped(g.receivers) * p.receiver_vector[g.relation]).sum(axis=2)
    logits = leaky(query + (value * p.sender_vector[g.relation]).sum(axis=2), layer.negative_slope)
    if type(layer.score).__name__ == "Symmetrized":
        reverse = reverse_of(g)
        logits = np.where((reverse >= 0)[:, None], 0.5 * (logits + logits[reverse]), logits)
    weights = constrain(layer, logits, g, layer.within)
    out = g.to_receivers(weights[:, :, None] * value)
    out = out.reshape(len(g.x), -1) if layer.concat else out.mean(axis=1)
    return out + (0 if p.bias is None else p.bias), weights


def han(layer, params, graph):
    g, p, heads = Edges(graph), numbers(params), layer.heads
    h = np.einsum("nd,ndf->nf", g.x, p.projection.weight[g.kinds])
    h = (h + p.projection.bias[g.kinds]).reshape(len(g.x), heads, -1)
    sender_vector = p.sender_vector
    if sender_vector is None:
        back = [r if b < 0 else b for r, b in enumerate(g.schema.reverses)]
        sender_vector = p.receiver_vector[back]
    sent = (h[g.senders] * sender_vector[g.relation]).sum(axis=2)
    heard = (h[g.receivers] * p.receiver_vector[g.relation]).sum(axis=2)
    logits = leaky(sent + heard, layer.negative_slope)
    weights = constrain(layer, logits, g, within=True)
    z = np.zeros((len(g.schema.relations), *h.shape))
    np.add.at(z, (g.relation, g.receivers), weights[:, :, None] * h[g.senders])
    z = z.reshape(*z.shape[:2], -1)
    z = np.where(z > 0, z, np.expm1(np.minimum(z, 0)))
    return fused(layer.fusion, p.fusion, g, z), weights


def fused(fusion, p, g, z):
    """From `[R, N, W]` to `[N, W]`."""
    there = np.zeros(z.shape[:2], bool)
    there[g.relation, g.receivers] = True
    return FUSIONS[type(fusion).__name__](fusion, p, g, z, there)


def semantic_attention(fusion, p, g, z, there):
    out = np.zeros(z.shape[1:])
    for kind in range(len(g.schema.types)):
        to_kind = [r for r, t in enumerate(g.schema.targets) if t == kind]
        nodes = np.flatnonzero(g.kinds == kind)
        if not to_kind or not len(nodes):
            continue
        inner = np.tanh(z[to_kind][:, nodes] @ p.map.weight + p.map.bias)
        w = inner.mean(axis=1) @ p.vector
        beta = np.exp(w - w.max()) / np.exp(w - w.max()).sum()
        out[nodes] = np.einsum("r,rnc->nc", beta, z[to_kind][:, nodes])
    return out


def routing(fusion, p, g, z, there):
    out = np.zeros(z.shape[1:])
    for i in range(z.shape[1]):
        relations = np.flatnonzero(there[:, i])
        logits = []
        for r in relations:
            mean = g.x[g.senders[(g.receivers == i) & (g.relation == r)]].mean(axis=0)
            hidden = np.maximum(g.x[i] @ p.receiver + mean @ p.sender + p.bias, 0)
            logits.append((hidden @ p.vector + p.relation[r]) / fusion.temperature)
        if len(relations):
            e = np.exp(np.array(logits) - max(logits))
            best = np.argsort(-e, kind="stable")[: fusion.top]
            chosen = np.zeros(len(e))
            chosen[best] = e[best] / e[best].sum()
            out[i] = chosen @ z[relations, i]
    return out


def transformer_fusion(fusion, p, g, z, there):
    out = np.zeros((z.shape[1], z.shape[2]))
    for i in range(z.shape[1]):
        relations = np.flatnonzero(there[:, i])
        if not len(relations):
            continue
        tokens = z[relations, i]
        q, k, v = (
            (tokens @ m.weight + m.bias).reshape(len(tokens), fusion.heads, -1)
            for m in (p.attention.query, p.attention.key, p.attention.value)
        )
        logits = np.einsum("ahc,bhc->hab", q, k) / np.sqrt(q.shape[2])
        e = np.exp(logits - logits.max(axis=2, keepdims=True))
        heard = np.einsum("hab,bhc->ahc", e / e.sum(axis=2, keepdims=True), v)
        tokens = tokens + p.attention.gate * heard.reshape(tokens.shape)
        out[i] = np.einsum("rw,rwf->f", tokens, p.output[relations])
    return out


FUSIONS = {
    "SemanticAttention": semantic_attention,
    "Routing": routing,
    "TransformerFusion": transformer_fusion,
}


def simple_hgn(layer, params, graph):
    g, p = Edges(graph), numbers(params)
    h = np.einsum("nd,dhc->nhc", g.x, p.weight)
    query, key = (h * p.receiver_vector).sum(axis=2), (h * p.sender_vector).sum(axis=2)
    term = np.einsum("rd,dhc,hc->rh", p.relation, p.relation_weight, p.relation_vector)
    logits = leaky(query[g.receivers] + key[g.senders] + term[g.relation], layer.negative_slope)
    weights = constrain(layer, logits, g)
    out = g.to_receivers(weights[:, :, None] * h[g.senders])
    out = out.reshape(len(h), -1) if layer.concat else out.mean(axis=1)
    return out + (0 if p.root is None else g.x @ p.root.weight + p.root.bias), weights
