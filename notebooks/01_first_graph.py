# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first graph
#
# From a networkx graph to a trained attention classifier, and a look at what it attends to.
# Needs the `experiments` extra for the pictures. Runs in less than a minute on a laptop, without downloads.
#
# 1. a `GraphsTuple` from networkx, checked
# 2. a network of two GATv2 layers, trained with `ga.training.fit`
# 3. the attention drawn on the graph
# 4. the same network with symmetric, doubly stochastic attention (`ga.ops.Sinkhorn()`), and how to measure it

# %%
import jax
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from matplotlib.colors import PowerNorm

import graphattn_jax as ga

# %% [markdown]
# ## The graph
#
# Zachary's karate club: 34 members, an edge between two who met outside the club, and on it the number of
# settings in which they met. The club split in two; each member's side is the attribute `club`.
# Strings cannot go to a device, so it becomes a number first.

# %%
karate = nx.karate_club_graph()
for _, member in karate.nodes(data=True):
    member["label"] = int(member["club"] == "Officer")

graph = ga.graphs.from_networkx(karate, node_attrs="label", edge_attrs="weight")
print(f"{ga.graphs.num_nodes(graph)} nodes, {ga.graphs.num_edges(graph)} directed edges")
print("undirected:", ga.graphs.is_undirected(graph))

# %% [markdown]
# `from_networkx` gives both directions of each undirected edge: attention is directed, what *i* pays to *j* is
# not what *j* pays to *i*. Messages go from sender to receiver, and each receiver distributes its attention
# over its incoming edges.
#
# The members have no features, so each gets a one-hot vector. No layer adds self-loops behind your back; we
# add them here, with weight 0, so that a member can attend to itself. `validate` checks on the host what
# would go wrong silently on the device: ids out of range, wrong row counts, NaN.

# %%
labels = graph.nodes
num_nodes = len(labels)
graph = graph._replace(nodes=np.eye(num_nodes, dtype=np.float32))
graph = ga.graphs.validate(ga.graphs.add_self_loops(graph, fill=0.0), check_finite=True)
print(f"{ga.graphs.num_edges(graph)} edges with self-loops")

# %% [markdown]
# The number of meetings of each pair will select a learned bias on its logit, so it is a bucket, not a feature.
# `prepare` looks at the structure once, on the host, and keeps on the graph what the fast paths use. It is optional;
# every layer gives the same result without it.

# %%
meetings = graph.edges.astype(np.int32)
graph = ga.graphs.prepare(graph._replace(edges=ga.nn.EdgeInputs(buckets=meetings)))

# %% [markdown]
# ## The network
#
# A layer is a value: its choices, no arrays. Here two GATv2 layers, each with the bias of the meetings around it
# (`RelativeBias`). Two members are labelled, the two leaders; the other 32 are for the test.

# %%
leaders = [0, 33]
train = np.isin(np.arange(num_nodes), leaders)
batch = jax.device_put((graph, labels, train))


def make_network(normalizer):
    """Two layers with dropout on their inputs."""

    def layer(channels, heads):
        gatv2 = ga.attention.GATv2(channels, heads, normalizer=normalizer)
        return ga.attention.RelativeBias(gatv2, num_buckets=int(meetings.max()) + 1)

    return ga.models.PlainNetwork(num_nodes, layers=(layer(8, 4), layer(2, 1)), dropout=0.3)


make_network(ga.ops.Softmax())


# %%
def fit_network(network, seed=0, num_steps=100):
    """Train a network; its history, logits, and attention by layer."""

    def loss_fn(params, batch, dropout_key):
        graph, labels, train = batch
        out = network.apply(params, None, graph, training=True, key=dropout_key)
        return ga.losses.softmax_cross_entropy(out.prediction, labels, where=train)

    init_key, dropout_key = jax.random.split(jax.random.key(seed))
    params, _ = network.init(init_key)
    optimizer = ga.training.make_optimizer(1e-2, weight_decay=5e-4)
    fitted = ga.training.fit(
        ga.training.init_train_state(params, optimizer, dropout_key),
        ga.training.make_train_step(loss_fn, optimizer),
        ga.training.Repeat(batch),
        num_steps=num_steps,
        eval_every=10,
    )
    out = jax.jit(network.apply)(fitted.state.params, None, graph)
    return fitted.history, out.prediction, out.attention


def accuracy(logits):
    """Share of the unlabelled members on the right side."""
    total, count = ga.metrics.accuracy(logits, labels, where=~train)
    return total / count


# %%
history, logits, attention = fit_network(make_network(ga.ops.Softmax()))
print(
    f"loss: {history[0]['loss']:.3f} in the first 10 steps, {history[-1]['loss']:.3f} in the last"
)
print(f"accuracy on the {num_nodes - len(leaders)} unlabelled members: {accuracy(logits):.3f}")

# %% [markdown]
# ## What it attends to
#
# `attention[k].weights` holds one row per edge of the graph, in its order, and one column per head. Below is the
# mean over the heads of the first layer. An arrow from *j* to *i* is the attention that *i* pays to *j*;
# each member's incoming arrows and its own self-loop (not drawn) sum to one.

# %%
SIDES = ("tab:blue", "tab:orange")


