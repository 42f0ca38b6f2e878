"""Readers of published benchmarks, one for each layout."""
