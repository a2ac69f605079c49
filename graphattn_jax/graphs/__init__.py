"""Graphs and batches of graphs: building, checking, padding, patterns, and exchange with others.

    sender j ──message──▶ receiver i        A[i, j]: row = receiver, column = sender

A graph is a `GraphsTuple` (jraph's): features `nodes`, `edges`, `globals` as pytrees of arrays or
None, `senders` and `receivers` as node ids over the whole batch, and the sizes `n_node`, `n_edge`
of each graph. `prepare` and `pad` give a `PreparedGraph`, which carries its layout to whatever takes
graphs. Everything here runs on the host in numpy, except the masks, ids, sizes, degrees and the
pattern, which also run under `jax.jit`.
"""

from graphattn_jax.graphs._all_pairs import all_pairs
from graphattn_jax.graphs._batch import batch, unbatch
from graphattn_jax.graphs._budget import Budget, bucket, estimate_budget
from graphattn_jax.graphs._build import (
    from_dense,
    from_edge_list,
    from_scipy_sparse,
    to_dense,
    to_scipy_sparse,
)
from graphattn_jax.graphs._cells import CellPatterns, Cells, cells
from graphattn_jax.graphs._coalesce import coalesce
from graphattn_jax.graphs._column_encoding import (
    Categorical,
    ColumnEncoding,
    Cyclic,
    EncodedColumns,
    Numeric,
    fit_columns,
)
from graphattn_jax.graphs._degree import in_degree, out_degree
from graphattn_jax.graphs._direction import add_reverse_edges, is_undirected, transpose
from graphattn_jax.graphs._edge_subgraph import edge_subgraph
from graphattn_jax.graphs._expander import add_expander
from graphattn_jax.graphs._exphormer_pattern import ExphormerPattern, exphormer_pattern
from graphattn_jax.graphs._from_types import from_types
from graphattn_jax.graphs._masks import (
    edge_graph_ids,
    edge_mask,
    graph_mask,
    node_graph_ids,
    node_mask,
)
from graphattn_jax.graphs._metapath_features import metapath_features, metapath_labels
from graphattn_jax.graphs._metapath_positives import metapath_positives
from graphattn_jax.graphs._metapath_walks import metapath_walks, sample_metapaths
from graphattn_jax.graphs._metapaths import metapaths, schema_metapaths
from graphattn_jax.graphs._networkx import from_networkx, to_networkx
from graphattn_jax.graphs._packing import batches_to_budget
from graphattn_jax.graphs._pad import FillRatio, fill_ratio, pad, unpad
from graphattn_jax.graphs._prepare import Layout, bipartite, blocks, pattern, prepare
from graphattn_jax.graphs._pyg import from_pyg_data, to_pyg_data
from graphattn_jax.graphs._pyg_hetero import HeteroGraph, from_pyg_hetero, to_pyg_hetero
from graphattn_jax.graphs._relations import Ends, node_groups, relation_ends
from graphattn_jax.graphs._self_loops import add_self_loops, has_self_loops, remove_self_loops
from graphattn_jax.graphs._shards import (
    Halo,
    HaloRows,
    from_shards,
    halo_rows,
    is_shard,
    shard,
    with_halo,
)
from graphattn_jax.graphs._subgraph import subgraph
from graphattn_jax.graphs._tables import Table, from_tables
from graphattn_jax.graphs._take import take
from graphattn_jax.graphs._triples import (
    Triples,
    from_triples,
    number_triples,
    parse_ntriples,
)
from graphattn_jax.graphs._typed import (
    ALWAYS,
    Relation,
    Schema,
    TypedEdges,
    TypedNodes,
    check_schema,
    schema_of,
)
from graphattn_jax.graphs._typed_networkx import (
    LabelledGraph,
    from_typed_networkx,
    to_typed_networkx,
)
from graphattn_jax.graphs._types import (
    GraphsTuple,
    NodePair,
    PaddedGraphsTuple,
    PreparedGraph,
    is_padded,
    num_edges,
    num_graphs,
    num_nodes,
    to_host,
)
from graphattn_jax.graphs._validate import validate
from graphattn_jax.graphs._virtual_node import add_virtual_node
from graphattn_jax.graphs._with_clusters import Clusters, clusters_of, with_clusters

__all__ = [
    "ALWAYS",
    "Budget",
    "Categorical",
    "CellPatterns",
    "Cells",
    "Clusters",
    "ColumnEncoding",
    "Cyclic",
    "EncodedColumns",
    "Ends",
    "ExphormerPattern",
    "FillRatio",
    "GraphsTuple",
    "Halo",
    "HaloRows",
    "HeteroGraph",
    "LabelledGraph",
    "Layout",
    "NodePair",
    "Numeric",
    "PaddedGraphsTuple",
    "PreparedGraph",
    "Relation",
    "Schema",
    "Table",
    "Triples",
    "TypedEdges",
    "TypedNodes",
    "add_expander",
    "add_reverse_edges",
    "add_self_loops",
    "add_virtual_node",
    "all_pairs",
    "batch",
    "batches_to_budget",
    "bipartite",
    "blocks",
    "bucket",
    "cells",
    "check_schema",
    "clusters_of",
    "coalesce",
    "edge_graph_ids",
    "edge_mask",
    "edge_subgraph",
    "estimate_budget",
    "exphormer_pattern",
    "fill_ratio",
    "fit_columns",
    "from_dense",
    "from_edge_list",
    "from_networkx",
    "from_pyg_data",
    "from_pyg_hetero",
    "from_scipy_sparse",
    "from_shards",
    "from_tables",
    "from_triples",
    "from_typed_networkx",
    "from_types",
    "graph_mask",
    "halo_rows",
    "has_self_loops",
    "in_degree",
    "is_padded",
    "is_shard",
    "is_undirected",
    "metapath_features",
    "metapath_labels",
    "metapath_positives",
    "metapath_walks",
    "metapaths",
    "node_graph_ids",
    "node_groups",
    "node_mask",
    "num_edges",
    "num_graphs",
    "num_nodes",
    "number_triples",
    "out_degree",
    "pad",
    "parse_ntriples",
    "pattern",
    "prepare",
    "relation_ends",
    "remove_self_loops",
    "sample_metapaths",
    "schema_metapaths",
    "schema_of",
    "shard",
    "subgraph",
    "take",
    "to_dense",
    "to_host",
    "to_networkx",
    "to_pyg_data",
    "to_pyg_hetero",
    "to_scipy_sparse",
    "to_typed_networkx",
    "transpose",
    "unbatch",
    "unpad",
    "validate",
    "with_clusters",
    "with_halo",
]
