"""Segmentation of the embedded default."""
