"""Grounding of the embedded default."""

from videoseg_attributes.grounding.grounder import AttributesGrounder

__all__ = ["AttributesGrounder"]
