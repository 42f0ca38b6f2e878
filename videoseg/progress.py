"""A progress bar that observes a pipeline.

It is an observer like any plug-in's: its methods are hook implementations, and the pipeline
knows nothing of it. ``registry.register(ProgressBar(), name="progress")`` turns it on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from types import TracebackType
from typing import Any, Protocol, TextIO

from videoseg.plugins.events import FrameDone, StageFinished, StageStarted
from videoseg.plugins.hookspecs import hookimpl
from videoseg.text import format_seconds, printable

__all__ = ["ProgressBar"]

_PLAIN_INTERVAL = 10.0


class ProgressBar:
    """Shows which stage is at work, how many frames are done and how long it will take.

    In a terminal it draws a bar, in a notebook it updates one line below the cell, and
    anywhere else (a log file, a pipe) it writes a line when a stage ends and now and then
    in between. Close it when the run is over; it is also a context manager.

    Args:
        stream: Where to write; standard error by default.
        clock: Seconds that only go forward; for tests.

    Example:
        >>> import io
        >>> stream = io.StringIO()
        >>> with ProgressBar(stream=stream) as bar:
        ...     bar.videoseg_stage_started(StageStarted("sampler", "uniform"))
        ...     bar.videoseg_stage_finished(StageFinished("sampler", "uniform", seconds=0.5))
        >>> stream.getvalue().strip()
        'sampler uniform: 0.50 s'
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._display: _Display | None = None
        self._started = 0.0
        self._total: int | None = None
        self._name = ""

    @hookimpl
    def videoseg_stage_started(self, event: StageStarted) -> None:
        """Show that a stage is at work."""
        turn = f", turn {event.turn + 1}" if event.turn else ""
        self._name = f"{event.stage} {event.component}{turn}"
        self._started = self._clock()
        self._total = event.total
        self._opened().begin(self._name, event.total)

    @hookimpl
    def videoseg_frame_done(self, event: FrameDone) -> None:
        """Show how many frames are done and how long the others will take."""
        total = event.total if event.total is not None else self._total
        passed = self._clock() - self._started
        left = passed / event.done * max(0, total - event.done) if total and event.done else None
        self._opened().advance(event.done, total, left)

    @hookimpl
    def videoseg_stage_finished(self, event: StageFinished) -> None:
        """Show how long a stage took, or what went wrong in it."""
        turn = f", turn {event.turn + 1}" if event.turn else ""
        name = f"{event.stage} {event.component}{turn}"
        said = f"failed: {event.error}" if event.error else format_seconds(event.seconds)
        self._opened().end(f"{name}: {said}")

    def close(self) -> None:
        """Leave the terminal as it was. Closing twice does nothing."""
        if self._display is not None:
            self._display.close()
            self._display = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _opened(self) -> _Display:
        if self._display is None:
            stream = self._stream if self._stream is not None else sys.stderr
            if self._stream is None and _in_notebook():
                self._display = _NotebookDisplay(self._clock)
            elif stream.isatty():
                self._display = _TerminalDisplay(stream)
            else:
                self._display = _PlainDisplay(stream, self._clock)
        return self._display


class _Display(Protocol):
    def begin(self, name: str, total: int | None) -> None: ...

    def advance(self, done: int, total: int | None, left: float | None) -> None: ...

    def end(self, line: str) -> None: ...

    def close(self) -> None: ...


class _PlainDisplay:
    """Few lines, so that a log stays readable."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._name = ""
        self._last = clock()

    def begin(self, name: str, total: int | None) -> None:  # noqa: ARG002
        self._name = name
        self._last = self._clock()

    def advance(self, done: int, total: int | None, left: float | None) -> None:
        if self._clock() - self._last >= _PLAIN_INTERVAL:
            self._last = self._clock()
            self._write(f"{self._name}: {_count(done, total, left)}")

    def end(self, line: str) -> None:
        self._write(line)

    def close(self) -> None:
        self._stream.flush()

    def _write(self, line: str) -> None:
        self._stream.write(printable(line) + "\n")


class _TerminalDisplay:
    """A bar drawn by rich."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}", markup=False),
            console=Console(file=stream),
            transient=True,
        )
        self._progress.start()
        self._task: Any = None

    def begin(self, name: str, total: int | None) -> None:
        self._remove()
        self._task = self._progress.add_task(printable(name), total=total, count="")

    def advance(self, done: int, total: int | None, left: float | None) -> None:
        if self._task is None:
            self.begin("frames", total)
        count = _count(done, total, left)
        self._progress.update(self._task, completed=done, total=total, count=count)

    def end(self, line: str) -> None:
        self._remove()
        self._progress.console.print(printable(line), markup=False, highlight=False)

    def close(self) -> None:
        self._remove()
        self._progress.stop()

    def _remove(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


class _NotebookDisplay:
    """One line and a bar of plain HTML below the cell, updated a few times a second."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._handle: Any = None
        self._lines: list[str] = []
        self._name = ""
        self._last = float("-inf")

    def begin(self, name: str, total: int | None) -> None:
        self._name = name
        self._show(name, 0 if total else None, total)

    def advance(self, done: int, total: int | None, left: float | None) -> None:
        # Every message goes through the kernel's socket and is kept by the page.
        if self._clock() - self._last >= 0.25 or done == total:
            self._show(f"{self._name}: {_count(done, total, left)}", done, total)

    def end(self, line: str) -> None:
        # Stages of a long episode must not push the cell's other output away.
        self._lines = [*self._lines, line][-12:]
        self._show("", None, None)

    def close(self) -> None:
        self._show("", None, None)

    def _show(self, line: str, done: int | None, total: int | None) -> None:
        from IPython import display as notebook

        # IPython's functions carry no types.
        show: Any = notebook.display
        html: Any = notebook.HTML
        self._last = self._clock()
        bar = ""
        if total and done is not None:
            bar = f"<progress value='{done}' max='{total}' style='width:16em'></progress> "
        text = "<br>".join(escape(item) for item in self._lines)
        now = f"<br>{bar}{escape(line)}" if line else ""
        page = html(f"<div style='font-size:0.9em;opacity:0.85'>{text}{now}</div>")
        if self._handle is None:
            self._handle = show(page, display_id=True)
        else:
            self._handle.update(page)


def _count(done: int, total: int | None, left: float | None) -> str:
    text = f"{done} frames" if total is None else f"{done} of {total} frames"
    return text if left is None or done == total else f"{text}, {format_seconds(left)} left"


def _in_notebook() -> bool:
    """Return whether code runs in a notebook's kernel, without importing IPython."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})
