"""Every snippet in README and docs runs, and prints what the page says it prints.

A page is one program: its ```python blocks run in order, in one namespace and one temporary
folder. An HTML comment that begins with ``setup`` is code a reader need not see. A block
right after ``<!-- output -->`` is what the block before it prints. In ```sh blocks the lines
that begin with ``videoseg`` are run in the same folder.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PAGES = [
    ROOT / "README.md",
    *sorted(
        path
        for path in (ROOT / "docs").rglob("*.md")
        if "_build" not in path.parts and "generated" not in path.parts
    ),
    *sorted((ROOT / "plugins").glob("*/README.md")),
]

BLOCK = re.compile(
    r"^<!--\s*setup\n(?P<setup>.*?)^-->$"
    r"|(?P<output><!-- output -->\n+)?^```(?P<language>[a-z]*)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    kind: str
    text: str
    line: int


def blocks_of(page: Path) -> Iterator[Block]:
    content = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(content):
        line = content.count("\n", 0, match.start()) + 2
        if match["setup"] is not None:
            yield Block("python", match["setup"], line)
        elif match["output"]:
            yield Block("output", match["body"], line)
        elif match["language"] in ("python", "sh"):
            yield Block(match["language"], match["body"], line)


def runnable(block: Block) -> bool:
    return block.kind == "python" or (
        block.kind == "sh" and bool(re.search(r"^videoseg ", block.text, re.MULTILINE))
    )


RUNNABLE_PAGES = [page for page in PAGES if any(runnable(block) for block in blocks_of(page))]


def run_shell(text: str) -> None:
    from videoseg.cli.main import main

    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("videoseg "):
            arguments = shlex.split(line, comments=True)[1:]
            status = main(arguments)
            assert status == 0, f"`{line}` ended with status {status}"


@pytest.mark.parametrize("page", RUNNABLE_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_snippets_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    checker = doctest.OutputChecker()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for block in blocks_of(page):
        if block.kind == "output":
            assert checker.check_output(block.text, printed, flags), (
                f"{page}:{block.line}: the page says\n{block.text}\nbut the code prints\n{printed}"
            )
            continue
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream):
            if block.kind == "python":
                # Padding makes the lines in a traceback those of the page.
                code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
                exec(code, namespace)
            else:
                run_shell(block.text)
        printed = stream.getvalue()


def test_the_pages_have_snippets() -> None:
    assert ROOT / "README.md" in RUNNABLE_PAGES
    assert len(RUNNABLE_PAGES) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    content = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", content):
        if target.startswith(("http:", "https:", "mailto:", "#")):
            continue
        path = page.parent / target.partition("#")[0]
        generated = "generated" in path.parts
        assert generated or path.exists(), f"{page}: {target} is not there"


def test_no_snippet_needs_a_place_on_this_machine() -> None:
    for page in PAGES:
        for block in blocks_of(page):
            assert not re.search(r"[\"'](/home|/tmp|/root|[A-Z]:\\\\)", block.text), page
