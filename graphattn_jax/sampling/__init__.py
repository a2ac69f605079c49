"""Batches of one large graph: sampled neighbourhoods, and parts.

A sampler is a pure function `(seed, epoch, index) -> Sample`: any batch can be made alone, in any order, on any host,
and again. It runs on the host in numpy; what it gives is padded to static sizes and prepared for `jax.jit`.
"""

from graphattn_jax.sampling._clusters import ClusterSampler, partition
from graphattn_jax.sampling._hgsampling import HGSampling
from graphattn_jax.sampling._neighbours import Neighbours
from graphattn_jax.sampling._saint import SaintSampler
from graphattn_jax.sampling._saint_methods import SaintEdges, SaintNodes, SaintWalks
from graphattn_jax.sampling._sample import Sample
from graphattn_jax.sampling._sampler import Sampler
from graphattn_jax.sampling._tokens import Tokens

__all__ = [
    "ClusterSampler",
    "HGSampling",
    "Neighbours",
    "SaintEdges",
    "SaintNodes",
    "SaintSampler",
    "SaintWalks",
    "Sample",
    "Sampler",
    "Tokens",
    "partition",
]
