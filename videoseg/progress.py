"""Progress displays: a bar on terminals, a line in notebooks, a log elsewhere.

Pipelines show their progress in notebooks and on terminals; ``progress=False`` turns that off.
``ProgressBar`` is an observer like one of a plug-in: pass it as ``observers=[bar]`` to write
elsewhere.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeAlias, TypeVar
from weakref import WeakSet

from videoseg.plugins import FrameDone, StageFinished, StageStarted, hookimpl
from videoseg.text import format_seconds, printable

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "ProgressBar",
    "ProgressDisplay",
    "ProgressObserver",
    "default_progress",
    "open_display",
    "show_task",
    "track",
]

_Item = TypeVar("_Item")

_LOG_INTERVAL = 10.0
"""Seconds between two lines of a log."""

_NOTEBOOK_INTERVAL = 0.25
"""Seconds between two updates of a notebook, which stores every one of them."""

_NOTEBOOK_LINES = 12


_open_observers: WeakSet[ProgressObserver] = WeakSet()
"""The observers whose display is open: two at a time garble each other."""


class ProgressObserver:
    """Opens a display when there is something to show, and closes it at the end.

    Args:
        stream: Where to write; standard error by default.
        clock: Returns seconds that only increase; for tests.
    """

    def __init__(
        self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._display: ProgressDisplay | None = None

    def close(self) -> None:
        """Restore the terminal. Closing twice does nothing."""
        if self._display is not None:
            _open_observers.discard(self)
            self._display.close()
            self._display = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _open(self) -> ProgressDisplay:
        if self._display is None:
            self._display = open_display(self._stream, clock=self._clock)
            _open_observers.add(self)
        return self._display


class ProgressBar(ProgressObserver):
    """Shows the current stage of a pipeline, the frames done and the time left.

    A terminal shows a bar, a notebook one line below the cell that is updated, and anything
    else (a log file, a pipe) gets a line when a stage ends and one every ten seconds. Close it
    when the run is over; it is also a context manager.

    Args:
        stream: Where to write; standard error by default.
        clock: Returns seconds that only increase; for tests.

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
        super().__init__(stream, clock=clock)
        # The stages that are running, the innermost last, each with the time it began.
        self._running: list[tuple[StageStarted, float]] = []

    @hookimpl
    def videoseg_stage_started(self, event: StageStarted) -> None:
        """Show the stage."""
        self._running.append((event, self._clock()))
        self._open().begin(_stage_name(event), event.total)

    @hookimpl
    def videoseg_frame_done(self, event: FrameDone) -> None:
        """Show how many frames are done, and the time left for the others."""
        stage, started = self._running[-1] if self._running else (None, 0.0)
        total = event.total if event.total is not None or stage is None else stage.total
        text = _describe(event.done, total, "frames", self._clock() - started)
        self._open().advance(event.done, total, text)

    @hookimpl
    def videoseg_stage_finished(self, event: StageFinished) -> None:
        """Show the time a stage took, and whether it failed."""
        # The error itself is raised, and told by whoever asked.
        how = "" if event.error is None else "failed after "
        if event.error == "interrupted":
            how = "interrupted after "
        self._open().end(f"{_stage_name(event)}: {how}{format_seconds(event.seconds)}")
        if self._running:
            self._running.pop()
        if self._running:
            # A propagator that has the query answered again goes on.
            outer, _ = self._running[-1]
            self._open().begin(_stage_name(outer), outer.total)


def _stage_name(event: StageStarted | StageFinished) -> str:
    turn = f", turn {event.turn + 1}" if event.turn else ""
    return f"{event.stage} {event.component}{turn}"


def _describe(done: int, total: int | None, noun: str, seconds: float) -> str:
    """Return how much is done after some seconds, and the time left."""
    text = f"{done} {noun}" if total is None else f"{done} of {total} {noun}"
    if total and done and done != total:
        text += f", {format_seconds(seconds / done * max(0, total - done))} left"
    return text


@contextmanager
def default_progress(
    progress: bool | None, observers: Sequence[object] = ()
) -> Iterator[Sequence[object]]:
    """Yield the observers of a run, with a progress bar where one is wanted.

    Args:
        progress: Whether to show progress. None shows it in notebooks and on terminals: in the
            main thread, where no other display is open and no observer is one.
        observers: The observers that the caller gave.
    """
    if progress is None:
        progress = (
            not any(isinstance(one, ProgressObserver) for one in observers)
            and threading.current_thread() is threading.main_thread()
            and not _open_observers
            and (_in_notebook() or _is_terminal(sys.stderr))
        )
    if not progress:
        yield observers
        return
    with ProgressBar() as bar:
        yield [*observers, bar]


def _is_terminal(stream: Any) -> bool:
    try:
        return stream is not None and bool(stream.isatty())
    except (AttributeError, ValueError):
        # Replaced by something else, or closed.
        return False


