"""The pipeline ``attributes``: classical vision and a grammar, no weights."""
