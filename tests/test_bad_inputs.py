"""What people pass by mistake or by habit: each a ValueError that names the argument, what was got, and what to do."""

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import optax
import pytest

import graphattn_jax as ga

KEY = jax.random.key(0)
GRAPH = ga.graphs.from_edge_list(
    [0, 1, 2],
    [1, 2, 0],
    nodes=np.eye(3, 4, dtype=np.float32),
    edges=np.ones((3, 2), np.float32),
)
EDGE_INDEX = np.stack([GRAPH.senders, GRAPH.receivers])
MASK = np.array([True, False, True])
NAMES = np.array(["a", "b", "a"])
JOINED = np.array([0.0, np.nan, 1.0])
FEATURES = np.array([0.5, 1.25, 3.0], np.float32)
EDGES = ga.ops.Edges(GRAPH.senders, GRAPH.receivers, 3)
QUERY = np.ones((3, 2, 4), np.float32)
BLOCKS = ga.ops.prepare_blocks(np.zeros(3, np.int32), 1, 3)
GAT = ga.attention.GAT(4, 2)
GAT_PARAMS = GAT.init(KEY, 4)
GAT_DROPOUT = ga.attention.GAT(4, 2, dropout=0.5)
GATV2_PARAMS = ga.attention.GATv2(4, 2).init(KEY, 4)
GCN = ga.message_passing.GCN(4)
GCN_PARAMS = GCN.init(KEY, 4)
NETWORK = ga.models.PlainNetwork.gat(4, 3)
PARAMS, STATE = NETWORK.init(KEY)
INPUTS = ga.models.Inputs(nodes=(5,))
GPS = ga.models.GPS(INPUTS, width=8, num_layers=1)
GPS_ARRAYS = GPS.init(KEY)
FLOATS = ga.models.GPS(ga.models.Inputs(nodes=1), width=8, num_layers=1)
FLOATS_ARRAYS = FLOATS.init(KEY)
PATH = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
LOGITS = jnp.ones((3, 2))
NEIGHBOURS = ga.sampling.Neighbours((2,))
STEP = optax.adam(1e-3)
TRAIN_STATE = ga.training.init_train_state({"w": jnp.ones(2)}, STEP, KEY)
PLANES = ga.graphs.Table({"id": ["N1", "N2"]}, key="id")


def sampler(seeds=(0, 2), method=NEIGHBOURS, **options):
    return ga.sampling.Sampler(GRAPH, method, seeds, 2, **options)


def from_ids(senders):
    return ga.graphs.from_edge_list(senders, [1, 0, 1])


def flights(plane, time=None, **options):
    columns = {"plane": plane} | ({} if time is None else {"time": time})
    options = {"foreign": {"plane": "planes"}, "time": None if time is None else "time"} | options
    return ga.graphs.from_tables({"flights": ga.graphs.Table(columns, **options), "planes": PLANES})


def attend(edges=EDGES, query=QUERY, **options):
    return ga.ops.edge_attention(query, QUERY, QUERY, edges, **options)


def loss(labels, **options):
    return ga.losses.softmax_cross_entropy(LOGITS, labels, **options)


def on_nodes(network, arrays, nodes):
    return network.apply(*arrays, GRAPH._replace(nodes=nodes, edges=None))


