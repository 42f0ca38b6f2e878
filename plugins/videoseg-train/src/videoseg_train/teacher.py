"""The teacher: a chat model that answers the strategies' questions from the truth.

What it is asked it recognizes by the form of the conversation, not by the words of the prompts,
so that prompts of one's own can be taught as well.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from videoseg import Box, ConfigError
from videoseg.coordinates import CoordinateSpace
from videoseg.masks import bounding_box, inner_points
from videoseg.types import (
    BoolArray,
    ChatReply,
    FloatArray,
    ImagePart,
    MaskTrack,
    Message,
    Point,
    Size,
    TextPart,
)
from videoseg_train.samples import TrainingSample
from videoseg_train.wording import Found, TeacherWording

__all__ = ["AnswerForm", "NegativePoints", "Question", "TeacherChat", "TeacherFaults"]

AnswerForm: TypeAlias = Literal["text", "seg", "find"]
"""How grounder ``o3`` wants its answer: objects as JSON, ``[SEG]``, or the frames alone."""

NegativePoints: TypeAlias = Literal["neighbor", "close"]

Question: TypeAlias = Literal["difficulty", "locate", "position", "span", "timestamp", "turn"]
"""What is asked: by the grounders ``r1`` (difficulty, locate) and ``o3`` (turn), and by the
sampler ``htfs`` and its ablations (span, position, timestamp)."""

_AXES = (
    "scene_complexity",
    "segmentation_challenge",
    "temporal_ambiguity",
    "motion_complexity",
    "linguistic_ambiguity",
)
_LABEL = re.compile(r"\s*<?\s*(\d+(?:\.\d+)?)")
_MARGIN = 0.03
"""How far a close negative point lies outside of its object, as a share of the frame's side: 25
pixels of a square of 840, where VideoSeg-R1 rewards up to 40."""
_SHOWS_WELL = 0.5
"""Least quality of a frame to count, as a share of the best that is shown."""


@dataclass(frozen=True, slots=True)
class TeacherFaults:
    """The mistakes of a real teacher, which leave room for reinforcement learning.

    Args:
        box_spread: Each side of a box is drawn outward by |N(0, s)| of the frame's width or
            height.
        wrong_object: In which share of the answers another object is named, the likeliest to be
            mistaken for the right one; needs samples that know ``others``.
        random_keyframe: In which share of the looks, and of the sampler's questions for the best
            frame, any of the frames that are shown is named.

    Raises:
        ConfigError: If a number is out of range.
    """

    box_spread: float = 0.0
    wrong_object: float = 0.0
    random_keyframe: float = 0.0

    def __post_init__(self) -> None:
        for name in ("box_spread", "wrong_object", "random_keyframe"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be in [0, 1], got {getattr(self, name)}")


class TeacherChat:
    """Answers about one sample, as the strategies ask.

    Grounder ``r1``: box, point and negative point of each true object on the target frame; the
    negative point lies on the nearest other object, else just outside. Grounder ``o3``: first a
    look at the stretch in which the objects show best, among the frames that are shown, then the
    answer, in the form that is asked for. Sampler ``htfs``: the span and the position of the same
    frames. Numbers are in the space ``coordinates``.

    Nothing of what it says lies in frames that are not shown: it could not be learned.

    Args:
        sample: What is asked about.
        faults: Its mistakes.
        seed: Decides about them.
        coordinates: The space of its coordinates: ``videoseg.coordinates.CoordinateSpace``.
        seen_sizes: The (height, width) at which the policy sees the images of a conversation;
            needed for ``pixels_of_resized`` only.
        form: How grounder ``o3`` wants its answer; by default as its system message says.
        num_looks: How often it looks before it answers.
        max_turns: The turns of an episode; the last is an answer.
        negatives: Where negative points lie: on the nearest other object that is known
            (``neighbor``), or just outside of the object (``close``), where ``r1-negative``
            rewards them.
        wording: Its words.

    Raises:
        ConfigError: If a number or a name is not allowed.
    """

    def __init__(
        self,
        sample: TrainingSample,
        *,
        faults: TeacherFaults | None = None,
        seed: int = 0,
        coordinates: str = "per_mille",
        seen_sizes: Callable[[Sequence[Message]], Sequence[Size]] | None = None,
        form: AnswerForm | None = None,
        num_looks: int = 1,
        max_turns: int = 3,
        negatives: NegativePoints = "neighbor",
        wording: TeacherWording | None = None,
    ) -> None:
        self._space = CoordinateSpace(coordinates)
        if self._space.x_first.name == "pixels_of_resized" and seen_sizes is None:
            raise ConfigError(
                "a teacher that writes pixels of the resized image needs seen_sizes, such as "
                "lambda messages: policy.reader.sizes(policy.reader.read(messages))"
            )
        if num_looks < 0 or max_turns < 1:
            raise ConfigError(
                "a teacher needs num_looks of at least 0 and max_turns of at least 1, got "
                f"{num_looks} and {max_turns}"
            )
        self.sample = sample
        self._faults = faults or TeacherFaults()
        self._rng = np.random.default_rng(seed % 2**63)
        self._seen_sizes = seen_sizes
        self._form = form
        self._num_looks = min(num_looks, max_turns - 1)
        self._negatives = negatives
        self._wording = wording or TeacherWording()
        self._tracks = tuple(sample.tracks().values())
        self._quality = _frame_quality(self._tracks, len(sample.video))
        self._neighbors: tuple[MaskTrack, ...] | None = None

    def chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,  # noqa: ARG002 - part of the contract
        max_tokens: int = 1024,  # noqa: ARG002
        seed: int = 0,  # noqa: ARG002
    ) -> Sequence[ChatReply]:
        """Answer from the truth; see ``videoseg.ChatModel.chat``.

        Raises:
            ConfigError: If the images of the conversation do not name their frames.
        """
        sizes = () if self._seen_sizes is None else tuple(self._seen_sizes(messages))
        question = find_question(messages)
        shown = _list_shown(messages)
        return [
            ChatReply(
                self._say(question, messages, shown, sizes),
                image_sizes=sizes,
                coordinate_space=self._space.name,
                finish_reason="stop",
            )
            for _ in range(num_samples)
        ]

    def _say(
        self,
        question: Question,
        messages: Sequence[Message],
        shown: Sequence[_Shown],
        sizes: Sequence[Size],
    ) -> str:
        if question == "difficulty":
            # A rating would need a judge; the middle is the grounder's own default.
            return json.dumps(dict.fromkeys(_AXES, 5))
        if question == "locate":
            found = self._find(shown[-1].frame, sizes[-1] if sizes else None)
            thought = self._wording.locate(self.sample.query, found)
            return f"<think>{thought}</think><answer>{_objects(found)}</answer>"
        if question == "turn":
            return self._take_turn(messages, shown, sizes)
        start, end, best = self._choose(shown)
        if question == "position":
            frames = [one.frame for one in shown]
            return f'{{"percent": {_share_of(best.frame, frames):g}}}'
        if question == "timestamp":
            return f'{{"keyframe_timestamp": {best.label}}}'
        return f'{{"start": {start.label}, "end": {end.label}}}'

    # -- turns of grounder o3 --------------------------------------------------------------

    def _take_turn(
        self, messages: Sequence[Message], shown: Sequence[_Shown], sizes: Sequence[Size]
    ) -> str:
        form = self._form or _find_form(messages)
        turn = sum(message.role == "assistant" for message in messages)
        is_last = "last turn" in _text_of(messages[-1]).lower() or not _images(messages[-1])
        if turn < self._num_looks and not is_last:
            return self._look(form, shown[-len(_images(messages[-1])) :])
        return self._answer(form, messages, shown, sizes)

    def _look(self, form: AnswerForm, shown: Sequence[_Shown]) -> str:
        start, end, best = self._choose(shown)
        first, last = min(start.frame, best.frame), max(end.frame, best.frame)
        is_there = bool(self._quality[best.frame] > 0)
        thought = self._wording.look(self.sample.query, first, last, best.frame, is_there)
        return (
            f"<think>{thought}</think>\n<select>{_range(form, first, last, best.frame)}</select>"
        )

    def _answer(
        self,
        form: AnswerForm,
        messages: Sequence[Message],
        shown: Sequence[_Shown],
        sizes: Sequence[Size],
    ) -> str:
        frame = self._answer_frame(shown, has_looked=len(messages) > 2)
        place = max(
            (number for number, one in enumerate(shown) if one.frame == frame),
            key=lambda number: (shown[number].pixels, number),
        )
        found = self._find(frame, sizes[place] if sizes else None)
        # All of the frames where they show, not only those where they show well.
        seen = [one.frame for one in shown if self._quality[one.frame] > 0] or [frame]
        first, stop = min(*seen, frame), max(*seen, frame)
        thought = self._wording.answer(self.sample.query, first, stop, frame, found)
        if form == "seg":
            block = f"<VTG>{_frames(first, stop, frame)}</VTG>, <RefSeg>[SEG]</RefSeg>"
        elif form == "find":
            block = _frames(first, stop, frame) if found else "[]"
        elif found:
            block = f'{_frames(first, stop, frame)[:-1]}, "objects": {_objects(found)}}}'
        else:
            block = '{"objects": []}'
        return f"<think>{thought}</think>\n<answer>{block}</answer>"

    def _answer_frame(self, shown: Sequence[_Shown], *, has_looked: bool) -> int:
        """Return the frame to answer on: the one looked at if the objects show well there."""
        best = max(shown, key=lambda one: (self._quality[one.frame], one.pixels)).frame
        looked = shown[-1].frame
        enough = self._quality[looked] >= _SHOWS_WELL * self._quality[best]
        return looked if has_looked and enough else best

    # -- what the truth says ---------------------------------------------------------------

    def _choose(self, shown: Sequence[_Shown]) -> tuple[_Shown, _Shown, _Shown]:
        """Return first and last frame of the stretch where the objects show, and the best frame.

        All of what is shown and its middle if they show nowhere.
        """
        frames = sorted({one.frame: one for one in shown}.values(), key=lambda one: one.frame)
        quality = self._quality[[one.frame for one in frames]]
        if quality.max() > 0:
            top = int(quality.argmax())
            shows = quality >= _SHOWS_WELL * quality[top]
            start = end = top
            while start > 0 and shows[start - 1]:
                start -= 1
            while end + 1 < len(frames) and shows[end + 1]:
                end += 1
        else:
            start, end, top = 0, len(frames) - 1, len(frames) // 2
        if self._rng.random() < self._faults.random_keyframe:
            top = int(self._rng.integers(len(frames)))
        return frames[start], frames[end], frames[top]

    def _find(self, frame: int, seen: Size | None) -> tuple[Found, ...]:
        """Return the objects of an answer on a frame, with the teacher's faults."""
        named = [track for track in self._tracks if track.masks[frame] and track.areas[frame]]
        others = self._others(frame) if named else []
        if named and others and self._rng.random() < self._faults.wrong_object:
            place = int(self._rng.integers(len(named)))
            wrong = min(others, key=lambda other: _distance(other, named[place], frame))
            others = [one for one in others if one is not wrong] + [named[place]]
            named[place] = wrong
        return tuple(self._describe(track, others, named, frame, seen) for track in named)

    def _describe(
        self,
        track: MaskTrack,
        others: Sequence[MaskTrack],
        named: Sequence[MaskTrack],
        frame: int,
        seen: Size | None,
    ) -> Found:
        mask = track.mask(frame)
        box = self._spread_box(bounding_box(mask))
        point = inner_points(mask)[0]
        if others and self._negatives == "neighbor":
            negative = _nearest_point(track, others, frame)
        else:
            negative = _close_point(track, others, named, frame)
        places = [(box.x1, box.y1, box.x2, box.y2), (point.x, point.y), (negative.x, negative.y)]
        written = [self._write(place, seen) for place in places]
        return Found(track.label, box, self.sample.video.size, *written)

    def _spread_box(self, box: Box) -> Box:
        if not self._faults.box_spread:
            return box
        height, width = self.sample.video.size
        left, top, right, bottom = np.abs(self._rng.normal(0, self._faults.box_spread, 4)).tolist()
        return Box(
            max(0, box.x1 - left * width),
            max(0, box.y1 - top * height),
            min(width, box.x2 + right * width),
            min(height, box.y2 + bottom * height),
        )

    def _write(self, place: tuple[float, ...], seen: Size | None) -> tuple[float, ...]:
        numbers = self._space.from_source(place, source=self.sample.video.size, seen=seen)
        if self._space.x_first.name == "unit":
            return tuple(round(number, 3) for number in numbers.tolist())
        return tuple(int(number + 0.5) for number in numbers.tolist())

    def _others(self, frame: int) -> list[MaskTrack]:
        if self._neighbors is None:
            self._neighbors = tuple(self.sample.other_tracks().values())
        return [track for track in self._neighbors if track.masks[frame] and track.areas[frame]]


