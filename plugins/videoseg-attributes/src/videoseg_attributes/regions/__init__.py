"""Regions of the embedded default."""
