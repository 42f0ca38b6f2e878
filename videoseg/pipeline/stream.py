"""Masks frame by frame, in flat memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from types import TracebackType
from typing import Literal, NoReturn, TypeAlias

from videoseg.errors import ConfigError
from videoseg.pipeline.observation import Observation
from videoseg.pipeline.propagation import MaskSpool, Propagation, until_failure
from videoseg.types import FrameMasks, Grounding, Trace, VideoSource

__all__ = ["FrameOrder", "MaskStream"]

FrameOrder: TypeAlias = Literal["time", "made"]


class MaskStream:
    """The masks of a video, one frame after another; every frame comes exactly once.

    If the propagator fails, the frames that it has masks for come first, then its error.

    Attributes:
        grounding: Where the objects were localised.
        trace: The reasoning.
    """

    def __init__(
        self,
        video: VideoSource,
        grounding: Grounding,
        trace: Trace,
        propagation: Propagation | None,
        *,
        order: FrameOrder,
        observation: Observation,
        component: str,
    ) -> None:
        self.grounding = grounding
        self.trace = trace
        self._video = video
        self._propagation = propagation
        self._order = order
        self._observation = observation
        self._component = component
        self._num_done = 0
        self._masks = self._run()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know; complete once the stream has ended."""
        return (*self.grounding.warnings, *self._observation.warnings)

    def __repr__(self) -> str:
        number = len(self.grounding.object_ids)
        answer = f"{number} object{'s' if number > 1 else ''}" if number else "not in this video"
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
        return next(self._masks)

    def close(self) -> None:
        """Stop, and free what the propagation holds."""
        self._masks.close()
        if self._propagation is not None:
            self._propagation.close()

    def __enter__(self) -> MaskStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> Generator[FrameMasks, None, None]:
        total = self._video.num_frames
        with self._observation.stage("propagator", self._component, total=total, streams=True):
            propagation = self._propagation
            if propagation is None:
                source = self._without_objects()
            elif self._order == "time" or total is None:
                source = self._in_time_order(propagation)
            else:
                source = self._as_made(propagation)
            try:
                for masks in source:
                    self._num_done += 1
                    self._observation.frame_done(masks.frame, self._num_done, total)
                    yield masks
            finally:
                if propagation is not None:
                    propagation.close()
                    self._observation.warnings += propagation.warnings
                    self._observation.failed(propagation.failures)

    def _without_objects(self) -> Iterator[FrameMasks]:
        for index, _ in self._video.iter_frames():
            yield FrameMasks(index, {}, self._video.size)

    def _in_time_order(self, propagation: Propagation) -> Iterator[FrameMasks]:
        failures: list[Exception] = []
        with closing(MaskSpool()) as spool:
            if propagation.needs_backward:
                for masks in until_failure(propagation.backward(), failures):
                    spool.put(masks)
            for frame in range(propagation.start):
                # After a failure, what was made of them comes; no frame is given out as empty.
                if not failures or frame in spool:
                    yield spool.pop(frame, self._video.size)
            for masks in until_failure(propagation.forward(), failures):
                yield _joined(spool.pop(masks.frame, self._video.size), masks)
        if failures:
            raise failures[0]

    def _as_made(self, propagation: Propagation) -> Iterator[FrameMasks]:
        failures: list[Exception] = []
        with closing(MaskSpool()) as spool:
            for masks in until_failure(propagation.forward(), failures):
                # Where objects have different keyframes, the backward run completes a frame.
                if propagation.needs_backward and masks.frame <= propagation.backward_start:
                    spool.put(masks)
                else:
                    yield masks
            if propagation.needs_backward:
                for masks in until_failure(propagation.backward(), failures):
                    yield _joined(spool.pop(masks.frame, self._video.size), masks)
            else:
                for frame in range(propagation.start - 1, -1, -1):
                    yield FrameMasks(frame, {}, self._video.size)
        if failures:
            raise failures[0]


def _joined(first: FrameMasks, second: FrameMasks) -> FrameMasks:
    return FrameMasks(second.frame, {**first.masks, **second.masks}, second.size)
