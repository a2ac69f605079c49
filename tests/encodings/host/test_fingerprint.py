"""A function has another name after a change of anything that it reads, and the same after any other."""

import dataclasses
import enum
import functools
import logging
import os
import re
import subprocess
import sys
import textwrap
import threading
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga
from graphattn_jax.encodings.host._fingerprint import fingerprint

deterministic = settings(max_examples=60, deadline=None, derandomize=True)
LOG = logging.getLogger(__name__)
LOCK = threading.Lock()


def module_of(source, name="written"):
    """A module of this source, that is not installed anywhere."""
    module = types.ModuleType(name)
    exec(textwrap.dedent(source), vars(module))
    return module


def of(source, name="encode"):
    return fingerprint(getattr(module_of(source), name))


# Each pair: a module with a function `encode`, and what to replace in it, which `encode` reads on some way.
READS = {
    "its code": ("def encode(g): return g + 1", "g + 1", "g - 1"),
    "a number in it": ("def encode(g): return g + 1", "1", "2"),
    "a default": ("def encode(g, k=1): return g + k", "1", "2"),
    "a keyword default": ("def encode(g, *, k=1): return g + k", "1", "2"),
    "a constant": ("K = 1\ndef encode(g): return g + K", "K = 1", "K = 2"),
    "an array": (
        "import numpy as np\nK = np.arange(3)\ndef encode(g): return g + K",
        "arange(3)",
        "array([0, 1, 3])",
    ),
    "a jax array": (
        "import jax\nK = jax.numpy.arange(3)\ndef encode(g): return g + K",
        "arange(3)",
        "array([0, 1, 3])",
    ),
    "a key": ("import jax\nK = jax.random.key(0)\ndef encode(g): return K", "(0)", "(1)"),
    "a part of a list of dicts": ("K = [{'a': {1}}]\ndef encode(g): return K", "{1}", "{2}"),
    "a helper": ("def f(g): return g\ndef encode(g): return f(g)", "g\ndef", "-g\ndef"),
    "a helper of a helper": (
        "def a(g): return g\ndef b(g): return a(g)\ndef encode(g): return b(g)",
        "(g): return g",
        "(g): return -g",
    ),
    "a helper in a container": (
        "def f(g): return g\nTABLE = {'f': f}\ndef encode(g): return TABLE['f'](g)",
        "return g\n",
        "return -g\n",
    ),
    "helpers that call each other": (
        "def a(g): return b(g)\ndef b(g): return g or a(g)\ndef encode(g): return a(g)",
        "g or",
        "g and",
    ),
    "inside a comprehension": (
        "K = 1\ndef encode(g): return [K + x for x in g]",
        "K = 1",
        "K = 2",
    ),
    "inside a function inside": (
        "K = 1\ndef encode(g):\n    def f(): return lambda: K\n    return f()()",
        "K = 1",
        "K = 2",
    ),
    "a closure": (
        "def make(k): return lambda g: g + k\nencode = make(1)",
        "make(1)",
        "make(2)",
    ),
    "a function in a closure": (
        "def make(f): return lambda g: f(g)\nencode = make(lambda g: g)",
        "lambda g: g)",
        "lambda g: -g)",
    ),
    "an option": (
        "from functools import partial\ndef f(g, k): return g\nencode = partial(f, k=1)",
        "k=1",
        "k=2",
    ),
    "what partial calls": (
        "from functools import partial\ndef f(g, k): return g\nencode = partial(f, k=1)",
        "return g",
        "return -g",
    ),
    "what a decorator wraps": (
        "import functools\ndef w(f):\n    @functools.wraps(f)\n    def g(x): return f(x)\n    return g\n"
        "@w\ndef encode(g): return g + 1",
        "g + 1",
        "g + 2",
    ),
    "what jax.jit wraps": (
        "import jax\n@jax.jit\ndef encode(g): return g + 1",
        "g + 1",
        "g + 2",
    ),
    "what jax.vmap wraps": (
        "import jax\n@jax.vmap\ndef encode(g): return g + 1",
        "g + 1",
        "g + 2",
    ),
    "what a cache wraps": (
        "import functools\n@functools.cache\ndef f(g): return g + 1\ndef encode(g): return f(g)",
        "g + 1",
        "g + 2",
    ),
    "a closure of an installed package": (
        "import jax\ninit = jax.nn.initializers.normal(1.0)\ndef encode(g): return init",
        "1.0",
        "2.0",
    ),
    "a method": (
        "class A:\n    def f(self, g): return g\ndef encode(g): return A().f(g)",
        "return g\n",
        "return -g\n",
    ),
    "an inherited method": (
        "class A:\n    def f(self, g): return g\nclass B(A): pass\ndef encode(g): return B().f(g)",
        "return g\n",
        "return -g\n",
    ),
    "a property, a static and a class method": (
        "class A:\n    @property\n    def p(self): return self.s()\n    @staticmethod\n    def s(): return A.c()\n"
        "    @classmethod\n    def c(cls): return 1\ndef encode(g): return A().p",
        "return 1",
        "return 2",
    ),
    "a class attribute": (
        "class A:\n    k = 1\ndef encode(g): return A.k",
        "k = 1",
        "k = 2",
    ),
    "a base class": (
        "class A: k = 1\nclass B: k = 2\nclass C(A, B): pass\ndef encode(g): return C.k",
        "(A, B)",
        "(B, A)",
    ),
    "the object of a method": (
        "class A:\n    def __init__(self, k): self.k = k\n    def f(self, g): return g + self.k\nencode = A(1).f",
        "A(1)",
        "A(2)",
    ),
    "an object that is called": (
        "class A:\n    def __init__(self, k): self.k = k\n    def __call__(self, g): return g\nencode = A(1)",
        "A(1)",
        "A(2)",
    ),
    "a field of a dataclass": (
        "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass A: k: int = 1\n"
        "a = A()\ndef encode(g): return a.k",
        "int = 1",
        "int = 2",
    ),
    "the default of a named tuple": (
        "from typing import NamedTuple\nclass A(NamedTuple):\n    k: int = 1\ndef encode(g): return A().k",
        "int = 1",
        "int = 2",
    ),
    "a member of an enum": (
        "import enum\nclass A(enum.Enum): X = 1\ndef encode(g): return A.X.value",
        "X = 1",
        "X = 2",
    ),
    "a pattern": ("import re\nP = re.compile('a')\ndef encode(g): return P", "'a'", "'b'"),
    "a ufunc": (
        "import numpy as np\nf = np.sin\ndef encode(g): return f(g)",
        "np.sin",
        "np.cos",
    ),
    "a bound method of a list": (
        "f = [1].index\ndef encode(g): return f(g)",
        "[1]",
        "[2]",
    ),
    "a function of this library": (
        "import graphattn_jax as ga\nf = ga.encodings.rwse\ndef encode(g): return f(g)",
        "rwse",
        "rrwp",
    ),
}


