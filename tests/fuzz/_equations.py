"""The equations of the library on edge lists, in float64 NumPy. Nothing of the library is used."""

import math
from collections import defaultdict

import numpy as np


def sum_by(rows, ids, num, real):
    """The sum of the real rows of each id."""
    out = np.zeros((num, *rows.shape[1:]))
    np.add.at(out, ids[real], rows[real])
    return out


def incoming(graph):
    """For each receiver, the ids of its real edges."""
    return [np.flatnonzero(graph.real & (graph.receivers == i)) for i in range(graph.num_rows)]


def reverse_edges(graph):
    """The k-th real copy of j → i and the k-th of i → j of the reverse relation are each other's; -1 for none."""
    relation = getattr(graph, "relation", np.zeros(graph.num_edges, int))
    partner = getattr(graph, "back", (0,))
    copies = defaultdict(list)
    for e in np.flatnonzero(graph.real):
        copies[graph.senders[e], graph.receivers[e], relation[e]].append(e)
    reverse = np.full(graph.num_edges, -1)
    for (j, i, r), there in copies.items():
        for e, back in zip(there, copies.get((i, j, partner[r]), [])):
            reverse[e] = back
    return reverse


# --- normalizers --------------------------------------------------------------------------------------------


def logsumexp(logits):
    """Over the first axis; -inf for nothing."""
    top = np.max(logits, axis=0, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0)
    total = np.exp(logits - shift).sum(0)
    return np.where(total > 0, np.log(np.where(total > 0, total, 1)) + shift, -np.inf)


def row_logsumexp(logits, graph):
    rows = [logsumexp(logits[edges]) for edges in incoming(graph)]
    return np.array(rows).reshape(graph.num_rows, logits.shape[1])


def softmax(logits, graph):
    return softmax_of(logits, graph.receivers, graph.real)


def softmax_of(logits, ids, real):
    """Over the real rows of each id."""
    weights = np.zeros_like(logits)
    for own in np.unique(ids):
        edges = np.flatnonzero(real & (ids == own))
        top = np.max(logits[edges], axis=0, initial=-np.inf)
        powers = np.exp(logits[edges] - np.where(np.isfinite(top), top, 0))
        total = powers.sum(0)
        # A receiver with nothing but -inf hears nobody.
        weights[edges] = powers / np.where(total > 0, total, 1)
    return weights


def normalize(name, logits, graph, iterations=0):
    """Weights `[E, H]` by the table in the documentation of `ga.ops.normalize`."""
    real = graph.real[:, None]
    if name == "Softmax":
        return softmax(logits, graph)
    if name == "Sigmoid":
        return np.where(real, np.exp(-np.logaddexp(0, -logits)), 0)
    reverse = reverse_edges(graph)
    mutual, back = (reverse >= 0)[:, None], np.maximum(reverse, 0)
    if name == "PostHoc":
        p = softmax(logits, graph)
        return np.where(mutual, (p + p[back]) / 2, p)
    s = np.where(mutual, (logits + logits[back]) / 2, logits)
    p, rows = softmax(s, graph), row_logsumexp(s, graph)
    i, j = graph.receivers, graph.senders
    if name == "Symmetric":
        d = np.where(np.isfinite(rows), rows, 0)
        return np.where(mutual, np.exp(np.where(mutual, s - (d[i] + d[j]) / 2, 0)), p)
    inside = np.where(mutual, s, -np.inf)
    mass = row_logsumexp(inside, graph)
    filled = np.isfinite(mass)
    mass = np.where(filled, mass - np.where(filled, rows, 0), 0)
    f = np.zeros_like(mass)
    for _ in range(iterations):
        sums = row_logsumexp(inside + f[j], graph)
        f = np.where(filled, (f + mass - np.where(filled, sums, 0)) / 2, 0)
    return np.where(mutual, np.exp(np.where(mutual, f[i] + s + f[j], 0)), p)


