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
# # Molecules: from text to a prediction, and what it attends to
#
# A molecule is a graph: atoms are nodes, bonds are edges. Here a small GraphGPS network, message passing along bonds
# beside attention among all atoms, learns a measured property from the text form of molecules (SMILES). Needs the
# `experiments` and `chem` extras; runs in a minute or two, without downloads.
#
# With the ESOL set in the folder named by `GRAPHATTN_DATA` the property is solubility in water; otherwise it is the
# activity of a series of related molecules that come with RDKit.

# %%
import io
import os
from functools import partial

import jax
import matplotlib.pyplot as plt
import numpy as np

import graphattn_jax as ga

# %%
with_esol = "GRAPHATTN_DATA" in os.environ
data = ga.data.load("esol" if with_esol else "freewilson")
target = "log solubility, mol/l" if with_esol else "activity"
print(data)

# %% [markdown]
# ## Text to graphs
#
# `from_smiles` reads a molecule. Every atom has nine integer columns (element, charge, hybridisation, ...), every
# bond three; each bond is two directed edges.

# %%
aspirin = ga.chem.from_smiles("CC(=O)Oc1ccccc1C(=O)O")
print(f"{ga.graphs.num_nodes(aspirin)} atoms, {ga.graphs.num_edges(aspirin)} directed edges")
print("elements:", aspirin.nodes[:, 0] + 1)

# %% [markdown]
# Walks say what the surroundings of an atom look like: rings of six, chains and branching points differ in how probably
# a random walk is back after t steps. They are computed once, for all molecules in one call.


# %%
def encode(graphs):
    """Graphs with walks beside the columns of the atoms."""
    walks = {"encoding": partial(ga.encodings.rwse, k=16)}
    return ga.encodings.precompute(graphs, walks, progress=False)


graphs = encode(data.graphs._replace(globals=data.labels[:, None]))
split = data.splits[0]
mean, std = data.labels[split.train].mean(), data.labels[split.train].std()

# %% [markdown]
# ## Batches of one size
#
# JAX compiles for shapes, so every batch is padded to one budget. `prepare` adds the masks, and the blocks in which
# attention among the atoms of each molecule is computed; padding takes no part in anything.

# %%
sizes = graphs.n_node
budget = ga.graphs.estimate_budget(ga.graphs.unbatch(graphs), batch_size=32)


def batches(ids):
    """Padded batches of some molecules."""
    parts = ga.graphs.unbatch(ga.graphs.take(graphs, ids))
    return list(ga.graphs.batches_to_budget(parts, budget, block_size=int(sizes.max())))


train, val, test = (batches(np.random.default_rng(0).permutation(ids)) for ids in split)
fill = ga.graphs.fill_ratio(train[0])
print(f"{len(train)} training batches; {fill.nodes:.0%} of the rows of the first are real atoms")

# %% [markdown]
# ## The network, and its training
#
# Two layers of GraphGPS: messages along bonds (GINE) beside attention with four heads among all atoms. The loss is the
# squared error of the standardised target. Batch norms have running statistics, which the train state carries along.
# The parameters of the epoch with the smallest error on the validation molecules are kept.

# %%
network = ga.models.GPS(
    ga.models.Inputs(
        nodes=ga.chem.ATOM_SIZES["ogb"],
        edges=ga.chem.BOND_SIZES["ogb"],
        encoding=16,
        encoding_width=8,
    ),
    width=32,
    num_layers=2,
    local=ga.message_passing.GINE(),
    attention=ga.attention.GlobalAttention(heads=4, output=True),
    pool="mean",
)


def loss_fn(params, state, graph, dropout_key):
    out = network.apply(params, state, graph, training=True, key=dropout_key)
    targets = (graph.globals - mean) / std
    loss = ga.losses.l2_loss(out.prediction, targets, where=ga.graphs.graph_mask(graph))
    return loss, {}, out.state


@jax.jit
def predict(params, state, graph):
    return mean + std * network.apply(params, state, graph).prediction


def predictions_and_targets(params, state, parts):
    real = [ga.graphs.graph_mask(graph) for graph in parts]
    pairs = [
        (predict(params, state, graph)[mask], graph.globals[mask])
        for graph, mask in zip(parts, real, strict=True)
    ]
    return [np.concatenate(column)[:, 0] for column in zip(*pairs, strict=True)]


def rmse(params, state, parts):
    predicted, measured = predictions_and_targets(params, state, parts)
    return float(np.sqrt(np.mean((predicted - measured) ** 2)))


# %%
epochs = 25
optimizer = ga.training.make_optimizer(
    3e-3, clip_norm=1.0, schedule="cosine", total_steps=epochs * len(train)
)
params, model_state = network.init(jax.random.key(0))
fitted = ga.training.fit(
    ga.training.init_train_state(params, optimizer, jax.random.key(1), model_state=model_state),
    ga.training.make_train_step(loss_fn, optimizer),
    ga.training.ShuffledBatches(train, seed=0),
    num_steps=epochs * len(train),
    eval_every=len(train),
    evaluate=lambda params, state: {"val_rmse": rmse(params, state, val)},
    early_stopping=ga.training.EarlyStopping("val_rmse", "min", patience=None),
)
params, model_state = fitted.best_state.params, fitted.best_state.model_state
print(f"test RMSE {rmse(params, model_state, test):.2f}; the standard deviation is {std:.2f}")

