"""The layers again as explicit `[H, N, N]` matrices, row = receiver, in the dtype of the inputs.

They share no code with the library, and read like the equations. Graphs have no parallel edges.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import ops


def pattern(graph):
    """`[N, N]` bool: which pairs have an edge."""
    matrix = np.zeros((len(graph.nodes), len(graph.nodes)), bool)
    matrix[graph.receivers, graph.senders] = True
    return matrix


def pairs(graph, rows):
    """One row per edge `[E, K]` to `[K, N, N]`, 0 where there is no edge."""
    n = len(graph.nodes)
    matrix = jnp.zeros((n, n, rows.shape[1]), rows.dtype)
    return matrix.at[graph.receivers, graph.senders].set(rows).transpose(2, 0, 1)


def normalize(logits, graph, normalizer):
    """`[H, N, N]` logits to weights, by the table in the documentation of `ops.normalize`."""
    edges = jnp.asarray(pattern(graph))[None]
    if isinstance(normalizer, ops.Sigmoid):
        return jnp.where(edges, jax.nn.sigmoid(logits), 0)
    mutual = edges & transpose(edges)
    if isinstance(normalizer, (ops.Symmetric, ops.Sinkhorn)):
        logits = jnp.where(mutual, (logits + transpose(logits)) / 2, logits)
    e = jnp.where(edges, jnp.exp(logits), 0)
    d = e.sum(-1, keepdims=True)
    d = jnp.where(d > 0, d, 1)
    softmax = e / d
    if isinstance(normalizer, ops.Softmax):
        return softmax
    if isinstance(normalizer, ops.PostHoc):
        return jnp.where(mutual, (softmax + transpose(softmax)) / 2, softmax)
    if isinstance(normalizer, ops.Symmetric):
        return jnp.where(mutual, e / jnp.sqrt(d * transpose(d)), softmax)
    k = jnp.where(mutual, e, 0)
    mass = k.sum(-1, keepdims=True) / d
    u = jnp.ones_like(mass)
    for _ in range(normalizer.iterations):
        k_u = k @ u
        u = jnp.sqrt(u * jnp.where(k_u > 0, mass / jnp.where(k_u > 0, k_u, 1), 1))
    return jnp.where(mutual, u * k * transpose(u), softmax)


def transpose(matrix):
    return matrix.swapaxes(-1, -2)


def combine(heads, concat):
    """`[H, N, C]` side by side, or their mean."""
    return jnp.concatenate(list(heads), axis=-1) if concat else heads.mean(0)


def dot_scores(score, x, pairwise):
    """The scores on features `[H, N, C]` that replace a layer's own."""
    if score == "cosine":
        unit = x / jnp.sqrt((x * x).sum(-1, keepdims=True))
        return unit @ transpose(unit)
    return x @ ((pairwise + transpose(pairwise)) / 2) @ transpose(x) * x.shape[-1] ** -0.5


def own_scores(score, s, query, key):
    """A layer's own score s, or ½ (s_ij + s_ji) with the same edge."""
    return (s(query, key) + s(key, query)) / 2 if score == "symmetrized" else s(query, key)


def gat(params, graph, bias, *, score, normalizer, concat=True):
    x = jnp.einsum("nd,dhc->hnc", graph.nodes, params.weight)
    edge = 0
    if params.edge_weight is not None:
        edge = jnp.einsum("dij,dh->hij", pairs(graph, graph.edges), params.edge_weight)
    if score in ("cosine", "pairwise"):
        logits = dot_scores(score, x, params.score) + edge
    else:
        a_1 = params.receiver_vector
        a_2 = a_1 if score == "shared" else params.sender_vector

        def s(a_i, a_j):
            ends = jnp.einsum("hnc,hc->hn", x, a_i)[:, :, None]
            ends = ends + jnp.einsum("hnc,hc->hn", x, a_j)[:, None, :]
            return jax.nn.leaky_relu(ends + edge, 0.2)

        logits = own_scores(score, s, a_1, a_2)
    weights = normalize(logits + bias, graph, normalizer)
    return combine(weights @ x, concat) + params.bias[None]


def gatv2(params, graph, bias, *, score, normalizer, concat=True):
    def project(weight, shift):
        return jnp.einsum("nd,dhc->hnc", graph.nodes, weight) + shift[:, None, :]

    x_j = project(params.sender_weight, params.sender_bias)
    if score in ("cosine", "pairwise"):
        logits = dot_scores(score, x_j, params.score)
    else:
        x_i = x_j if score == "shared" else project(params.receiver_weight, params.receiver_bias)
        edge = 0
        if params.edge_weight is not None:
            edge = jnp.einsum("dij,dhc->hijc", pairs(graph, graph.edges), params.edge_weight)

        def s(x_i, x_j):
            z = jax.nn.leaky_relu(x_i[:, :, None, :] + x_j[:, None, :, :] + edge, 0.2)
            return jnp.einsum("hijc,hc->hij", z, params.vector)

        logits = own_scores(score, s, x_i, x_j)
    weights = normalize(logits + bias, graph, normalizer)
    return combine(weights @ x_j, concat) + params.bias[None]


