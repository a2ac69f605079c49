"""Every Python block of the documentation runs, and prints what the page says it prints.

The blocks of a page run in order in one namespace. A ```text block right behind a ```python block is what
that block prints.
"""

import contextlib
import io
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n?```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    line: int
    code: str
    printed: str | None


def blocks(text):
    return [
        Block(text.count("\n", 0, match.start(1)), match[1], match[2])
        for match in BLOCK.finditer(text)
    ]


def run_page(text, name):
    namespace = {"__name__": "__docs__"}
    for block in blocks(text):
        # Line numbers in a traceback are those of the page.
        code = compile("\n" * block.line + block.code, name, "exec")
        printed = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
            warnings.simplefilter("error")
            exec(code, namespace)
        if block.printed is not None:
            assert printed.getvalue() == block.printed, f"{name}, block at line {block.line}"


PAGES = [
    path
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    if blocks(path.read_text())
]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(page.read_text(), str(page))


def test_finds_the_pages_and_all_their_blocks():
    assert {"index.md", "padding.md", "attention.md", "symmetry.md"} <= {p.name for p in PAGES}
    for page in PAGES:
        text = page.read_text()
        assert len(blocks(text)) == text.count("```python"), page


def test_blocks_share_a_namespace_and_output_is_compared():
    page = "# Page\n```python\nx = 1\n```\ntext\n```python\nprint(x)\n```\n```text\n{}\n```\n"
    run_page(page.format(1), "page")
    with pytest.raises(AssertionError, match="page, block at line 6"):
        run_page(page.format(2), "page")
    with pytest.raises(UserWarning):
        run_page("```python\nimport warnings\nwarnings.warn('loud')\n```\n", "page")


def test_links_between_pages_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", prose):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
