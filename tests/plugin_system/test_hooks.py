"""Every hook is documented with its exact signature, and tested."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from videoseg.plugins.hooks import HookSpecs

HOOKS = sorted(name for name in vars(HookSpecs) if name.startswith("videoseg_"))


def test_there_are_hooks() -> None:
    assert "videoseg_components" in HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_the_guide_shows_the_exact_signature(hook: str, repository: Path) -> None:
    signature = inspect.signature(getattr(HookSpecs, hook))
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    expected = f"def {hook}{signature.replace(parameters=parameters)}:".replace("'", "")
    guide = (repository / "docs" / "plugin-authors.md").read_text(encoding="utf-8")
    assert expected in guide


def test_the_guide_shows_no_hook_that_does_not_exist(repository: Path) -> None:
    guide = (repository / "docs" / "plugin-authors.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"def (videoseg_\w+)\(", guide))
    assert shown == set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_some_test_implements_the_hook(hook: str) -> None:
    tests = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    assert any(f"def {hook}(" in path.read_text(encoding="utf-8") for path in tests)
