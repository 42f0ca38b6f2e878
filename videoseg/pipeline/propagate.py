"""From prompts to masks in every frame: the segmenter's part and the propagator's."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from videoseg.errors import IncompatibleStagesError, StageError
from videoseg.pipeline.overlap import OverlapWatch, describe_losses
from videoseg.propagation import takes_prompt
from videoseg.stages import (
    AsksAgain,
    Direction,
    HasWarnings,
    HeedsPlaces,
    Propagator,
    PropagatorSession,
    Reanswer,
    Segmenter,
)
from videoseg.text import shorten
from videoseg.types import (
    BoolArray,
    FrameMasks,
    ObjectMask,
    Prompt,
    Rle,
    RoughPlace,
    Size,
    VideoSource,
)

__all__ = ["Propagation", "add_masks", "require_prompt_kinds"]


def add_masks(
    segmenter: Segmenter, name: str, video: VideoSource, prompts: Sequence[Prompt]
) -> tuple[tuple[Prompt, ...], list[str]]:
    """Return prompts with the segmenter's masks, and warnings for those without one.

    Prompts that have a mask already keep it. One of which the segmenter finds nothing is left
    out: an object that cannot be found must not cost the others their tracks.

    Args:
        segmenter: The segmenter.
        name: What messages call it.
        video: The video.
        prompts: The prompts, inside the frame.

    Raises:
        StageError: If the segmenter does not answer every prompt with a mask of the frame.
    """
    without_mask = [prompt for prompt in prompts if prompt.mask is None]
    answers = list(segmenter.segment(video, without_mask))
    masks = _encode_masks(answers, without_mask, video.size, name)
    completed: list[Prompt] = []
    warnings: list[str] = []
    for prompt in prompts:
        if prompt.mask is not None:
            completed.append(prompt)
        elif (mask := masks[(prompt.object_id, prompt.frame)]).area > 0:
            completed.append(replace(prompt, mask=mask))
        else:
            warnings.append(
                f"the segmenter found nothing of object {prompt.object_id} on frame "
                f"{prompt.frame}; this prompt is left out"
            )
    return tuple(completed), warnings


def _encode_masks(
    answers: Sequence[ObjectMask], prompts: Sequence[Prompt], size: Size, name: str
) -> dict[tuple[int, int], Rle]:
    """Return the mask that a segmenter made for each prompt, by object and frame."""
    problem = ""
    if len(answers) != len(prompts):
        problem = f"must answer each of {len(prompts)} prompts, got {len(answers)} answers"
    elif other := [answer for answer in answers if not isinstance(answer, ObjectMask)]:
        problem = f"must answer with an ObjectMask, got {shorten(other[0])}"
    elif wrong := [answer for answer in answers if answer.mask.shape != size]:
        problem = f"must answer with masks of {size}, got one of {wrong[0].mask.shape}"
    if problem:
        raise StageError(f"segmenter {name!r} {problem}", stage="segmenter", component=name)
    return {
        (prompt.object_id, prompt.frame): Rle.encode(answer.mask)
        for prompt, answer in zip(prompts, answers, strict=True)
    }


def require_prompt_kinds(prompts: Sequence[Prompt], propagator: Propagator, name: str) -> None:
    """Check that each prompt holds something that the propagator takes.

    Raises:
        IncompatibleStagesError: If one does not.
    """
    takes = propagator.capabilities
    for prompt in prompts:
        if not takes_prompt(prompt, takes):
            kinds = [k for k in ("masks", "boxes", "points") if getattr(takes, k)]
            raise IncompatibleStagesError(
                f"propagator {name!r} takes {', '.join(kinds) or 'embeddings'}, which the prompt "
                f"of object {prompt.object_id} does not have; add a segmenter to the pipeline"
            )


class Propagation:
    """One propagation of some prompts over one video, in passes the propagator can hold.

    Forward masks count from an object's first prompt on, backward masks before it. A pass that
    fails does not end the others: its error is kept in ``failures`` until ``raise_failure``.

    Args:
        propagator: The propagator.
        video: The video.
        prompts: At least one.
        seed: Seed for the sessions.
        beginning: For a live source, which cannot be read backward: its first frames, for
            the backward run.
        ask: Answers the query again, for propagators that ask.
        appears_at_prompt: Whether each object appears on the frame of its first prompt, so that
            no backward run is needed.
        places: Where objects were seen on other frames, for sessions that heed it.

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
        ask: Reanswer | None = None,
        appears_at_prompt: bool = False,
        places: Sequence[RoughPlace] = (),
    ) -> None:
        self._ask = ask
        self._propagator = propagator
        self._video = video
        self._prompts = tuple(prompts)
        self._places = _find_usable(places, video)
        self._seed = seed
        self._appears_at_prompt = appears_at_prompt
        self._first: dict[int, int] = {}
        for prompt in prompts:
            earlier = self._first.get(prompt.object_id, prompt.frame)
            self._first[prompt.object_id] = min(prompt.frame, earlier)
        self.failures: list[Exception] = []
        self._watches: list[OverlapWatch] = []
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
            session = self._stack.enter_context(self._open_session(video))
            for prompt in self._prompts:
                if prompt.object_id in members:
                    session.prompt(prompt)
            if isinstance(session, HeedsPlaces):
                for place in self._places:
                    if place.object_id in members:
                        session.heed(place)
            sessions.append(session)
        return sessions

    def _open_session(self, video: VideoSource) -> PropagatorSession:
        propagator = self._propagator
        if self._ask is not None and isinstance(propagator, AsksAgain):
            return propagator.open_asking(video, ask=self._ask, seed=self._seed)
        return propagator.open(video, seed=self._seed)

    @property
    def warnings(self) -> list[str]:
        """What the frames so far show that the user should know."""
        losses = [loss for watch in self._watches for loss in watch.losses]
        sessions = [one for one in self._sessions if isinstance(one, HasWarnings)]
        told = [str(text) for session in sessions for text in session.warnings]
        return [*describe_losses(losses, self._prompts), *told]

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids of the prompted objects."""
        return tuple(self._first)

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
        if self._appears_at_prompt:
            return False
        return self.backward_start >= 0 and self._propagator.capabilities.backward

    def run(self) -> Iterator[FrameMasks]:
        """Yield the frames of the forward run, then those of the backward run if it is needed."""
        yield from self.forward()
        if self.needs_backward:
            yield from self.backward()

    def forward(self) -> Iterator[FrameMasks]:
        """Yield frames from the first prompt on, in ascending order."""
        yield from self._merge("forward")

    def backward(self) -> Iterator[FrameMasks]:
        """Yield frames before the objects' first prompts, in descending order."""
        for masks in self._merge("backward"):
            kept = {
                object_id: mask
                for object_id, mask in masks.masks.items()
                if masks.frame < self._first[object_id]
            }
            if masks.frame <= self.backward_start:
                yield FrameMasks(masks.frame, kept, masks.size)

    def raise_failure(self) -> None:
        """Raise the error of the first pass that failed, if one did."""
        if self.failures:
            raise self.failures[0]

    def close(self) -> None:
        """Close all sessions."""
        self._stack.close()

    def _merge(self, direction: Direction) -> Iterator[FrameMasks]:
        """Yield frames with the masks of all passes."""
        sessions = self._sessions if direction == "forward" else self._backward_sessions
        passes = [self._until_failure(session, direction) for session in sessions]
        heads = [next(one, None) for one in passes]
        watch = OverlapWatch(self._prompts)
        self._watches.append(watch)
        while any(head is not None for head in heads):
            frames = [head.frame for head in heads if head is not None]
            frame = min(frames) if direction == "forward" else max(frames)
            merged: dict[int, BoolArray] = {}
            due = [index for index, head in enumerate(heads) if head and head.frame == frame]
            for index in due:
                head = heads[index]
                merged.update(head.masks if head is not None else {})
            watch.see(frame, merged)
            # Yielded before the next frame is asked for, which may fail or take long.
            yield FrameMasks(frame, merged, self._video.size)
            for index in due:
                heads[index] = next(passes[index], None)

    def _until_failure(
        self, session: PropagatorSession, direction: Direction
    ) -> Iterator[FrameMasks]:
        """Yield the masks of one pass; if it fails, end and keep the error."""
        try:
            yield from session.run(direction)
        except Exception as error:
            _clear_frames(error)
            self.failures.append(error)


def _find_usable(places: Sequence[RoughPlace], video: VideoSource) -> tuple[RoughPlace, ...]:
    """Return the places that lie in the video, their boxes within the frame."""
    end = video.num_frames
    return tuple(
        replace(place, box=box)
        for place in places
        if (end is None or place.frame < end) and (box := place.box.clipped(video.size))
    )


def _clear_frames(error: BaseException | None) -> None:
    """Free what the functions held that an error ended, which may be all of a device's memory.

    The error itself is kept until the other passes have run, and they need that room.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
