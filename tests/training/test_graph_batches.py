import json

import jax
import numpy as np
import pytest

from graphattn_jax import attention, graphs, models
from graphattn_jax.training import DataIterator, GraphBatches, Repeat, batch_budgets, evaluate

RNG = np.random.default_rng(0)


def path(index):
    n = int(RNG.integers(1, 9))
    senders = np.arange(n - 1)
    return graphs.from_edge_list(
        senders, senders + 1, nodes=np.full((n, 1), index, np.float32), globals=np.array([index])
    )


GRAPHS = graphs.batch([path(i) for i in range(50)])


def contents(batch):
    real = batch.globals[batch.layout.graph_mask]
    nodes = batch.nodes[batch.layout.node_mask][:, 0]
    np.testing.assert_array_equal(np.unique(nodes), np.sort(real))
    return real.tolist()


def epoch_of(batches):
    return [graph for batch in batches.epoch() for graph in contents(batch)]


def test_every_graph_once_an_epoch_in_another_order():
    batches = GraphBatches(GRAPHS, 8, seed=3)
    assert isinstance(batches, DataIterator) and len(batches) == 7
    epochs = [epoch_of(batches) for _ in range(2)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != list(range(50))
    in_order = GraphBatches(GRAPHS, 8, seed=None)
    for _ in range(2):
        assert epoch_of(in_order) == list(range(50))


def test_few_shapes_hold_all_batches():
    budgets = batch_budgets(GRAPHS, 8)
    assert 1 < len(budgets) <= 4 and list(budgets) == sorted(budgets, key=lambda b: b.n_node)
    batches = GraphBatches(GRAPHS, 8, seed=0, block_size=8)
    shapes = {
        (len(batch.nodes), len(batch.senders), batch.layout.blocks.node.shape)
        for _ in range(40)
        for batch in batches.epoch()
    }
    assert 1 < len(shapes) <= 4
    largest = np.argsort(GRAPHS.n_node)[-8:]
    graphs.pad(graphs.take(GRAPHS, largest), budgets[-1])


def test_64_batches_of_molecule_sizes_compile_at_most_six_times():
    rng = np.random.default_rng(1)
    sizes = rng.integers(6, 39, 64 * 8)  # atoms, as in ZINC; a ring closure for every fifth
    bonds = sizes - 1 + sizes // 5
    first = np.concatenate([np.append(np.arange(n - 1), np.zeros(n // 5, int)) for n in sizes])
    second = np.concatenate(
        [np.append(np.arange(1, n), 2 + np.arange(n // 5) % (n - 2)) for n in sizes]
    )
    molecules = graphs.GraphsTuple(
        nodes=rng.normal(size=(sizes.sum(), 4)).astype(np.float32),
        edges=np.zeros((bonds.sum(), 4), np.float32),
        senders=first + np.repeat(np.cumsum(sizes) - sizes, bonds),
        receivers=second + np.repeat(np.cumsum(sizes) - sizes, bonds),
        n_node=sizes,
        n_edge=bonds,
        globals=np.zeros((len(sizes), 1), np.float32),
    )
    network = models.GPS(
        models.Inputs(nodes=4, edges=4),
        width=8,
        num_layers=1,
        attention=attention.GlobalAttention(heads=2, output=True),
    )
    params, state = network.init(jax.random.key(0))

    @jax.jit
    def loss(params, batch):
        return network.apply(params, state, batch, training=True).prediction.sum()

    shapes = set()
    for batch in GraphBatches(molecules, 8, seed=0, block_size=40).epoch():
        loss(params, batch)
        shapes.add((int(batch.n_node[:-1].sum()), int(batch.n_edge[:-1].sum())))
    assert len(shapes) > 50 and loss._cache_size() <= 6


def test_more_graphs_than_there_are_is_one_batch():
    assert len(GraphBatches(GRAPHS, 80, seed=0)) == 1
    assert len(contents(next(GraphBatches(GRAPHS, 80, seed=0)))) == 50


def test_a_saved_position_continues_with_the_very_next_batch():
    straight, saved = (GraphBatches(GRAPHS, 8, seed=1) for _ in range(2))
    for _ in range(10):
        next(straight), next(saved)
    resumed = GraphBatches(GRAPHS, 8, seed=1)
    resumed.load_state_dict(saved.state_dict())
    for _ in range(10):
        assert contents(next(resumed)) == contents(next(straight))
    with pytest.raises(ValueError, match="batch_size=8"):
        GraphBatches(GRAPHS, 4, seed=1).load_state_dict(saved.state_dict())


def test_in_order_it_is_one_epoch_each_time_it_is_iterated():
    in_order = GraphBatches(GRAPHS, 8, seed=None)
    for _ in range(2):
        assert [g for batch in in_order for g in contents(batch)] == list(range(50))
    sizes = evaluate(
        lambda _, batch: {"size": (batch.globals.sum() * 1.0, np.float32(1))}, None, in_order
    )
    assert sizes["size"] > 0
    for endless in (GraphBatches(GRAPHS, 8, seed=0), Repeat(GRAPHS)):
        with pytest.raises(
            ValueError, match=f"batches must end, got an endless {type(endless).__name__}"
        ):
            evaluate(lambda *_: {}, None, endless)


def test_a_position_is_plain_json_whatever_the_numbers_were():
    batches = GraphBatches(GRAPHS, np.int64(8), seed=np.int32(3))
    next(batches)
    saved = json.loads(json.dumps(batches.state_dict()))
    resumed = GraphBatches(GRAPHS, 8, seed=3)
    resumed.load_state_dict(saved)
    assert contents(next(resumed)) == contents(next(batches))


def test_errors():
    with pytest.raises(ValueError, match="seed must"):
        GraphBatches(GRAPHS, 8, seed=-1)
    with pytest.raises(ValueError, match="batch_size"):
        GraphBatches(GRAPHS, 0, seed=1)
    with pytest.raises(ValueError, match="budget"):
        next(GraphBatches(GRAPHS, 8, seed=1, budgets=(graphs.Budget(8, 8, 9),)))


def test_positions_are_numbers_of_python_whatever_the_arguments_are():
    """Also of numpy, which JSON does not hold; and a position leads to the same batches."""
    rng = np.random.default_rng(0)
    kinds = (int, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
    for _ in range(200):
        seed, size = (kinds[rng.integers(9)](rng.integers(1, 9)) for _ in range(2))
        batches, again = (GraphBatches(GRAPHS, size, seed=seed) for _ in range(2))
        for _ in range(rng.integers(0, 9)):
            batches._position += batches._position < len(batches)
        again.load_state_dict(json.loads(json.dumps(batches.state_dict())))
        assert again.state_dict() == batches.state_dict()
        assert (again._order == batches._order).all()
