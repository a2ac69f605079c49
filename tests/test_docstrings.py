"""Every public function and every value says what it takes, what it gives, and shows it; and takes few arguments."""

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap

import pytest

from graphattn_jax import attention

PACKAGES = (
    "attention",
    "chem",
    "data",
    "diagnostics",
    "encodings",
    "graphs",
    "interop",
    "linear_attention",
    "links",
    "losses",
    "message_passing",
    "metrics",
    "models",
    "modules.linen",
    "modules.nnx",
    "nn",
    "ops",
    "sampling",
    "testing",
    "training",
    "values",
)

# What has a source: every function of these packages, every class with `init` and `apply`, every loader of data, and
# every function that states an equation.
PUBLISHED = ("attention", "chem", "encodings", "linear_attention", "message_passing", "models")
EQUATION = re.compile(r"^ {4}.*\s[=≈←∝≤]\s", re.MULTILINE)
# These have one without stating an equation.
ALSO = {
    "graphs.add_virtual_node",
    "data.scaffold_split",
    "metrics.mean_over_tasks",
    "ops.dense_sinkhorn",
    "ops.Sinkhorn",
    "ops.dropout",
}
# These are nobody's: parts of others, conversions, and what every textbook has.
OURS = {
    "models.TypedInputs",
    "attention.combine_heads",
    "attention.project",
    "chem.predict",
    "diagnostics.row_column_sums",
    "diagnostics.symmetry_error",
    "encodings.common_neighbours",
    "encodings.distance_buckets",
    "encodings.per_type_degree",
    "encodings.precompute",
    "encodings.triangle_counts",
    "graphs.all_pairs",
    "graphs.estimate_budget",
    "losses.sigmoid_binary_cross_entropy",
    "metrics.accuracy",
    "models.Readout",
    "models.load",
    "models.pool",
    "models.save",
    "nn.mlp",
    "ops.attend_from_logits",
    "ops.segment_logsumexp",
    "ops.segment_softmax",
    "ops.segment_std",
    "ops.segment_sum",
    "testing.assert_permutation_equivariant",
}

MOST_ARGUMENTS, MOST_OF_A_LAYER = 8, 5
TAKE_MORE = {"training.fit"}  # no layer, network or operator: a whole run


def public():
    """Functions and classes by name; each where it is defined first."""
    for package in PACKAGES:
        module = importlib.import_module(f"graphattn_jax.{package}")
        assert sorted(module.__all__) == sorted(set(module.__all__))
        for name in module.__all__:
            yield f"{package}.{name}", getattr(module, name)


def is_ours(function):
    """Not inherited from Flax, say."""
    return (getattr(function, "__module__", None) or "").startswith("graphattn_jax.")


PUBLIC = dict(public())
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
LAYERS = {
    name: value
    for name, value in CLASSES.items()
    if hasattr(value, "init") and hasattr(value, "apply") and is_ours(value.init)
    # Scores are a line each, and what they have in common is said once; Flax modules wrap a value.
    if not name.startswith("modules.")
    and not (inspect.isabstract(value) or issubclass(value, attention.Score))
}


def by_name(values):
    return pytest.mark.parametrize("name", values)


def needs_source(name):
    """By the rule, without the two lists."""
    package, _, short = name.rpartition(".")
    if name in CLASSES:
        return name in LAYERS
    text = (inspect.getdoc(PUBLIC[name]) or "").partition("Args:")[0]
    loads = package == "data" and short.startswith("load_")
    published = package in PUBLISHED and not short.startswith("init_")
    return published or loads or EQUATION.search(text) is not None


def parameters(function):
    """Names of its arguments, but `self` and private ones."""
    names = inspect.signature(function).parameters
    return [name for name in names if not name.startswith("_") and name not in ("self", "cls")]


def raises(function):
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) for node in ast.walk(tree))


def sections(doc):
    return {line.strip().rstrip(":") for line in doc.splitlines() if line.endswith(":")}


def assert_described(doc, names):
    assert "Args" in sections(doc)
    described = doc[doc.index("Args:") :]
    for name in names:
        assert re.search(rf"\b{name}\b", described), f"{name} is not described"


@by_name(FUNCTIONS)
def test_function_is_documented(name):
    function = FUNCTIONS[name]
    doc = inspect.getdoc(function) or ""
    if parameters(function):
        assert_described(doc, parameters(function))
    if raises(function):
        assert "Raises" in sections(doc)
    assert ">>> " in doc, "no example"


@by_name(LAYERS)
def test_value_with_init_and_apply_is_documented(name):
    """Fields and an example are in the class; what a call takes and gives is said at `apply`."""
    layer = LAYERS[name]
    doc = inspect.getdoc(layer) or ""
    fields = [field.name for field in dataclasses.fields(layer) if field.name != "_"]
    if fields:
        assert_described(doc, fields)
    assert ">>> " in doc, "no example"
    assert inspect.getdoc(layer.init)
    apply_doc = inspect.getdoc(layer.apply) or ""
    assert_described(apply_doc, parameters(layer.apply))
    assert "Returns" in sections(apply_doc)
    for method in (layer.init, layer.apply):
        if raises(method):
            assert "Raises" in sections(inspect.getdoc(method) or "")
    if "__post_init__" in vars(layer):
        assert "Raises" in sections(doc)


@by_name(sorted(ALSO | {name for name in FUNCTIONS | LAYERS if needs_source(name)} - OURS))
def test_what_is_somebodys_has_a_source(name):
    assert "Source:" in inspect.getdoc(PUBLIC[name])


def test_the_lists_of_sources_are_needed():
    assert set(PUBLIC) >= ALSO | OURS
    assert not {name for name in ALSO if needs_source(name)}
    assert not {name for name in OURS if not needs_source(name)}
    assert not {name for name in OURS if "Source:" in inspect.getdoc(PUBLIC[name])}


def callables():
    """Public functions, and the methods of public classes. The fields of a value are no arguments."""
    yield from FUNCTIONS.items()
    for name, value in CLASSES.items():
        for method, function in inspect.getmembers(value, callable):
            if not method.startswith("_") and is_ours(function):
                yield f"{name}.{method}", function


def test_calls_take_few_arguments():
    many = {name for name, value in callables() if len(parameters(value)) > MOST_ARGUMENTS}
    assert not many - TAKE_MORE, f"more than {MOST_ARGUMENTS} arguments"
    assert not TAKE_MORE - many, "take these off the list"
    for name, layer in LAYERS.items():
        for function in (layer.init, layer.apply):
            assert len(parameters(function)) <= MOST_OF_A_LAYER, name


@by_name([name for name in CLASSES if name.startswith("modules.")])
def test_flax_module_is_documented(name):
    doc = inspect.getdoc(CLASSES[name])
    assert {"Args", "Call", "Returns", "Raises"} <= sections(doc) and ">>> " in doc
    assert_described(
        doc, parameters(CLASSES[name].__init__) if "nnx" in name else ["deterministic"]
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_package_and_types_have_a_line(package):
    module = importlib.import_module(f"graphattn_jax.{package}")
    assert inspect.getdoc(module)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value):
            doc = inspect.getdoc(value)
            assert doc and not doc.startswith(f"{name}("), f"{name} has only a generated docstring"
