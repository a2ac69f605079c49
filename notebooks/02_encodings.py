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
# # Encodings: where a node is in its graph
#
# Attention over all pairs does not see the graph. Attention over edges does not see further than its layers. Encodings
# tell a network where a node is (eigenvectors), what its surroundings look like (walks), and how far apart two nodes
# are (distances). Here they are on graphs from life. Needs the `experiments` extra; runs in a minute, without
# downloads.

# %%
from functools import partial

import jax
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

import graphattn_jax as ga

# %% [markdown]
# ## Two graphs
#
# The characters of *Les Misérables*, joined where they appear in one chapter, and 1,797 scanned digits, each joined to
# its nearest neighbours.

# %%
novel = nx.les_miserables_graph()
names = list(novel)
graph = ga.graphs.from_networkx(nx.Graph(novel.edges))
names = list(nx.Graph(novel.edges))
positions = nx.kamada_kawai_layout(nx.Graph(novel.edges))
places = np.array([positions[name] for name in names])

digits = ga.data.load("digits")
print(f"novel: {ga.graphs.num_nodes(graph)} nodes, {ga.graphs.num_edges(graph)} directed edges")
print(digits)


# %%
def draw(axis, values, title, cmap="coolwarm", symmetric=True):
    """Node values on the map of the novel."""
    limit = np.abs(values).max()
    for sender, receiver in zip(graph.senders, graph.receivers, strict=True):
        axis.plot(*places[[sender, receiver]].T, color="0.85", lw=0.5, zorder=0)
    low = -limit if symmetric else None
    points = axis.scatter(
        *places.T, c=values, cmap=cmap, vmin=low, vmax=limit, s=45, edgecolor="0.3", lw=0.4
    )
    axis.set_title(title, fontsize=10)
    axis.axis("off")
    return points


# %% [markdown]
# ## Eigenvectors: smooth coordinates
#
# The eigenvectors of the normalised Laplacian with the smallest eigenvalues vary as little as possible along edges. The
# first ones separate the large parts of the book, later ones single out small circles. A sign is arbitrary, so
# networks see random signs in training (`flip_signs`), or an encoder that does not depend on them (`signnet`, `spe`).

# %%
spectrum = ga.encodings.laplacian_eigenvectors(graph, 12)
figure, axes = plt.subplots(1, 4, figsize=(15, 3.8), layout="constrained")
for axis, k in zip(axes, (0, 1, 2, 11), strict=True):
    draw(axis, spectrum.vectors[:, k], f"eigenvector {k + 1}, λ = {spectrum.values[0, k]:.2f}")
plt.show()

# %% [markdown]
# On the digits the first eigenvectors have found the classes without having seen a label.

# %%
spectrum_of_digits = ga.encodings.laplacian_eigenvectors(digits.graph, 8)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
for axis, (a, b) in zip(axes, ((0, 1), (2, 3)), strict=True):
    x, y = spectrum_of_digits.vectors[:, [a, b]].T
    points = axis.scatter(x, y, c=digits.labels, cmap="tab10", s=7)
    axis.set(xlabel=f"eigenvector {a + 1}", ylabel=f"eigenvector {b + 1}")
    axis.spines[["top", "right"]].set_visible(False)
figure.colorbar(points, ax=axes, ticks=range(10), label="digit (not used)")
plt.show()

# %% [markdown]
# ## Walks: what the surroundings look like
#
# A random walk comes back to where it started after t steps with a probability that depends on the node's surroundings:
# 0 at odd steps says that no triangle or other odd cycle is near, a slow decay says that it is hard to get away.
# Unlike eigenvectors these numbers have no signs, and cost no eigendecomposition.

# %%
walks = ga.encodings.rwse(graph, 12)
degree = np.asarray(ga.graphs.in_degree(graph))
chosen = ["Valjean", "Myriel", "Gavroche", "Napoleon"]

figure, axes = plt.subplots(1, 3, figsize=(15, 4.2), layout="constrained", width_ratios=[1.1, 1, 1])
for name in chosen:
    i = names.index(name)
    axes[0].plot(range(1, 13), walks[i], "o-", ms=4, label=f"{name}, {degree[i]} neighbours")
axes[0].set(xlabel="steps t", ylabel="return probability")
axes[0].legend(frameon=False)
axes[0].spines[["top", "right"]].set_visible(False)
for axis, t in zip(axes[1:], (2, 3), strict=True):
    points = draw(axis, walks[:, t - 1], f"back after {t} steps", cmap="viridis", symmetric=False)
    figure.colorbar(points, ax=axis, shrink=0.7)
