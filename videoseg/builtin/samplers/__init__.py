"""Samplers of the embedded default."""