# --- scores -------------------------------------------------------------------------------------------------


def leaky_relu(x, slope=0.2):
    return np.where(x > 0, x, slope * x)


def one_way_score(name, query, key, edge, vector):
    """Logits of edges from rows of both ends."""
    if name == "AdditiveScore":
        return leaky_relu(query + key + (0 if edge is None else edge))
    if name == "GATv2Score":
        return (leaky_relu(query + key + (0 if edge is None else edge)) * vector).sum(-1)
    return (query * key * (1 if edge is None else edge)).sum(-1) * query.shape[-1] ** -0.5


def edge_attention(x, graph, score, symmetrized, normalizer, iterations):
    """The result and the weights of `ga.ops.edge_attention`."""
    i, j = graph.receivers, graph.senders
    q, k = x["query"], x["key"]
    edge, vector = x.get("edge"), x.get("vector")
    logits = one_way_score(score, q[i], k[j], edge, vector)
    if symmetrized:
        logits = (logits + one_way_score(score, q[j], k[i], edge, vector)) / 2
    if "bias" in x:
        logits = logits + x["bias"]
    weights = normalize(normalizer, logits, graph, iterations)
    messages = weights[:, :, None] * x["value"][j]
    return {"out": sum_by(messages, i, graph.num_rows, graph.real), "weights": weights}


# --- attention layers ---------------------------------------------------------------------------------------


def project(x, weight, bias=None):
    out = np.einsum("nd,dhc->nhc", x, weight)
    return out if bias is None else out + bias


def linear(params, x):
    out = x @ params.weight
    return out if params.bias is None else out + params.bias


def dot_score(score, q, params, graph):
    """Cosine: of unit vectors. Pairwise: q_i ½ (M + Mᵀ) q_j / √C."""
    i, j = graph.receivers, graph.senders
    if score == "Cosine":
        q = q / np.sqrt((q * q).sum(-1, keepdims=True))
        return (q[i] * q[j]).sum(-1)
    m = (params + params.swapaxes(1, 2)) / 2
    return np.einsum("ehc,hcd,ehd->eh", q[i], m, q[j]) * q.shape[-1] ** -0.5


def both_ways(score, s, query, key, graph):
    """A score of rows of both ends, or ½ (s_ij + s_ji) with the same edge."""
    i, j = graph.receivers, graph.senders
    there = s(query[i], key[j])
    return (there + s(query[j], key[i])) / 2 if score == "Symmetrized" else there


def heads_heard(weights, value, graph, extra=0):
    """Σ_j a_ij (v_j + extra_ij), heads side by side."""
    messages = weights[:, :, None] * (value[graph.senders] + extra)
    out = sum_by(messages, graph.receivers, graph.num_rows, graph.real)
    return out.reshape(graph.num_rows, math.prod(out.shape[1:]))


def gat(params, senders, receivers, edges, graph, score, bias, norm):
    x = project(senders, params.weight)
    own = params.weight if params.receiver_weight is None else params.receiver_weight
    x_i = project(receivers, own)
    edge = 0 if params.edge_weight is None else edges @ params.edge_weight
    if score in ("Cosine", "Pairwise"):
        logits = dot_score(score, x, params.score, graph) + edge
    else:
        a_1 = params.receiver_vector
        a_2 = a_1 if score == "Shared" else params.sender_vector
        logits = both_ways(
            score,
            lambda p, q: leaky_relu(p + q + edge),
            (x_i * a_1).sum(-1),
            (x * a_2).sum(-1),
            graph,
        )
    return heads_heard(norm(logits + bias), x, graph) + params.bias, None


