"""Text of docstrings as Markdown, for generated pages."""

from __future__ import annotations

import inspect

__all__ = ["cell", "code", "prose"]


def prose(value: object) -> str:
    """Return a docstring up to its first section, as Markdown."""
    paragraphs = []
    for paragraph in (inspect.getdoc(value) or "").split("\n\n"):
        if paragraph.startswith(("Args:", "Returns:", "Raises:", "Example:", "Attributes:")):
            break
        paragraphs.append(paragraph.replace("``", "`"))
    return "\n\n".join(paragraphs)


def cell(text: str) -> str:
    """Return text of a docstring for a cell of a table."""
    return text.replace("``", "`").replace("|", "\\|")


def code(text: str) -> str:
    """Return text as code for a cell of a table; nothing for none."""
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`" if text else ""
