"""Runs a pipeline over a benchmark, scores predictions, and reports."""

__all__: list[str] = []
