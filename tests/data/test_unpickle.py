import collections
import os
import pickle

import numpy as np
import pytest
import scipy.sparse
from _formats import write_python2_pickle

from graphattn_jax.data._unpickle import read_pickle


def text(value):
    return b"S" + repr(value).encode() + b"\n"


def call(name, *arguments):
    """Opcodes that call the global `name` with arguments given as opcodes."""
    return b"c" + name + b"\n(" + b"".join(arguments) + b"tR"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i4", ">f8", "|u1", "|b1"])
def test_arrays(tmp_path, dtype, order):
    array = np.asarray(np.arange(6).reshape(2, 3) % 4, dtype=dtype, order=order)
    write_python2_pickle(tmp_path / "a", array)
    assert b"numpy.core.multiarray\n_reconstruct" in (tmp_path / "a").read_bytes()
    np.testing.assert_array_equal(read_pickle(tmp_path / "a"), array)


def test_csr_matrix(tmp_path):
    matrix = scipy.sparse.csr_matrix(np.array([[0.0, 2.0, 1.0], [0.0, 0.0, 0.0]], np.float32))
    write_python2_pickle(tmp_path / "m", matrix)
    assert b"scipy.sparse.csr\ncsr_matrix" in (tmp_path / "m").read_bytes()
    got = read_pickle(tmp_path / "m")
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got.toarray(), matrix.toarray())


def test_dictionary(tmp_path):
    graph = collections.defaultdict(list, {0: [1, 2], 1: [0], 2: [0]})
    write_python2_pickle(tmp_path / "g", graph)
    assert read_pickle(tmp_path / "g") == graph


def attacks(command, expression):
    system = b"cos\nsystem\n"
    reconstruct = b"numpy.core.multiarray\n_reconstruct"
    return {
        "os.system": call(b"os\nsystem", text(command)) + b".",
        "posix.system": call(b"posix\nsystem", text(command)) + b".",
        "__builtin__.eval": call(b"__builtin__\neval", text(expression)) + b".",
        "builtins.eval": call(b"builtins\neval", text(expression)) + b".",
        # as the factory of an allowed defaultdict, behind a harmless first use of it
        "factory os.system": call(b"collections\ndefaultdict", system) + b".",
        # as an argument, and as the state, of an allowed array
        "argument os.system": call(
            reconstruct, call(b"os\nsystem", text(command)), b"(I0\nt", text("b")
        )
        + b".",
        "state os.system": b"cscipy.sparse.csr\ncsr_matrix\n)\x81}"
        + text("data")
        + call(b"os\nsystem", text(command))
        + b"sb.",
        # numpy functions that read files or evaluate
        "numpy.load": call(b"numpy\nload", text("x")) + b".",
        "numpy.core.multiarray.scalar": call(b"numpy.core.multiarray\nscalar") + b".",
        # attributes of an allowed class, by the dotted names of protocol 4
        "numpy.ndarray.tofile": b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
    }


@pytest.mark.parametrize("attack", attacks("", ""))
def test_refuses_every_other_name(tmp_path, attack):
    made = tmp_path / "made"
    path = tmp_path / "ind.cora.graph"
    payload = attacks(f"mkdir {made}", f"__import__('os').mkdir({str(made)!r})")[attack]
    path.write_bytes(payload)
    name = attack.split()[-1]
    with pytest.raises(ValueError, match=rf"ind\.cora\.graph .* asks for {name}, which is refused"):
        read_pickle(path)
    assert not made.exists()


@pytest.mark.parametrize("attack", ["os.system", "__builtin__.eval", "state os.system"])
def test_the_attacks_are_real(tmp_path, attack):
    made = tmp_path / "made"
    payload = attacks(f"mkdir {made}", f"__import__('os').mkdir({str(made)!r})")[attack]
    payload = payload.replace(b"scipy.sparse.csr\n", b"scipy.sparse\n")
    pickle.loads(payload)
    assert made.exists()


def test_object_arrays_are_refused(tmp_path):
    write_python2_pickle(tmp_path / "a", np.array([1, "two"], dtype=object))
    with pytest.raises(ValueError, match="dtype 'O8' are not accepted"):
        read_pickle(tmp_path / "a")


def test_records_cannot_be_altered_by_a_file(tmp_path):
    """A file that sets attributes of an allowed class fails, and leaves the class as it was."""
    for kind in (b"scipy.sparse.csr\ncsr_matrix", b"numpy\nndarray", b"collections\ndefaultdict"):
        path = tmp_path / "p"
        path.write_bytes(b"c" + kind + b"\n(N}" + text("value") + b"I1\nstb.")
        with pytest.raises(ValueError, match="corrupted"):
            read_pickle(path)
    test_csr_matrix(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "Ran out of input"), (b"I1\n.", "it holds int"), (b"]q\x00.", "it holds list")],
)
def test_other_content(tmp_path, content, problem):
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        read_pickle(tmp_path / "p")


def test_csr_with_indices_out_of_range(tmp_path):
    matrix = scipy.sparse.csr_matrix(np.eye(3))
    matrix.indices[0] = 7
    write_python2_pickle(tmp_path / "m", matrix)
    with pytest.raises(ValueError, match="corrupted"):
        read_pickle(tmp_path / "m")


def test_truncated_or_damaged_files_raise_or_load_a_value(tmp_path):
    path = tmp_path / "m"
    write_python2_pickle(path, scipy.sparse.csr_matrix(np.eye(3)))
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=str(os.path.basename(path))):
            read_pickle(path)
    refused = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert isinstance(read_pickle(path), (np.ndarray, scipy.sparse.csr_matrix, dict))
        except ValueError as error:
            refused += str(path) in str(error)
    assert refused > len(content) // 2
