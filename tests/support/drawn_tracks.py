"""For tests of track-then-choose: a detector and a propagator that know a clip, and models."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import numpy as np
from scripted_chat import Exchange, ScriptedChat
from videoseg_synthetic import SyntheticClip

from videoseg.errors import UnknownNameError
from videoseg.propagation import SessionBase
from videoseg.stages import PropagatorSession
from videoseg.types import (
    BoolArray,
    Detection,
    Frame,
    PropagatorCapabilities,
    Rle,
    VideoSource,
)


class TruthDetector:
    """Finds the objects of a drawn clip by their shapes, exactly.

    Args:
        clip: The clip.
        masks: Whether detections carry masks.
        missing: Ids of objects that it never finds.
    """

    def __init__(
        self, clip: SyntheticClip, *, masks: bool = False, missing: Collection[int] = ()
    ) -> None:
        self._clip = clip
        self._masks = masks
        self._missing = missing
        self._indices = {_digest(frame): index for index, frame in enumerate(clip.frames)}
        self.asked: list[tuple[str, ...]] = []

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.shape for item in self._clip.objects))

    def unknown_names(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in (*self.vocabulary, "thing"))

    def detect(self, frames: Sequence[Frame], names: Sequence[str]) -> list[list[Detection]]:
        if unknown := self.unknown_names(names):
            raise UnknownNameError(f"not known: {', '.join(unknown)}", names=unknown)
        self.asked.append(tuple(names))
        return [self._find(self._indices[_digest(frame)], names) for frame in frames]

    def _find(self, index: int, names: Sequence[str]) -> list[Detection]:
        found = []
        for item in self._clip.objects:
            rle = Rle.encode(self._clip.labels[index] == item.object_id)
            label = next((name for name in names if name in (item.shape, "thing")), None)
            if label and rle.box and item.object_id not in self._missing:
                mask = rle if self._masks else None
                found.append(Detection(rle.box, label, 0.9, class_name=item.shape, mask=mask))
        return found


class TruthPropagator:
    """Follows each object of a drawn clip exactly, whichever of them a prompt's mask shows."""

    capabilities = PropagatorCapabilities(masks=True, corrections=True)

    def __init__(self, clip: SyntheticClip) -> None:
        self._clip = clip
        self.opened = 0

    def open(self, video: VideoSource, *, seed: int = 0) -> PropagatorSession:
        del seed
        self.opened += 1
        return _TruthSession(video, self._clip, self.capabilities)


class _TruthSession(SessionBase):
    def __init__(
        self, video: VideoSource, clip: SyntheticClip, capabilities: PropagatorCapabilities
    ) -> None:
        super().__init__(video, capabilities)
        self._labels = clip.labels

    def propagate(
        self, frames: Iterable[tuple[int, Frame]]
    ) -> Iterator[tuple[int, dict[int, BoolArray]]]:
        meant: dict[int, int] = {}
        for index, _ in frames:
            for object_id, mask in self.masks_on(index).items():
                meant[object_id] = int(np.bincount(self._labels[index][mask]).argmax())
            yield index, {one: self._labels[index] == label for one, label in meant.items()}


def _digest(frame: Frame) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(frame).tobytes()).digest()


def numbers_shown(exchange: Exchange) -> list[int]:
    """Return the numbers that a question of a round lists."""
    listed = exchange.texts[-1].split("Numbered things:\n")[1].split("\nDecide")[0]
    return [int(number) for number in re.findall(r"^(\d+):", listed, re.MULTILINE)]


def is_round(exchange: Exchange) -> bool:
    """Return whether a question is one of the rounds, not one for names."""
    return "Numbered things:" in exchange.texts[-1]


def choosing(
    names: Sequence[str], answer: Callable[[list[int], int], dict[str, list[int]] | str]
) -> ScriptedChat:
    """Return a model that names things and then answers rounds as a function says.

    Args:
        names: What it wants to be looked for.
        answer: Given the numbers shown and the number of the round (from 0), the lists, or text.
    """
    rounds = 0

    def reply(exchange: Exchange, number: int) -> str:
        nonlocal rounds
        del number
        if not is_round(exchange):
            return json.dumps({"kind": "explicit", "names": list(names)})
        said = answer(numbers_shown(exchange), rounds)
        rounds += 1
        if isinstance(said, str):
            return said
        return f"<think>As told.</think><answer>{json.dumps(said)}</answer>"

    return ScriptedChat(reply)