# What it is called in the test, the call, and parts of the message.
CASES = {
    # ids of nodes
    "senders: a mask": (lambda: from_ids(MASK), "senders", "bool", "np.flatnonzero"),
    "senders: whole floats": (lambda: from_ids([0.0, 1.0, 1.0]), "senders", "float", ".astype"),
    "senders: fractions": (lambda: from_ids(FEATURES), "senders", "float32", "are features"),
    "senders: NaN after a join": (lambda: from_ids(JOINED), "senders", "NaN", "leave out"),
    "senders: names": (lambda: from_ids(NAMES), "senders", "<U1", "return_inverse"),
    "senders: None": (lambda: from_ids(None), "senders must hold numbers", "NoneType"),
    "senders: negative": (lambda: from_ids([0, -1, 1]), "senders must lie in", "-1 at position 1"),
    "senders: an edge index": (lambda: from_ids(EDGE_INDEX), "senders must have shape", "(2, 3)"),
    "nodes: names": (
        lambda: ga.graphs.from_edge_list([0], [1], nodes=[["a"], ["b"]]),
        "nodes must hold numbers",
        "return_inverse",
    ),
    "num_nodes: a float": (
        lambda: ga.graphs.from_edge_list([0], [1], num_nodes=3.5),
        "num_nodes must be an integer",
        "float 3.5",
    ),
    # graphs
    "prepare: networkx": (
        lambda: ga.graphs.prepare(nx.path_graph(3)),
        "must be a GraphsTuple, got Graph",
        "from_edge_list",
    ),
    "pad: a tuple": (
        lambda: ga.graphs.pad(GRAPH, (8, 8, 2)),
        "budget must be a ga.graphs.Budget, got tuple (8, 8, 2)",
        "n_node=",
    ),
    "batches_to_budget: a number": (
        lambda: list(ga.graphs.batches_to_budget([GRAPH], 8)),
        "budget must be",
        "int 8",
    ),
    "batch: one graph": (lambda: ga.graphs.batch(GRAPH), "graphs must be a list", "batch([graph])"),
    "batch: None": (lambda: ga.graphs.batch(None), "graphs must be a list", "NoneType"),
    "from_networkx: a dict": (
        lambda: ga.graphs.from_networkx({0: [1]}),
        "graph must be a networkx graph, got dict",
    ),
    "block_size: too small": (
        lambda: ga.graphs.prepare(GRAPH, block_size=2),
        "block_size must be at least 3",
    ),
    "take: a mask": (lambda: ga.graphs.take(GRAPH, [True]), "graph_ids", "np.flatnonzero"),
    "subgraph: ids": (
        lambda: ga.graphs.subgraph(GRAPH, np.array([0, 1])),
        "node_mask must be boolean",
        "int64",
    ),
    "reduce: a typo": (
        lambda: ga.graphs.coalesce(GRAPH, "men"),
        "reduce must be one of",
        "Fix: 'mean'",
    ),
    # tables
    "tables: a frame in place of a Table": (
        lambda: ga.graphs.from_tables({"planes": {"id": [1]}}),
        "tables must be a dict of ga.graphs.Table",
    ),
    "tables: a name in place of names": (
        lambda: flights(["N1"], foreign={"plane": "plane"}),
        "the table of the foreign key 'plane' of table 'flights' must be one of",
        "Fix: 'planes'",
    ),
    "foreign key: without its row": (
        lambda: flights(["N1", "N7"]),
        "the foreign key 'plane' of table 'flights' is 'N7' in row 1",
        'missing="drop"',
    ),
    "foreign key: numbers for text": (
        lambda: flights([1, 2]),
        "'plane' of table 'flights' holds int64",
        ".astype(str)",
    ),
    "key: twice": (
        lambda: ga.graphs.from_tables({"planes": ga.graphs.Table({"id": ["N1", "N1"]}, key="id")}),
        "the key 'id' of table 'planes' must name each row once, got 'N1' in rows 0 and 1",
    ),
    "time: NaT": (
        lambda: flights(["N1"], time=np.array(["NaT"], "datetime64[s]")),
        "time column 'time' of table 'flights' has no time in row 0",
        "leave out",
    ),
    "fit_columns: a typo": (
        lambda: ga.graphs.fit_columns({"seats": [1]}, {"seats": "numerical"}),
        "the kind of column 'seats' must be one of",
        "Fix: 'numeric'",
    ),
    "typed inputs: a typo": (
        lambda: ga.models.TypedInputs.of(flights(["N1"]), missing="degrees"),
        "missing must be one of",
        "Fix: 'degree'",
    ),
    # ops
    "edges: an edge index": (
        lambda: attend(EDGE_INDEX),
        "edges must be a pattern",
        "array of shape (2, 3)",
        "ga.ops.Edges(senders",
    ),
    "edges: a graph": (lambda: attend(GRAPH), "edges must be a pattern", "ga.graphs.pattern"),
    "edges: lists": (
        lambda: attend(ga.ops.Edges([0, 1], [1, 0], 3)),
        "edges.senders must be integer ids",
        "np.asarray",
    ),
    "edges: a mask": (
        lambda: attend(ga.ops.Edges(MASK, GRAPH.receivers, 3)),
        "edges.senders",
        "bool",
        "np.flatnonzero",
    ),
    "normalize: a tuple": (
        lambda: ga.ops.normalize(LOGITS, ([0], [1])),
        "edges must be a pattern",
        "tuple",
    ),
    "receiver_sum: None": (
        lambda: ga.ops.receiver_sum(LOGITS, None),
        "edges must be a pattern",
        "NoneType",
    ),
    "blocks: a size": (
        lambda: ga.ops.block_attention(QUERY, QUERY, QUERY, 3),
        "blocks must be ga.ops.Blocks, got int 3",
        "prepare_blocks",
    ),
    "num_blocks: a float": (
        lambda: ga.ops.prepare_blocks(np.zeros(3, int), 1.0, 3),
        "num_blocks must be a positive integer",
        "float 1.0",
    ),
    "query: integers": (
        lambda: attend(query=QUERY.astype(int)),
        "query must be floating point",
        ".astype",
    ),
    "query: a long list": (
        lambda: attend(query=QUERY.tolist()),
        "query must be an array of shape",
        "list [[[1.0",
        "...",
    ),
    "normalizer: a class": (
        lambda: attend(normalizer=ga.ops.Softmax),
        "normalizer must be a value",
        "type",
    ),
    "dropout: a rate": (
        lambda: attend(dropout=0.5),
        "dropout must be a ga.ops.Dropout(rate, key)",
        "float 0.5",
    ),
    "implementation: a typo": (
        lambda: attend(implementation="refrence"),
        "implementation must be one of",
        "Fix: 'reference'",
    ),
    "segment_sum: booleans": (
        lambda: ga.ops.segment_sum(jnp.ones(3, bool), jnp.zeros(3, int), 2),
        "data must hold numbers",
        "jnp.int32",
    ),
    "segment_max: booleans": (
        lambda: ga.ops.segment_max(jnp.ones(3, bool), jnp.zeros(3, int), 2),
        "data must hold numbers",
        "bool",
    ),
    "segment_ids: floats": (
        lambda: ga.ops.segment_sum(jnp.ones(3), jnp.ones(3), 2),
        "segment_ids must be integer ids",
        "float32",
    ),
    "num_segments: a float": (
        lambda: ga.ops.segment_sum(jnp.ones(3), jnp.zeros(3, int), 2.0),
        "num_segments must be a static Python int",
        "float 2.0",
    ),
    # layers
    "heads: 0": (lambda: ga.attention.GAT(4, 0), "heads must be a positive integer", "int 0"),
    "init: an int as a key": (
        lambda: GAT.init(0, 4),
        "key must be a typed key",
        "int 0",
        "jax.random.key(seed)",
    ),
    "init: an old key": (
        lambda: GCN.init(jax.random.PRNGKey(0), 4),
        "key must be a typed key",
        "wrap_key_data",
    ),
    "init: no width": (
        lambda: GAT.init(KEY, None),
        "in_features must be a positive integer",
        "None",
    ),
    "apply: as in PyG": (
        lambda: GAT.apply(GAT_PARAMS, GRAPH.nodes, EDGE_INDEX),
        "apply takes (params, graph)",
        "from_edge_list(*edge_index",
    ),
    "apply: nodes": (
        lambda: GAT.apply(GAT_PARAMS, GRAPH.nodes),
        "graph must be a GraphsTuple, got float32 array",
        "from_edge_list",
    ),
    "apply: a dict": (lambda: GCN.apply(GCN_PARAMS, {"nodes": 0}), "graph must be", "dict"),
    "apply: no graph": (lambda: GAT.apply(GAT_PARAMS), "apply takes (params, graph)"),
    "params: of another layer": (
        lambda: GAT.apply(GATV2_PARAMS, GRAPH),
        "params must be the GATParams of GAT(",
        "GATv2Params",
        "layer.init",
    ),
    "params: None": (lambda: GCN.apply(None, GRAPH), "params must be the GCNParams", "NoneType"),
    "params: a dict": (lambda: GAT.apply(GAT_PARAMS._asdict(), GRAPH), "params must be", "dict"),
    "training: a key": (
        lambda: GAT_DROPOUT.apply(GAT_PARAMS, GRAPH, training=KEY),
        "training must be True or False",
        "key=",
    ),
    "key: an int": (
        lambda: GAT_DROPOUT.apply(GAT_PARAMS, GRAPH, training=True, key=0),
        "key must be a typed key",
        "int 0",
    ),
    "key: missing": (
        lambda: GAT_DROPOUT.apply(GAT_PARAMS, GRAPH, training=True),
        "dropout=0.5 needs key=",
        "Fix",
    ),
    "bias: one for all heads": (
        lambda: GAT.apply(GAT_PARAMS, GRAPH, bias=np.ones((3, 1), np.float32)),
        "bias must have shape [3, 2], got (3, 1)",
    ),
    "edge_weight: a dict": (
        lambda: GCN.apply(GCN_PARAMS, GRAPH, edge_weight={"weight": np.ones(3)}),
        "edge_weight must be an array of shape [3]",
        "dict",
    ),
    "graph.nodes: None": (
        lambda: GAT.apply(GAT_PARAMS, GRAPH._replace(nodes=None)),
        "graph.nodes must be an array",
        "NoneType",
    ),
    # networks and their parts
    "network: no state": (
        lambda: NETWORK.apply(PARAMS, GRAPH),
        "apply takes (params, state, graph)",
    ),
    "network: as in PyG": (
        lambda: NETWORK.apply(PARAMS, STATE, GRAPH.nodes, EDGE_INDEX),
        "apply takes (params, state, graph)",
        "from_edge_list",
    ),
    "network: a list of graphs": (
        lambda: NETWORK.apply(PARAMS, STATE, [GRAPH]),
        "graph must be a GraphsTuple, got list",
    ),
    "network: an int as a key": (lambda: NETWORK.init(0), "key must be a typed key", "int 0"),
    "network: no key": (lambda: GPS.init(None), "key must be a typed key", "NoneType None"),
    "categories: features": (
        lambda: on_nodes(GPS, GPS_ARRAYS, FEATURES),
        "graph.nodes must be integer ids of categories",
        "the width of float features",
    ),
    "categories: a mask": (
        lambda: on_nodes(GPS, GPS_ARRAYS, MASK),
        "graph.nodes must be integer ids",
        ".astype(np.int32) for two classes",
    ),
    "categories: out of range": (
        lambda: on_nodes(GPS, GPS_ARRAYS, np.array([0, 7, 1])),
        "graph.nodes must lie in [0, 5)",
        "7 at position 1",
    ),
    "features: categories": (
        lambda: on_nodes(FLOATS, FLOATS_ARRAYS, np.zeros((3, 1), int)),
        "graph.nodes must be floating point",
        "a tuple of the numbers of categories",
    ),
    "Inputs: a list": (
        lambda: ga.models.Inputs(nodes=[5]),
        "nodes must be the width",
        "list [5]",
    ),
    "Inputs: None": (lambda: ga.models.Inputs(nodes=None), "nodes must be the width", "NoneType"),
    "GPS: a class for a layer": (
        lambda: ga.models.GPS(INPUTS, local=ga.message_passing.GINE),
        "local must be a layer such as ga.message_passing.GINE()",
    ),
    "GPS: a pool": (
        lambda: ga.models.GPS(INPUTS, pool="men"),
        "pool must be one of",
        "Fix: 'mean'",
    ),
    "GPS: a percentage": (
        lambda: ga.models.GPS(INPUTS, dropout=50),
        "dropout must be a number in [0, 1)",
        "50",
    ),
    "save: turned round": (
        lambda: ga.models.save("file", PARAMS, NETWORK, STATE),
        "network must be a network",
        "...",
    ),
    "values: a typo in a field": (
        lambda: ga.values.from_json({"type": "attention.GAT", "chanels": 4}),
        "no field 'chanels'",
        "Fix: 'channels'",
    ),
    "linear: of an MLP": (
        lambda: ga.nn.linear(ga.nn.init_mlp(KEY, [2, 3]), jnp.ones((2, 2))),
        "params must be LinearParams, got MLPParams",
        "init_linear",
    ),
    "layer_norm: a dict": (
        lambda: ga.nn.layer_norm({"scale": 1}, jnp.ones((2, 2))),
        "params must be LayerNormParams, got dict",
        "init_layer_norm",
    ),
    "init_linear: an int as a key": (
        lambda: ga.nn.init_linear(0, 2, 3),
        "key must be a typed key",
        "int 0",
    ),
    "activation: a typo": (lambda: ga.nn.activation("rellu"), "activation", "Fix: 'relu'"),
    "embedding: floats": (
        lambda: ga.nn.embedding(ga.nn.init_embedding(KEY, 5, 4), FEATURES),
        "ids must be integer ids",
        "are features",
    ),
    # training
    "init_train_state: an int as a key": (
        lambda: ga.training.init_train_state({"w": jnp.ones(2)}, STEP, 0),
        "key must be one typed key",
        "jax.random.key(seed)",
    ),
    "init_train_state: integers": (
        lambda: ga.training.init_train_state({"w": jnp.ones(2, int)}, STEP, KEY),
        "params['w'] must be floating point",
        "model_state=",
    ),
    "init_train_state: a name": (
        lambda: ga.training.init_train_state({"w": jnp.ones(2)}, "adam", KEY),
        "optimizer must be an optax transformation",
        "make_optimizer",
    ),
    "make_train_step: turned round": (
        lambda: ga.training.make_train_step(STEP, lambda *_: None),
        "loss_fn must be a function",
    ),
    "make_optimizer: text": (
        lambda: ga.training.make_optimizer("0.1"),
        "learning_rate must be a number",
        "str '0.1'",
    ),
    "evaluate: no step": (
        lambda: ga.training.evaluate(None, {}, [GRAPH]),
        "eval_step must be a function",
        "None",
    ),
    "budgets: tuples": (
        lambda: ga.training.GraphBatches(GRAPH, 1, seed=0, budgets=((8, 8, 2),)),
        "budgets must be a tuple of ga.graphs.Budget",
        "batch_budgets",
    ),
    "batch_size: 0": (
        lambda: ga.training.GraphBatches(GRAPH, 0, seed=0),
        "batch_size must be a positive integer",
    ),
    "seed: a key": (
        lambda: ga.training.GraphBatches(GRAPH, 1, seed=KEY),
        "seed must be a non-negative integer",
    ),
    "save_params: Python floats": (
        lambda: ga.training.save_params("file", {"w": 1.0}),
        "params['w'] must be an array, got float 1.0",
        "jnp.asarray",
    ),
    # losses and metrics
    "labels: floats": (lambda: loss(jnp.ones(3)), "labels must be integer ids", ".astype"),
    "labels: fractions": (lambda: loss(FEATURES), "labels must be integer ids", "are features"),
    "labels: booleans": (lambda: loss(MASK), "labels", "bool", "for two classes"),
    "labels: None": (lambda: loss(None), "labels must be integer ids, got NoneType None."),
    "labels: names": (lambda: loss(NAMES), "labels must be integer ids", "return_inverse"),
    "labels: -1": (lambda: loss(jnp.array([0, 1, -1])), "got -1", "where=labels >= 0"),
    "labels: one-hot": (lambda: loss(jnp.ones((3, 2), int)), "labels must have shape [3]"),
    "where: ids": (
        lambda: loss(jnp.array([0, 1, 1]), where=jnp.array([0, 2])),
        "where must be boolean (True = counts)",
        "int32",
    ),
    "label_smoothing: text": (
        lambda: loss(jnp.array([0, 1, 1]), label_smoothing="0.1"),
        "label_smoothing must be a number in [0, 1)",
        "'0.1'",
    ),
    "yes or no: -1": (
        lambda: ga.losses.sigmoid_binary_cross_entropy(jnp.ones(3), jnp.array([-1, 0, 1])),
        "labels must lie in [0, 1]",
        "-1",
        "labels >= 0",
    ),
    "yes or no: NaN": (
        lambda: ga.losses.sigmoid_binary_cross_entropy(jnp.ones(3), jnp.asarray(JOINED)),
        "labels must lie in [0, 1]",
        "~jnp.isnan(labels)",
    ),
    "pos_weight: negative": (
        lambda: ga.losses.sigmoid_binary_cross_entropy(jnp.ones(3), jnp.ones(3), pos_weight=-1.0),
        "pos_weight must be 0 or positive",
        "-1.0",
    ),
    "accuracy: floats": (
        lambda: ga.metrics.accuracy(LOGITS, jnp.ones(3)),
        "labels must be integer ids",
        ".astype",
    ),
    "roc_auc: -1": (
        lambda: ga.metrics.roc_auc(np.ones(3), np.array([0, 1, -1])),
        "labels must be bool, 0 or 1",
        "labels >= 0",
    ),
    "mean_from_sums: numbers": (
        lambda: ga.metrics.mean_from_sums([3.0]),
        "pairs must hold pairs (sum, count)",
        "float 3.0",
    ),
    # samples of a large graph
    "sampler: labels of all nodes": (
        lambda: sampler(targets=np.zeros(3, int)),
        "targets must have a row for each of 2 seeds",
        "labels[seeds]",
    ),
    "sampler: a mask for seeds": (
        lambda: sampler(MASK),
        "seeds must be integer ids",
        "flatnonzero",
    ),
    "sampler: fan-outs by relation": (
        lambda: sampler(method=ga.sampling.Neighbours(({"writes": 2},))),
        "fanouts must be numbers for a graph without types",
        "from_types",
    ),
    "sampler: a batch of graphs": (
        lambda: ga.sampling.Sampler(ga.graphs.batch([GRAPH, GRAPH]), NEIGHBOURS, [0], 1),
        "graph must be one graph",
        "GraphBatches",
    ),
    "sampler: beyond the epoch": (lambda: sampler()(0, 0, 5), "index must be below 1", "epoch + 1"),
    "neighbours: an int": (
        lambda: ga.sampling.Neighbours(15),
        "fanouts must be a tuple with a number per hop",
        "int 15",
    ),
    "hgsampling: no steps": (
        lambda: ga.sampling.HGSampling(size=4, steps=0),
        "steps must be a positive integer",
        "int 0",
    ),
    "clusters: parts of some nodes": (
        lambda: ga.sampling.ClusterSampler(GRAPH, [0, 1], 1),
        "parts must have shape [3]",
        "(2,)",
    ),
    "clusters: seeds twice": (
        lambda: ga.sampling.ClusterSampler(GRAPH, [0, 1, 1], 1, seeds=[0, 0]),
        "seeds must be different nodes",
        "np.unique",
    ),
    "saint: a number": (
        lambda: ga.sampling.SaintSampler(GRAPH, 100),
        "method must be SaintNodes, SaintEdges or SaintWalks",
        "int 100",
    ),
    "partition: too many parts": (
        lambda: ga.sampling.partition(GRAPH, 4),
        "num_parts must be at most 3",
        "got 4",
    ),
    "prefetch: a list": (
        lambda: ga.training.prefetch([GRAPH]),
        "batches must be a DataIterator",
        "EpochBatches",
    ),
    "layerwise: GPS": (
        lambda: ga.models.apply_layerwise(GPS, None, GRAPH, batch_size=2),
        "network must be a PlainNetwork",
        "got GPS",
    ),
    "epoch batches: a list": (
        lambda: ga.training.EpochBatches([GRAPH], 0),
        "source must be a function",
        "ShuffledBatches",
    ),
    # encodings, molecules
    "encoding: k": (lambda: ga.encodings.laplacian_eigenvectors(GRAPH, 0), "k must be a positive"),
    "encoding: not a graph": (
        lambda: ga.encodings.laplacian_eigenvectors(None, 2),
        "graph must be a GraphsTuple",
        "NoneType",
    ),
    "smiles: no molecule": (
        lambda: ga.chem.from_smiles("C1CC"),
        "smiles cannot be read",
        "on_error='skip'",
    ),
    "smiles: one text": (
        lambda: ga.chem.from_smiles_list("CCO"),
        "smiles must be a sequence of strings",
        "from_smiles",
    ),
    "smiles: features": (
        lambda: ga.chem.from_smiles("CC", features="obg"),
        "features must be one of",
        "Fix: 'ogb'",
    ),
    "predict: no function": (
        lambda: ga.chem.predict(None, ["CC"]),
        "fn must be a function",
        "NoneType",
    ),
    # kinds found by trying
    "key: several": (
        lambda: GAT.init(jax.random.split(KEY, 2), 4),
        "key must be one key",
        "shape (2,)",
        "jax.vmap",
    ),
    "edge_map: text": (
        lambda: ga.message_passing.GINE(4, edge_map="yes"),
        "edge_map must be True or False",
        "'yes'",
    ),
    "use_bias: a number": (
        lambda: ga.message_passing.GCN(4, use_bias=1),
        "use_bias must be True or False",
    ),
    "Inputs: a negative encoding": (
        lambda: ga.models.Inputs(nodes=3, encoding=-4, encoding_width=2),
        "encoding must be a positive integer",
        "-4",
    ),
    "from_json: a typo in a type": (
        lambda: ga.values.from_json({"type": "attention.GATv"}),
        "unknown type 'attention.GATv'",
        "Fix: 'attention.GATv2'",
    ),
    "segment_sum: text": (
        lambda: ga.ops.segment_sum(NAMES, np.zeros(3, int), 1),
        "data must hold numbers",
        "<U1",
    ),
    "edge_weight: text": (
        lambda: ga.encodings.rwse(GRAPH, 2, edge_weight=["a"] * 3, directed="keep"),
        "edge_weight must hold numbers",
        "<U1",
    ),
    "q: NaN": (
        lambda: ga.encodings.magnetic_laplacian_eigenvectors(GRAPH, 2, q=np.nan),
        "q must be a number in [0, 0.5]",
        "nan",
    ),
    "spe: no pattern": (
        lambda: ga.encodings.spe(
            ga.encodings.init_spe(KEY, 4), ga.encodings.laplacian_eigenvectors(PATH, 2)
        ),
        "spe needs pattern=",
    ),
    "deepset: vectors alone": (
        lambda: ga.encodings.laplace_deepset(
            ga.encodings.init_laplace_deepset(KEY, 4), np.ones((3, 2), np.float32)
        ),
        "vectors must come with values and mask",
        "laplacian_eigenvectors",
    ),
    "fit: no state": (
        lambda: ga.training.fit(None, lambda *_: None, [GRAPH], num_steps=1),
        "state must be a TrainState",
        "init_train_state",
    ),
    "fit: no step": (
        lambda: ga.training.fit(TRAIN_STATE, STEP, [GRAPH], num_steps=1),
        "train_step must be a function",
    ),
    "ShuffledBatches: a number": (
        lambda: ga.training.ShuffledBatches(5, seed=0),
        "batches must be a list of batches",
        "int 5",
    ),
    "evaluate: a number": (
        lambda: ga.training.evaluate(lambda *_: {}, {}, 5),
        "batches must be an iterable",
        "int 5",
    ),
    "seed: True": (
        lambda: ga.training.GraphBatches(GRAPH, 1, seed=True),
        "seed must be a non-negative integer",
        "bool True",
    ),
    "warmup_steps: a fraction": (
        lambda: ga.training.make_optimizer(0.1, warmup_steps=1.5),
        "warmup_steps must be an integer",
        "float 1.5",
    ),
    "loss_scale: 0": (
        lambda: ga.training.init_train_state({"w": jnp.ones(2)}, STEP, KEY, loss_scale=0),
        "loss_scale must be a number from 1 on",
        "int 0",
    ),
    "class_weights: negative": (
        lambda: loss(jnp.array([0, 1, 1]), class_weights=np.array([1.0, -1.0], np.float32)),
        "class_weights must be 0 or positive",
        "-1.",
    ),
    "estimate_budget: one graph": (
        lambda: ga.graphs.estimate_budget(GRAPH, 2),
        "graphs must be a list of GraphsTuples",
        "unbatch",
    ),
    "dropout: a rate of 1.5": (
        lambda: attend(dropout=ga.ops.Dropout(1.5, KEY)),
        "must be a number in [0, 1)",
        "1.5",
    ),
    "dropout: a number as a key": (
        lambda: attend(dropout=ga.ops.Dropout(0.5, 3)),
        "must be a typed key",
        "int 3",
    ),
    "transpose: typed": (
        lambda: ga.graphs.transpose(
            ga.graphs.from_types({"page": 2}, {("page", "links", "page"): ([0], [1])})
        ),
        "graphs without types, got relations",
        "Fix: from_types(..., reverse=True)",
    ),
    # modules
    "nnx: a layer that is none": (lambda: module("nnx"), "layer must be a Layer", "str 'GAT'"),
    "linen: a layer that is none": (lambda: module("linen"), "layer must be a Layer", "str 'GAT'"),
}


