"""What documentation registers is forgotten again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from videoseg.plugins import default_registry


@pytest.fixture(autouse=True)
def fresh_default_registry() -> Iterator[None]:
    """Give each page and example a registry of its own."""
    default_registry.cache_clear()
    yield
    default_registry.cache_clear()