# -- reading the conversation ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shown:
    """An image of a conversation: its frame, the label before it, and its bound on pixels."""

    frame: int
    label: str
    pixels: int


def find_question(messages: Sequence[Message]) -> Question:
    """Return what a conversation asks for."""
    if messages[0].role == "system":
        return "turn"
    texts = [part.text for part in messages[-1].parts if isinstance(part, TextPart)]
    if _AXES[0] in texts[-1]:
        return "difficulty"
    if "TARGET FRAME" in (text.strip() for text in texts):
        return "locate"
    label = ""
    for part in messages[-1].parts:
        if isinstance(part, ImagePart):
            break
        label = part.text
    if label.strip().endswith("%>"):
        return "position"
    return "timestamp" if "timestamp" in texts[-1] else "span"


def _find_form(messages: Sequence[Message]) -> AnswerForm:
    system = _text_of(messages[0])
    if "<RefSeg>" in system or "[SEG]" in system:
        return "seg"
    return "text" if "objects" in system.rpartition("<answer>")[2] else "find"


def _list_shown(messages: Sequence[Message]) -> list[_Shown]:
    shown = []
    for message in messages:
        label = ""
        for part in message.parts:
            if isinstance(part, TextPart):
                found = _LABEL.match(part.text)
                label = found[1] if found else ""
            elif part.frame is None:
                raise ConfigError("a teacher needs to know which frame each image shows")
            else:
                pixels = part.image.shape[0] * part.image.shape[1]
                shown.append(_Shown(part.frame, label, min(part.max_pixels or pixels, pixels)))
    return shown


