"""Vision of the embedded default."""
