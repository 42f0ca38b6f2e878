"""Builtin of the embedded default."""
