"""The contracts between the stages. A class with the right methods is a stage.

Nothing needs to be subclassed. The contract tests in ``videoseg.testing`` check a stage
against what is written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from videoseg.types import (
    ChatReply,
    Episode,
    Frame,
    FrameMasks,
    FrameSelection,
    Message,
    Move,
    ObjectMask,
    Prompt,
    PropagatorCapabilities,
    Size,
    VideoSource,
    Window,
)
from videoseg.types.arrays import FloatArray

__all__ = [
    "ChatModel",
    "Direction",
    "FrameSampler",
    "Grounder",
    "Propagator",
    "PropagatorSession",
    "Segmenter",
    "VideoReader",
]

Direction: TypeAlias = Literal["forward", "backward"]


@runtime_checkable
class FrameSampler(Protocol):
    """Chooses the frames a grounder sees."""

    def sample(
        self,
        video: VideoSource,
        query: str,
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,
    ) -> FrameSelection:
        """Choose frames inside a window.

        Called once for the whole video and again for every look of the grounder.

        Args:
            video: The video.
            query: The user's sentence.
            window: Where to sample; every chosen index lies inside it.
            keyframe: The keyframe the grounder asked for; kept if given.
            seed: Seed for anything random; the same seed gives the same selection.
        """


@runtime_checkable
class Grounder(Protocol):
    """Decides which objects the query means and where they are."""

    def step(self, episode: Episode) -> Move:
        """Make the next move: ask to look at a window, or answer.

        When ``episode.must_answer`` is true the move must be a ``Grounding``.
        """


@runtime_checkable
class Segmenter(Protocol):
    """Turns boxes and points into masks on the prompts' own frames."""

    def segment(self, video: VideoSource, prompts: Sequence[Prompt]) -> Sequence[ObjectMask]:
        """Return one mask for each prompt, in order.

        Args:
            video: The video; a segmenter may look at frames beside the prompted one.
            prompts: Where the objects are. Prompts on one frame are told apart from one
                another (the same pixel is not given to two of them unless they overlap).
        """


@runtime_checkable
class PropagatorSession(Protocol):
    """One propagation over one video. A context manager; its memory is bounded."""

    def prompt(self, prompt: Prompt) -> None:
        """Say where one object is on one frame. Allowed at any time before ``close``.

        Raises:
            PropagationError: If the prompt cannot be used (outside the frame, an empty mask,
                a kind the propagator does not take, two prompts for one object on a frame).
        """

    def run(
        self, direction: Direction = "forward", *, stop: int | None = None
    ) -> Iterator[FrameMasks]:
        """Yield masks frame by frame, releasing each as soon as it is yielded.

        Forward: from the earliest prompted frame to the last frame (or up to, not
        including, ``stop``). Backward: from the latest prompted frame down to frame 0 (or
        ``stop``, included). Prompts of later objects take effect when their frame is reached.
        """

    def close(self) -> None:
        """Free everything the session holds. Using it afterwards is a PropagationError."""

    def __enter__(self) -> PropagatorSession: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Propagator(Protocol):
    """Carries masks through a video. Shared between videos; its sessions are not."""

    @property
    def capabilities(self) -> PropagatorCapabilities:
        """What this propagator takes and can do."""

    def open(self, video: VideoSource, *, seed: int = 0) -> PropagatorSession:
        """Begin a propagation over one video."""


@runtime_checkable
class ChatModel(Protocol):
    """A vision-language model: messages with images in, text out."""

    def chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 1024,
        seed: int = 0,
    ) -> Sequence[ChatReply]:
        """Answer a conversation.

        Args:
            messages: The conversation so far.
            num_samples: How many independent answers to give.
            temperature: 0 for the most likely answer.
            max_tokens: Upper bound on the tokens of each answer.
            seed: The same seed gives the same answers, where the model can promise that.
        """


@runtime_checkable
class VideoReader(Protocol):
    """Decodes one video file. Opened from a path, closed when no longer needed."""

    @property
    def size(self) -> Size:
        """(height, width) of the frames, rotation applied."""

    @property
    def timestamps(self) -> FloatArray:
        """Presentation time of every decodable frame in seconds from the first, shape (T,)."""

    def read(self, index: int) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3).

        Raises:
            VideoError: If there is no such frame or it cannot be decoded.
        """

    def iter_frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames [start, stop) in order, decoding each once."""

    def close(self) -> None:
        """Release the decoder."""