def graph_transformer(params, graph, bias, *, score, normalizer, concat=True):
    def project(weight, shift):
        return jnp.einsum("nd,dhc->hnc", graph.nodes, weight) + shift[:, None, :]

    q = project(params.query_weight, params.query_bias)
    v = project(params.value_weight, params.value_bias)
    scale = q.shape[-1] ** -0.5
    if score in ("cosine", "pairwise"):
        logits = dot_scores(score, q, params.score)
    else:
        k = q if score == "shared" else project(params.key_weight, params.key_bias)
        logits = own_scores(score, lambda q, k: q @ transpose(k) * scale, q, k)
    edges = pairs(graph, graph.edges)
    if params.edge_key is not None:
        from_receiver = jnp.einsum("hic,dhc,dij->hij", q, params.edge_key, edges)
        from_sender = jnp.einsum("hjc,dhc,dij->hij", q, params.edge_key, edges)
        both = (from_receiver + from_sender) / 2
        logits = logits + scale * (from_receiver if score == "standard" else both)
    weights = normalize(logits + bias, graph, normalizer)
    message = weights @ v
    if params.edge_value is not None:
        message = message + jnp.einsum("hij,dij,dhc->hic", weights, edges, params.edge_value)
    out = combine(message, concat)
    if params.output is not None:
        out = out @ params.output.weight + params.output.bias[None]
    if params.root is not None:
        out = out + graph.nodes @ params.root.weight
    return out


def edge_modulated_scores(params, graph, score):
    """clamp(Σ_c q_ic k_jc e_ijc / √C, ±5)."""

    def project(weight, shift):
        return jnp.einsum("nd,dhc->hnc", graph.nodes, weight) + shift[:, None, :]

    q = project(params.query_weight, params.query_bias)
    e = jnp.einsum("dij,dhc->hijc", pairs(graph, graph.edges), params.edge_weight)
    e = e + params.edge_bias[:, None, None, :]

    def s(x, y):
        return jnp.einsum("hic,hjc,hijc->hij", x, y, e)

    if score == "cosine":
        unit = q / jnp.sqrt((q * q).sum(-1, keepdims=True))
        logits = s(unit, unit)
    else:
        if score == "pairwise":
            k = q @ ((params.score + transpose(params.score)) / 2)
            logits = (s(q, k) + s(k, q)) / 2
        else:
            k = q if score == "shared" else project(params.key_weight, params.key_bias)
            logits = own_scores(score, s, q, k)
        logits = logits * q.shape[-1] ** -0.5
    return jnp.clip(logits, -5, 5)


def heads_mapped(params, graph, weights):
    """W_o ‖_h A W_v x."""
    value = jnp.einsum("nd,dhc->hnc", graph.nodes, params.value_weight)
    out = combine(weights @ (value + params.value_bias[:, None, :]), concat=True)
    return out if params.output is None else out @ params.output.weight + params.output.bias[None]


def exphormer(params, graph, bias, *, score, normalizer):
    logits = edge_modulated_scores(params.score, graph, score) + bias
    return heads_mapped(params, graph, normalize(logits, graph, normalizer))


def san(params, graph, bias, *, real, gamma, score, normalizer):
    """`real` `[N, N]`."""
    edges = edge_modulated_scores(params.real, graph, score) + math.log(1 / (1 + gamma))
    others = edge_modulated_scores(params.fake, graph, score) + math.log(gamma / (1 + gamma))
    weights = normalize(jnp.where(real[None], edges, others) + bias, graph, normalizer)
    return heads_mapped(params, graph, weights)


def grit(params, graph, bias, *, score, normalizer, clamp=5.0):
    """The new nodes, and the new features of the edges of the graph."""

    def project(weight):
        return jnp.einsum("nd,dhc->hnc", graph.nodes, weight)

    def edge_map(weight, shift):
        on_edges = jnp.einsum("dij,dhc->hijc", pairs(graph, graph.edges), weight)
        return on_edges + shift[:, None, None, :]

    q = project(params.query_weight) + params.query_bias[:, None, :]
    k = q if params.key_weight is None else project(params.key_weight)
    gate = edge_map(params.edge_gate, params.edge_gate_bias)
    shift = edge_map(params.edge_shift, params.edge_shift_bias)

    def stream(x_i, x_j):
        x = (x_i + x_j) * gate
        # The root of 0 has no derivative, and off the edges nothing has a gradient.
        root = jnp.sqrt(jnp.where(x == 0, 1, jnp.abs(x)))
        return jax.nn.relu(jnp.where(x > 0, root, jnp.where(x < 0, -root, 0)) + shift)

    there = stream(q[:, :, None], k[:, None, :])
    back = stream(q[:, None, :], k[:, :, None])
    if score in ("cosine", "pairwise"):
        logits = dot_scores(score, q, params.score)
    else:
        logits = jnp.einsum("hijc,hc->hij", there, params.vector)
        if score == "symmetrized":
            logits = (logits + jnp.einsum("hijc,hc->hij", back, params.vector)) / 2
    logits = jnp.minimum(jnp.maximum(logits, -clamp), clamp)
    weights = normalize(logits + bias, graph, normalizer)
    heard = jnp.einsum("hij,hijc,hcd->hid", weights, there, params.edge_value)
    edges = there[:, graph.receivers, graph.senders]
    return combine(weights @ project(params.value_weight) + heard, True), combine(edges, True)
