"""Stands in for a worker process of videoseg-studio; and what tests of its server ask often."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np

from videoseg.results import Segmentation
from videoseg.types import Grounding, MaskTrack, Rle, Thought, Trace, VideoFacts
from videoseg.video import Video

LABEL = "<img src=x onerror=alert(1)>"


class ThreadSlot:
    """Does what the query says, in the thread of the queue.

    ``wait``: until it is stopped or released. ``fail``: an error. Anything else: an answer with
    one object that moves.
    """

    released = threading.Event()

    def __init__(self):
        self._stopped = threading.Event()

    def run(self, work, *, seconds, on_message):
        from videoseg_studio.jobs.exports import ExportWork, write_archive
        from videoseg_studio.jobs.types import JobError, Progress

        if isinstance(work, ExportWork):
            write_archive(work)
            return "done", None
        on_message("progress", Progress("grounder", "stand-in", 0))
        if work.query.startswith("wait"):
            while not self.released.is_set():
                if self._stopped.wait(0.01):
                    return "stopped", None
        if work.query.startswith("fail"):
            return "failed", JobError("VideoError", "it is broken")
        with Video.open(work.video) as video:
            answer_of(work.query, work.video_name, video).save(work.result, video=video)
        return "done", {"status": "answered", "objects": [{"id": 1}]}

    def stop(self):
        self._stopped.set()

    def forget_stops(self):
        self._stopped.clear()

    def close(self):
        pass


def answer_of(query, name, video):
    """Return a result with a square that moves to the right."""
    height, width = video.size
    masks = []
    for frame in range(len(video)):
        mask = np.zeros((height, width), bool)
        mask[8:24, 8 + frame : 24 + frame] = True
        masks.append(Rle.encode(mask))
    duration = float(video.timestamps[-1]) + 0.2
    facts = VideoFacts(video.name, name, len(video), video.size, video.fps, duration, "pyav")
    track = MaskTrack(1, video.size, tuple(masks), LABEL)
    thought = Thought("<script>alert('thought')</script>")
    return Segmentation(query, facts, Grounding(0, (), thought), Trace(), (track,))


def wait_until_finished(client, job):
    """Follow a job by its events; return it when it has ended."""
    last = client.get(job["links"]["events"]).text.strip().split("\n\n")[-1]
    assert last.startswith("event: job\ndata: "), last
    return client.get(job["links"]["self"]).json()


def all_files(folder):
    """Return the paths of all files below a folder, relative to it."""
    # Unlike rglob, this does not mind folders that are deleted meanwhile.
    return {
        str(Path(place, name).relative_to(folder))
        for place, _, names in os.walk(folder)
        for name in names
    }
