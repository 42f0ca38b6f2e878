"""What takes long: one piece of work for each project, in a thread, with its progress."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from videoseg.errors import VideosegError
from videoseg.plugins import Grounded, StageFinished, StageStarted
from videoseg_studio.editing import CancelledError
from videoseg_studio.server.errors import RequestError

__all__ = ["StageTeller", "Work", "Worker"]

_log = logging.getLogger("videoseg_studio")


@dataclass
class Work:
    """One piece of work.

    Args:
        kind: ``ask``, ``propagate`` or ``export``.
        title: What it does, in words.

    Attributes:
        status: ``running``, ``done``, ``cancelled`` or ``failed``.
        note: What it does just now.
        message: How it ended.
        done: Frames that are done.
        total: Frames in all; 0 while this is not known.
        result: What it made.
        cancel: Set to end it.
    """

    kind: str
    title: str
    status: str = "running"
    note: str = ""
    message: str = ""
    done: int = 0
    total: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    cancel: threading.Event = field(default_factory=threading.Event)
    begin: float = field(default_factory=time.monotonic)
    number: int = field(default_factory=itertools.count(1).__next__)
    end: float | None = None

    def tell(self, done: int, total: int) -> None:
        """Take note of progress."""
        self.done, self.total = done, total

    def describe(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "number": self.number,
            "kind": self.kind,
            "title": self.title,
            "status": self.status,
            "note": self.note,
            "message": self.message,
            "done": self.done,
            "total": self.total,
            "seconds": round((self.end or time.monotonic()) - self.begin, 1),
            "result": self.result,
            "cancelling": self.cancel.is_set() and self.status == "running",
        }


class StageTeller:
    """An observer of a pipeline that notes what it does just now.

    Args:
        work: Where it is noted.
    """

    def __init__(self, work: Work) -> None:
        self._work = work

    def videoseg_stage_started(self, event: StageStarted) -> None:
        """Note which stage works."""
        turn = "" if event.turn is None else f"turn {event.turn + 1}: "
        verb = {
            "sampler": "choosing frames",
            "grounder": "looking and thinking",
            "segmenter": "outlining",
            "propagator": "following",
        }.get(event.stage, event.stage)
        self._work.note = f"{turn}{verb} ({event.component})"

    def videoseg_stage_finished(self, event: StageFinished) -> None:
        """Note nothing: the next stage begins at once."""

    def videoseg_grounded(self, event: Grounded) -> None:
        """Note that there is an answer."""
        count = len(event.grounding.object_ids)
        self._work.note = f"{count} found" if count else "nothing found"


class Worker:
    """Runs one piece of work at a time.

    Args:
        changed: Called whenever what the work makes may be shown.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.work: Work | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a piece of work is running."""
        work = self.work
        return work is not None and work.status == "running"

    def start(self, work: Work, run: Callable[[Work], str]) -> Work:
        """Begin a piece of work.

        Args:
            work: Its description.
            run: Does it, and returns in words what came out.

        Raises:
            RequestError: If another one is running (409).
        """
        with self._lock:
            if self.is_busy and self.work is not None:
                raise RequestError(
                    409, f"{self.work.title} is still running; wait for it, or cancel it"
                )
            self.work = work
            self._thread = threading.Thread(
                target=self._run, args=(work, run), name=f"studio-{work.kind}", daemon=True
            )
            self._thread.start()
        return work

    def cancel(self) -> None:
        """End what is running after the frame or the stage that it is at."""
        if self.work is not None:
            self.work.cancel.set()

    def join(self, seconds: float) -> None:
        """Wait for the end of what is running."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _run(self, work: Work, run: Callable[[Work], str]) -> None:
        status = "failed"
        try:
            work.message = run(work)
            status = "done"
        except CancelledError as error:
            work.message, status = str(error), "cancelled"
        except VideosegError as error:
            work.message = str(error)
        except MemoryError:
            work.message = (
                "the memory of this machine is used up; close other programs, or work on a "
                "smaller or shorter video"
            )
        except Exception:
            _log.exception("%s failed", work.title)
            work.message = f"{work.title} failed; the log of the studio has the reason"
        finally:
            work.note = ""
            work.end = time.monotonic()
            work.status = status
            self._changed()
