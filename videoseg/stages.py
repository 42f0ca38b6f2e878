"""The protocols of the stages. A class with the right methods is a stage.

Nothing needs to be subclassed. The contract tests in ``videoseg.testing`` check a stage
against what is written here. The second half of the module has the optional members: what a
stage, a reader or a video may have beside what it must have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from videoseg.types import (
    ChatReply,
    Detection,
    Episode,
    Frame,
    FrameMasks,
    FrameSelection,
    Grounding,
    Message,
    Move,
    ObjectMask,
    Prompt,
    PropagatorCapabilities,
    RoughPlace,
    Size,
    VideoSource,
    Window,
)
from videoseg.types.arrays import FloatArray

__all__ = [
    "AnswersWithEmbeddings",
    "AnswersWithMasks",
    "AsksAgain",
    "ChatModel",
    "ChecksOptions",
    "Closable",
    "DecodesInOrder",
    "Detector",
    "Direction",
    "FrameSampler",
    "Grounder",
    "HasDevice",
    "HasFps",
    "HasName",
    "HasWarnings",
    "HeedsPlaces",
    "InMemory",
    "Propagator",
    "PropagatorSession",
    "RandomAccess",
    "ReadsBackward",
    "Reanswer",
    "Segmenter",
    "TracksNames",
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

        Called once for the whole video and again each time the grounder asks to look.

        Args:
            video: The video.
            query: The user's sentence.
            window: Where to sample; every chosen index lies inside it, except the keyframe that
                was asked for.
            keyframe: The keyframe the grounder asked for; kept if given, also outside the window.
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
            prompts: Where the objects are. Masks of one frame do not share pixels, unless their
                prompts overlap.
        """


@runtime_checkable
class PropagatorSession(Protocol):
    """One propagation over one video. A context manager; its memory is bounded.

    ``videoseg.propagation.SessionBase`` implements all but the propagation itself.
    """

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
    """Propagates masks through a video. Shared between videos; its sessions are not."""

    @property
    def capabilities(self) -> PropagatorCapabilities:
        """What this propagator takes and can do."""

    def open(self, video: VideoSource, *, seed: int = 0) -> PropagatorSession:
        """Begin a propagation over one video."""


class Reanswer(Protocol):
    """Answers the query of a run again; what a pipeline gives to propagators that ask."""

    def __call__(self, frame: int, *, window: Window, reason: str) -> Grounding:
        """Let sampler, grounder and segmenter answer, in one turn.

        The turn is added to the trace, and its time counts for these stages.

        Args:
            frame: The keyframe that is asked for. A grounder may answer on another one.
            window: The frames among which the sampler chooses.
            reason: Why it is asked, in one clause; shown in the trace.

        Returns:
            The answer; its prompts have masks if the pipeline has a segmenter.

        Raises:
            VideosegError: As the stages do.
        """


