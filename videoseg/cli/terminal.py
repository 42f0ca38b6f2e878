"""How commands write: readable in 80 columns, plain where nobody watches."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from videoseg.cli.standard_output import command_output
from videoseg.text import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["json_option", "open_console", "print_line", "print_row", "working", "write_json"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def json_option(command: _Command) -> _Command:
    """Add the option ``--json`` to a command, as the argument ``as_json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for other programs to read."
    )(command)


def open_console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: no markup, no guessing at colors.

    Colors appear on terminals only, and not where ``NO_COLOR`` is set.
    """
    from rich.console import Console

    class PlainConsole(Console):
        """Prints no control characters: names and messages may hold anything."""

        def print(self, *objects: Any, **settings: Any) -> None:
            super().print(*map(_shown, objects), **settings)

    file = sys.stderr if stderr else command_output()
    return PlainConsole(file=file, markup=False, highlight=False, emoji=False)


def print_line(text: str) -> None:
    """Print one line on standard output, without control characters."""
    click.echo(printable(text), file=command_output())


@contextmanager
def working(text: str, *, quiet: bool) -> Iterator[None]:
    """Show on a terminal that something is going on while the block runs."""
    console = open_console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(printable(text)):
        yield


def write_json(data: Any) -> None:
    """Print one JSON document on standard output.

    What the encoding of the output lacks is escaped, so that a name that is no UTF-8 can be
    read back as it is.
    """
    file = command_output()
    text = json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode(getattr(file, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        text = json.dumps(data, indent=2, allow_nan=False)
    click.echo(text, file=file)


def _shown(thing: object) -> object:
    return printable(thing, keep="\n") if isinstance(thing, str) else thing


def print_row(
    console: Console,
    label: str,
    text: str,
    *,
    width: int,
    style: str = "",
    label_style: str = "",
    indent: int = 0,
) -> None:
    """Print a label and a text whose further lines stand under its first.

    Args:
        console: Where to print.
        label: What stands on the left, indented by two; one that is too long moves its text.
        text: What stands on the right; its line breaks are kept.
        width: Columns of the label, without the indentation.
        style: How the text looks.
        label_style: How the label looks.
        indent: Columns that already stand on the first line.
    """
    left = f"  {label:<{width}}"
    if label and not left.endswith(" "):
        left += "  "
    room = max(console.width - indent - len(left), 20)
    lines = [
        piece
        for line in text.splitlines() or [""]
        # Names of files and options stay whole wherever they fit.
        for piece in textwrap.wrap(line, room, break_on_hyphens=False) or [""]
    ]
    for number, line in enumerate(lines):
        blank = " " * (indent + len(left))
        console.print(left if number == 0 else blank, style=label_style, end="")
        console.print(line, style=style, soft_wrap=True)
