"""What documentation registers is forgotten again, and processors load with any torchvision."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from torchvision_builds import declare_missing_operators

from videoseg.plugins import default_registry

if importlib.util.find_spec("torch") is not None:
    # On machines where torch and torchvision are of different builds; before modules import them.
    declare_missing_operators()


@pytest.fixture(autouse=True)
def fresh_default_registry() -> Iterator[None]:
    """Give each page and example a registry of its own."""
    default_registry.cache_clear()
    yield
    default_registry.cache_clear()