_Task: TypeAlias = tuple["ProgressDisplay", Callable[[], float]]
_shown_task: ContextVar[_Task | None] = ContextVar("_shown_task", default=None)


@contextmanager
def show_task(
    name: str, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Show a task while the block runs, with the steps that ``track`` counts in it.

    Args:
        name: What is being done, such as ``reading mevis``.
        stream: Where to write; standard error by default.
        clock: Returns seconds that only increase; for tests.
    """
    display = open_display(stream, clock=clock)
    display.begin(name, None)
    token = _shown_task.set((display, clock))
    try:
        yield
    finally:
        _shown_task.reset(token)
        display.close()


def track(items: Sequence[_Item], noun: str) -> Iterator[_Item]:
    """Yield the items of a long task; ``show_task`` around it shows how many are done.

    Alone it shows nothing, so that libraries and plug-ins can use it anywhere.

    Args:
        items: The items.
        noun: What they are, in the plural.

    Example:
        >>> with show_task("reading mybench"):
        ...     lengths = [len(name) for name in track(["dog", "horse"], "videos")]
    """
    task = _shown_task.get()
    if task is None:
        yield from items
        return
    display, clock = task
    started = clock()
    for done, item in enumerate(items, 1):
        yield item
        display.advance(done, len(items), _describe(done, len(items), noun, clock() - started))


class ProgressDisplay(Protocol):
    """Shows one task at a time; create it with ``open_display`` and close it at the end."""

    is_live: bool
    """Whether progress is redrawn in place; if not, it becomes lines of a log."""

    def begin(self, name: str, total: int | None) -> None:
        """Start a task of ``total`` steps, None if unknown. It replaces the task before."""

    def advance(self, done: int, total: int | None, text: str) -> None:
        """Show that a number of steps are done; ``text`` says so in words."""

    def end(self, line: str) -> None:
        """End the task with a line that stays."""

    def write(self, line: str) -> None:
        """Write a line that stays while the task goes on."""

    def close(self) -> None:
        """Restore the terminal."""


def open_display(
    stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic
) -> ProgressDisplay:
    """Return the display that suits a stream.

    Args:
        stream: Where to write. By default the notebook if there is one, else standard error.
        clock: Returns seconds that only increase; for tests.
    """
    if stream is None and _in_notebook():
        return _NotebookDisplay(clock)
    stream = stream if stream is not None else sys.stderr
    return _TerminalDisplay(stream) if stream.isatty() else _LogDisplay(stream, clock)


class _LogDisplay:
    """Few lines, so that a log stays readable."""

    is_live = False

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._name = ""
        self._last = clock()

    def begin(self, name: str, total: int | None) -> None:
        del total
        self._name = name
        self._last = self._clock()

    def advance(self, done: int, total: int | None, text: str) -> None:
        del done, total
        if self._clock() - self._last >= _LOG_INTERVAL:
            self._last = self._clock()
            self.write(f"{self._name}: {text}" if self._name else text)

    def end(self, line: str) -> None:
        self.write(line)

    def write(self, line: str) -> None:
        self._stream.write(printable(line) + "\n")
        self._stream.flush()

    def close(self) -> None:
        self._stream.flush()


class _TerminalDisplay:
    """A bar drawn by rich."""

    is_live = True

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            console=Console(file=stream),
            transient=True,
        )
        self._progress.start()
        self._task: Any = None
        self._name = ""

    def begin(self, name: str, total: int | None) -> None:
        self._remove()
        self._name = printable(name)
        self._task = self._progress.add_task(self._name, total=total, text="")

    def advance(self, done: int, total: int | None, text: str) -> None:
        if self._task is None:
            self.begin(self._name, total)
        self._progress.update(self._task, completed=done, total=total, text=printable(text))

    def end(self, line: str) -> None:
        self._remove()
        self.write(line)

    def write(self, line: str) -> None:
        self._progress.console.print(printable(line), markup=False, highlight=False)

    def close(self) -> None:
        self._remove()
        self._progress.stop()

    def _remove(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


class _NotebookDisplay:
    """A bar and a few lines of HTML below the cell."""

    is_live = True

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._handle: Any = None
        self._lines: list[str] = []
        self._name = ""
        self._last = float("-inf")

    def begin(self, name: str, total: int | None) -> None:
        self._name = name
        self._show(name, 0 if total else None, total)

    def advance(self, done: int, total: int | None, text: str) -> None:
        if self._clock() - self._last >= _NOTEBOOK_INTERVAL or done == total:
            self._show(f"{self._name}: {text}" if self._name else text, done, total)

    def end(self, line: str) -> None:
        self.write(line)

    def write(self, line: str) -> None:
        # Stages of a long episode must not push the cell's other output away.
        self._lines = [*self._lines, line][-_NOTEBOOK_LINES:]
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


def _in_notebook() -> bool:
    """Return whether this is a notebook's kernel, without importing IPython."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})
