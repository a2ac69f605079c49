import io
import json
import mmap
import stat
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from experiments.benchmarks import (
    crossover,
    report,
    rounds,
    sweep_report,
    tune,
    worker,
    worker_c,
    worker_jax,
)
from experiments.benchmarks.__main__ import Options, run
from experiments.benchmarks.cases import (
    ALL,
    CASES,
    OPERANDS,
    QUESTIONS,
    SWEEPS,
    TABLE,
    GPSTraining,
    Operator,
    Preprocessing,
    SegmentSum,
    TypedTraining,
    forward_bytes,
    scaled,
)
from experiments.benchmarks.inputs import make_inputs, random_graph
from experiments.benchmarks.rounds import Contender


def device_arrays(case, scale=4e-4):
    return {k: jnp.asarray(v) for k, v in make_inputs(case, scale=scale).arrays.items()}


def worker_report(median, **others):
    return {
        "median": median,
        "min": 0.9 * median,
        "max": 1.1 * median,
        "setup_seconds": 0.25,
        "first_call_seconds": 2.0,
        "memory_bytes": 100e6,
        "versions": {"python": "3"},
        **others,
    }


class TestInputs:
    def test_power_law_graph(self, rng):
        senders, receivers = random_graph(2000, 30_000, rng)
        pairs = set(zip(senders.tolist(), receivers.tolist()))
        assert len(pairs) == len(senders)  # no duplicates
        assert pairs == {(j, i) for i, j in pairs}
        assert {(i, i) for i in range(2000)} <= pairs
        assert (np.diff(receivers) >= 0).all()
        assert 28_000 < len(senders) <= 30_000
        degree = np.bincount(receivers)
        assert degree.max() > 4 * degree.mean()  # a heavy tail, unlike in a uniform graph

    @pytest.mark.parametrize("degrees", ["uniform", "hub"])
    def test_other_degrees(self, rng, degrees):
        _, receivers = random_graph(2000, 30_000, rng, degrees)
        assert 28_000 < len(receivers) <= 30_000
        hub, *others = sorted(np.bincount(receivers), reverse=True)
        assert others[0] < 3 * np.mean(others)
        assert hub == 2000 if degrees == "hub" else hub < 3 * np.mean(others)

    @pytest.mark.parametrize(
        ("name", "num_ends"), [("padding_on_one_node", 1), ("padding_spread", 500 // 8 + 1)]
    )
    def test_padding_stands_behind_and_joins_padding(self, name, num_ends):
        case = CASES[name]
        plain = make_inputs(replace(case, padding=None), scale=0.01).arrays
        arrays = make_inputs(case, scale=0.01).arrays
        real = arrays["edge_mask"]
        np.testing.assert_array_equal(arrays["receivers"][real], plain["receivers"])
        assert (np.diff(arrays["receivers"]) >= 0).all()
        loops = arrays["receivers"][~real]
        assert len(loops) == len(plain["receivers"]) // 4
        np.testing.assert_array_equal(loops, arrays["senders"][~real])
        assert loops.min() == len(plain["value"]) and loops.max() < len(arrays["value"])
        assert len(set(loops.tolist())) == num_ends
        assert not arrays["value"][500:].any() and not arrays["cotangent"][500:].any()

    def test_bags_of_words(self):
        nodes = make_inputs(CASES["gat_cora_sparse"], scale=0.1).arrays["nodes"]
        assert 0.011 < (nodes > 0).mean() < 0.015
        np.testing.assert_allclose(nodes.sum(1), 1, rtol=1e-5)

    @pytest.mark.parametrize("name", CASES)
    def test_sizes_and_reproducibility(self, name, monkeypatch):
        monkeypatch.delenv("GRAPHATTN_DATA", raising=False)
        case = scaled(CASES[name], 0.01)
        inputs = make_inputs(CASES[name], scale=0.01)
        again = make_inputs(CASES[name], scale=0.01)
        for key, value in inputs.arrays.items():
            np.testing.assert_array_equal(value, again.arrays[key])
        if isinstance(case, GPSTraining):
            assert len(inputs.arrays["n_node"]) == case.num_graphs == 100
            assert inputs.arrays["receivers"].max() == inputs.arrays["n_node"].sum() - 1
            assert inputs.arrays["atoms"].max() < case.atoms
            return
        if isinstance(case, Preprocessing):
            assert len(inputs.arrays["smiles"]) == inputs.sizes()["num_molecules"] == 100
            return
        if isinstance(case, SegmentSum):
            assert inputs.arrays["values"].shape == (10_000, case.width)
            assert inputs.arrays["receivers"].max() < case.num_segments
            return
        if isinstance(case, TypedTraining):
            assert inputs.arrays["senders"].shape == (case.num_relations, 10_000 // 8)
            assert inputs.sizes() == {"num_nodes": case.num_nodes, "num_edges": case.num_edges}
            return
        assert inputs.source == "synthetic, scale 0.01"
        if name in QUESTIONS:
            return
        assert inputs.arrays["receivers"].max() == case.num_nodes - 1
        if isinstance(case, Operator):
            shape = (case.num_nodes, case.heads, case.channels)
            assert inputs.arrays["value"].shape == inputs.arrays["cotangent"].shape == shape
            assert set(OPERANDS[case.score]) <= set(inputs.arrays)
        else:
            assert inputs.arrays["nodes"].shape == (case.num_nodes, case.num_features)
            assert inputs.arrays["labels"].max() < case.num_classes

    def test_reads_wordnet_where_there_is_one(self, tmp_path, monkeypatch):
        folder = tmp_path / "typed" / "wordnet"
        folder.mkdir(parents=True)
        np.savez(folder / "wordnet30.npz", edges=np.array([[0, 1], [1, 0]]), labels=np.arange(3))
        monkeypatch.setenv("GRAPHATTN_DATA", str(tmp_path))
        arrays, source = make_inputs(CASES["transformer_wordnet"])
        assert source.startswith("WordNet")
        assert arrays["senders"].tolist() == [0, 1, 0, 1, 2]
        assert arrays["receivers"].tolist() == [0, 0, 1, 1, 2]
        assert arrays["labels"].tolist() == [0, 1, 2]


def dense_attention(case, operands, senders, receivers):
    """The op as a matrix `A[receiver, sender]` per head, with infinite logits off the edges."""
    if case.score == "dot":
        query, key, value = operands
        logits = jnp.einsum("ihc,jhc->ijh", query, key) / np.float32(np.sqrt(case.channels))
    elif case.score == "additive":
        value, *vectors = operands
        query, key = (jnp.einsum("nhc,hc->nh", value, a) for a in vectors)
        logits = jax.nn.leaky_relu(query[:, None] + key[None], 0.2)
    else:
        query, value, vector = operands
        z = jax.nn.leaky_relu(query[:, None] + value[None], 0.2)
        logits = jnp.einsum("ijhc,hc->ijh", z, vector)
    on_edge = np.zeros((len(value), len(value), 1), bool)
    on_edge[receivers, senders] = True
    weights = jax.nn.softmax(jnp.where(on_edge, logits, -jnp.inf), axis=1)
    return jnp.einsum("ijh,jhc->ihc", weights, value)


def operands_of(case, arrays):
    return [arrays[operand] for operand in OPERANDS[case.score]]


class TestOurSide:
    @pytest.mark.parametrize("name", ["edge_attention_8x16", "gat_op", "gatv2_op"])
    def test_op_and_its_gradient(self, name):
        case = CASES[name]
        arrays = device_arrays(case)
        operands = operands_of(case, arrays)
        edges = (np.asarray(arrays["senders"]), np.asarray(arrays["receivers"]))
        expected, pullback = jax.vjp(
            lambda operands: dense_attention(case, operands, *edges), operands
        )
        (alone,) = worker_jax.build(case, arrays)()
        out, *gradients = worker_jax.build(CASES[f"{name}_grad"], arrays)()
        np.testing.assert_allclose(alone, expected, atol=1e-5)
        np.testing.assert_allclose(out, expected, atol=1e-5)
        for gradient, wanted in zip(gradients, pullback(arrays["cotangent"])[0], strict=True):
            np.testing.assert_allclose(gradient, wanted, atol=1e-4, rtol=1e-4)

    def test_padding_and_its_place_do_not_change_results(self):
        results = []
        for name in ("padding_on_one_node", "padding_spread"):
            case = CASES[name]
            results.append(worker_jax.build(case, device_arrays(case), "reference")())
        case = replace(case, padding=None)
        expected = worker_jax.build(case, device_arrays(case), "reference")()
        for padded in results:
            for x, wanted in zip(padded, expected, strict=True):
                np.testing.assert_allclose(x[:20], wanted, atol=1e-6)
                np.testing.assert_array_equal(x[20:], 0)

    def test_bfloat16(self):
        case = SWEEPS["dtype"]["bfloat16"]
        out, *gradients = worker_jax.build(case, device_arrays(case, 0.002))()
        wide, *_ = worker_jax.build(SWEEPS["dtype"]["float32"], device_arrays(case, 0.002))()
        assert {x.dtype for x in (out, *gradients)} == {jnp.dtype(jnp.bfloat16)}
        np.testing.assert_allclose(out.astype(jnp.float32), wide, atol=0.05)

    def test_preprocessing(self):
        case = replace(CASES["molecules_preprocessing"], walks=4, batch_size=2)
        arrays = {"smiles": np.array(["CC", "C1CC1", "CO"])}
        sizes, walks = worker_jax.build(case, arrays)()
        assert sizes.tolist() == [7, 10]
        np.testing.assert_allclose(
            walks, [0, (4 + 3 / 2) / 7, 3 / 4 / 7, (4 + 9 / 8) / 7], rtol=1e-6
        )

    def test_sampling_has_every_seed_once(self):
        case = replace(CASES["sampling"], batch_size=16, batches=3)
        arrays = make_inputs(case, scale=0.01).arrays
        step = worker_jax.build(scaled(case, 0.01), arrays)
        for _ in range(2):
            (total,) = step()
            np.testing.assert_allclose(total, arrays["nodes"][:48].sum(axis=0), atol=1e-4)

    def test_segment_sum_and_copy(self):
        case = CASES["segment_sum_16"]
        arrays = device_arrays(case, 1e-3)
        (sums,) = worker_jax.build(case, arrays)()
        expected = np.zeros((16, case.width), np.float32)
        np.add.at(expected, np.asarray(arrays["receivers"]), np.asarray(arrays["values"]))
        np.testing.assert_allclose(sums, expected, atol=1e-4)
        step = worker_jax.build(replace(ALL["copy"], num_bytes=4000), {})
        assert [float(step()[0][0]) for _ in range(3)] == [1, 2, 3]

    def test_sparse_features_train_as_dense_ones(self):
        case = replace(CASES["gat_cora"], dropout=0.0)
        arrays = device_arrays(case, scale=0.01)
        dense = worker_jax.build(case, arrays)
        sparse = worker_jax.build(replace(case, sparse=True), arrays)
        for _ in range(3):
            np.testing.assert_allclose(sparse()[0], dense()[0], rtol=1e-4)

    @pytest.mark.parametrize(
        "case", [replace(CASES["gat_cora"], dropout=0.0), CASES["transformer_wordnet"]]
    )
    def test_training_reduces_the_loss(self, case):
        step = worker_jax.build(case, device_arrays(case, scale=0.005))
        losses = [float(step()[0]) for _ in range(20)]
        assert np.isfinite(losses).all()
        assert losses[-1] < 0.95 * losses[0]


class TestCLoop:
    def test_supports_the_dot_forward(self):
        supported = {name for name, case in ALL.items() if worker_c.supports(case)}
        assert supported == {"edge_attention_8x16", "edge_attention_4x64"}

    @pytest.mark.skipif(worker_c.problem() is not None, reason=str(worker_c.problem()))
    def test_result(self):
        case = replace(CASES["edge_attention_8x16"], heads=3)
        arrays = make_inputs(case, scale=1e-3).arrays
        expected = dense_attention(
            case, operands_of(case, arrays), arrays["senders"], arrays["receivers"]
        )
        step = worker_c.build(case, arrays, "c")
        for _ in range(2):  # the arrays are used again
            np.testing.assert_allclose(step()[0], expected, atol=1e-5)

    def test_says_why_not(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert worker_c.problem() == "there is no C compiler (cc)"
        cc = tmp_path / "cc"
        cc.write_text("#!/bin/sh\necho 'cc: unsupported option -fopenmp' >&2\nexit 1\n")
        cc.chmod(cc.stat().st_mode | stat.S_IXUSR)
        assert "fails: cc: unsupported option" in worker_c.problem()


def side(versions=None, **options):
    return worker.Side(jnp.asarray, np.asarray, lambda *_: lambda: (), versions or {}, **options)


class TestMeasure:
    def test_times_calls_and_memory(self, monkeypatch):
        monkeypatch.setattr(worker, "MIN_SECONDS", 1e-9)
        calls, kept = [], []

        def build():
            pages = mmap.mmap(-1, 64_000_000)  # new ones, whatever this process has freed before
            kept.append(np.frombuffer(pages, np.uint8))
            kept[0][:] = 1
            return lambda: calls.append(len(calls)) or (np.array(len(calls)),)

        measured, results = worker.measure(build, 4, side())
        assert len(calls) == 2 + 4 * measured["steps_per_repeat"]
        assert int(results[0]) == len(calls)
        assert len(measured["seconds"]) == 4
        assert measured["min"] <= measured["median"] <= measured["max"]
        assert measured["setup_seconds"] > 0 and measured["first_call_seconds"] > 0
        assert measured["memory_bytes"] < 1e9
        if sys.platform == "linux":
            assert measured["memory_bytes"] > 50e6

    def test_memory_of_a_device(self):
        counts = iter([100, 350])
        memory = worker.Memory(lambda: next(counts), lambda: next(counts))
        measured, _ = worker.measure(lambda: lambda: (), 1, side(memory=memory))
        assert measured["memory_bytes"] == 250

    @pytest.mark.parametrize("queue", [False, True])
    def test_short_steps_are_timed_together_and_waited_for(self, queue, monkeypatch):
        monkeypatch.setattr(worker, "MIN_SECONDS", 0.01)
        log = []
        measured, _ = worker.measure(
            lambda: lambda: log.append("step") or (),
            1,
            side(wait=lambda _: log.append("wait"), queue=queue),
        )
        steps = measured["steps_per_repeat"]
        assert steps > 10 and measured["median"] < 1e-3
        last = log[-steps - 1 :] if queue else log[-2 * steps - 1 :]
        assert last == (["step"] * steps if queue else ["step", "wait"] * steps) + ["wait"]

    def test_difference_of_outputs_and_gradients(self):
        out, gradient = np.array([[0.5, -0.25]]), np.array([30.0, 40.0])
        assert worker.difference((out, gradient), (out, gradient)) == 0
        assert worker.difference((out, gradient), (out + 1e-4, gradient)) == pytest.approx(1e-4)
        other = gradient + np.array([0.0, 0.5])
        assert worker.difference((out, gradient), (out, other)) == pytest.approx(0.01)

    def test_versions(self):
        versions = worker.installed("jax", "no-such-package")
        assert versions == {"jax": jax.__version__, "no-such-package": None}


class TestRounds:
    def test_contenders(self):
        ours, *peers = rounds.list_contenders("gat_op", ("default",), "their-python")
        assert ours == Contender(
            "graphattn_jax", sys.executable, "experiments.benchmarks.worker_jax", "default"
        )
        assert [(p.label, p.python, p.is_peer) for p in peers] == [
            ("PyG (ops)", "their-python", True),
            ("PyG (conv)", "their-python", True),
        ]
        labels = [c.label for c in rounds.list_contenders("gat_cora", ("xla", "reference"), None)]
        assert labels == ["graphattn_jax (xla)", "graphattn_jax (reference)"]
        assert len(rounds.list_contenders("gat_cora", ("default",), "p")) == 2

    def test_contenders_of_the_device(self):
        def labels(case, **options):
            found = rounds.list_contenders(case, ("default",), "p", **options)
            return [contender.label for contender in found[1:]]

        forward, training = "edge_attention_8x16", "gps_zinc"
        assert labels(forward, c_loop=True) == ["C loop", "PyG (ops)", "PyG (conv)"]
        assert labels("gat_op", c_loop=True) == ["PyG (ops)", "PyG (conv)"]
        assert labels(forward, device="gpu") == ["PyG (conv)", "PyG (compile)"]
        assert labels(training, device="gpu") == ["PyG (conv)", "PyG (compile)"]
        assert labels("segment_sum_16", device="gpu") == ["PyG (ops)"]

    def test_sides_alternate_and_results_are_compared_once(self, tmp_path, monkeypatch):
        log = []

        def fake(cases, folder, contender, options):
            log.append((contender.label, [o for o in options if o in ("--save", "--compare")]))
            compared = {"difference": 1e-5} if "--compare" in options else {}
            return [worker_report(len(log), **compared)]

        monkeypatch.setattr(rounds, "run_worker", fake)
        contenders = rounds.list_contenders("gat_op", ("default",), "p")
        done = []
        runs, differences, left_out = rounds.run_rounds(
            "gat_op", tmp_path, contenders, rounds=2, repeats=1, on_done=lambda: done.append(1)
        )
        labels = ["graphattn_jax", "PyG (ops)", "PyG (conv)"]
        first = [("graphattn_jax", ["--save"])] + [(x, ["--compare"]) for x in labels[1:]]
        assert log == first + [(x, []) for x in labels]
        assert [r["median"] for r in runs["PyG (ops)"]] == [2, 5]
        assert differences == {"PyG (ops)": 1e-5, "PyG (conv)": 1e-5}
        assert len(done) == 6 and left_out == {}

    def test_others_that_fail_are_left_out(self, tmp_path, monkeypatch):
        def fake(cases, folder, contender, options):
            if contender.is_peer:
                raise rounds.WorkerError("Traceback\nRuntimeError: no kernel\n")
            return [worker_report(1)]

        monkeypatch.setattr(rounds, "run_worker", fake)
        contenders = rounds.list_contenders("gat_cora", ("default",), "p")
        runs = rounds.run_rounds("gat_cora", tmp_path, contenders, rounds=2, repeats=1)
        assert {label: len(reports) for label, reports in runs.reports.items()} == {
            "graphattn_jax": 2
        }
        assert runs.left_out == {"PyG (conv)": "RuntimeError: no kernel"}

    def test_points_that_fail_are_left_out(self, tmp_path, monkeypatch):
        points = ("heads/1", "heads/2", "heads/4")

        def fake(cases, folder, contender, options):
            assert cases == points
            yield worker_report(1)
            if contender.label == "graphattn_jax (xla)":
                yield {"error": "too little memory"}
                raise rounds.WorkerError("Traceback\nKilled")
            yield from (worker_report(2), worker_report(3))

        monkeypatch.setattr(rounds, "run_worker", fake)
        contenders = rounds.list_contenders("heads/1", ("reference", "xla"), None)
        first, (label, reports) = rounds.run_points(points, tmp_path, contenders, repeats=1)
        assert [r["median"] for r in first[1].values()] == [1, 2, 3]
        assert label == "graphattn_jax (xla)" and reports["heads/1"]["median"] == 1
        assert reports["heads/2"] == {"error": "too little memory"}
        assert reports["heads/4"] == {"error": "Killed"}
        with pytest.raises(SystemExit, match=r"\(xla\) failed: too little memory"):
            list(rounds.run_points(points, tmp_path, contenders[1:], repeats=1))

    def test_bandwidth(self, tmp_path, monkeypatch):
        monkeypatch.setattr(rounds, "run_worker", lambda *_: [worker_report(0.5)])
        bandwidth = rounds.measure_bandwidth(tmp_path, repeats=1, device="cpu")
        assert bandwidth == 4 * ALL["copy"].num_bytes

    def test_other_results_stop_the_run(self):
        rounds.check_difference("gat_op", "ours", "theirs", worker_report(1, difference=9e-4))
        with pytest.raises(SystemExit, match="gat_op: the results of theirs and ours differ"):
            rounds.check_difference("gat_op", "ours", "theirs", worker_report(1, difference=0.01))

    def test_failing_worker_shows_its_error(self, tmp_path):
        contender = rounds.list_contenders("gat_op", ("default",), None)[0]
        with pytest.raises(SystemExit, match=r"(?s)gat_op: graphattn_jax failed.*gat_op\.npz"):
            rounds.run_rounds("gat_op", tmp_path / "nowhere", [contender], rounds=1, repeats=1)

    def test_missing_peer_says_how_to_install_it(self, tmp_path):
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\necho \"No module named 'torch_geometric'\" >&2\nexit 1\n")
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        with pytest.raises(SystemExit, match=r"(?s)No module.*-m pip install torch==.*--peer none"):
            rounds.check_peer(str(python))
        with pytest.raises(SystemExit, match=r"(?s)No such file.*pip install"):
            rounds.check_peer(str(tmp_path / "absent"))

    def test_missing_gpu_says_what_to_install(self, tmp_path, monkeypatch):
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\necho 'RuntimeError: no cuda' >&2\nexit 1\n")
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(python))
        with pytest.raises(SystemExit, match=r"(?s)JAX has none.*no cuda.*jax\[cuda"):
            rounds.check_gpu()
        with pytest.raises(SystemExit, match=r"PyTorch has none.*--peer none"):
            rounds.check_peer(str(python), "gpu")

    def test_machine(self):
        machine = rounds.machine()
        assert machine["cpu"] and machine["cores"] >= 1 and machine["memory_gb"] > 0
        assert rounds.busy({"load": 1.0}) and not rounds.busy({"load": 0.1})


RUNS = {
    "graphattn_jax": [worker_report(m) for m in (1.0, 2.0, 1.0)],
    "PyG (ops)": [worker_report(m, memory_bytes=300e6) for m in (3.0, 4.0, 5.0)],
    "PyG (conv)": [worker_report(m) for m in (9.0, 9.0, 9.0)],
}


class TestReport:
    def results(self, comparisons, load=0.0):
        return {
            "machine": {"cpu": "A CPU", "cores": 2, "memory_gb": 8, "load": load},
            "versions": {"graphattn_jax": {"jax": "0.12", "other": None}},
            "comparisons": comparisons,
            "cases": [
                {
                    "case": "gat_op",
                    "source": "synthetic",
                    "num_nodes": 10,
                    "num_edges": 2000,
                    "runs": RUNS,
                    "left_out": {"PyG (compile)": "no compiler"},
                }
            ],
        }

    def test_ratio_is_taken_per_round_against_the_faster_peer(self):
        (entry,) = report.compare("gat_op", RUNS, {"PyG (ops)", "PyG (conv)"})
        assert entry["against"] == "PyG (ops)"
        assert entry["ratio"] == {"median": 3.0, "min": 2.0, "max": 5.0}
        assert entry["ours"]["seconds"] == {"median": 1.0, "min": 1.0, "max": 2.0}
        assert entry["memory_ratio"] == pytest.approx(3.0)

    def test_every_implementation_is_compared(self):
        entries = report.compare("gat_op", RUNS, {"PyG (conv)"})
        assert [entry["against"] for entry in entries] == ["PyG (ops)", "PyG (conv)"]

    def test_alone(self, tmp_path):
        runs = {"graphattn_jax": RUNS["graphattn_jax"]}
        (entry,) = report.compare("gat_op", runs, set())
        assert entry["theirs"] is None and "ratio" not in entry
        row = ["gat_op", "–", "–", "1", "–", "100 MB", "2", "0.25"]
        assert report.cells(entry) == row

    def test_markdown(self):
        entries = report.compare("gat_op", RUNS, {"PyG (ops)", "PyG (conv)"})
        text = report.markdown(self.results(entries))
        lines = text.splitlines()
        assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")
        assert lines[2] == (
            "| gat_op | PyG (ops) | 3.00 [2.00, 5.00] | 1 | 4 | 3.00 (300 / 100 MB) | 2, 2 | 0.25, 0.25 |"
        )
        assert "* graphattn_jax: jax 0.12." in lines
        assert "* gat_op: synthetic; 10 nodes, 2,000 edges." in lines
        assert "* Without PyG (compile) (gat_op): no compiler" in lines
        assert report.BUSY not in text
        assert report.BUSY in report.markdown(self.results(entries, load=3.0))

    def test_share_of_the_bandwidth(self):
        results = self.results(report.compare("gat_op", RUNS, set()))
        assert report.bandwidth_lines(results) == []
        results["bandwidth"] = 10e9
        results["cases"][0]["bytes"] = 5_000_000_000
        assert report.bandwidth_lines(results) == [
            "A large copy moves 10 GB/s.",
            "gat_op: 5000 MB, at that rate 500 ms; reached: graphattn_jax 50%, PyG (ops) 12%, PyG (conv) 6%.",
        ]

    def test_bytes_of_a_fused_forward(self):
        nodes, edges = 10, 100
        ids = 4 * (100 + 11)
        dot = Operator("dot", 8, 16)
        assert forward_bytes(dot, nodes, edges) == 4 * 128 * (2 * 100 + 2 * 10) + ids
        half = replace(dot, dtype="bfloat16")
        assert forward_bytes(half, nodes, edges) == 2 * 128 * (2 * 100 + 2 * 10) + ids
        additive = 4 * 8 * ((1 + 16) * 100 + (1 + 16) * 10) + ids
        assert forward_bytes(Operator("additive", 8, 16), nodes, edges) == additive
        assert forward_bytes(Operator("gatv2", 8, 16), nodes, edges) == 4 * 128 * (100 + 20) + ids

    def test_sweep(self, tmp_path):
        slow, fast = [worker_report(0.2)], [worker_report(0.05)]
        point = {"num_nodes": 5, "num_edges": 1000, "left_out": {}}
        results = self.results([]) | {
            "versions": {"a": {}, "b": {}},
            "points": [
                {**point, "case": "nodes/1", "runs": {"a": slow, "b": fast}},
                {**point, "case": "nodes/2", "runs": {"a": fast}, "left_out": {"b": "no memory"}},
                {**point, "case": "width/1", "runs": {"a": fast, "b": slow}},
            ],
        }
        sweep_report.write(results, tmp_path)
        lines = (tmp_path / "sweep.md").read_text().splitlines()
        assert lines[2:4] == [
            "| nodes/1 | 5 | 1,000 | 200 | **50** |",
            "| nodes/2 | 5 | 1,000 | **50** | – |",
        ]
        assert "* Without b (nodes/2): no memory" in lines
        assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")
        assert json.loads((tmp_path / "sweep.json").read_text()) == results

    def test_plot(self, tmp_path):
        entries = report.compare("gat_op", RUNS, {"PyG (conv)"})
        report.plot(entries, tmp_path / "ratios.png")
        assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")


class TestCommand:
    @pytest.mark.experiment
    def test_implementations_end_to_end(self, tmp_path):
        options = Options(
            cases=("edge_attention_8x16",),
            peer="none",
            implementation=("reference", "xla"),
            c_loop=False,
            rounds=1,
            repeats=1,
            scale=4e-4,
            out=tmp_path,
        )
        screen = io.StringIO()
        run(options, Console(file=screen, width=160))
        results = json.loads((tmp_path / "results.json").read_text())
        (case,), (entry,) = results["cases"], results["comparisons"]
        assert case["source"] == "synthetic, scale 0.0004" and case["num_nodes"] == 20
        assert entry["against"] == "graphattn_jax (xla)" and entry["ratio"]["median"] > 0
        assert case["differences"]["graphattn_jax (xla)"] < 1e-5
        assert results["versions"]["graphattn_jax (xla)"]["jax"] == jax.__version__
        assert results["bandwidth"] > 1e8
        assert "edge_attention_8x16: 0 MB, at that rate" in (tmp_path / "table.md").read_text()
        assert "theirs / ours" in screen.getvalue()
        # The arrays passed between the processes are gone.
        assert {p.name for p in tmp_path.iterdir()} == {"results.json", "table.md", "ratios.png"}

    def test_sweep_end_to_end(self, tmp_path):
        options = Options(
            sweep=("dtype",),
            peer="none",
            repeats=1,
            scale=4e-3,
            implementation=("xla",),
            out=tmp_path,
        )
        run(options, Console(file=io.StringIO()))
        points = json.loads((tmp_path / "sweep.json").read_text())["points"]
        assert [point["case"] for point in points] == ["dtype/float32", "dtype/bfloat16"]
        assert [list(point["runs"]) for point in points] == [["graphattn_jax (xla)"]] * 2
        assert {p.name for p in tmp_path.iterdir()} == {"sweep.json", "sweep.md", "sweep.png"}

    def test_what_runs(self):
        assert Options().case_names == tuple(TABLE) and Options().points == ()
        assert Options(device="gpu").case_names == (*TABLE, *QUESTIONS)
        sweep = Options(sweep=("heads", "dtype"))
        assert sweep.case_names == ()
        assert sweep.points[:2] == ("heads/1", "heads/2") and len(sweep.points) == 7
        assert len(Options(sweep=("all",)).points) == sum(map(len, SWEEPS.values()))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"cases": ("gat",)}, "--cases: gat is not one of edge_attention_8x16"),
            ({"sweep": ("depth",)}, "--sweep: depth is not one of nodes"),
            ({"cases": ("gat_op", "gat_op")}, "names one twice"),
            ({"implementation": ("pallas",)}, "--implementation: pallas is not one of default"),
            ({"repeats": 0}, "--repeats must be at least 1"),
            ({"rounds": 0}, "--rounds must be at least 1"),
            ({"scale": 0.0}, "--scale must be positive"),
        ],
    )
    def test_bad_options(self, options, message):
        with pytest.raises(SystemExit, match=message):
            Options(**options)


