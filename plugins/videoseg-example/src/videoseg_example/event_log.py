"""An observer that writes the events of a run as JSON lines."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TypeAlias

from videoseg.plugins import FrameDone, Grounded, StageFinished, StageStarted
from videoseg.types import to_dict

__all__ = ["Event", "EventLog"]

Event: TypeAlias = StageStarted | StageFinished | Grounded | FrameDone


class EventLog:
    """An observer that appends every event to a file.

    Give it to one run, ``pipe(video, query, observers=[EventLog("run.jsonl")])``, or set the
    environment variable ``VIDEOSEG_EVENT_LOG`` to log every run. A run whose log cannot be
    written continues; its result has a warning.

    Args:
        path: The file; created if it does not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def videoseg_stage_started(self, event: StageStarted) -> None:
        """Write that a stage begins."""
        self.write(event)

    def videoseg_stage_finished(self, event: StageFinished) -> None:
        """Write that a stage ended."""
        self.write(event)

    def videoseg_grounded(self, event: Grounded) -> None:
        """Write the answer."""
        self.write(event)

    def videoseg_frame_done(self, event: FrameDone) -> None:
        """Write that a frame is ready."""
        self.write(event)

    def write(self, event: Event) -> None:
        """Append one event, with its kind and the time in seconds since 1970."""
        record = {"event": type(event).__name__, "time": time.time(), **to_dict(event)}
        # Opened for each event, so that the log of a killed run ends with a complete line.
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
