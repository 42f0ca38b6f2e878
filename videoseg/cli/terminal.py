"""Terminal and standard output of commands: rows, JSON, and streams that are safe to write to."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from videoseg.errors import OutputError
from videoseg.text import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "command_output",
    "json_option",
    "open_console",
    "own_output",
    "print_files",
    "print_line",
    "print_row",
    "quiet_option",
    "standard_streams",
    "working",
    "write_json",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def json_option(command: _Command) -> _Command:
    """Add the option ``--json`` to a command, as the argument ``as_json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for other programs to read."
    )(command)


quiet_option = click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
"""The option ``--quiet``."""


def open_console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is, without markup or highlighting.

    Styles appear on terminals only, and not if ``NO_COLOR`` is set.
    """
    from rich.console import Console

    class PlainConsole(Console):
        """Prints no control characters, whatever names and messages hold."""

        def print(self, *objects: Any, **settings: Any) -> None:
            super().print(*map(_shown, objects), **settings)

    file = sys.stderr if stderr else command_output()
    return PlainConsole(file=file, markup=False, highlight=False, emoji=False)


def print_line(text: str) -> None:
    """Print one line on standard output, without control characters."""
    click.echo(printable(text), file=command_output())


@contextmanager
def working(text: str, *, quiet: bool) -> Iterator[None]:
    """Show what is being done while the block runs, and how far it is if it counts its steps."""
    from videoseg.progress import show_task

    with contextlib.nullcontext() if quiet else show_task(text, sys.stderr):
        yield


def write_json(data: Any) -> None:
    """Print one JSON document on standard output.

    Characters that the encoding of the output lacks are escaped, so that a file name that is
    not UTF-8 survives.
    """
    file = command_output()
    text = json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode(getattr(file, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        text = json.dumps(data, indent=2, allow_nan=False)
    click.echo(text, file=file)


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
    """Print a label and a text, wrapped and aligned in its column.

    Args:
        console: Where to print.
        label: The left column, indented by two. A label that is too long pushes its text.
        text: The right column; its line breaks are kept.
        width: Width of the label's column, without the indentation.
        style: Style of the text.
        label_style: Style of the label.
        indent: Columns already printed on the first line.
    """
    left = f"  {label:<{width}}"
    if label and not left.endswith(" "):
        left += "  "
    room = max(console.width - indent - len(left), 20)
    lines = [
        piece
        for line in text.splitlines() or [""]
        # Names of files and options, and addresses, stay whole, so that they can be copied.
        for piece in textwrap.wrap(line, room, break_on_hyphens=False, break_long_words=False)
        or [""]
    ]
    for number, line in enumerate(lines):
        blank = " " * (indent + len(left))
        console.print(left if number == 0 else blank, style=label_style, end="")
        console.print(line, style=style, soft_wrap=True)


def print_files(console: Console, files: Sequence[tuple[Path, str]]) -> None:
    """Print the paths of written files, each with its purpose, below an empty line."""
    console.print()
    longest = max((len(str(path)) for path, _ in files), default=0)
    for path, purpose in files:
        # Keep paths on one line so they can be copied.
        console.print(f"{path!s:<{longest}}  {purpose}", soft_wrap=True)


def _shown(item: object) -> object:
    return printable(item, keep="\n") if isinstance(item, str) else item


# -- standard output -------------------------------------------------------------------------

_STDOUT, _STDERR = 1, 2
_own: list[TextIO] = []
"""Standard output of the running commands while other prints go to standard error."""


def command_output() -> TextIO:
    """Return the stream for the output of the running command."""
    return _own[-1] if _own else sys.stdout


@contextmanager
def standard_streams() -> Iterator[None]:
    """Make standard output and error safe to write to for the duration of a program.

    Characters that the encoding lacks are escaped, a full or closed output raises
    ``OutputError``, and the output is flushed at the end. Streams that were replaced before,
    such as in a test, are left alone.
    """
    before = (sys.stdout, sys.stderr)
    _occupy_closed_descriptors()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 -- open until the process ends
    if sys.stdout is None:
        sys.stdout = _Closed()
    elif _is_standard(sys.stdout):
        sys.stdout.flush()
        sys.stdout = _Output.of(sys.stdout, os.dup(_STDOUT))
    try:
        yield
        sys.stdout.flush()
    finally:
        ours = sys.stdout
        sys.stdout, sys.stderr = before
        if isinstance(ours, _Output):
            ours.close_quietly()


@contextmanager
def own_output() -> Iterator[None]:
    """Reserve standard output for the command; all other output goes to standard error.

    This covers plug-ins, libraries, and the processes that they start.
    """
    own = sys.stdout
    _own.append(own)
    sys.stdout = sys.stderr
    kept = None
    if isinstance(own, _Output):
        kept = os.dup(_STDOUT)
        os.dup2(_STDERR, _STDOUT)
    try:
        yield
        own.flush()
    finally:
        sys.stdout = own
        _own.remove(own)
        if kept is not None:
            with contextlib.suppress(OSError):
                sys.__stdout__.flush()  # type: ignore[union-attr]
            os.dup2(kept, _STDOUT)
            os.close(kept)


class _Output(io.TextIOWrapper):
    """Standard output that raises ``OutputError`` if it cannot be written."""

    @classmethod
    def of(cls, stream: TextIO, descriptor: int) -> _Output:
        return cls(
            open(descriptor, "wb"),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.isatty(),
        )

    def write(self, text: str, /) -> int:
        with _explain_errors():
            return super().write(text)

    def flush(self) -> None:
        with _explain_errors():
            super().flush()

    def close_quietly(self) -> None:
        # The error has been reported; closing would write the rest again.
        with contextlib.suppress(OSError, OutputError):
            self.close()


class _Closed(io.TextIOBase):
    """Replaces a standard output that was closed before the program began."""

    encoding = "utf-8"

    def write(self, text: str, /) -> int:
        del text
        raise OutputError(_CANNOT.format("it is closed"))


_CANNOT = "cannot write to standard output: {}; redirect it to a place with free space"


@contextmanager
def _explain_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(_CANNOT.format(error.strerror or error)) from error


def _is_standard(stream: Any) -> bool:
    try:
        return stream is sys.__stdout__ and stream is not None and stream.fileno() == _STDOUT
    except (OSError, ValueError, AttributeError):
        return False


def _occupy_closed_descriptors() -> None:
    # Otherwise the next file opened would get the number, and prints would go into it.
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > _STDERR:
            os.close(descriptor)
            return
