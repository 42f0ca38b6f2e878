"""Grounding of the embedded default."""

from videoseg_attributes.grounding.attributes import AttributesGrounder

__all__ = ["AttributesGrounder"]
