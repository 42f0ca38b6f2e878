"""What documentation registers is forgotten again; processors load with any build of torchvision."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from torchvision_builds import declare_missing_operators

from videoseg.plugins import default_registry


@pytest.fixture(autouse=True, scope="session")
def importable_torchvision() -> None:
    """Let processors load on machines where torch and torchvision are of different builds."""
    if importlib.util.find_spec("torch") is not None:
        declare_missing_operators()


@pytest.fixture(autouse=True)
def fresh_default_registry() -> Iterator[None]:
    """Give each page and example a registry of its own."""
    default_registry.cache_clear()
    yield
    default_registry.cache_clear()