@pytest.mark.parametrize("what", READS)
def test_a_change_of_what_it_reads_changes_its_name(what):
    source, before, after = READS[what]
    assert source.count(before) >= 1
    changed = source.replace(before, after)
    assert of(source) == of(source)
    assert of(source) != of(changed)
    assert of(source) == of(f"OTHER = 1\n{source}\ndef other(): return encode")


def test_spaces_and_comments_do_not_count():
    assert of("def encode(g): return g + 1") == of("def encode(g):  # add one\n\n    return  g + 1")


@st.composite
def programs(draw):
    """Functions and constants, each reading some of those before it, as a list of (is a function, what it reads)."""
    count = draw(st.integers(1, 7))
    return [
        (draw(st.booleans()), draw(st.sets(st.integers(0, i - 1))) if i else set())
        for i in range(count)
    ]


def write(program, changed=None):
    """Its source; the thing number `changed` has another constant."""
    lines = []
    for i, (is_function, reads) in enumerate(program):
        own = 100 + i if i == changed else i
        if is_function:
            used = ", ".join(f"x{j}" for j in sorted(reads))
            lines.append(f"def x{i}(g): return {own}, {used}")
        else:
            used = ", ".join(f"x{j}" for j in sorted(reads))
            lines.append(f"x{i} = [{own}, {used}]")
    return "\n".join(lines)