def module(kind):
    if kind == "nnx":
        from flax import nnx

        from graphattn_jax.modules.nnx import Layer

        return Layer("GAT", 4, rngs=nnx.Rngs(0))
    from graphattn_jax.modules.linen import Layer

    return Layer("GAT").init(KEY, GRAPH)


@pytest.mark.parametrize("name", CASES)
def test_bad_input_says_what_was_got_and_what_to_do(name):
    call, *parts = CASES[name]
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert len(message) < 400


# What is defined and once was refused, or gave NaN.
DEFINED = {
    "unsigned ids": lambda: from_ids(np.array([0, 1, 1], np.uint64)).senders,
    "unsigned ids in ops": lambda: (
        attend(ga.ops.Edges(*EDGE_INDEX.astype(np.uint32), 3)).attention.weights
    ),
    "no nodes": lambda: (
        ga.attention.GlobalAttention(4)
        .apply(
            ga.attention.GlobalAttention(4).init(KEY, 4),
            ga.graphs.from_edge_list([], [], nodes=np.zeros((0, 4), np.float32)),
        )
        .graph.nodes
    ),
    "a row of -inf": lambda: ga.ops.dense_attention(
        *3 * [jnp.ones((1, 2, 1, 2))], bias=jnp.full((1, 1, 2, 2), -jnp.inf)
    ),
    "no edges beside others": lambda: (
        ga.graphs.batch(
            [
                ga.graphs.from_networkx(nx.path_graph(3)),
                ga.graphs.from_networkx(nx.empty_graph(2)),
            ]
        ).n_node
    ),
    "weights of no edges": lambda: (
        GCN.apply(
            GCN_PARAMS,
            ga.graphs.from_edge_list([], [], nodes=GRAPH.nodes),
            edge_weight=np.ones(0, np.float32),
        ).graph.nodes
    ),
    "names of two types": lambda: ga.graphs.from_networkx(
        nx.Graph([(0, 1, {"a": 1.0, 1: 2.0})])
    ).edges["1"],
    "numpy numbers as choices": lambda: (
        ga.attention.GAT(np.int64(4), np.int32(2), dropout=np.float32(0.5))
        .apply(GAT_PARAMS, GRAPH)
        .graph.nodes
    ),
    "a numpy number as a width": lambda: ga.models.Inputs(nodes=np.int64(3)).nodes,
    "a numpy number of a layer": lambda: (
        ga.message_passing.PNA(4, log_degree_mean=np.float32(1.3)).log_degree_mean
    ),
    "eigenvectors as they are returned": lambda: ga.encodings.laplace_deepset(
        ga.encodings.init_laplace_deepset(KEY, 4), ga.encodings.laplacian_eigenvectors(PATH, 2)
    ),
    "eigenvectors as they are returned, and a graph": lambda: ga.encodings.signnet(
        ga.encodings.init_signnet(KEY, 2, 4),
        ga.encodings.laplacian_eigenvectors(PATH, 2),
        graph=PATH,
    ),
    "read-only and strided features": lambda: (
        GAT.apply(
            GAT_PARAMS, GRAPH._replace(nodes=np.broadcast_to(np.float32(1), (3, 8))[:, ::2])
        ).graph.nodes
    ),
    "a numpy integer as a size": lambda: ga.ops.segment_sum(
        jnp.ones(3), jnp.zeros(3, int), np.int64(2)
    ),
}


