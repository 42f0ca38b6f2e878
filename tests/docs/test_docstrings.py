"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import videoseg

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(videoseg.__path__, "videoseg.")
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
