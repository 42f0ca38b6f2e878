"""``MaskStream``: masks frame by frame, in constant memory."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Literal, NoReturn, TypeAlias

from videoseg.errors import ConfigError
from videoseg.pipeline.propagate import Propagation
from videoseg.pipeline.run import Run
from videoseg.types import FrameMasks, Rle, Size, Trace
from videoseg.types.episode import summarize_answer

__all__ = ["FrameOrder", "MaskStream"]

FrameOrder: TypeAlias = Literal["time", "made"]


class MaskStream:
    """The masks of a video, one frame after another; every frame comes exactly once.

    If the propagator fails, the frames that it has masks for come first, then its error.

    Attributes:
        grounding: Where the objects were localized.
    """

    def __init__(self, run: Run, *, order: FrameOrder) -> None:
        self.grounding, _ = run.answer_in_whole()
        self._run = run
        self._video = run.video
        self._order = order
        self._propagation = run.open_propagation()
        self._num_done = 0
        self._masks = self._iterate()

    @property
    def trace(self) -> Trace:
        """The reasoning; complete once the stream has ended."""
        return self._run.answer_in_whole()[1]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know; complete once the stream has ended."""
        return (*self.grounding.warnings, *self._run.observation.warnings)

    def __repr__(self) -> str:
        answer = summarize_answer(self.grounding, len(self.grounding.object_ids))
        total = self._video.num_frames
        done = f"{self._num_done} of {total}" if total is not None else f"{self._num_done}"
        return f"<MaskStream of {self._video.name!r}: {answer}, {done} frames yielded>"

    def __reduce__(self) -> NoReturn:
        raise ConfigError(
            "a MaskStream is bound to the process that made it and cannot be copied or sent; send "
            "the FrameMasks that it yields, or the result of pipe(video, query)"
        )

    def __iter__(self) -> Iterator[FrameMasks]:
        return self

    def __next__(self) -> FrameMasks:
        return self._run.masks_in_whole(next(self._masks))

    def close(self) -> None:
        """Stop, and free the sessions of the propagator."""
        self._masks.close()
        if self._propagation is not None:
            self._propagation.close()

    def __enter__(self) -> MaskStream:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _iterate(self) -> Generator[FrameMasks, None, None]:
        total = self._video.num_frames
        observation = self._run.observation
        name = self._run.composition.name("propagator")
        with observation.stage("propagator", name, total=total, streams=True):
            try:
                for masks in self._frames(self._propagation):
                    self._num_done += 1
                    frame = self._run.frame_in_whole(masks.frame)
                    observation.frame_done(frame, self._num_done, total)
                    yield masks
            finally:
                if self._propagation is not None:
                    self._run.close_propagation(self._propagation)

    def _frames(self, propagation: Propagation | None) -> Iterator[FrameMasks]:
        if propagation is None:
            for index, _ in self._video.iter_frames():
                yield FrameMasks(index, {}, self._video.size)
            return
        with closing(_MaskSpool()) as spool:
            if self._order == "time" or self._video.num_frames is None:
                yield from self._in_time_order(propagation, spool)
            else:
                yield from self._as_made(propagation, spool)
        propagation.raise_failure()

    def _in_time_order(self, propagation: Propagation, spool: _MaskSpool) -> Iterator[FrameMasks]:
        if propagation.needs_backward:
            for masks in propagation.backward():
                spool.put(masks)
        for frame in range(propagation.start):
            # After a failure only frames that have masks are yielded, none as if it were empty.
            if not propagation.failures or frame in spool:
                yield spool.pop(frame, self._video.size)
        for masks in propagation.forward():
            yield _merge(spool.pop(masks.frame, self._video.size), masks)

    def _as_made(self, propagation: Propagation, spool: _MaskSpool) -> Iterator[FrameMasks]:
        for masks in propagation.forward():
            # Where objects have different keyframes, the backward run completes a frame.
            if propagation.needs_backward and masks.frame <= propagation.backward_start:
                spool.put(masks)
            else:
                yield masks
        if propagation.needs_backward:
            for masks in propagation.backward():
                yield _merge(spool.pop(masks.frame, self._video.size), masks)
        else:
            for frame in range(propagation.start - 1, -1, -1):
                yield FrameMasks(frame, {}, self._video.size)


def _merge(first: FrameMasks, second: FrameMasks) -> FrameMasks:
    return FrameMasks(second.frame, {**first.masks, **second.masks}, second.size)


class _MaskSpool:
    """Masks that wait in a temporary file until it is their turn."""

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
