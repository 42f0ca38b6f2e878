"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "videoseg": ROOT / "videoseg",
    **{
        folder.name: folder
        for folder in ROOT.glob("plugins/*/src/videoseg_*")
        if (folder / "__init__.py").is_file()
    },
}
MODULES = sorted(
    found.name
    for package, folder in PACKAGES.items()
    for found in pkgutil.walk_packages([str(folder)], f"{package}.")
    if not found.name.endswith("__main__")
)


def examples_of(module_name: str) -> list[doctest.DocTest]:
    module = importlib.import_module(module_name)
    return [test for test in doctest.DocTestFinder().find(module) if test.examples]


def test_there_are_examples() -> None:
    assert sum(len(examples_of(name)) for name in MODULES) >= 20


@pytest.mark.parametrize("module_name", MODULES)
def test_the_examples_of_a_module(
    module_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    for test in examples_of(module_name):
        # Names that a user has by `from <module> import *` are there, as in the module itself.
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)