@runtime_checkable
class Detector(Protocol):
    """Finds things by their names, frame by frame.

    It does not know the video, and it judges nothing but names: the queried object is chosen
    among what it finds by others.
    """

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """The classes of a closed vocabulary, in singular; None if it is open.

        A detector with an open vocabulary can be asked for any noun, with or without adjectives.
        One with a closed vocabulary knows at least these names, and may know other words for
        them.
        """

    def unknown_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return those of the names that it does not know, in their order.

        It answers without looking at a frame: whether a thing is there and whether the detector
        could know are different questions. A name is never taken for another one that is merely
        spelt alike. An open vocabulary knows every name.
        """

    def detect(
        self, frames: Sequence[Frame], names: Sequence[str]
    ) -> Sequence[Sequence[Detection]]:
        """Find things on each of several frames.

        Args:
            frames: RGB uint8, each (H, W, 3); their sizes may differ. None gives an empty answer.
            names: Nouns, in singular or plural, such as ``dog`` or ``women``. None finds nothing.

        Returns:
            For each frame what was found on it, the highest score first. A thing that several of
            the names fit is found once for each of them.

        Raises:
            UnknownNameError: If one of the names is not known.
        """


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
    """Decodes one video file. Opened with its path, closed when no longer needed."""

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


# -- optional members ------------------------------------------------------------------------


@runtime_checkable
class Closable(Protocol):
    """A stage, a chat model or a video that holds something worth freeing."""

    def close(self) -> None:
        """Free it. Called once the work is done; the object may be used again afterwards."""


@runtime_checkable
class AnswersWithEmbeddings(Protocol):
    """A grounder that may answer with embeddings, without boxes or points."""

    @property
    def answers_with_embeddings_of(self) -> str | None:
        """The model of its embeddings, such as ``videoseg-o3``; None if it answers otherwise.

        Anything else is refused with a ``ConfigError``. A pipeline whose propagator does not take
        them is refused before anything loads.
        """


@runtime_checkable
class AsksAgain(Protocol):
    """A propagator that may have the query answered again where it has lost an object."""

    def open_asking(
        self, video: VideoSource, *, ask: Reanswer, seed: int = 0
    ) -> PropagatorSession:
        """Begin a propagation in which the query can be answered again.

        A pipeline that knows the query calls this in place of ``open``, with all prompts given
        before the first run. All sessions of one run get the same ``ask``. It is not called for
        live sources.
        """


@runtime_checkable
class HeedsPlaces(Protocol):
    """A session of a propagator that heeds where objects were seen on other frames."""

    def heed(self, place: RoughPlace) -> None:
        """Be told where something saw an object, roughly.

        Called before the first run, after all prompts, for prompted objects only. Several places
        of one object are on different frames. They may be wrong, and none may be outside the
        frame or the video.
        """


@runtime_checkable
class TracksNames(Protocol):
    """A detector that also follows what it finds through a video by itself."""

    def track(
        self, video: VideoSource, names: Sequence[str], *, window: Window | None = None
    ) -> Iterator[tuple[int, Mapping[int, Detection]]]:
        """Follow everything that has one of the names.

        Memory does not grow with the number of frames.

        Args:
            video: The video.
            names: Nouns, as for ``detect``. None follows nothing.
            window: The frames to follow it through; by default all.

        Yields:
            For each frame of the window, in order, its index and what is visible on it: by the
            number of its track, 1 or greater, a detection with a mask. A thing keeps its number
            and its label.

        Raises:
            UnknownNameError: If one of the names is not known.
        """


@runtime_checkable
class AnswersWithMasks(Protocol):
    """A grounder that may answer with masks."""

    @property
    def answers_with_masks(self) -> bool:
        """Whether it may, so that a propagator that takes masks only needs no segmenter."""


@runtime_checkable
class HasDevice(Protocol):
    """A stage that knows on which device its model runs."""

    @property
    def device(self) -> object:
        """The device, such as ``cuda:0``, as text or as a ``torch.device``; None for none.

        Recorded in results.
        """


@runtime_checkable
class HasWarnings(Protocol):
    """A reader or a video that found something odd in the file, or a session of a propagator."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know, one sentence each. Shown with the result.

        Those of a session are read once it has been closed.
        """


@runtime_checkable
class HasName(Protocol):
    """A reader that names itself."""

    @property
    def name(self) -> str:
        """The name that results record; by default, the one under which it was asked for."""


@runtime_checkable
class HasFps(Protocol):
    """A reader that knows the frame rate from the file."""

    @property
    def fps(self) -> float:
        """Average frames per second; 0 if unknown, then it is computed from the timestamps."""


@runtime_checkable
class InMemory(Protocol):
    """A reader whose frames may be held in memory."""

    @property
    def in_memory(self) -> bool:
        """Whether they are, so that caching them gains nothing."""


@runtime_checkable
class RandomAccess(Protocol):
    """A reader that may decode each frame by itself."""

    @property
    def random_access(self) -> bool:
        """Whether any frame costs the same, so that reading in order gains nothing."""


@runtime_checkable
class ReadsBackward(Protocol):
    """A reader that decodes backward without keeping all frames."""

    def iter_backward(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield the frames from stop - 1 down to start, decoding each once."""


@runtime_checkable
class DecodesInOrder(Protocol):
    """A video that reads faster if it knows that every frame will be needed."""

    def decode_in_order(self) -> None:
        """Expect every frame to be read. Called by a pipeline before it starts."""


@runtime_checkable
class ChecksOptions(Protocol):
    """A component whose options are checked without building it.

    For a class whose constructor does more than check and remember its options.
    """

    @staticmethod
    def check_options(**options: Any) -> None:
        """Raise ``ConfigError`` or ``ValueError`` for options that are not allowed.

        Called with the constructor's arguments, but for those that the pipeline supplies.
        """
