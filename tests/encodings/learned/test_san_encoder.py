import jax
import networkx as nx
import numpy as np
import pytest

from graphattn_jax.encodings import init_san_encoder, laplacian_eigenvectors, san_encoder


def norm(params, x):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * params.scale + params.bias


@pytest.mark.parametrize("heads", [1, 2])
def test_equation_token_by_token(graph_of, heads):
    vectors, values, mask = laplacian_eigenvectors(graph_of(nx.path_graph(4)), 5)
    params = jax.tree.map(lambda x: x + 0.1, init_san_encoder(jax.random.key(0), 4, layers=2))
    got = san_encoder(params, vectors, values, mask, heads=heads)
    params = jax.tree.map(np.asarray, params)
    width, size = 4, 4 // heads
    for node in range(4):
        x = np.stack([values[node, :3], vectors[node, :3]], 1) @ params.embed.weight
        x = x + params.embed.bias
        for layer in params.layers:
            query, key, value = np.split(x @ layer.qkv.weight + layer.qkv.bias, 3, axis=1)
            mixed = np.zeros((3, width))
            for h in range(heads):
                own = slice(h * size, (h + 1) * size)
                weight = np.exp(query[:, own] @ key[:, own].T / np.sqrt(size))
                mixed[:, own] = weight / weight.sum(1, keepdims=True) @ value[:, own]
            x = norm(layer.attention_norm, x + mixed @ layer.out.weight + layer.out.bias)
            first, second = layer.feed_forward.layers
            hidden = np.maximum(x @ first.weight + first.bias, 0)
            x = norm(layer.feed_forward_norm, x + hidden @ second.weight + second.bias)
        np.testing.assert_allclose(got[node], x.sum(0), atol=1e-4)


def test_errors():
    params = init_san_encoder(jax.random.key(0), 6)
    x, mask = np.ones((2, 3), np.float32), np.ones((2, 3), bool)
    with pytest.raises(ValueError, match="the width D of params must be divisible by heads"):
        san_encoder(params, x, x, mask, heads=4)
    with pytest.raises(ValueError, match="heads must be a positive integer"):
        san_encoder(params, x, x, mask, heads=0)
    with pytest.raises(ValueError, match="layers must be a positive integer"):
        init_san_encoder(jax.random.key(0), 6, layers=0)
