"""A few inputs of each category; ``run_hostile.py`` has all of them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="forks a process for each input"),
]


def _runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "run_hostile", Path(__file__).with_name("run_hostile.py")
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("category", ["yaml", "results", "rles", "servers", "answers"])
def test_hostile_inputs_are_taken_or_refused_in_a_line(category: str) -> None:
    outcomes = _runner().run_category(category, seed=0, limit=6)
    assert len(outcomes) == 6
    assert [outcome for outcome in outcomes if outcome["verdict"] == "bad"] == []