def draw_attention(weights, logits):
    """The graph with an arrow per edge, wider and darker with more attention."""
    weights = np.asarray(weights)
    is_pair = graph.senders != graph.receivers
    arrows = nx.DiGraph()
    arrows.add_nodes_from(range(num_nodes))
    order = np.flatnonzero(is_pair)[np.argsort(weights[is_pair])]  # strong ones on top
    arrows.add_edges_from(zip(graph.senders[order].tolist(), graph.receivers[order].tolist()))
    position = nx.kamada_kawai_layout(karate, weight=None)
    guess = np.asarray(logits).argmax(axis=1)
    sizes = [560 if i in leaders else 300 for i in range(num_nodes)]

    _, axes = plt.subplots(figsize=(10, 7), layout="constrained")
    drawn = nx.draw_networkx_edges(
        arrows,
        position,
        ax=axes,
        edge_color=weights[order].tolist(),
        edge_cmap=plt.get_cmap("Greys"),
        edge_vmin=-0.25,  # the faintest arrow is still visible
        edge_vmax=0.6,
        width=(0.4 + 5 * weights[order]).tolist(),
        arrowsize=9,
        connectionstyle="arc3,rad=0.12",
        node_size=sizes,
    )
    for rank, arrow in enumerate(drawn):
        arrow.set_zorder(1 + rank / len(drawn))
    nodes = nx.draw_networkx_nodes(
        arrows,
        position,
        ax=axes,
        node_size=sizes,
        node_color=[SIDES[side] for side in guess],
        edgecolors=["crimson" if wrong else "white" for wrong in guess != labels],
        linewidths=2,
    )
    nodes.set_zorder(3)
    nx.draw_networkx_labels(arrows, position, ax=axes, font_size=8, font_color="white")
    for side, name in enumerate(("Mr. Hi", "Officer")):
        axes.scatter([], [], s=90, color=SIDES[side], label=f"predicted: {name}")
    axes.scatter([], [], s=90, facecolor="white", edgecolor="crimson", linewidths=2, label="wrong")
    axes.legend(loc="best", frameon=False)
    axes.set_axis_off()
    axes.set_title(
        "Attention of the first layer, mean over heads (large: the two labelled members)"
    )
    plt.show()


first = attention[0].weights.mean(axis=1)
draw_attention(first, logits)

# %% [markdown]
# ## Symmetric attention
#
# Who knows whom is symmetric, the attention above is not: softmax divides by a sum of the receiver's own, so a
# member with two acquaintances gives each a large share, and a leader with many gives each a small one.
# One argument changes that. The Sinkhorn normalizer makes the weights symmetric, with rows and columns that
# sum to one.

# %%
_, sinkhorn_logits, sinkhorn_attention = fit_network(make_network(ga.ops.Sinkhorn()))
sinkhorn_first = sinkhorn_attention[0].weights.mean(axis=1)
print(f"accuracy with Sinkhorn attention: {accuracy(sinkhorn_logits):.3f}")

# %% [markdown]
# One seed and 32 members cannot rank the two. What can be compared is the attention itself. Three numbers belong
# together, with A[i, j] the attention that receiver i pays to sender j:
#
# * `e` = ‖A − Aᵀ‖ / ‖A‖, 0 for symmetric attention
# * `e_off`, the same without the diagonal: a network that looks only at itself has a small `e`, whatever the rest does
# * the diagonal mass, the mean of A[i, i]

# %%
edges = ga.graphs.pattern(graph)
reports = {
    name: ga.diagnostics.symmetry(weights, edges)
    for name, weights in (("softmax", first), ("sinkhorn", sinkhorn_first))
}
print(f"{'':10}{'e':>8}{'e_off':>8}{'diagonal':>10}{'row error':>11}{'column error':>14}")
for name, report in reports.items():
    e, e_off, diagonal, rows, columns = map(float, report)
    print(f"{name:10}{e:8.3f}{e_off:8.3f}{diagonal:10.3f}{rows:11.1e}{columns:14.1e}")

# %% [markdown]
# The matrices, members sorted by their side of the split (lines) and by degree within it. Softmax leaves
# vertical stripes, the members that everybody looks at. Their column sums, the attention that they get, grow
# with their degree; under Sinkhorn each member gets as much as it gives.


# %%
def draw_matrices(weights_by_name):
    """Attention as a matrix before and after, and the attention that each member gets."""
    degree = np.asarray(ga.graphs.in_degree(graph))
    order = np.lexsort((-degree, labels))
    split = np.sum(labels == 0) - 0.5
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.6), layout="constrained")
    for panel, (name, weights) in zip(axes, weights_by_name.items()):
        matrix = ga.graphs.to_dense(graph, np.asarray(weights))[np.ix_(order, order)]
        image = panel.imshow(matrix, cmap="viridis", norm=PowerNorm(0.5, vmin=0, vmax=1))
        panel.axhline(split, color="white", linewidth=0.7)
        panel.axvline(split, color="white", linewidth=0.7)
        panel.set(title=name, xlabel="sender j", ylabel="receiver i", xticks=[], yticks=[])
    figure.colorbar(image, ax=axes[:2], label="A[i, j]", shrink=0.85)
    for (name, weights), (marker, color) in zip(
        weights_by_name.items(), (("o", "dimgray"), ("s", "teal"))
    ):
        _, columns = ga.diagnostics.row_column_sums(weights, edges)
        axes[2].plot(degree - 1, columns, marker, color=color, alpha=0.7, label=name)
    axes[2].set(title="attention received", xlabel="acquaintances", ylabel="column sum of A")
    axes[2].spines[["top", "right"]].set_visible(False)
    axes[2].legend(frameon=False)
    plt.show()


draw_matrices({"softmax": first, "sinkhorn": sinkhorn_first})

# %% [markdown]
# Where to go from here: the pages on padding (many graphs, one compilation), attention (a layer of your own),
# symmetry (which normalizer guarantees what) and testing (check that layer) in the documentation.
