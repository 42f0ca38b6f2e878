"""What documents and messages tell to install exists."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).resolve().parents[2]
_COMMAND = re.compile(r"pip install ((?:[^`\n\\]|\\\n)+)")
# What the guide for authors calls their package.
_PLACEHOLDER = "videoseg-yours"
_PACKAGE = re.compile(r"\bvideoseg(?:-[a-z0-9]+)*(?=[\s\"'`\[,;.)]|$)")
_EXTRA = re.compile(r"(plugins/)?\b(videoseg(?:-[a-z0-9]+)*)\[([a-z, -]+)\]")


def distributions() -> dict[str, set[str]]:
    """Return the extras of every distribution of this repository."""
    found = {}
    for path in [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        found[project["name"]] = set(project.get("optional-dependencies", {}))
    return found


def texts() -> Iterator[tuple[str, str]]:
    """Yield every document, notebook and source file."""
    places = [ROOT, ROOT / "docs", ROOT / "plugins", ROOT / "examples", ROOT / "videoseg"]
    for place in places:
        pattern = "*" if place == ROOT else "**/*"
        for path in sorted(place.glob(pattern)):
            if path.suffix in (".md", ".py", ".toml") and "tests" not in path.parts:
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
            elif path.suffix == ".ipynb":
                cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
                text = "\n".join("".join(cell["source"]) for cell in cells)
                yield str(path.relative_to(ROOT)), text


def problems(name: str, text: str, known: dict[str, set[str]]) -> Iterator[str]:
    """Yield what a text tells to install that does not exist."""
    for found in _EXTRA.finditer(text):
        if found[2] == _PLACEHOLDER:
            continue
        for extra in found[3].split(","):
            if extra.strip() not in known.get(found[2], set()):
                yield f"{name}: {found[0]}: {found[2]} has no extra {extra.strip()!r}"
    if not name.endswith((".md", ".ipynb")):
        return
    for found in _COMMAND.finditer(text):
        command = found[1].replace("\\\n", " ").split("&&")[0].split("#")[0].split("|")[0]
        try:
            words = shlex.split(command)
        except ValueError:
            # A command in a sentence ends where the sentence does.
            words = command.split()
        for place, word in enumerate(words):
            before = words[place - 1] if place else ""
            plain = word.partition("[")[0].strip("\"'").rstrip(").,;")
            if before == "-r" and not (ROOT / word).is_file():
                yield f"{name}: there is no {word}"
            elif before == "-e" and not (ROOT / plain / "pyproject.toml").is_file():
                yield f"{name}: there is no package in {word}"
            elif _PACKAGE.fullmatch(plain) and plain not in {*known, _PLACEHOLDER}:
                yield f"{name}: there is no package {plain}"


def test_every_package_and_extra_that_is_named_exists() -> None:
    known = distributions()
    assert len(known) > 8
    found = [problem for name, text in texts() for problem in problems(name, text, known)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "$ pip install videoseg-nothing",
        "pip install -e plugins/videoseg-vlm -e plugins/videoseg-nothing",
        "pip install -e . \\\n  -r plugins/nothing.txt",
        "`videoseg-vlm[transformers]` has them",
        'pip install -e "plugins/videoseg-vlm[transformers]"',
        "pip install 'videoseg[everything]'",
    ],
)
def test_what_does_not_exist_is_noticed(text) -> None:
    assert list(problems("page.md", text, distributions()))
