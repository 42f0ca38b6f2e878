"""Grounding of the embedded default."""

from videoseg.builtin.grounding.attributes import AttributesGrounder

__all__ = ["AttributesGrounder"]
