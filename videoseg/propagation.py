"""The base class of propagation sessions, and the check of a prompt against its video.

A propagator derives its session from ``SessionBase`` and writes one generator, ``propagate``,
from frames to masks. The base class takes and checks prompts, decides which frames a run visits,
and closes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from typing import NoReturn, TypeVar

from videoseg.errors import (
    ConfigError,
    IncompatibleStagesError,
    PropagationError,
    ShapeError,
)
from videoseg.stages import Direction
from videoseg.text import shorten
from videoseg.types import (
    BoolArray,
    Frame,
    FrameMasks,
    Prompt,
    PropagatorCapabilities,
    Size,
    VideoSource,
)
from videoseg.types.scalars import whole_number

__all__ = [
    "FrameRun",
    "SessionBase",
    "check_prompt",
    "check_segmenter_prompt",
    "prompt_problem",
    "takes_prompt",
]

_Session = TypeVar("_Session", bound="SessionBase")


class FrameRun(Iterator[tuple[int, Frame]]):
    """The frames of one run as (index, frame), in the order of the run.

    Frames are RGB, shape (H, W, 3), dtype uint8. Asking for the next one after the session has
    been closed raises ``PropagationError``.

    Attributes:
        direction: ``forward`` or ``backward``.
        last: Index of the last frame; None if the end of a live source is not known.
    """

    def __init__(
        self,
        frames: Iterator[tuple[int, Frame]],
        *,
        direction: Direction,
        last: int | None,
        require_open: Callable[[], None],
    ) -> None:
        self.direction = direction
        self.last = last
        self._frames = frames
        self._require_open = require_open
        self._unanswered: deque[int] = deque()

    def __next__(self) -> tuple[int, Frame]:
        self._require_open()
        index, frame = next(self._frames)
        self._unanswered.append(index)
        return index, frame

    def _check_answer(self, index: object) -> None:
        """Raise ``PropagationError`` unless masks of this frame are the next ones due."""
        due = self._unanswered.popleft() if self._unanswered else None
        if index != due:
            expected = "no frame" if due is None else f"frame {due}"
            raise PropagationError(
                f"the propagator gave masks of frame {index}, but {expected} is due; yield one "
                "(index, masks) for each frame, in the order in which the frames come"
            )

    def _check_end(self) -> None:
        """Raise ``PropagationError`` if frames of the run are left without masks."""
        rest = (index for index, _ in self._frames)
        left = self._unanswered[0] if self._unanswered else next(rest, None)
        if left is not None:
            raise PropagationError(
                f"the propagator ended its run before frame {left}; yield one (index, masks) for "
                "each frame, in the order in which the frames come"
            )


class SessionBase(ABC):
    """One propagation over one video; subclasses implement ``propagate``.

    Args:
        video: The video.
        capabilities: What the propagator declares. A prompt or a run that needs more is refused.

    Attributes:
        video: The video.
        capabilities: What the propagator declares.

    Raises:
        PropagationError: If the video is a live source and the propagator does not take one.

    Example:
        A session that repeats the prompted masks:

        >>> class StandStill(SessionBase):
        ...     def propagate(self, frames):
        ...         masks = {}
        ...         for index, _ in frames:
        ...             masks |= self.masks_on(index)
        ...             yield index, dict(masks)
    """

    def __init__(self, video: VideoSource, capabilities: PropagatorCapabilities) -> None:
        if video.num_frames is None and not capabilities.live:
            raise PropagationError(
                "this propagator does not take a live source; read it to its end and give the "
                "video, or use a propagator that declares live=True"
            )
        self.video = video
        self.capabilities = capabilities
        self._prompts: dict[int, dict[int, Prompt]] = {}
        # Kept apart: a grounding may prompt each object on every frame of a long video.
        self._object_ids: set[int] = set()
        self._closed = False

    @abstractmethod
    def propagate(self, frames: FrameRun) -> Iterator[tuple[int, Mapping[int, BoolArray]]]:
        """Yield the masks of one run, frame by frame.

        What lives as long as a run is best held in local variables of this generator. What is
        kept must not grow with the number of frames.

        Args:
            frames: The frames of the run. A few may be read ahead of the one yielded.

        Returns:
            An iterator of (frame index, masks), one for each frame in the order given. ``masks``
            has for each object that the run has reached a mask of shape (H, W), dtype bool: all
            False where the object is not visible, and not written to again.
        """

    def prompt(self, prompt: Prompt) -> None:
        """Say where one object is on one frame. Allowed at any time before ``close``.

        A prompt for a frame that a run has not reached takes effect in this run, one for a
        frame it has passed in the next run.

        Raises:
            PropagationError: If the prompt cannot be used; the session stays as it was.
        """
        self.require_open()
        check_prompt(
            prompt,
            self.video.size,
            num_frames=self.video.num_frames,
            capabilities=self.capabilities,
        )
        if problem := self._conflict(prompt):
            raise PropagationError(problem)
        self._prompts.setdefault(prompt.frame, {})[prompt.object_id] = prompt
        self._object_ids.add(prompt.object_id)

    def run(
        self, direction: Direction = "forward", *, stop: int | None = None
    ) -> Iterator[FrameMasks]:
        """Yield masks frame by frame, releasing each as soon as it is yielded.

        Args:
            direction: ``forward`` from the earliest prompted frame, or ``backward`` from the
                latest.
            stop: Forward: the frame to stop before. Backward: the last frame to yield.

        Raises:
            PropagationError: If nothing was prompted, the session is closed, or direction or
                stop is not allowed.
        """
        return self._run(self.frames(direction, stop=stop))

    def close(self) -> None:
        """Free everything the session holds. Using it afterwards is a PropagationError.

        A subclass that holds more overrides this and calls it.
        """
        self._closed = True
        self._prompts.clear()
        self._object_ids.clear()

    # -- for subclasses ----------------------------------------------------------------------

    def prompts_on(self, frame: int) -> Mapping[int, Prompt]:
        """Return the prompts of one frame by object id, in the order in which they came."""
        return self._prompts.get(frame, {})

    def masks_on(self, frame: int) -> dict[int, BoolArray]:
        """Return the masks given as prompts on one frame by object id, shape (H, W) each."""
        return {
            object_id: prompt.mask.decode()
            for object_id, prompt in self.prompts_on(frame).items()
            if prompt.mask is not None
        }

    def frames(self, direction: Direction, *, stop: int | None = None) -> FrameRun:
        """Return the frames that a run visits; see ``run`` for arguments and errors."""
        self.require_open()
        if direction not in ("forward", "backward"):
            raise PropagationError(f"direction must be forward or backward, got {direction!r}")
        if direction == "backward" and not self.capabilities.backward:
            raise PropagationError(
                "this propagator cannot run backward; prompt each object on the first frame on "
                "which it is visible, and run forward"
            )
        if not self._prompts:
            raise PropagationError("nothing to propagate: prompt at least one object before run")
        if stop is not None:
            try:
                stop = whole_number(stop, "stop", least=0)
            except ConfigError as error:
                raise PropagationError(
                    f"stop must be a frame index >= 0, got {shorten(stop)}"
                ) from error
        if direction == "backward":
            last: int | None = stop or 0
            frames = self.video.iter_frames(stop or 0, max(self._prompts) + 1, reverse=True)
        else:
            end = min((e for e in (stop, self.video.num_frames) if e is not None), default=None)
            last = None if end is None else end - 1
            frames = self.video.iter_frames(min(self._prompts), end)
        return FrameRun(frames, direction=direction, last=last, require_open=self.require_open)

    def require_open(self) -> None:
        """Raise ``PropagationError`` if the session has been closed."""
        if self._closed:
            raise PropagationError("this session is closed; open a new one on the propagator")

    # -- internals ---------------------------------------------------------------------------

    def __enter__(self: _Session) -> _Session:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise PropagationError(
            "a session is bound to the process that opened it and cannot be copied or sent; send "
            "the propagator and open one there"
        )

    def _run(self, frames: FrameRun) -> Iterator[FrameMasks]:
        self.require_open()
        found = iter(self.propagate(frames))
        try:
            for index, masks in found:
                frames._check_answer(index)
                self._check_objects(index, masks)
                yield FrameMasks(index, masks, self.video.size)
                self.require_open()
            frames._check_end()
        finally:
            # A generator frees what a run holds when it is closed, not some time later.
            if isinstance(found, Generator):
                found.close()

    def _check_objects(self, index: int, masks: Mapping[int, BoolArray]) -> None:
        prompted = self._object_ids
        if unknown := sorted(set(masks) - prompted):
            raise PropagationError(
                f"the propagator gave a mask of object {unknown[0]} on frame {index}, but only "
                f"objects {', '.join(map(str, sorted(prompted)))} were prompted"
            )

    def _conflict(self, prompt: Prompt) -> str:
        """Return why a prompt does not go with the earlier ones; empty if it does."""
        object_id, frame = prompt.object_id, prompt.frame
        capabilities = self.capabilities
        known = self._object_ids
        if object_id in self.prompts_on(frame):
            return (
                f"object {object_id} already has a prompt on frame {frame}; put box, points and "
                "mask of one object into one prompt"
            )
        if object_id in known and not capabilities.corrections:
            return (
                f"object {object_id} already has a prompt on another frame than {frame}, and this "
                "propagator takes no corrections; prompt each object once"
            )
        limit = capabilities.max_objects_per_pass
        if object_id not in known and limit is not None and len(known) >= limit:
            return (
                f"object {object_id} is one too many: a session of this propagator holds at most "
                f"{limit} (max_objects_per_pass); open another session for it"
            )
        if object_id not in known and known and not capabilities.late_objects:
            first = min(self._prompts)
            if frame != first:
                return (
                    f"object {object_id} comes on frame {frame}, but this propagator takes all "
                    f"objects on one frame; prompt it on frame {first}, or open another session"
                )
        return ""


def takes_prompt(prompt: Prompt, capabilities: PropagatorCapabilities) -> bool:
    """Return whether a prompt has at least one part that a propagator takes."""
    return bool(
        (capabilities.masks and prompt.mask is not None)
        or (capabilities.boxes and prompt.box is not None)
        or (capabilities.points and prompt.points)
        or (prompt.embedding is not None and prompt.embedding.model in capabilities.embeddings)
    )


def check_prompt(
    prompt: Prompt,
    size: Size,
    *,
    num_frames: int | None,
    capabilities: PropagatorCapabilities,
) -> None:
    """Raise if a prompt cannot be used on a video by a propagator.

    Args:
        prompt: The prompt.
        size: (height, width) of the video's frames.
        num_frames: Number of frames; None for a live source.
        capabilities: What the propagator takes.

    Raises:
        PropagationError: If it has no part that the propagator takes, or lies outside the video
            or its frame; see ``prompt_problem``.
    """
    problem = ""
    if not takes_prompt(prompt, capabilities):
        problem = _other_kind(prompt, capabilities)
    elif not capabilities.masks and prompt.mask is not None:
        prompt = replace(prompt, mask=None)
    problem = problem or prompt_problem(prompt, size, num_frames=num_frames)
    if problem:
        raise PropagationError(problem)


def check_segmenter_prompt(prompt: Prompt, size: Size, *, segmenter: str) -> None:
    """Raise if a segmenter that takes boxes, points and masks cannot use a prompt.

    Args:
        prompt: The prompt.
        size: (height, width) of the frame.
        segmenter: The segmenter's name, for messages.

    Raises:
        ConfigError: If a box or point lies outside the frame, or the mask is empty.
        ShapeError: If the mask is not of the frame's size.
        IncompatibleStagesError: If the prompt has nothing but an embedding.
    """
    who = f"the prompt of object {prompt.object_id} on frame {prompt.frame}"
    if prompt.mask is not None and tuple(prompt.mask.size) != tuple(size):
        raise ShapeError(
            f"the mask in {who}", actual=tuple(prompt.mask.size), expected=str(tuple(size))
        )
    if prompt.mask is None and prompt.box is None and not prompt.points:
        raise IncompatibleStagesError(
            f"{who} has only an embedding; the segmenter {segmenter!r} takes boxes, points and "
            "masks"
        )
    if problem := prompt_problem(prompt, size):
        raise ConfigError(problem)


def prompt_problem(
    prompt: Prompt, size: Size, *, num_frames: int | None = None, points: bool = True
) -> str:
    """Return why a prompt cannot be meant on a video; empty if it can.

    Args:
        prompt: The prompt.
        size: (height, width) of the video's frames.
        num_frames: Number of frames; None if it is not known.
        points: Whether points outside the frame are a problem; beside a mask they are not.

    Returns:
        One sentence for a frame after the last one, a mask of another size or without a pixel,
        and a box or a point outside the frame.
    """
    who = f"the prompt of object {prompt.object_id} on frame {prompt.frame}"
    height, width = size
    if num_frames is not None and prompt.frame >= num_frames:
        return f"{who} lies outside the video; its frames are 0 to {num_frames - 1}"
    if prompt.mask is not None:
        if prompt.mask.size != (height, width):
            return (
                f"{who} has a mask of {prompt.mask.size}; give one of the frame's size, "
                f"(height, width) = {(height, width)}"
            )
        if prompt.mask.area == 0:
            return f"{who} has an empty mask; leave out objects that are not visible"
    if prompt.box is not None and prompt.box.clipped(size) is None:
        corners = ", ".join(f"{corner:g}" for corner in prompt.box.as_tuple())
        return (
            f"{who} has a box ({corners}) outside the {width}x{height} frame (width x height); "
            "boxes are in pixels of the source frame: x1, y1, x2, y2"
        )
    if prompt.mask is not None or not points:
        return ""
    for point in (*prompt.points, *prompt.negative_points):
        if not (0 <= point.x < width and 0 <= point.y < height):
            return (
                f"{who} has a point ({point.x:g}, {point.y:g}) outside the {width}x{height} frame "
                f"(width x height); allowed are 0 <= x < {width} and 0 <= y < {height}"
            )
    return ""


def _other_kind(prompt: Prompt, capabilities: PropagatorCapabilities) -> str:
    """Return the sentence for a prompt without a part that a propagator takes."""
    kinds = ("a mask", "a box", "points")
    declared = (capabilities.masks, capabilities.boxes, capabilities.points)
    taken = [kind for kind, takes in zip(kinds, declared, strict=True) if takes]
    taken += [f"an embedding of {model!r}" for model in capabilities.embeddings]
    parts = (prompt.mask, prompt.box, prompt.points)
    given = [kind for kind, part in zip(kinds, parts, strict=True) if part]
    if prompt.embedding is not None:
        given.append(f"an embedding of {prompt.embedding.model!r}")
    advice = f"give {_join(taken, 'or')}"
    if capabilities.masks and (prompt.box or prompt.points):
        advice = (
            "add a segmenter to the pipeline, which makes masks of boxes and points, or give a "
            "mask"
        )
    return (
        f"the prompt of object {prompt.object_id} on frame {prompt.frame} has only "
        f"{_join(given, 'and')}, but this propagator takes {_join(taken, 'or')}; {advice}"
    )


def _join(words: list[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
