"""The HTML, CSS and script files that pages are made from."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

__all__ = ["template_text"]


@lru_cache(maxsize=16)
def template_text(name: str) -> str:
    """Return the text of one file of ``videoseg/results/report/templates``."""
    return (resources.files("videoseg.results.report") / "templates" / name).read_text(
        encoding="utf-8"
    )