def _images(message: Message) -> list[ImagePart]:
    return [part for part in message.parts if isinstance(part, ImagePart)]


def _text_of(message: Message) -> str:
    return "\n".join(part.text for part in message.parts if isinstance(part, TextPart))


# -- writing ---------------------------------------------------------------------------------


def _objects(found: Sequence[Found]) -> str:
    return json.dumps(
        [
            {
                "bbox_2d": list(one.box_numbers),
                "point_2d": list(one.point_numbers),
                "neg_point_2d": list(one.negative_numbers),
            }
            for one in found
        ]
    )


def _frames(start: int, end: int, keyframe: int) -> str:
    return json.dumps({"start": start, "end": end, "keyframe": keyframe})


def _range(form: AnswerForm, start: int, end: int, keyframe: int) -> str:
    frames = _frames(start, end, keyframe)
    return f"<VTG>{frames}</VTG> <RefSeg>[SEG]</RefSeg>" if form == "seg" else frames


def _share_of(frame: int, frames: Sequence[int]) -> float:
    """Return the position of a frame in a clip in percent, from which the sampler finds it again.

    The sampler takes this share of the number of frames and rounds down. Up to 100 frames, a whole
    number is enough; that of the frame's label where it leads to the frame.
    """
    place, count = frame - min(frames), max(frames) - min(frames) + 1
    label = round(100 * place / max(1, count - 1))
    for percent in (label, -(-100 * place // count)):
        if math.floor(count * percent / 100 + 1e-6) == place:
            return percent
    return round(100 * (place + 0.5) / count, 3)


# -- geometry --------------------------------------------------------------------------------


def _frame_quality(tracks: Sequence[MaskTrack], num_frames: int) -> FloatArray:
    """Return how well the objects show on each frame, shape (T,), in [0, 1].

    The mean over objects of the area that shows, as a share of its largest; 1 lower if one does
    not show, but at least 0.
    """
    quality = np.zeros(num_frames)
    if not tracks:
        return quality
    areas = np.array([track.areas for track in tracks], dtype=float)
    shares = areas / np.maximum(areas.max(axis=1, keepdims=True), 1)
    counts = (areas > 0).mean(axis=0)
    # Frames with all objects are better than any with fewer.
    quality = shares.mean(axis=0) / 2 + np.where(counts == 1, 0.5, 0)
    return np.asarray(np.where(counts > 0, quality, 0))


def _distance(first: MaskTrack, second: MaskTrack, frame: int) -> float:
    a, b = (bounding_box(track.mask(frame)).center for track in (first, second))
    return float(np.hypot(a.x - b.x, a.y - b.y))


def _nearest_point(track: MaskTrack, others: Sequence[MaskTrack], frame: int) -> Point:
    """Return a point on the nearest other object."""
    nearest = min(others, key=lambda other: _distance(other, track, frame))
    return inner_points(nearest.mask(frame))[0]


def _close_point(
    track: MaskTrack, others: Sequence[MaskTrack], named: Sequence[MaskTrack], frame: int
) -> Point:
    """Return a point just outside of an object, on another one if there is one so close."""
    height, width = track.size
    taken, wrong = (_union(tracks, track.size, frame) for tracks in (named, others))
    rows, columns = np.nonzero(track.mask(frame))
    candidates = []
    for end in (columns.argmax(), columns.argmin()):
        side = 1 if columns[end] == columns.max() else -1
        candidates.append((columns[end] + 0.5 + side * _MARGIN * width, rows[end] + 0.5))
    for end in (rows.argmax(), rows.argmin()):
        side = 1 if rows[end] == rows.max() else -1
        candidates.append((columns[end] + 0.5, rows[end] + 0.5 + side * _MARGIN * height))
    free = [
        (float(x), float(y))
        for x, y in candidates
        if 0 <= x < width and 0 <= y < height and not taken[int(y), int(x)]
    ]
    if free:
        return Point(*max(free, key=lambda place: bool(wrong[int(place[1]), int(place[0])])))
    # The object nearly fills the frame.
    points = inner_points(~taken)
    return points[0] if points else Point(0.0, 0.0)


def _union(tracks: Sequence[MaskTrack], size: Size, frame: int) -> BoolArray:
    union = np.zeros(size, dtype=bool)
    for track in tracks:
        union |= track.mask(frame)
    return union
