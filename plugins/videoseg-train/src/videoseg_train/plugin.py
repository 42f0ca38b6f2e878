"""The entry point. Imports nothing heavy."""

from __future__ import annotations

__all__: list[str] = []
