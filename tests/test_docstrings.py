"""Every public function says what it takes, what it gives, and shows it."""

import ast
import importlib
import inspect

import pytest

PACKAGES = (
    "attention",
    "chem",
    "data",
    "diagnostics",
    "encodings",
    "graphs",
    "message_passing",
    "models",
    "modules.linen",
    "modules.nnx",
    "nn",
    "ops",
    "testing",
    "training",
)
# Layers and encodings of a publication, and definitions that are somebody's.
NEED_SOURCE = {
    "gat",
    "gatv2",
    "graph_transformer",
    "grit",
    "degree_scaler",
    "gcn",
    "gine",
    "gated_gcn",
    "sage",
    "pna",
    "log_degree_mean",
    "relative_bias",
    "shaw_features",
    "sinkhorn",
    "dense_sinkhorn",
    "normalize",
    "edge_attention",
    "dense_attention",
    "dropout",
    "symmetry_score",
    "parameter_symmetry_error",
    "layer_norm",
    "batch_norm",
    "graph_norm",
    "embedding",
    "attention_pool",
    "plain_network",
    "residual_network",
    "rwse",
    "rrwp",
    "degree_encoding",
    "centrality",
    "electrostatic",
    "hitting_times",
    "shortest_path_distances",
    "edge_features_on_paths",
    "extend_to_virtual_nodes",
    "effective_resistance",
    "path_bias",
    "graphormer_bias",
    "gaussian_bias",
    "type_bias",
    "type_distance_bias",
    "load_csl",
    "from_smiles",
    "from_smiles_list",
    "murcko_scaffolds",
    "draw_attention",
    "laplacian",
    "laplacian_eigenvectors",
    "rwse_estimate",
    "random_feature_propagation",
    "pearl",
    "lspe",
    "laplacian_loss",
    "scaffold_split",
    "average_precision",
    "mean_over_tasks",
    "load_tu",
    "load_zinc",
    "load_moleculenet",
    "load_freewilson",
    "load_wordnet",
    "load_amsterdam_museum",
    "flip_signs",
    "laplace_deepset",
    "san_encoder",
    "signnet",
    "spe",
    "heat_kernel_diagonal",
    "heat_kernel_diagonal_estimate",
    "chebyshev_coefficients",
    "chebyshev_filter",
    "subspace_eigenvectors",
    "add_expander",
    "add_virtual_node",
    "exphormer_pattern",
    "exphormer",
    "san",
    "gps_layer",
    "gps_network",
    "grit_network",
    "prepare_grit",
    "graphormer_network",
    "prepare_graphormer",
    "prepare_exphormer",
    "prepare_san",
}


def public_functions():
    for package in PACKAGES:
        module = importlib.import_module(f"graphattn_jax.{package}")
        assert sorted(module.__all__) == sorted(set(module.__all__))
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value):
                yield pytest.param(value, id=f"{package}.{name}")


FUNCTIONS = list(public_functions())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_is_documented(function):
    doc = inspect.getdoc(function) or ""
    sections = {line.rstrip(":") for line in doc.splitlines() if line.endswith(":")}
    parameters = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if not p.name.startswith("_")
    ]
    if parameters:
        assert "Args" in sections
        described = doc[doc.index("Args:") :]
        for name in parameters:
            assert name in described, f"{name} is not described"
    tree = ast.parse(inspect.getsource(function))
    if any(isinstance(node, ast.Raise) for node in ast.walk(tree)):
        assert "Raises" in sections
    assert ">>> " in doc, "no example"
    if function.__name__ in NEED_SOURCE:
        assert "Source:" in doc


def test_the_names_that_need_a_source_exist():
    names = {parameter.values[0].__name__ for parameter in FUNCTIONS}
    assert names >= NEED_SOURCE


@pytest.mark.parametrize("package", PACKAGES)
def test_package_and_types_have_a_line(package):
    module = importlib.import_module(f"graphattn_jax.{package}")
    assert inspect.getdoc(module)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value):
            doc = inspect.getdoc(value)
            assert doc and not doc.startswith(f"{name}("), f"{name} has only a generated docstring"
