"""Propagation of the embedded default."""
