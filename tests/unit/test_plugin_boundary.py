"""Plug-ins of this repository use public names of ``videoseg`` only. Nothing is imported here.

A name is public if it stands in the ``__all__`` of ``videoseg`` or of a module directly below it;
these are the modules of the reference.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "videoseg"


@cache
def public_names(module: str) -> frozenset[str] | None:
    """Return the names that a module makes public; None if the module itself is private."""
    inner = module.removeprefix("videoseg").removeprefix(".")
    if "." in inner or inner.startswith("_"):
        return None
    folder = PACKAGE / inner if inner else PACKAGE
    stub, source = folder / "__init__.pyi", folder / "__init__.py"
    if stub.is_file():
        return frozenset(
            alias.asname or alias.name
            for node in ast.parse(stub.read_text(encoding="utf-8")).body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        )
    if not source.is_file():
        source = PACKAGE / f"{inner}.py"
    if not source.is_file():
        return None
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def private_uses(source: str) -> Iterator[str]:
    """Yield each use of a name that is not public, with its line."""
    tree = ast.parse(source)
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "videoseg":
            names = public_names(node.module or "")
            for alias in node.names:
                if names is None or not (alias.name in names or is_public_module(node, alias)):
                    yield f"{node.lineno}: from {node.module} import {alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] != "videoseg":
                    continue
                if public_names(alias.name) is None:
                    yield f"{node.lineno}: import {alias.name}"
                aliases[alias.asname or "videoseg"] = alias.name if alias.asname else "videoseg"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from private_attribute(node, aliases)


def is_public_module(node: ast.ImportFrom, alias: ast.alias) -> bool:
    return node.module == "videoseg" and public_names(f"videoseg.{alias.name}") is not None


def private_attribute(node: ast.Attribute, aliases: dict[str, str]) -> Iterator[str]:
    """Yield an attribute such as ``vs.Name`` or ``vs.types.Name`` that is not public."""
    base, _, rest = ast.unparse(node.value).partition(".")
    if base not in aliases:
        return
    module = f"{aliases[base]}.{rest}".rstrip(".")
    names = public_names(module)
    # Deeper down, these are attributes of an object and not of a module.
    if names is None or node.attr in names:
        return
    if module == "videoseg" and public_names(f"videoseg.{node.attr}") is not None:
        return
    yield f"{node.lineno}: {ast.unparse(node)}"


PLUGINS = sorted(path for path in (ROOT / "plugins").glob("videoseg-*") if (path / "src").is_dir())


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_uses_public_names_only(plugin: Path) -> None:
    wrong = [
        f"{path.relative_to(plugin)}:{use}"
        for path in sorted((plugin / "src").rglob("*.py"))
        for use in private_uses(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_there_are_plugins() -> None:
    assert {"videoseg-vlm", "videoseg-r1", "videoseg-ray"} <= {path.name for path in PLUGINS}


@pytest.mark.parametrize(
    "source",
    [
        "from videoseg.types.geometry import Box",
        "from videoseg._interruption import foreign_code",
        "from videoseg.types import _deep",
        "from videoseg import NoSuchName",
        "import videoseg.types.geometry",
        "import videoseg as vs\nvs.NoSuchName",
        "import videoseg as vs\nvs.types.NoSuchName",
        "import videoseg\nvideoseg.no_such_module",
        "def late():\n    from videoseg.files.reading import read_text",
    ],
)
def test_a_private_use_is_noticed(source: str) -> None:
    assert len(list(private_uses(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from videoseg import Pipeline",
        "from videoseg import errors",
        "from videoseg.types import Box",
        "from videoseg.cli import VideosegCommand",
        "import videoseg as vs\nvs.Pipeline.from_name('x').config",
        "import videoseg as vs\nvs.types.Box(1, 2, 3, 4).area",
        "from videoseg_synthetic.clip import make_clip",
    ],
)
def test_a_public_use_is_accepted(source: str) -> None:
    assert list(private_uses(source)) == []
