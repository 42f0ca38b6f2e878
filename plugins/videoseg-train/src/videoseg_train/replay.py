"""Demonstrations of VTS-CoT, and what replays them as episodes of the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from videoseg_o3 import CoarseSampler

from videoseg import ConfigError, Window
from videoseg.types import ChatReply, FrameGroup, FrameSelection, Message, VideoSource
from videoseg_train.data import TrainingSet
from videoseg_train.samples import TrainingSample

__all__ = ["ColdStartSet", "TraceChat", "TraceRound", "TraceSampler", "TrainingTrace"]


@dataclass(frozen=True, slots=True)
class TraceRound:
    """A look of a trace: first and last frame, both included, and the keyframe."""

    start: int
    end: int
    keyframe: int


@dataclass(frozen=True, slots=True, eq=False)
class TrainingTrace:
    """A demonstration of VTS-CoT.

    Args:
        sample: The question and the true masks. Its video is named after its id.
        detail: The larger frames of the first view, ascending.
        rounds: The looks.
        texts: What the assistant says in each turn: one more than there are looks.
    """

    sample: TrainingSample
    detail: tuple[int, ...]
    rounds: tuple[TraceRound, ...]
    texts: tuple[str, ...]


class ColdStartSet(TrainingSet):
    """The samples of a VTS-CoT file, with their traces.

    Args:
        name: The file.
        length: How many traces there are.
        make: Makes the trace of a number.
        left_out: What is not among them, and why.
        most_turns: How many turns the longest trace has; 0 if that is not known.
    """

    def __init__(
        self,
        name: str,
        length: int,
        make: Callable[[int], TrainingTrace],
        *,
        left_out: Sequence[str] = (),
        most_turns: int = 0,
    ) -> None:
        self.most_turns = most_turns
        # A sample and its trace must be the same objects, so they are remembered together.
        self._traces = lru_cache(maxsize=_KEPT_TRACES)(make)
        super().__init__(
            name, length, lambda number: self._traces(number).sample, left_out=left_out
        )

    def trace(self, number: int) -> TrainingTrace:
        """Return the trace of a number; its sample is that of the same number."""
        return self._traces(range(len(self))[number])

    def at(self, numbers: Sequence[int], *, left_out: Sequence[str] | None = None) -> ColdStartSet:
        """Return the samples of these numbers, in this order, with their traces."""
        chosen = list(numbers)
        return ColdStartSet(
            self.name,
            len(chosen),
            lambda number: self.trace(chosen[number]),
            left_out=self.left_out if left_out is None else left_out,
            most_turns=self.most_turns,
        )


_KEPT_TRACES = 64


class TraceSampler:
    """Shows what a trace shows: its larger frames first, then what is asked for.

    Small frames are those of sampler ``coarse`` with its preset ``cold-start``, but the last
    frame of a look is included, as in inference.

    Args:
        traces: The traces that it will be asked for.
    """

    def __init__(self, traces: Sequence[TrainingTrace]) -> None:
        self._detail = {trace.sample.video.name: trace.detail for trace in traces}
        self._coarse = CoarseSampler(preset="cold-start")

    def sample(
        self,
        video: VideoSource,
        query: str,
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,
    ) -> FrameSelection:
        """Choose frames of the window; see ``FrameSampler.sample``.

        Raises:
            ConfigError: If the video is that of none of the traces.
        """
        if video.name not in self._detail:
            raise ConfigError(f"the video {video.name!r} is that of none of the sampler's traces")
        shown = self._coarse.sample(video, query, window=window, keyframe=keyframe, seed=seed)
        if keyframe is not None:
            return shown
        groups = tuple(
            FrameGroup("detail", self._detail[video.name], group.max_pixels)
            if group.role == "detail"
            else group
            for group in shown.groups
        )
        return FrameSelection(groups, shown.window, reason="The frames of the trace.")


class TraceChat:
    """A teacher that says what a trace says, turn by turn; see ``record_demonstrations``.

    Args:
        trace: The trace.
    """

    def __init__(self, trace: TrainingTrace) -> None:
        self._texts = trace.texts

    def chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,  # noqa: ARG002 - part of the contract
        max_tokens: int = 1024,  # noqa: ARG002
        seed: int = 0,  # noqa: ARG002
    ) -> Sequence[ChatReply]:
        """Say the text of the turn; see ``videoseg.ChatModel.chat``.

        Raises:
            ConfigError: If the trace has ended.
        """
        turn = sum(message.role == "assistant" for message in messages)
        if turn >= len(self._texts):
            raise ConfigError(f"the trace has {len(self._texts)} turns, but is asked for another")
        return [ChatReply(self._texts[turn], finish_reason="stop")] * num_samples
