"""The grounder ``attributes``: measures candidates and resolves what a query refers to."""

from videoseg_attributes.grounding.grounder import AttributesGrounder

__all__ = ["AttributesGrounder"]
