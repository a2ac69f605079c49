"""Predicting links: splits that do not leak, negatives, decoders, rankings.

    graph ──split_links──▶ messages | links to predict        encoder ──node states──▶ decoder ──▶ scores

A link is head → tail with a relation, as the edge sender → receiver that it is. Splits, indices and negatives are numpy
on the host; decoders are values with `init` and `apply`. `ga.models.LinkNetwork` joins an encoder and a decoder.
"""

from graphattn_jax.links._batches import LinkBatch, LinkBatches, RankingBatch, ranking_batches
from graphattn_jax.links._decoders import (
    Bilinear,
    ComplEx,
    Decoder,
    DistMult,
    DotProduct,
    RelationParams,
)
from graphattn_jax.links._index import LinkIndex, index_links, is_known, ranking_candidates
from graphattn_jax.links._links import Links
from graphattn_jax.links._negatives import Negatives, corrupt_links, random_non_links
from graphattn_jax.links._split import LinkPart, LinkSplit, hide_links, split_links

__all__ = [
    "Bilinear",
    "ComplEx",
    "Decoder",
    "DistMult",
    "DotProduct",
    "LinkBatch",
    "LinkBatches",
    "LinkIndex",
    "LinkPart",
    "LinkSplit",
    "Links",
    "Negatives",
    "RankingBatch",
    "RelationParams",
    "corrupt_links",
    "hide_links",
    "index_links",
    "is_known",
    "random_non_links",
    "ranking_batches",
    "ranking_candidates",
    "split_links",
]