# %%
predicted, measured = predictions_and_targets(params, model_state, test)
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
axes[0].plot(range(1, epochs + 1), [h["val_rmse"] for h in fitted.history], "o-", ms=3)
axes[0].axhline(std, color="0.6", lw=0.8, ls="--")
axes[0].text(epochs, std, "always the mean", ha="right", va="bottom", color="0.4", fontsize=9)
axes[0].set(xlabel="epoch", ylabel="RMSE on validation molecules", ylim=(0, None))
axes[1].plot(measured, predicted, "o", ms=4, alpha=0.6)
axes[1].axline((mean, mean), slope=1, color="0.6", lw=0.8, ls="--")
axes[1].set(xlabel=f"measured {target}", ylabel="predicted, molecules not trained on")
axes[1].set_aspect("equal", adjustable="datalim")
for axis in axes:
    axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## Predictions for any molecule
#
# `ga.chem.predict` goes from text to numbers: it reads, encodes, pads, and drops the padding again. How much to trust a
# number is another matter: nothing here says that a molecule is unlike all that the network was trained on.


# %%
def model(graph):
    return predict(params, model_state, graph)


names = {
    "caffeine": "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "glucose": "OCC1OC(O)C(O)C(O)C1O",
    "cholesterol": "CC(C)CCCC(C)C1CCC2C1(CCC3C2CC=C4C3(CCC(C4)O)C)C",
}
for name, value in zip(names, ga.chem.predict(model, list(names.values()), encode=encode)[:, 0]):
    print(f"{name:12} {value:6.2f}")

# %% [markdown]
# ## What it attends to
#
# A network gives the attention of its layers beside the predictions; what nobody reads is never computed. In the
# pictures an atom is the more orange the more the molecule takes from it in sum, and a pair is the more blue the more
# its two atoms attend to each other: bonds as bands, others as arcs.


# %%
@jax.jit
def attention_of_layers(graph):
    """`[B, H, n, n]` weights of every layer, row = receiver."""
    return [a.weights for a in network.apply(params, model_state, graph).attention]


def picture(smiles, layer):
    """A drawing of the mean attention over heads, as an image."""
    graph = encode(ga.chem.from_smiles(smiles))
    pairs = ga.graphs.all_pairs(graph)
    graph = ga.graphs.prepare(graph, block_size=ga.graphs.num_nodes(graph))
    weights = attention_of_layers(graph)[layer][0][:, pairs.receivers, pairs.senders].T
    edges = ga.graphs.pattern(pairs)
    png = ga.chem.draw_attention(smiles, weights, edges, image="png", size=(560, 460))
    return plt.imread(io.BytesIO(png))


by_size = split.test[np.argsort(sizes[split.test])]
chosen = by_size[[len(by_size) // 2, 3 * len(by_size) // 4, 19 * len(by_size) // 20]]
figure, axes = plt.subplots(
    network.num_layers, len(chosen), figsize=(14, 4 * network.num_layers), layout="constrained"
)
for column, i in zip(axes.T, chosen, strict=True):
    value = ga.chem.predict(model, data.smiles[i], encode=encode).item()
    column[0].set_title(f"measured {data.labels[i]:.2f}, predicted {value:.2f}", fontsize=10)
    for layer, axis in enumerate(column):
        axis.imshow(picture(data.smiles[i], layer))
        axis.axis("off")
for layer, axis in enumerate(axes[:, 0], 1):
    axis.text(-0.02, 0.5, f"layer {layer}", rotation=90, va="center", transform=axis.transAxes)
plt.show()

# %% [markdown]
# One picture is an anecdote. Over all test molecules: how much of the attention of a head goes to an element, compared
# with the element's share of the atoms? 1 means no preference. Attention says what a layer reads, not what causes the
# prediction.

# %%
elements = {"C": 5, "N": 6, "O": 7, "Cl": 16}
heads = network.attention.heads
totals = np.zeros((network.num_layers, heads, len(elements)))
counts = np.zeros(len(elements))
for graph in test:
    blocks = graph.layout.blocks
    column = np.append(graph.nodes["features"][:, 0], -1)[blocks.node]  # -1: empty slot
    kinds = np.stack([column == kind for kind in elements.values()], axis=-1)
    receivers = (column >= 0).sum(axis=1)
    counts += (kinds.sum(axis=1) / np.maximum(receivers, 1)[:, None]).sum(axis=0)
    for layer, weights in enumerate(attention_of_layers(graph)):
        per_sender = np.asarray(weights).sum(axis=2) / np.maximum(receivers, 1)[:, None, None]
        totals[layer] += np.einsum("bhj,bjk->hk", per_sender, kinds)
preference = totals / counts

figure, axes = plt.subplots(1, network.num_layers, figsize=(10, 3.4), sharey=True)
for layer, axis in enumerate(axes):
    for head in range(heads):
        offsets = np.arange(len(elements)) + 0.2 * (head - (heads - 1) / 2)
        axis.bar(offsets, preference[layer, head] - 1, 0.18, bottom=1, label=f"head {head + 1}")
    axis.axhline(1, color="0.3", lw=0.8)
    axis.set_yscale("log", base=2)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_xticks(range(len(elements)), list(elements))
    axis.set_title(f"layer {layer + 1}", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("share of attention / share of atoms")
axes[-1].legend(frameon=False, fontsize=9)
figure.tight_layout()
plt.show()