def gatv2(params, senders, receivers, edges, graph, score, bias, norm):
    x_j = project(senders, params.sender_weight, params.sender_bias)
    if score in ("Cosine", "Pairwise"):
        logits = dot_score(score, x_j, params.score, graph)
        if params.edge_weight is not None:
            logits = logits + edges @ params.edge_weight
    else:
        x_i = x_j
        if score != "Shared":
            x_i = project(receivers, params.receiver_weight, params.receiver_bias)
        edge = 0 if params.edge_weight is None else project(edges, params.edge_weight)
        logits = both_ways(
            score,
            lambda p, q: (leaky_relu(p + q + edge) * params.vector).sum(-1),
            x_i,
            x_j,
            graph,
        )
    return heads_heard(norm(logits + bias), x_j, graph) + params.bias, None


def graph_transformer(params, senders, receivers, edges, graph, score, bias, norm):
    i, j = graph.receivers, graph.senders
    q = project(receivers, params.query_weight, params.query_bias)
    v = project(senders, params.value_weight, params.value_bias)
    scale = q.shape[-1] ** -0.5
    if score in ("Cosine", "Pairwise"):
        logits = dot_score(score, q, params.score, graph)
    else:
        k = q if score == "Shared" else project(senders, params.key_weight, params.key_bias)
        logits = both_ways(score, lambda p, q: (p * q).sum(-1) * scale, q, k, graph)
    if params.edge_key is not None:
        e = project(edges, params.edge_key)
        # The edge stands beside the key, whatever the score makes of the query.
        if score == "Cosine":
            q, scale = q / np.sqrt((q * q).sum(-1, keepdims=True)), 1
        elif score == "Pairwise":
            m = (params.score + params.score.swapaxes(1, 2)) / 2
            q = np.einsum("nhc,hcd->nhd", q, m)
        ends = q[i] if score == "Standard" else (q[i] + q[j]) / 2
        logits = logits + (ends * e).sum(-1) * scale
    extra = 0 if params.edge_value is None else project(edges, params.edge_value)
    out = heads_heard(norm(logits + bias), v, graph, extra)
    return out if params.output is None else linear(params.output, out), None


def edge_modulated(params, x, edges, graph, score):
    """clamp(Σ_c q_ic k_jc e_ijc / √C, ±5)."""
    i, j = graph.receivers, graph.senders
    q = project(x, params.query_weight, params.query_bias)
    e = project(edges, params.edge_weight, params.edge_bias)

    def s(p, q):
        return (p * q * e).sum(-1)

    if score == "Cosine":
        unit = q / np.sqrt((q * q).sum(-1, keepdims=True))
        logits = s(unit[i], unit[j])
    else:
        if score == "Pairwise":
            m = (params.score + params.score.swapaxes(1, 2)) / 2
            k = np.einsum("nhc,hcd->nhd", q, m)
            logits = (s(q[i], k[j]) + s(k[i], q[j])) / 2
        else:
            k = q if score == "Shared" else project(x, params.key_weight, params.key_bias)
            logits = both_ways(score, s, q, k, graph)
        logits = logits * q.shape[-1] ** -0.5
    return np.clip(logits, -5, 5)


def _mapped(params, x, weights, graph):
    out = heads_heard(weights, project(x, params.value_weight, params.value_bias), graph)
    return out if params.output is None else linear(params.output, out), None


def exphormer(params, x, _, edges, graph, score, bias, norm):
    logits = edge_modulated(params.score, x, edges, graph, score) + bias
    return _mapped(params, x, norm(logits), graph)


def san(params, x, _, edges, graph, score, bias, norm, real, gamma):
    logits = np.where(
        real[:, None],
        edge_modulated(params.real, x, edges, graph, score),
        edge_modulated(params.fake, x, edges, graph, score) + math.log(gamma),
    )
    return _mapped(params, x, norm(logits - math.log1p(gamma) + bias), graph)


