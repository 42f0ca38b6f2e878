"""The process that runs jobs: one at a time, keeping its pipeline between them."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.errors import VideosegError
from videoseg.text import printable, shorten_text
from videoseg_studio.jobs.exports import ExportWork, write_archive
from videoseg_studio.jobs.types import JobError, Part, Progress

if TYPE_CHECKING:
    from videoseg.pipeline import Pipeline, PipelineConfig
    from videoseg.plugins import FrameDone, Grounded, StageStarted
    from videoseg.results import Segmentation
    from videoseg.types import Grounding, Prompt, Trace
    from videoseg.video import Video

__all__ = ["Work", "run_worker"]

_LEAST_SECONDS = 0.2
"""Frames are told of at most this often, in seconds."""

_LONGEST_MESSAGE = 2_000
_MOST_TURNS = 50


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs for a job.

    Args:
        config: The pipeline, checked.
        video: The path of the video.
        video_name: What results and messages call it: the server's own path is not told.
        query: The question; empty if there are prompts.
        seed: The seed.
        part: Which part of the video is looked at.
        prompts: Objects that were given instead of a question.
        result: Where the result is saved.
        scratch: A folder for temporary files, which is made and deleted.
    """

    config: PipelineConfig
    video: Path
    video_name: str
    query: str
    seed: int
    part: Part
    prompts: tuple[Prompt, ...]
    result: Path
    scratch: Path


def run_worker(connection: Connection) -> None:
    """Do what arrives, until the server closes the pipe; the target of a process.

    Messages to the server are pairs: ``("progress", Progress)``, ``("answer", dict)`` and, at
    the end, ``("done", dict)`` or ``("failed", JobError)``.
    """
    # A terminal sends Ctrl-C to all its processes; the server's handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Those of the server, inherited where processes are forked, would keep this one alive.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _exit_with_parent()
    bench = _Bench()
    try:
        while True:
            work: Work | ExportWork = connection.recv()
            try:
                if isinstance(work, ExportWork):
                    write_archive(work)
                    connection.send(("done", None))
                else:
                    connection.send(("done", bench.run(work, connection.send)))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except MemoryError:
                error = JobError("MemoryError", "memory ran out; try a smaller or shorter video")
                connection.send(("failed", error))
            except Exception as error:
                connection.send(("failed", _describe(error, work)))
            finally:
                shutil.rmtree(work.scratch, ignore_errors=True)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


class _Bench:
    """The pipeline that a worker keeps. Only one: two sets of weights may not fit."""

    def __init__(self) -> None:
        self._config: PipelineConfig | None = None
        self._pipeline: Pipeline | None = None

    def run(self, work: Work, send: Callable[[tuple[str, Any]], None]) -> dict[str, Any]:
        from videoseg.video import Video

        work.scratch.mkdir(parents=True, exist_ok=True)
        # Libraries of stages write there as well, so that a killed job leaves nothing behind.
        tempfile.tempdir = os.environ["TMPDIR"] = str(work.scratch)
        pipeline = self._build(work.config)
        with Video.open(work.video) as video:
            result = _segment(pipeline, video, work, _Observer(send))
            send(("progress", Progress("saving", total=result.video.num_frames)))
            result = _without_paths(result, work)
            result.save(work.result, overwrite=True, video=video)
        return _answer(result.grounding, result.trace, result)

    def _build(self, config: PipelineConfig) -> Pipeline:
        from videoseg.pipeline import Pipeline

        if self._pipeline is None or config != self._config:
            if self._pipeline is not None:
                self._pipeline.close()
            self._pipeline, self._config = Pipeline.from_config(config), config
        return self._pipeline


def _segment(pipeline: Pipeline, video: Video, work: Work, observer: _Observer) -> Segmentation:
    """Answer the question of a job, or follow the objects that were given."""
    asked = work.part.of(video)
    # The client sees the progress; the server's terminal has its log.
    if work.prompts:
        return pipeline.propagate(
            asked, work.prompts, seed=work.seed, observers=[observer], progress=False
        )
    return pipeline(asked, work.query, seed=work.seed, observers=[observer], progress=False)


class _Observer:
    """Tells the server what happens."""

    def __init__(self, send: Callable[[tuple[str, Any]], None]) -> None:
        self._send = send
        self._component = ""
        self._last = 0.0

    def videoseg_stage_started(self, event: StageStarted) -> None:
        self._component = event.component
        progress = Progress(event.stage, event.component, event.turn, None, event.total)
        self._send(("progress", progress))

    def videoseg_grounded(self, event: Grounded) -> None:
        self._send(("answer", _answer(event.grounding, event.trace)))

    def videoseg_frame_done(self, event: FrameDone) -> None:
        now = time.monotonic()
        if event.done != event.total and now - self._last < _LEAST_SECONDS:
            return
        self._last = now
        progress = Progress("propagator", self._component, None, event.done, event.total)
        self._send(("progress", progress))


def _answer(
    grounding: Grounding, trace: Trace, result: Segmentation | None = None
) -> dict[str, Any]:
    """Return the answer in short, as JSON holds it; ``result.json`` has everything."""
    answer: dict[str, Any] = {
        "status": grounding.status,
        "keyframe": grounding.keyframe,
        "judged": list(grounding.judged),
        "unjudged": list(grounding.unjudged),
        "reasoning": [
            {
                "turn": number,
                "action": turn.action,
                "thought": shorten_text(turn.thought.text, 4_000),
            }
            for number, turn in enumerate(trace.turns[-_MOST_TURNS:])
        ],
        "warnings": list(grounding.warnings),
        "objects": [],
    }
    if result is not None:
        answer["warnings"] = list(result.warnings)
        answer["num_frames"] = result.video.num_frames
        answer["size"] = list(result.video.size)
        answer["seconds"] = round(result.timings.get("total", 0.0), 3)
        answer["objects"] = [
            {
                "id": track.object_id,
                "label": track.label,
                "visible_frames": len(track.visible_frames),
            }
            for track in result.tracks
        ]
    return answer


def _without_paths(result: Segmentation, work: Work) -> Segmentation:
    """Return a result that does not tell where on this machine the video is."""
    facts = replace(result.video, path=work.video_name)
    warnings = tuple(_without_path(text, work) for text in result.warnings)
    return replace(result, video=facts, warnings=warnings)


def _without_path(text: str, work: Work | ExportWork) -> str:
    return text.replace(str(work.video), work.video_name).replace(str(work.result.parent), "")


def _describe(error: Exception, work: Work | ExportWork) -> JobError:
    known = isinstance(error, VideosegError)
    text = " ".join(printable(_without_path(str(error), work)).split()) or "no message"
    message = shorten_text(text, _LONGEST_MESSAGE)
    return JobError(type(error).__name__, message if known else f"unexpected: {message}")


def _exit_with_parent() -> None:
    """End this process when the server is gone, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        # At once: a stage in C code would otherwise run to its end for nothing.
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
