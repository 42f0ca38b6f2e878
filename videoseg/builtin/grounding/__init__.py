"""Grounding of the embedded default."""
