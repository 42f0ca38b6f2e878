"""The hierarchical text-guided frame sampler of VideoSeg-R1, and its ablations."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from annotated_types import Ge, Interval

from videoseg import ChatModel, ConfigError, FrameSelection, Window
from videoseg.errors import ContextLengthError
from videoseg.files import expand_path
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import FrameGroup, FrameRole, VideoSource
from videoseg_r1.prompts import load_prompt
from videoseg_r1.questions import (
    Aggregate,
    Asking,
    ask_position,
    ask_span,
    ask_timestamp,
    spread,
)

__all__ = [
    "Aimed",
    "DirectSampler",
    "HierarchicalSampler",
    "Narrowed",
    "References",
    "SegmentRandomSampler",
    "TimestampSampler",
]

References: TypeAlias = Literal["global", "local", "global-local", "none"]
_Share: TypeAlias = Annotated[float, Interval(ge=0, le=1)]

_PATCH = 28 * 28


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What the coarse phase found."""

    segment: Window
    confidence: float | None = None
    rounds: tuple[dict[str, Any], ...] = ()
    converged: bool = True
    warnings: tuple[str, ...] = ()
    why_unusable: str = ""


@dataclass(frozen=True, slots=True)
class Aimed:
    """What the fine phase found: a position in [0, 1] of the segment, and why."""

    position: float
    reason: str
    confidence: float | None = None
    record: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class HierarchicalSampler:
    """Narrows a video down to a key segment and a target frame by asking a chat model.

    Coarse phase: the model is asked several times for the span that the query is about; starts
    and ends are averaged. While the segment is longer than ``delta`` of the video, the same is
    asked of the segment, of which the same number of frames is shown, so ever more densely.
    Fine phase: the model is asked several times at which share of the segment the objects are
    seen best, and the mean is taken (arXiv 2511.16077, section on HTFS; the numbers of samples
    follow VISA, from which it descends; ``delta``, rounds and prompts are not published).

    Answers that cannot be used are dropped. If none can, the segment stays as it is, and the
    target frame is the middle of it. A question whose frames do not fit into the model's context
    counts as one without usable answers, and what the rounds before it found is kept; any other
    failure of the model is an error. ``details`` of the selection records all of this. Within a
    look that names its keyframe nothing is asked.

    Args:
        chat: A vision-language model.
        num_spans: How many answers are taken to each coarse question (K).
        num_positions: How many to the fine question (M).
        delta: Share of the window that the key segment may have at most.
        max_rounds: How often the coarse question is asked at most.
        min_shrink: A round that shortens the segment by less than this share is the last.
        aggregate: ``mean`` (the paper's), ``median`` or ``cluster``.
        temperature: For more than one answer; a single one is the most likely.
        num_frames: How many frames are shown with each question.
        frame_pixels: How large each of them is shown, in pixels.
        max_tokens: Upper bound on the tokens of each answer.
        key_frames: How many frames of the key segment the grounder is shown.
        references: Where its reference frames are from: ``global`` (the window outside the key
            segment), ``local`` (around the target frame), ``global-local`` (half of each) or
            ``none``. There are 4 to 12, one for each 4 seconds of the window.
        detail_pixels: How large the grounder is to see frames of the key segment.
        target_pixels: How large it is to see the target frame.
        prompt_version: Version of the prompts, or the path of a folder with ``segment.txt`` and
            ``frame.txt`` in it (for ``timestamp``: ``timestamp.txt``), both with ``{query}``.

    Raises:
        ConfigError: If an option is out of range.
    """

    _aim_prompt: ClassVar[str] = "frame"

    @checked_options("sampler 'htfs'")
    def __init__(
        self,
        *,
        chat: ChatModel,
        num_spans: PositiveInt = 10,
        num_positions: PositiveInt = 10,
        delta: _Share = 0.4,
        max_rounds: PositiveInt = 3,
        min_shrink: _Share = 0.05,
        aggregate: Aggregate = "mean",
        temperature: Annotated[float, Ge(0)] = 0.8,
        num_frames: PositiveInt = 32,
        frame_pixels: PositiveInt = 128 * _PATCH,
        max_tokens: PositiveInt = 128,
        key_frames: PositiveInt = 8,
        references: References = "global",
        detail_pixels: PositiveInt = 256 * _PATCH,
        target_pixels: PositiveInt = 1000 * _PATCH,
        prompt_version: str = "v1",
    ) -> None:
        if expand_path(str(prompt_version)).is_file():
            raise ConfigError(
                f"htfs: prompt_version is the file {prompt_version!r}, but there is more than one "
                "question; give a version such as 'v1', or a folder with segment.txt and "
                f"{self._aim_prompt}.txt"
            )
        self.delta = delta
        self.max_rounds = max_rounds
        self.min_shrink = min_shrink
        self.key_frames = key_frames
        self.references = references
        self.frame_pixels = frame_pixels
        self.detail_pixels = detail_pixels
        self.target_pixels = target_pixels
        self._asking_spans = Asking(
            chat,
            load_prompt("segment", prompt_version),
            num_spans,
            num_frames,
            frame_pixels,
            temperature,
            max_tokens,
            aggregate,
        )
        self._asking_positions = replace(
            self._asking_spans,
            prompt=load_prompt(self._aim_prompt, prompt_version),
            num_samples=num_positions,
        )

    def sample(
        self,
        video: VideoSource,
        query: str,
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,
    ) -> FrameSelection:
        """Choose key segment, target frame and reference frames; see ``FrameSampler.sample``."""
        window = window.clamped(Window(0, len(video)))
        if keyframe is not None:
            return self._selection(
                video, window, window, keyframe, None, "The target frame was asked for.", {}
            )
        narrowed = self._narrow(video, query, window, seed)
        segment = narrowed.segment
        try:
            # The rounds have used the seeds before this one.
            aimed = self._aim(video, query, segment, seed + self.max_rounds)
        except ContextLengthError as error:
            warning = f"the sampler's model failed ({error}); the middle of the segment is taken"
            middle = ((len(segment) - 1) // 2 + 0.5) / len(segment)
            aimed = Aimed(middle, "its middle", warnings=(warning,))
        if why := narrowed.why_unusable:
            # Said once; a refusal may be long.
            warnings = tuple(warning.replace(why, " either") for warning in aimed.warnings)
            aimed = replace(aimed, warnings=warnings)
        # The small addition makes up for rounding: the mean of ten times 0.3 is below 0.3.
        steps = math.floor(len(segment) * aimed.position + 1e-6)
        # A position of 1 would be one frame past the end.
        target = min(segment.start + steps, segment.stop - 1)
        known = [value for value in (narrowed.confidence, aimed.confidence) if value is not None]
        details = {
            "rounds": list(narrowed.rounds),
            "converged": narrowed.converged,
            "position": aimed.record,
            "warnings": [*narrowed.warnings, *aimed.warnings],
        }
        rounds = len(narrowed.rounds)
        reason = (
            f"{rounds} round{'s' * (rounds != 1)} narrowed {len(window)} frames down to "
            f"{segment.start}-{segment.stop - 1}; frame {target} is taken, {aimed.reason}."
        )
        return self._selection(
            video, window, segment, target, min(known, default=None), reason, details
        )

    def _narrow(self, video: VideoSource, query: str, window: Window, seed: int) -> Narrowed:
        segment, rounds, confidence = window, [], None
        warnings: list[str] = []
        unusable = ""
        # As few frames as the grounder is shown anyway need no narrowing.
        if len(window) <= self.key_frames:
            return Narrowed(segment)
        converged = False
        for number in range(self.max_rounds):
            try:
                answer = ask_span(self._asking_spans, video, query, segment, seed=seed + number)
            except ContextLengthError as error:
                warnings.append(f"the sampler's model failed in round {number + 1} ({error})")
                break
            rounds.append(answer.record)
            if answer.segment is None:
                unusable = answer.why_unusable
                warnings.append(f"no answer of round {number + 1} named a time span{unusable}")
                break
            shrunk = 1 - len(answer.segment) / len(segment)
            segment, confidence = answer.segment, answer.confidence
            converged = len(segment) <= self.delta * len(window)
            if converged or shrunk < self.min_shrink or len(segment) <= 2:
                break
        return Narrowed(segment, confidence, tuple(rounds), converged, tuple(warnings), unusable)

    def _aim(self, video: VideoSource, query: str, segment: Window, seed: int) -> Aimed:
        if len(segment) == 1:
            return Aimed(0.0, "the only one")
        answer = ask_position(self._asking_positions, video, query, segment, seed=seed)
        if answer.position is None:
            warning = (
                f"no answer named a position{answer.why_unusable}; the middle of the segment "
                "is taken"
            )
            return Aimed(0.5, "its middle", None, answer.record, (warning,))
        reason = f"where the objects are seen best ({100 * answer.position:.0f} % of it)"
        return Aimed(answer.position, reason, answer.confidence, answer.record)

    def _selection(
        self,
        video: VideoSource,
        window: Window,
        segment: Window,
        target: int,
        confidence: float | None,
        reason: str,
        details: dict[str, Any],
    ) -> FrameSelection:
        references = [
            frame
            for frame in self._reference_frames(video, window, segment, target)
            if frame != target
        ]
        shown = {target, *references}
        key = [frame for frame in spread(segment, self.key_frames) if frame not in shown]
        groups: list[tuple[FrameRole, list[int], int]] = [
            ("context", references, self.frame_pixels),
            ("detail", key, self.detail_pixels),
            ("keyframe", [target], self.target_pixels),
        ]
        return FrameSelection(
            tuple(FrameGroup(role, tuple(f), max_pixels=size) for role, f, size in groups if f),
            segment,
            confidence=confidence,
            reason=reason,
            details=details,
        )

    def _reference_frames(
        self, video: VideoSource, window: Window, segment: Window, target: int
    ) -> list[int]:
        seconds = video.time_of(window.stop - 1) - video.time_of(window.start)
        count = min(max(round(seconds / 4), 4), 12)
        both = self.references == "global-local"
        frames: set[int] = set()
        if self.references in ("local", "global-local"):
            half = (count // 2 if both else count) // 2
            near = Window(max(0, target - half), target + half + 1).clamped(window)
            frames |= set(range(near.start, near.stop))
        if self.references in ("global", "global-local"):
            outside = [f for f in range(window.start, window.stop) if f not in segment]
            wanted = min(count - count // 2 if both else count, len(outside))
            frames |= (
                {outside[i] for i in spread(Window(0, len(outside)), wanted)} if outside else set()
            )
        return sorted(frames)


class DirectSampler(HierarchicalSampler):
    """Asks for the target frame on the whole window, without a key segment (row 2).

    Options as for ``htfs``; those of the coarse phase have no effect.
    """

    def _narrow(
        self,
        video: VideoSource,  # noqa: ARG002 - as its parent has it
        query: str,  # noqa: ARG002
        window: Window,
        seed: int,  # noqa: ARG002
    ) -> Narrowed:
        return Narrowed(window)


class SegmentRandomSampler(HierarchicalSampler):
    """Asks for the key segment, then takes a frame of it at random (row 3).

    Options as for ``htfs``; those of the fine phase have no effect.
    """

    def _aim(
        self,
        video: VideoSource,  # noqa: ARG002 - as its parent has it
        query: str,  # noqa: ARG002
        segment: Window,  # noqa: ARG002
        seed: int,
    ) -> Aimed:
        return Aimed(random.Random(seed).random(), "drawn at random")


class TimestampSampler(DirectSampler):
    """Asks for the time of the target frame in one call, as Veason-R1 does.

    Options as for ``htfs``; those of the coarse phase have no effect.
    """

    _aim_prompt: ClassVar[str] = "timestamp"

    def _aim(self, video: VideoSource, query: str, segment: Window, seed: int) -> Aimed:
        if len(segment) == 1:
            return Aimed(0.0, "the only one")
        answer = ask_timestamp(self._asking_positions, video, query, segment, seed=seed)
        if answer.position is None:
            warning = f"no answer named a time{answer.why_unusable}; the middle frame is taken"
            return Aimed(0.5, "the middle", None, answer.record, (warning,))
        return Aimed(answer.position, "at the time named", answer.confidence, answer.record)
