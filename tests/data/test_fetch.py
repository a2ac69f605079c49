import subprocess
import sys

import numpy as np
import pooch
import pytest
from _folders import data_folder
from _formats import write_heterophilous

import graphattn_jax as ga
from graphattn_jax.data._fetch import fetch, find_local
from graphattn_jax.data._sources import SOURCES


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHATTN_DATA", raising=False)
    monkeypatch.setenv("GRAPHATTN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch):
    def fail(self, url, output_file, *args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fail)


@pytest.fixture
def online(tmp_path, monkeypatch):
    """A public home that serves one tiny file for every address; the list of what was asked."""
    asked = []
    write_heterophilous(tmp_path / "served.npz")
    content = (tmp_path / "served.npz").read_bytes()

    def serve(self, url, output_file, *args, **kwargs):
        asked.append(url)
        with open(output_file, "wb") as file:
            file.write(content)

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", serve)
    return asked


@pytest.mark.parametrize("below", ["", "node", "node/planetoid_raw", "graph", "typed/wordnet"])
def test_local_folders(cache, tmp_path, below, offline, monkeypatch):
    folder = tmp_path / "mine" / below
    folder.mkdir(parents=True)
    write_heterophilous(folder / "actor.npz")
    assert ga.data.load_heterophilous("actor", root=str(tmp_path / "mine")).name == "actor"
    monkeypatch.setenv("GRAPHATTN_DATA", str(tmp_path / "mine"))
    assert ga.data.load("actor").name == "actor"
    assert not cache.exists()


def test_root_goes_before_the_variable(cache, tmp_path, monkeypatch):
    for name, num_features in (("root", 1), ("variable", 2)):
        (tmp_path / name).mkdir()
        write_heterophilous(tmp_path / name / "actor.npz", node_features=np.ones((6, num_features)))
    monkeypatch.setenv("GRAPHATTN_DATA", str(tmp_path / "variable"))
    assert ga.data.load("actor", root=tmp_path / "root").graph.nodes.shape == (6, 1)
    assert ga.data.load("actor", root=tmp_path / "elsewhere").graph.nodes.shape == (6, 2)


def test_offline_message(cache, offline, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        ga.data.load_heterophilous("minesweeper", root=tmp_path / "mine")
    message = str(caught.value)
    for part in (
        "minesweeper.npz",
        "https://raw.githubusercontent.com/yandex-research/heterophilous-graphs/",
        "no route to host",
        str(tmp_path / "mine" / "node"),
        "GRAPHATTN_DATA",
    ):
        assert part in message
    assert not (cache / "minesweeper.npz").exists()


def test_offline_message_without_folders(cache, offline):
    with pytest.raises(FileNotFoundError, match="Folders searched: none given"):
        ga.data.load_planetoid("pubmed")


def test_download_of_unknown_checksum_is_recorded_and_cached(cache, online, monkeypatch):
    assert SOURCES["actor.npz"].sha256 is None
    first = ga.data.load("actor")
    second = ga.data.load("actor")
    assert online == [SOURCES["actor.npz"].url]
    np.testing.assert_array_equal(first.graph.nodes, second.graph.nodes)
    assert (cache / "actor.npz.sha256").read_text() == pooch.file_hash(cache / "actor.npz")


def test_a_file_in_a_folder_is_cached_in_that_folder(cache, online):
    path = fetch("MUTAG/10fold_idx/test_idx-1.txt", root=None)
    assert path == cache / "MUTAG/10fold_idx/test_idx-1.txt" and path.is_file()
    assert path.with_name("test_idx-1.txt.sha256").read_text() == pooch.file_hash(path)
    assert fetch("MUTAG/10fold_idx/test_idx-1.txt", root=None) == path
    assert len(online) == 1 and online[0].endswith("/data/MUTAG/10fold_idx/test_idx-1.txt")


def test_corrupted_cache_is_named(cache, online):
    ga.data.load("actor")
    content = bytearray((cache / "actor.npz").read_bytes())
    content[-1] ^= 1
    (cache / "actor.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"cached file .*actor\.npz is corrupted.*delete it"):
        ga.data.load("actor")
    (cache / "actor.npz").unlink()
    assert ga.data.load("actor").name == "actor"
    assert len(online) == 2


def test_cached_file_of_known_checksum_is_verified(cache, online):
    cache.mkdir()
    write_heterophilous(cache / "minesweeper.npz")
    with pytest.raises(ValueError, match=r"minesweeper\.npz is corrupted: its sha256 is"):
        ga.data.load("minesweeper")
    assert online == []


def test_download_that_fails_its_checksum_is_not_kept(cache, online):
    with pytest.raises(ValueError, match=r"minesweeper\.npz"):
        ga.data.load("minesweeper")
    assert len(online) == 1
    assert list(cache.iterdir()) == []


def test_damaged_npz_is_named_or_reads_the_same(tmp_path):
    path = tmp_path / "actor.npz"
    write_heterophilous(path)
    content = path.read_bytes()
    expected = ga.data.load_heterophilous("actor", root=tmp_path)
    for length in range(0, len(content), 29):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"actor\.npz is corrupted"):
            ga.data.load_heterophilous("actor", root=tmp_path)
    for position in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            got = ga.data.load_heterophilous("actor", root=tmp_path)
        except ValueError as error:
            assert "actor.npz is corrupted" in str(error)
        else:
            np.testing.assert_array_equal(got.graph.nodes, expected.graph.nodes)
            np.testing.assert_array_equal(got.graph.senders, expected.graph.senders)
            np.testing.assert_array_equal(got.splits, expected.splits)


def test_without_pooch(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"actor\.npz needs pooch.*\[experiments\].*GRAPHATTN_D"):
        ga.data.load("actor")


def test_sources_are_pinned_and_complete():
    for filename, source in SOURCES.items():
        assert source.url.startswith("https://raw.githubusercontent.com/")
        assert source.url.endswith(f"/{filename}")
        assert source.sha256 is None or len(bytes.fromhex(source.sha256)) == 32
    hashes = [source.sha256 for source in SOURCES.values() if source.sha256]
    assert len(set(hashes)) == len(hashes)


def test_import_loads_no_optional_package():
    code = "import sys, graphattn_jax.data; print({'pooch', 'sklearn'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


@pytest.mark.data
@pytest.mark.parametrize("filename", ["minesweeper.npz", "chameleon_filtered.npz", "ind.cora.allx"])
def test_checksums_of_real_files(filename):
    data_folder("node")
    path = find_local(filename, root=None)
    assert path is not None
    assert pooch.file_hash(path) == SOURCES[filename].sha256
