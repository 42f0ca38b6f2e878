"""The report of an evaluation: HTML, Markdown and JSON from the same numbers."""

__all__: list[str] = []