plt.show()

# %% [markdown]
# On a graph of a million nodes exact return probabilities are out of reach; random probes estimate them with an error
# that they report themselves. The first three steps come from the exact form. With few probes the error exceeds the
# differences between nodes: look before you use it.

# %%
figure, axes = plt.subplots(1, 3, figsize=(14, 4), layout="constrained", sharex=True, sharey=True)
for axis, probes in zip(axes, (16, 256, 4096), strict=True):
    estimate = ga.encodings.rwse_estimate(
        jax.random.key(0), graph, 8, num_probes=probes, exact=walks[:, :3]
    )
    for t, color in ((4, "tab:blue"), (8, "tab:orange")):
        axis.errorbar(
            walks[:, t - 1],
            np.asarray(estimate.values)[:, t - 1],
            np.asarray(estimate.standard_error)[:, t - 1],
            fmt="o",
            ms=3,
            lw=0.8,
            color=color,
            label=f"t = {t}",
        )
    axis.plot([0, 0.65], [0, 0.65], color="0.6", lw=0.8)
    axis.set(title=f"{probes} probes", xlabel="exact")
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("estimated, ± one standard error")
axes[0].legend(frameon=False)
plt.show()

# %% [markdown]
# ## Distances: a bias for every pair
#
# Attention over all pairs takes distances as a bias on its logits. Steps along shortest paths are what Graphormer uses;
# effective resistance also counts how many paths there are; walk probabilities (RRWP) are what GRIT uses.

# %%
pairs = ga.graphs.all_pairs(graph)
hops = ga.encodings.shortest_path_distances(graph, 5, pattern=pairs)
resistance = ga.encodings.effective_resistance(graph, pattern=pairs)
probabilities = ga.encodings.rrwp(graph, 5, pattern=pairs)

order = np.argsort(spectrum.vectors[:, 0])
figure, axes = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
for axis, values, title in (
    (axes[0], hops, "steps along shortest paths"),
    (axes[1], resistance, "effective resistance"),
    (axes[2], np.log10(probabilities[:, 4] + 1e-4), "log₁₀ probability of 4 steps"),
):
    matrix = ga.graphs.to_dense(pairs, values)[np.ix_(order, order)]
    image = axis.imshow(matrix, cmap="magma_r" if axis is not axes[2] else "magma")
    figure.colorbar(image, ax=axis, shrink=0.8)
    axis.set_title(title, fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])
axes[0].set_ylabel("characters, by the first eigenvector")
plt.show()

# %% [markdown]
# ## For a data set, in one call
#
# `precompute` runs a set of encodings over many graphs, in parallel and cached on disk, and attaches them: node
# encodings to `nodes`, pair encodings to `edges` of the pattern. Encodings are always computed on the original graph,
# whatever pattern attends afterwards.

# %%
molecule_like = [ga.graphs.from_networkx(nx.random_labeled_tree(n, seed=n)) for n in range(5, 25)]
encoded = ga.encodings.precompute(
    molecule_like,
    {
        "walks": partial(ga.encodings.rwse, k=8),
        "laplacian": partial(ga.encodings.laplacian_eigenvectors, k=4),
    },
    pairs={"distance": partial(ga.encodings.shortest_path_distances, max_distance=5)},
    pattern=ga.graphs.all_pairs,
    progress=False,
)
batch = ga.graphs.pad(ga.graphs.batch(encoded), ga.graphs.estimate_budget(encoded, 20))
eigenvectors, _, found = batch.nodes["laplacian"]
print(
    f"eigenvectors {eigenvectors.shape} of {len(encoded)} graphs, {found.any(axis=1).sum()} rows are real"
)

# %% [markdown]
# A layer that reads the walks as features of nodes, and the distances as buckets of a bias:

# %%
layer = ga.attention.RelativeBias(
    ga.attention.GraphTransformer(channels=8, heads=4),
    num_buckets=ga.encodings.distance_buckets(5).count,
)
params = layer.init(jax.random.key(0), in_features=8)
batch = batch._replace(
    nodes=batch.nodes["walks"], edges=ga.nn.EdgeInputs(buckets=batch.edges["distance"])
)
out, attention = layer.apply(params, batch)
print(
    f"{batch.senders.shape[0]} pairs, output {out.nodes.shape}, weights {attention.weights.shape}"
)
