"""Tuned numbers have a name, a unit and an origin: no bare ones inside functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "videoseg_attributes"
PLAIN = {0.0, 0.5, 1.0, 2.0}
SCORING = ("constraint_scores.py", "relations.py")  # in these, whole numbers have names, too
INDICES = {0, 1, 2, 3}
SMALLEST = 1e-5  # at and below, a number only keeps a division or a logarithm finite


def bare_numbers(source: str, *, integers: bool = False) -> list[str]:
    """Return the bare number literals inside functions, each with its line number."""
    found = set()
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for statement in function.body:
            for node in ast.walk(statement):
                value = node.value if isinstance(node, ast.Constant) else None
                if (type(value) is float and value not in PLAIN and value > SMALLEST) or (
                    integers and type(value) is int and value not in INDICES
                ):
                    found.add((node.lineno, value))
    return [f"line {line}: {value}" for line, value in sorted(found)]


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_no_bare_numbers_in_functions(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert bare_numbers(source, integers=path.name in SCORING) == []


def test_a_bare_number_is_found() -> None:
    source = "def f(x):\n    return 0.85 * x + 1e-9 + 7\n"
    assert bare_numbers(source) == ["line 2: 0.85"]
    assert bare_numbers(source, integers=True) == ["line 2: 0.85", "line 2: 7"]


def test_named_and_plain_numbers_are_allowed() -> None:
    assert bare_numbers("WEIGHT = 0.85\ndef f(x, y=0.3):\n    return WEIGHT * x + 0.5 * y\n") == []
