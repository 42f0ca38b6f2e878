"""Tuned numbers have a name, a unit and an origin: no bare ones inside functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "videoseg_attributes"
PLAIN = {0.0, 0.5, 1.0, 2.0}
SMALLEST = 1e-5  # at and below, a number only keeps a division or a logarithm finite


def bare_floats(source: str) -> list[str]:
    """Return the bare float literals inside functions, each with its line number."""
    found = set()
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for statement in function.body:
            for node in ast.walk(statement):
                if not isinstance(node, ast.Constant) or not isinstance(node.value, float):
                    continue
                if node.value not in PLAIN and node.value > SMALLEST:
                    found.add((node.lineno, node.value))
    return [f"line {line}: {value}" for line, value in sorted(found)]


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_no_bare_floats_in_functions(path: Path) -> None:
    assert bare_floats(path.read_text(encoding="utf-8")) == []


def test_a_bare_float_is_found() -> None:
    assert bare_floats("def f(x):\n    return 0.85 * x + 1e-9\n") == ["line 2: 0.85"]


def test_named_and_plain_numbers_are_allowed() -> None:
    assert bare_floats("WEIGHT = 0.85\ndef f(x, y=0.3):\n    return WEIGHT * x + 0.5 * y\n") == []