@given(program=programs(), data=st.data())
@settings(deterministic, max_examples=200)
def test_exactly_what_can_be_reached_counts(program, data):
    program[-1] = (True, program[-1][1])
    last = len(program) - 1
    changed = data.draw(st.integers(0, last))
    reached, todo = set(), [last]
    while todo:
        i = todo.pop()
        if i not in reached:
            reached.add(i)
            todo += program[i][1]
    before = of(write(program), f"x{last}")
    after = of(write(program, changed), f"x{last}")
    assert (before != after) == (changed in reached)


class TestOwnModules:
    SOURCE = "import helpers.deep as deep\nimport helpers\ndef encode(g): return helpers.deep.f(g)"

    @pytest.fixture
    def written(self, tmp_path, monkeypatch):
        """Encodes with this text in a module of one's own, each time in a fresh interpreter."""
        (tmp_path / "helpers").mkdir()
        (tmp_path / "helpers" / "__init__.py").write_text("")

        def name(source, deep):
            (tmp_path / "helpers" / "deep.py").write_text(deep)
            (tmp_path / "own.py").write_text(source)
            code = (
                "from graphattn_jax.encodings.host._fingerprint import fingerprint; import own\n"
                "try: print(fingerprint(own.encode))\nexcept ValueError as error: print(error)"
            )
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
            done = subprocess.run(
                [sys.executable, "-B", "-c", code], capture_output=True, text=True, env=environment
            )
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        return name

    def test_their_attributes_count_and_interpreters_agree(self, written):
        deep = "K = {'a', 'b', 'c', 1}\nUNUSED = 0\ndef f(g): return g, K, {'x', 'y', 'z'}"
        before = written(self.SOURCE, deep)
        assert re.fullmatch("[0-9a-f]{32}", before)
        assert written(self.SOURCE, deep) == before  # sets have another order in each interpreter
        assert written(self.SOURCE, deep.replace("UNUSED = 0", "UNUSED = 1")) == before
        assert written(self.SOURCE, deep.replace("1}", "2}")) != before
        assert written(self.SOURCE, deep.replace("return g", "return -g")) != before

    def test_as_a_whole_they_are_refused(self, written):
        whole = "import helpers.deep as deep\ndef encode(g): return getattr(deep, g)"
        assert "it reads the module deep as a whole" in written(whole, "")
        inside = "def encode(g):\n    import helpers.deep\n    return helpers.deep.f(g)"
        assert "it imports 'helpers.deep' where it is called" in written(inside, "")


def test_the_library_itself_counts_by_its_source():
    def encode(graph):
        return ga.encodings.rwse(graph, 3), np.sum(jnp.ones(3)), jax.random.key(0)

    assert fingerprint(encode) == fingerprint(encode)
    assert fingerprint(ga.encodings.rwse) != fingerprint(ga.encodings.rrwp)


def test_a_logger_may_be_used():
    def encode(graph):
        LOG.info("encode")
        return graph

    assert fingerprint(encode) == fingerprint(encode)


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Own:
    color: Color
    table: np.ndarray


def test_objects_count_by_their_content():
    def named(own):
        return fingerprint(functools.partial(lambda g, own: g, own=own))

    own = Own(Color.RED, np.arange(3))
    assert named(own) == named(Own(Color.RED, np.arange(3)))
    assert named(own) != named(Own(Color.RED, np.arange(3.0)))
    assert named(np.float32(1)) != named(np.float64(1)) != named(1.0) != named(True) != named(1)
    assert named([1, [2]]) != named([[1], 2])
    assert named(np.array(["a", None], object)) != named(np.array(["b", None], object))


def refused():
    def with_lock(g):
        return LOCK, g

    def by_name(g):
        return globals()["LOG"]

    def by_text(g):
        return eval("LOG")

    return {"no content to compare": with_lock, "globals reads": by_name, "eval reads": by_text}


@pytest.mark.parametrize("message", refused())
def test_what_cannot_be_compared_is_refused(message):
    with pytest.raises(ValueError, match=f"cannot name the encoding.*{message}.*Fix: "):
        fingerprint(refused()[message])