@pytest.mark.experiment
def test_tuning_measures_every_choice(tmp_path, monkeypatch, capsys):
    """Interpreted; the kernels of each choice are others, with the same results."""
    seen = []

    def measure(build, repeats, side):
        seen.append([np.asarray(x) for x in build()()])
        return {"median": 1e-3 * len(seen)}, ()

    monkeypatch.setattr(tune, "measure", measure)
    monkeypatch.setattr(worker_jax, "prepare", lambda *_: side(versions={"jax": "1"}))
    out = tmp_path / "runs" / "tune.json"
    tune.run(tune.Options(("4x16",), (2, 4), (1,), (4, 64), 1, 2e-3, out))
    first, *others = seen
    assert len(others) == 3
    for results in others:
        for x, wanted in zip(results, first, strict=True):
            np.testing.assert_allclose(x, wanted, atol=1e-5)
    stored = json.loads(out.read_text())["results"]
    assert [r["chunk"] for r in stored] == [4, 64, 4, 64] and stored[0]["slots"] == 2
    assert (
        capsys.readouterr().out.splitlines()[0] == "workload 4x16 slots 4 warps 1 chunk 64 ms 4.000"
    )


def test_crossover_compares_every_width(tmp_path, monkeypatch):
    for name, value in (
        ("SCORES", ("dot",)),
        ("SIZES", ((100, 600),)),
        ("WIDTHS", ((1, 4), (2, 8))),
    ):
        monkeypatch.setattr(crossover, name, value)
    built = []

    def build(case, arrays, implementation):
        built.append((case.heads, case.channels, implementation))
        return lambda: (np.zeros(3),)

    monkeypatch.setattr(worker_jax, "build", build)
    out, console = tmp_path / "runs" / "crossover.json", Console(record=True, width=120)
    crossover.run(crossover.Options(1, 1, out=out), console)
    assert built == [(1, 4, "cpp"), (1, 4, "xla"), (2, 8, "cpp"), (2, 8, "xla")]
    found = json.loads(out.read_text())["results"]
    assert all(r["ratio"] == r["xla_ms"] / r["cpp_ms"] for r in found) and len(found) == 2
    assert "xla_ms" in console.export_text()
