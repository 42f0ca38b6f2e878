"""Runs a propagator in both directions and puts the masks together."""

from __future__ import annotations

import json
import os
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from videoseg.errors import IncompatibleStagesError
from videoseg.pipeline.overlap import Loss, OverlapWatch, describe_losses
from videoseg.propagation import takes_prompt
from videoseg.stages import Direction, Propagator, PropagatorSession
from videoseg.types import BoolArray, FrameMasks, Prompt, Rle, Size, VideoSource

__all__ = ["MaskSpool", "Propagation", "first_frames", "require_prompt_kinds", "until_failure"]


def first_frames(prompts: Sequence[Prompt]) -> dict[int, int]:
    """Return for each object the first frame it is prompted on."""
    first: dict[int, int] = {}
    for prompt in prompts:
        first[prompt.object_id] = min(prompt.frame, first.get(prompt.object_id, prompt.frame))
    return first


class Propagation:
    """One propagation of some prompts over one video, in passes the propagator can hold.

    Forward masks count from an object's first prompt on, backward masks before it. If one pass
    fails, the others go on, and its error is raised at their end.

    Args:
        propagator: The propagator.
        video: The video.
        prompts: At least one.
        seed: Seed for the sessions.
        beginning: For a live source, which cannot be read backward: its first frames, for
            the backward run.

    Attributes:
        failures: The error of each pass that failed, in the order in which they came.
    """

    def __init__(
        self,
        propagator: Propagator,
        video: VideoSource,
        prompts: Sequence[Prompt],
        *,
        seed: int,
        beginning: VideoSource | None = None,
    ) -> None:
        self._propagator = propagator
        self._video = video
        self._prompts = tuple(prompts)
        self._seed = seed
        self._first = first_frames(prompts)
        self.failures: list[Exception] = []
        self._losses: list[Loss] = []
        self._stack = ExitStack()
        try:
            self._sessions = self._open(video)
            self._backward_sessions = (
                self._sessions if beginning is None else self._open(beginning)
            )
        except BaseException:
            self._stack.close()
            raise

    def _open(self, video: VideoSource) -> list[PropagatorSession]:
        sessions = []
        limit = self._propagator.capabilities.max_objects_per_pass or len(self._first)
        ids = sorted(self._first)
        for begin in range(0, len(ids), limit):
            members = set(ids[begin : begin + limit])
            session = self._stack.enter_context(self._propagator.open(video, seed=self._seed))
            for prompt in self._prompts:
                if prompt.object_id in members:
                    session.prompt(prompt)
            sessions.append(session)
        return sessions

    @property
    def warnings(self) -> list[str]:
        """What the runs so far show that the user should know."""
        return describe_losses(self._losses, self._prompts)

    @property
    def start(self) -> int:
        """The first frame of the forward run."""
        return min(self._first.values())

    @property
    def backward_start(self) -> int:
        """The last frame for which backward masks count."""
        return max(self._first.values()) - 1

    @property
    def needs_backward(self) -> bool:
        """Whether frames before an object's first prompt are left to do."""
        return self.backward_start >= 0 and self._propagator.capabilities.backward

    def forward(self) -> Iterator[FrameMasks]:
        """Yield frames from the first prompt on, in ascending order."""
        yield from self._merged("forward")

    def backward(self) -> Iterator[FrameMasks]:
        """Yield frames before the objects' first prompts, in descending order."""
        for masks in self._merged("backward"):
            kept = {
                object_id: mask
                for object_id, mask in masks.masks.items()
                if masks.frame < self._first[object_id]
            }
            if masks.frame <= self.backward_start:
                yield FrameMasks(masks.frame, kept, masks.size)

    def close(self) -> None:
        """Close all sessions."""
        self._stack.close()

    def _merged(self, direction: Direction) -> Iterator[FrameMasks]:
        sessions = self._sessions if direction == "forward" else self._backward_sessions
        failures: list[Exception] = []
        runs = [until_failure(_run(session, direction), failures) for session in sessions]
        heads = [next(run, None) for run in runs]
        watch = OverlapWatch(self._prompts, self._losses)
        while any(head is not None for head in heads):
            frames = [head.frame for head in heads if head is not None]
            frame = min(frames) if direction == "forward" else max(frames)
            merged: dict[int, BoolArray] = {}
            due = [index for index, head in enumerate(heads) if head and head.frame == frame]
            for index in due:
                head = heads[index]
                merged.update(head.masks if head is not None else {})
            watch.see(frame, merged)
            # Given out before the next frame is asked for, which may fail or be long in coming.
            yield FrameMasks(frame, merged, self._video.size)
            for index in due:
                heads[index] = next(runs[index], None)
        self.failures += failures
        if failures:
            raise failures[0]


def _run(session: PropagatorSession, direction: Direction) -> Iterator[FrameMasks]:
    # Begins with its first frame: a session that fails even before that fails there, too.
    yield from session.run(direction)


def until_failure(run: Iterator[FrameMasks], failures: list[Exception]) -> Iterator[FrameMasks]:
    """Yield the masks of a run; if it fails, end, free its memory and add the error."""
    try:
        yield from run
    except Exception as error:
        _let_go(error)
        failures.append(error)


def _let_go(error: BaseException | None) -> None:
    """Free what the functions held that an error ended, which may be all of a device's memory.

    The error itself is kept until the other passes have run, and they need that room.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


class MaskSpool:
    """Masks that wait for their turn in a temporary file, so that memory stays flat."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._offsets: dict[int, int] = {}

    def put(self, masks: FrameMasks) -> None:
        """Store the masks of one frame."""
        record = {str(key): Rle.encode(mask).counts for key, mask in masks.masks.items()}
        self._offsets[masks.frame] = self._file.seek(0, os.SEEK_END)
        self._file.write(json.dumps(record).encode("ascii") + b"\n")

    def __contains__(self, frame: int) -> bool:
        return frame in self._offsets

    def pop(self, frame: int, size: Size) -> FrameMasks:
        """Return the masks stored for a frame; none if nothing was."""
        offset = self._offsets.pop(frame, None)
        if offset is None:
            return FrameMasks(frame, {}, size)
        self._file.seek(offset)
        record = json.loads(self._file.readline())
        masks = {int(key): Rle(size, counts).decode() for key, counts in record.items()}
        return FrameMasks(frame, masks, size)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()


def require_prompt_kinds(prompts: Sequence[Prompt], propagator: Propagator, name: str) -> None:
    """Raise ``IncompatibleStagesError`` if a prompt holds nothing the propagator takes."""
    takes = propagator.capabilities
    for prompt in prompts:
        if not takes_prompt(prompt, takes):
            kinds = [k for k in ("masks", "boxes", "points") if getattr(takes, k)]
            raise IncompatibleStagesError(
                f"propagator {name!r} takes {', '.join(kinds) or 'embeddings'}, which the prompt "
                f"of object {prompt.object_id} does not have; add a segmenter to the pipeline"
            )
