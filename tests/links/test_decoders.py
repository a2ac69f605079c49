"""Decoders against the bilinear form with a matrix per relation, which is checked against einsum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import links as ga_links
from graphattn_jax.links import Bilinear, ComplEx, DistMult, DotProduct, Links, RelationParams

N, R, D, B = 5, 3, 6, 7
RNG = np.random.default_rng(0)
NODES = RNG.normal(size=(N, D)).astype(np.float32)
LINKS = Links(*(RNG.integers(size, size=B) for size in (N, R, N)))
DECODERS = {
    "dot": DotProduct(),
    "distmult": DistMult(R),
    "complex": ComplEx(R),
    "bilinear": Bilinear(R),
}
each = pytest.mark.parametrize("name", DECODERS)


def params_of(name):
    return DECODERS[name].init(jax.random.key(1), D)


def matrices(name, params):
    """`[R, D, D]`, the M_r of a decoder."""
    half = D // 2
    if name == "dot":
        return jnp.tile(jnp.eye(D)[None], (R, 1, 1))
    if name == "bilinear":
        return params.relation
    if name == "distmult":
        return jnp.stack([jnp.diag(r) for r in params.relation])
    blocks = []
    for r in params.relation:
        a, b = jnp.diag(r[:half]), jnp.diag(r[half:])
        blocks.append(jnp.block([[a, b], [-b, a]]))
    return jnp.stack(blocks)


def reference(name, params, nodes, links):
    form = jnp.einsum("nd,rde,me->rnm", nodes, matrices(name, params), nodes)
    return form[links.relations, links.heads, links.tails]


@each
def test_scores_and_gradients_are_those_of_the_bilinear_form(name):
    decoder, params = DECODERS[name], params_of(name)

    def loss(score):
        return lambda params, nodes: jnp.sum(jnp.sin(score(params, nodes)))

    def ours(params, nodes):
        return decoder.apply(params, nodes, LINKS)

    def theirs(params, nodes):
        return reference(name, params, nodes, LINKS)

    np.testing.assert_allclose(jax.jit(ours)(params, NODES), theirs(params, NODES), atol=2e-5)
    argnums = 1 if params is None else (0, 1)
    for found, want in zip(
        *(jax.tree.leaves(jax.grad(loss(f), argnums)(params, NODES)) for f in (ours, theirs))
    ):
        np.testing.assert_allclose(found, want, atol=2e-5)


@each
def test_open_ends_are_all_nodes(name):
    decoder, params = DECODERS[name], params_of(name)
    heads, relations, tails = LINKS
    every = np.arange(N)[None]
    for asked, spelled in (
        (Links(heads, relations, None), Links(heads[:, None], relations[:, None], every)),
        (Links(None, relations, tails), Links(every, relations[:, None], tails[:, None])),
    ):
        found = decoder.apply(params, NODES, asked)
        assert found.shape == (B, N)
        np.testing.assert_allclose(found, decoder.apply(params, NODES, spelled), atol=2e-5)
    both = Links(heads[:6].reshape(2, 3), relations[:3][None], None)
    assert decoder.apply(params, NODES, both).shape == (2, 3, N)


def test_complex_is_complex_multiplication():
    params = params_of("complex")
    x, r = (a[..., : D // 2] + 1j * a[..., D // 2 :] for a in (NODES, np.asarray(params.relation)))
    want = np.real(np.sum(x[LINKS.heads] * r[LINKS.relations] * np.conj(x[LINKS.tails]), axis=1))
    np.testing.assert_allclose(DECODERS["complex"].apply(params, NODES, LINKS), want, atol=1e-5)


def test_symmetry_of_relations():
    turned = Links(LINKS.tails, LINKS.relations, LINKS.heads)
    params = params_of("distmult")
    scores = [DECODERS["distmult"].apply(params, NODES, x) for x in (LINKS, turned)]
    np.testing.assert_allclose(*scores, atol=1e-5)
    imaginary = RelationParams(params.relation.at[:, : D // 2].set(0))
    scores = [DECODERS["complex"].apply(imaginary, NODES, x) for x in (LINKS, turned)]
    np.testing.assert_allclose(scores[0], -scores[1], atol=1e-5)
    assert abs(scores[0]).max() > 0.1


@each
def test_precision_and_no_links(name):
    decoder, params = DECODERS[name], params_of(name)
    nodes = jnp.asarray(NODES, jnp.bfloat16)
    found = decoder.apply(params, nodes, LINKS)
    assert found.dtype == jnp.bfloat16
    want = reference(name, params, NODES, LINKS)
    np.testing.assert_allclose(found.astype(jnp.float32), want, atol=0.3)
    none = Links(*(np.zeros(0, np.int32) for _ in range(3)))
    assert decoder.apply(params, NODES, none).shape == (0,)
    assert decoder.apply(params, NODES, none._replace(tails=None)).shape == (0, N)


def test_links_without_relations_are_of_the_first():
    links = Links(LINKS.heads, None, LINKS.tails)
    params = params_of("distmult")
    first = LINKS._replace(relations=np.zeros(B, int))
    for one, two in ((links, first), (links._replace(heads=None), first._replace(heads=None))):
        scores = [DECODERS["distmult"].apply(params, NODES, x) for x in (one, two)]
        np.testing.assert_array_equal(*scores)


def test_what_does_not_fit_is_said():
    decoder, params = DistMult(R), params_of("distmult")
    with pytest.raises(ValueError, match="in_features must be even"):
        ComplEx(R).init(jax.random.key(0), 5)
    with pytest.raises(ValueError, match="num_relations must be a positive integer"):
        DistMult(0)
    with pytest.raises(ValueError, match="nodes must have 6 features, got 4"):
        decoder.apply(params, NODES[:, :4], LINKS)
    with pytest.raises(ValueError, match="links must have heads or tails, got neither"):
        decoder.apply(params, NODES, Links(relations=np.zeros(2, int)))
    with pytest.raises(ValueError, match=r"links\.tails must lie in \[0, 5\)"):
        decoder.apply(params, NODES, LINKS._replace(tails=np.full(B, 5)))
    with pytest.raises(ValueError, match=r"links\.relations must lie in \[0, 3\)"):
        decoder.apply(params, NODES, LINKS._replace(relations=np.full(B, 3)))
    with pytest.raises(ValueError, match="params must be the RelationParams"):
        decoder.apply({"relation": params.relation}, NODES, LINKS)
    with pytest.raises(ValueError, match="key must be a typed key"):
        decoder.init(0, D)
    assert issubclass(DistMult, ga_links.Decoder)