@pytest.mark.parametrize("name", DEFINED)
def test_what_is_defined_is_finite(name):
    assert np.isfinite(np.asarray(DEFINED[name]())).all()


@pytest.mark.parametrize("order", [1, -1])
def test_the_dtype_of_a_list_does_not_depend_on_its_order(order):
    mixed = [np.float64(1.0), 2.5][::order]
    nodes = ga.graphs.from_edge_list([0], [1], nodes=mixed).nodes
    assert nodes.dtype == np.float32
    of_numpy = [np.float64(1.0), np.float64(2.5)]
    assert ga.graphs.from_edge_list([0], [1], nodes=of_numpy).nodes.dtype == np.float64


def test_ids_out_of_range_are_refused_by_every_layer_before_it_computes():
    """Gathers would clip them, sums leave them out."""
    attention, local = ga.attention, ga.message_passing
    layers = [attention.GAT(4), attention.GATv2(4), attention.GraphTransformer(4)]
    layers += [local.GCN(4), local.SAGE(4), local.GINE(4), local.GatedGCN(4), local.PNA(4)]
    params = [layer.init(KEY, 4) for layer in layers]
    graph = GRAPH._replace(edges=None)
    rng = np.random.default_rng(0)
    for case in range(200):
        end = ("senders", "receivers")[rng.integers(2)]
        ids, place = np.array(getattr(graph, end), np.int64), int(rng.integers(3))
        ids[place] = rng.choice([-1, 3, 4, -3, 2**31 - 1, -(2**31)])
        wrong = graph._replace(**{end: ids.astype(rng.choice([np.int32, np.int64]))})
        with pytest.raises(ValueError) as caught:
            layers[case % 8].apply(params[case % 8], wrong)
        message = str(caught.value)
        assert f"{end} must lie in [0, 3) for 3 nodes, got {ids[place]} at position" in message
