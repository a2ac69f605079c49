"""The notebooks run from top to bottom, in a kernel of this interpreter, without warnings."""

import json
import sys
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
PICTURES = {"01_first_graph": 2, "02_encodings": 5, "03_molecules": 3}
"""How many pictures each notebook shows."""


def run_notebook(notebook, folder, monkeypatch):
    """Execute all cells in `folder`; a cell that raises fails the test with its traceback."""
    spec = folder / "kernels" / "this_interpreter" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(
        json.dumps(
            {
                "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "display_name": "the interpreter of the tests",
                "language": "python",
            }
        )
    )
    for name, value in {
        "JUPYTER_PATH": folder,
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": folder / "ipython",  # neither settings nor history of the user
        "PYTHONPATH": ROOT,
        "PYTHONWARNINGS": "default",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": ROOT / ".jax_cache",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    }.items():
        monkeypatch.setenv(name, str(value))
    NotebookClient(
        notebook,
        kernel_name="this_interpreter",
        timeout=300,
        resources={"metadata": {"path": str(folder)}},
    ).execute()


def outputs(notebook, kind):
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [output for cell in cells for output in cell.outputs if output.output_type == kind]


@pytest.mark.notebook
@pytest.mark.parametrize("name", PICTURES)
def test_notebook(name, tmp_path, monkeypatch):
    notebook = jupytext.read(ROOT / "notebooks" / f"{name}.py")
    run_notebook(notebook, tmp_path, monkeypatch)
    streams = outputs(notebook, "stream")
    assert [stream.text for stream in streams if stream.name == "stderr"] == []
    pictures = [o for o in outputs(notebook, "display_data") if "image/png" in o.data]
    assert len(pictures) == PICTURES[name]


@pytest.mark.notebook
def test_an_error_in_a_cell_fails_the_test(tmp_path, monkeypatch):
    notebook = jupytext.reads(
        "# %%\nx = 1\n# %%\nraise RuntimeError('broken cell')\n", "py:percent"
    )
    with pytest.raises(Exception, match="broken cell"):
        run_notebook(notebook, tmp_path, monkeypatch)


def test_every_notebook_is_tested():
    assert set(PICTURES) == {path.stem for path in (ROOT / "notebooks").glob("*.py")}