def grit(params, x, _, edges, graph, score, bias, norm):
    i, j = graph.receivers, graph.senders
    q = project(x, params.query_weight, params.query_bias)
    k = q if params.key_weight is None else project(x, params.key_weight)
    gate = project(edges, params.edge_gate, params.edge_gate_bias)
    shift = project(edges, params.edge_shift, params.edge_shift_bias)

    def stream(x_i, x_j):
        z = (x_i + x_j) * gate
        return np.maximum(np.sign(z) * np.sqrt(np.abs(z)) + shift, 0)

    there = stream(q[i], k[j])
    if score in ("Cosine", "Pairwise"):
        logits = dot_score(score, q, params.score, graph)
    else:
        logits = (there * params.vector).sum(-1)
        if score == "Symmetrized":
            logits = (logits + (stream(q[j], k[i]) * params.vector).sum(-1)) / 2
    weights = norm(np.clip(logits, -5, 5) + bias)
    heard = np.einsum("ehc,hcd->ehd", there, params.edge_value)
    nodes = heads_heard(weights, project(x, params.value_weight), graph, heard)
    return nodes, there.reshape(graph.num_edges, math.prod(there.shape[1:]))


# --- message passing ----------------------------------------------------------------------------------------


def in_degree(graph, weights=None):
    ones = np.ones(graph.num_edges) if weights is None else weights
    return sum_by(ones, graph.receivers, graph.num_rows, graph.real)


def gcn(params, x, _, edges, graph, edge_weight=None):
    i, j = graph.receivers, graph.senders
    d = in_degree(graph, edge_weight)
    root = np.where(d > 0, 1 / np.sqrt(np.where(d > 0, d, 1)), 0)
    weight = 1 if edge_weight is None else edge_weight
    messages = (weight * root[i] * root[j])[:, None] * x[j]
    return linear(params, sum_by(messages, i, graph.num_rows, graph.real)), None


def sage(params, senders, receivers, edges, graph):
    total = sum_by(senders[graph.senders], graph.receivers, graph.num_rows, graph.real)
    mean = total / np.maximum(in_degree(graph), 1)[:, None]
    return linear(params.neighbor, mean) + linear(params.root, receivers), None


def gine(params, senders, receivers, edges, graph):
    messages = senders[graph.senders]
    if params.edge is not None:
        messages = messages + linear(params.edge, edges)
    total = sum_by(np.maximum(messages, 0), graph.receivers, graph.num_rows, graph.real)
    first, last = params.mlp.layers
    h = (1 + params.epsilon) * receivers + total
    return linear(last, np.maximum(linear(first, h), 0)), None


def gated_gcn(params, senders, receivers, edges, graph, normalize):
    i, j = graph.receivers, graph.senders
    logits = linear(params.receiver, receivers)[i] + linear(params.sender, senders)[j]
    if params.edge is not None:
        logits = logits + linear(params.edge, edges)
    gates = 1 / (1 + np.exp(-logits))
    if normalize:
        gates = gates / (sum_by(gates, i, graph.num_rows, graph.real)[i] + 1e-6)
    messages = gates * linear(params.value, senders)[j]
    heard = sum_by(messages, i, graph.num_rows, graph.real)
    return linear(params.root, receivers) + heard, None if params.edge is None else logits


def pna(params, senders, receivers, edges, graph, log_degree_mean):
    i, j = graph.receivers, graph.senders
    messages = project(receivers, params.receiver)[i] + project(senders, params.sender)[j]
    messages = messages + params.message_bias
    if params.edge is not None:
        messages = messages + project(edges, params.edge)
    towers, width = messages.shape[1:]
    aggregated = np.zeros((graph.num_rows, 4, towers, width))
    for node, own in enumerate(incoming(graph)):
        if len(own):
            m = messages[own]
            aggregated[node] = m.mean(0), m.min(0), m.max(0), m.std(0)
    log_d = np.log(np.maximum(in_degree(graph), 1) + 1)[:, None, None, None] / log_degree_mean
    scaled = np.stack([aggregated, log_d * aggregated, aggregated / log_d])
    update = np.einsum("snatf,safto->nto", scaled, params.update)
    own = linear(params.root, receivers)
    return linear(params.mix, own + update.reshape(own.shape)), None
