"""One propagation over one video."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np

from videoseg.devices import is_out_of_memory
from videoseg.errors import PropagationError
from videoseg.propagation import FrameRun, SessionBase
from videoseg.stages import Direction
from videoseg.types import BoolArray, Frame, Prompt, PropagatorCapabilities, Rle, VideoSource
from videoseg_sam2.features import FrameFeatures, encode_frame
from videoseg_sam2.images import to_frame_size, video_input
from videoseg_sam2.memory import KnownPrompt, MemoryReach, ObjectMemory, Output
from videoseg_sam2.network import Network
from videoseg_sam2.paths import Paths
from videoseg_sam2.policy import MemoryPolicy
from videoseg_sam2.tracker import FrameTracker
from videoseg_sam2.trail import Trail, check_network

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Sam2Session"]

_logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

_LESS_MEMORY = (
    "use fewer objects at a time (max_objects_per_pass), precision='bfloat16', a smaller "
    "model, or device='cpu'"
)


class Sam2Session(SessionBase):
    """Propagates objects through one video; see ``Sam2Propagator``.

    It holds the features of one frame; for each object its prompted frames and what memory
    attention can reach of the others, or what a memory policy keeps of them; and as run-length
    codes the masks that wait while the paths of such a policy disagree.

    Args:
        video: The video.
        capabilities: What the propagator declares.
        network: The network; shared, and not changed.
        guide_every_frame: Whether an object's embedding guides frames without a prompt, too.
        largest_hole: Holes of at most this many pixels in the network's own masks are filled.
        read_frame: Returns a frame as the network takes it, shape (1, 3, side, side), float32,
            for a frame and the side.
        enlarge_twice: Whether logits are enlarged to the network's input before they take the
            frame's size, instead of at once.
        make_policy: Makes the memory policy of one object in one run; None for the memory as
            published, which a run the other way goes on reading.

    Raises:
        PropagationError: If the network cannot read what a policy recalls.
    """

    def __init__(
        self,
        video: VideoSource,
        capabilities: PropagatorCapabilities,
        *,
        network: Network,
        guide_every_frame: bool = True,
        largest_hole: int = 0,
        read_frame: Callable[[Frame, int], Tensor] = video_input,
        enlarge_twice: bool = False,
        make_policy: Callable[[], MemoryPolicy] | None = None,
    ) -> None:
        super().__init__(video, capabilities)
        self._read_frame = read_frame
        self._enlarge_twice = enlarge_twice
        self._network = network
        self._guide_every_frame = guide_every_frame
        self._tracker = FrameTracker(
            network,
            size=video.size,
            num_frames=video.num_frames,
            largest_hole=largest_hole,
            watches=make_policy is not None,
        )
        self._make_policy = make_policy
        self._answers_late = make_policy is not None and make_policy().bounds.delay != 0
        if make_policy is not None:
            check_network(network.modules, network.name)
        self._reach = MemoryReach.of(network.modules)
        self._objects: dict[int, ObjectMemory] = {}
        self._features: tuple[int, FrameFeatures] | None = None
        self._run_number = 0
        # The frame read last and whether the run is a backward one; and the frame yielded last.
        self._position: tuple[int, bool] | None = None
        self._yielded: int | None = None

    # -- what the contract asks for ----------------------------------------------------------

    def prompt(self, prompt: Prompt) -> None:
        """Say where one object is on one frame. Allowed at any time before ``close``.

        A prompt for a frame that a run has not reached takes effect in this run, one for a
        frame it has passed in the next run. Points alone, for an object that has been
        propagated already, correct its mask on that frame; anything else replaces it. If a
        memory policy answers late and the frame has been read already, the object is followed
        anew from there.

        Raises:
            PropagationError: If the prompt cannot be used; the session stays as it was.
        """
        self._check_embedding(prompt)
        super().prompt(prompt)
        if not self._guides(prompt):
            # Another model's embedding means nothing to this network.
            prompt = replace(prompt, embedding=None)
        memory = self._objects.setdefault(prompt.object_id, ObjectMemory(prompt.object_id))
        refines = bool(
            self._run_number > 0
            and memory.prompts
            and prompt.points
            and not (prompt.box or prompt.mask)
        )
        since = self._first_run_for(prompt.frame)
        memory.prompts[prompt.frame] = KnownPrompt(prompt, since, refines)
        if since == self._run_number and self._position is not None:
            self._go_back(memory, prompt.frame, *self._position)
        if self._position is None:
            # The outputs of an earlier run do not know this prompt.
            memory.passed.clear()

    def propagate(self, frames: FrameRun) -> Iterator[tuple[int, Mapping[int, BoolArray]]]:
        """Yield the masks of one run, frame by frame; see ``SessionBase.propagate``.

        A mask that was given as a prompt is returned as it was given. A second run ends the
        one before it. If memory runs out over one object, its masks are empty from there on,
        the others are propagated to the end, and then the error is raised.

        Raises:
            PropagationError: If memory runs out, or another run has begun.
        """
        if not self._answers_late:
            yield from self._propagate(frames, self._mask_of)
            return
        for frame, codes in self._propagate(frames, self._code_of):
            yield frame, {object_id: code.decode() for object_id, code in codes.items()}

    def run_logits(
        self, direction: Direction = "forward", *, stop: int | None = None
    ) -> Iterator[tuple[int, Mapping[int, Tensor]]]:
        """Yield for each frame the mask logits of each object, as ``run`` does masks.

        Returns:
            An iterator of (frame, {object id: logits}); logits have shape (H, W), dtype
            float32, are on the network's device and greater than 0 where the object is. Those
            of frames that wait for a memory policy are held meanwhile.
        """
        frames = self.frames(direction, stop=stop)
        return self._propagate(frames, lambda _object_id, _frame, logits: logits)

    def close(self) -> None:
        """Free everything the session holds. Using it afterwards is a PropagationError."""
        super().close()
        for memory in self._objects.values():
            memory.close()
        self._objects.clear()
        self._features = None
        self._position = None

    # -- prompts -----------------------------------------------------------------------------

    def _check_embedding(self, prompt: Prompt) -> None:
        if prompt.embedding is None or not self._guides(prompt):
            return
        given, width = len(prompt.embedding.values), self._network.modules.hidden_dim
        if not given or given % width:
            raise PropagationError(
                f"the prompt of object {prompt.object_id} on frame {prompt.frame} has an "
                f"embedding of {given} values; {self._network.name!r} takes {width}, or a "
                "multiple for several vectors"
            )

    def _first_run_for(self, frame: int) -> int:
        if self._position is None or self._yielded is None:
            return self._run_number + 1
        _, reverse = self._position
        is_ahead = frame < self._yielded if reverse else frame > self._yielded
        return self._run_number if is_ahead else self._run_number + 1

    @staticmethod
    def _go_back(memory: ObjectMemory, frame: int, read: int, reverse: bool) -> None:
        """Have an object followed anew from a frame if the run has read it already."""
        frames = [frame] if memory.anew_from is None else [frame, memory.anew_from]
        first = max(frames) if reverse else min(frames)
        if first >= read if reverse else first <= read:
            memory.anew_from = first

    def _code_of(self, object_id: int, frame: int, logits: Tensor) -> Rle:
        return Rle.encode(self._mask_of(object_id, frame, logits))

    def _mask_of(self, object_id: int, frame: int, logits: Tensor) -> BoolArray:
        known = self._objects[object_id].prompts.get(frame)
        if (
            known is not None
            and known.prompt.mask is not None
            and known.since_run <= self._run_number
        ):
            return known.prompt.mask.decode()
        mask: BoolArray = (logits > 0).cpu().numpy()
        return mask

    # -- running -----------------------------------------------------------------------------

    def _propagate(
        self, frames: FrameRun, answer: Callable[[int, int, Tensor], _Answer]
    ) -> Iterator[tuple[int, Mapping[int, _Answer]]]:
        """Yield for each frame what the function makes of each object's id, frame and logits."""
        self.require_open()
        self._run_number += 1
        run = self._run_number
        reverse = frames.direction == "backward"
        for memory in self._objects.values():
            memory.begin_run()
        unanswered: deque[int] = deque()
        try:
            try:
                for frame, picture in frames:
                    self._require_current(run)
                    self._position = (frame, reverse)
                    here = self._begun_by(frame, reverse=reverse)
                    self._advance(here, frame, picture, answer, reverse=reverse)
                    unanswered.append(frame)
                    yield from self._answers(unanswered, run, answer)
            except Exception:
                # Masks made before a frame that cannot be read are as good as others.
                if run == self._run_number and not self._closed:
                    yield from self._answers(unanswered, run, answer, is_last=True)
                raise
            yield from self._answers(unanswered, run, answer, is_last=True)
        finally:
            if self._run_number == run:
                self._position = None
                self._yielded = None
                self._features = None
        self._raise_if_lost()

    def _answers(
        self,
        unanswered: deque[int],
        run: int,
        answer: Callable[[int, int, Tensor], _Answer],
        *,
        is_last: bool = False,
    ) -> Iterator[tuple[int, Mapping[int, _Answer]]]:
        """Yield the frames, in their order, that are decided for all objects.

        Args:
            unanswered: Frames that were read and not yielded; they are taken out.
            run: Number of the run.
            answer: As for ``_propagate``.
            is_last: Whether what is not decided is decided now, as no frame comes any more.
        """
        while unanswered and self._position is not None:
            _, reverse = self._position
            for memory in self._objects.values():
                if memory.anew_from is not None:
                    self._follow_anew(memory, answer)
                if is_last:
                    memory.settle()
            frame = unanswered[0]
            here = self._begun_by(frame, reverse=reverse)
            if any(frame not in memory.answers for memory in here):
                return
            unanswered.popleft()
            self._yielded = frame
            yield frame, {memory.object_id: memory.answers.pop(frame) for memory in here}
            self._require_current(run)

    def _follow_anew(
        self, memory: ObjectMemory, answer: Callable[[int, int, Tensor], object]
    ) -> None:
        """Follow one object from a prompt that came for a frame that had been read by then."""
        first, memory.anew_from = memory.anew_from, None
        if first is None or self._position is None:
            return
        last, reverse = self._position
        memory.begin_anew(first, reverse=reverse)
        begin, end = sorted((first, last))
        for frame, picture in self.video.iter_frames(begin, end + 1, reverse=reverse):
            self._advance([memory], frame, picture, answer, reverse=reverse)

    def _begun_by(self, frame: int, *, reverse: bool) -> list[ObjectMemory]:
        """Return the objects that the run has reached on a frame."""
        return [
            memory
            for _, memory in sorted(self._objects.items())
            if memory.has_begun(frame, self._run_number, reverse=reverse)
        ]

    def _require_current(self, run: int) -> None:
        self.require_open()
        if run != self._run_number:
            raise PropagationError(
                "this run has ended because another one was begun in the same session; open a "
                "session for each of two simultaneous runs"
            )

    def _advance(
        self,
        here: list[ObjectMemory],
        frame: int,
        picture: Frame,
        answer: Callable[[int, int, Tensor], object],
        *,
        reverse: bool,
    ) -> None:
        """Find these objects on a frame."""
        with self._network.computing():
            self._condition(here, frame, picture)
            for memory in here:
                self._begin_paths(memory, frame, reverse=reverse)
                found = self._logits(memory, frame, picture, reverse=reverse)
                full = [self._at_frame_size(memory, frame, logits) for logits in found]
                memory.answer(frame, [answer(memory.object_id, frame, one) for one in full])
                memory.forget_beyond(self._reach, frame, reverse=reverse)

    def _at_frame_size(self, memory: ObjectMemory, frame: int, logits: Tensor) -> Tensor:
        side = self._network.modules.image_size
        try:
            if self._enlarge_twice and memory.lost_at is None:
                logits = to_frame_size(logits, (side, side))
            return to_frame_size(logits, self.video.size)[0, 0]
        except Exception as error:
            self._lose(memory, frame, error)
            return self._empty_logits()[0, 0]

    def _condition(self, memories: list[ObjectMemory], frame: int, picture: Frame) -> None:
        """Segment the prompted frames that have not been segmented yet."""
        waiting = [
            (prompted, memory)
            for memory in memories
            if memory.lost_at is None
            for prompted in memory.usable_prompts(self._run_number)
            if prompted not in memory.prompted
            and not self._is_refined_later(memory, prompted)
            # Frames of a live source come one after another.
            and (prompted == frame or self.video.num_frames is not None)
        ]
        # The run's own frame comes last, so that its features are at hand afterwards.
        for prompted, memory in sorted(waiting, key=lambda item: (item[0] == frame, item[0])):
            known = memory.prompts[prompted]
            try:
                image = picture if prompted == frame else self.video[prompted]
                features = self._encode(prompted, image)
                memory.prompted[prompted] = self._tracker.condition(features, known.prompt)
            except Exception as error:
                self._lose(memory, frame, error)

    def _is_refined_later(self, memory: ObjectMemory, frame: int) -> bool:
        """Return whether a prompt waits for what the run finds on its frame."""
        others = any(
            not memory.prompts[other].refines for other in memory.usable_prompts(self._run_number)
        )
        return memory.prompts[frame].refines and others

    def _logits(
        self, memory: ObjectMemory, frame: int, picture: Frame, *, reverse: bool
    ) -> Sequence[Tensor]:
        """Return an object's logits on the run's frame for each path, shape (1, 1, h, w) each."""
        known = memory.prompts.get(frame)
        usable = known is not None and known.since_run <= self._run_number
        if memory.lost_at is None and usable and frame in memory.prompted:
            return [self._pass_prompted(memory, frame, memory.prompted[frame])]
        if memory.lost_at is not None:
            return [self._empty_logits()]
        try:
            features = self._encode(frame, picture)
            if known is not None and usable:
                refined = self._refine(features, memory, known.prompt, reverse=reverse)
                memory.refined[frame] = refined
                return [self._pass_prompted(memory, frame, refined)]
            guide = self._guide(memory, frame) if self._guide_every_frame else None
            outputs = self._tracker.track(features, memory, frame, reverse=reverse, prompt=guide)
        except Exception as error:
            self._lose(memory, frame, error)
            return [self._empty_logits()]
        found = [_require(output.logits) for output in outputs]
        # Logits that have been yielded are not needed again.
        if memory.paths is None:
            [output] = outputs
            output.logits = None
            memory.passed[frame] = output
        return found

    def _begin_paths(self, memory: ObjectMemory, frame: int, *, reverse: bool) -> None:
        """Give an object its policy on the first frame on which the run reaches it."""
        if self._make_policy is None or memory.paths is not None or memory.lost_at is not None:
            return
        modules = self._network.modules
        trail = Trail(
            self._make_policy(),
            origin=frame,
            reverse=reverse,
            num_slots=modules.num_maskmem - 1,
            num_pointers=self._reach.pointers,
            points_ahead=not modules.only_obj_ptrs_in_the_past_for_eval,
        )
        memory.paths = Paths(trail)

    def _pass_prompted(self, memory: ObjectMemory, frame: int, output: Output) -> Tensor:
        # Whatever the paths disagreed about, a prompt is where all of them begin anew.
        memory.settle()
        if memory.trail is not None:
            step = memory.trail.step_of(frame)
            memory.trail.pass_prompted(self._tracker.record_of(output, step))
        return _require(output.logits)

    def _refine(
        self, features: FrameFeatures, memory: ObjectMemory, prompt: Prompt, *, reverse: bool
    ) -> Output:
        if memory.prompted or memory.refined:
            return self._tracker.refine(features, memory, prompt, reverse=reverse)
        return self._tracker.condition(features, prompt)

    def _guide(self, memory: ObjectMemory, frame: int) -> Prompt | None:
        """Return the nearest prompt whose embedding the propagator takes."""
        guides = [known.prompt for known in memory.prompts.values() if self._guides(known.prompt)]
        return min(guides, key=lambda prompt: abs(prompt.frame - frame), default=None)

    def _guides(self, prompt: Prompt) -> bool:
        return (
            prompt.embedding is not None and prompt.embedding.model in self.capabilities.embeddings
        )

    def _encode(self, frame: int, picture: Frame) -> FrameFeatures:
        if self._features is None or self._features[0] != frame:
            # Released first, so that the features of two frames never exist at once.
            self._features = None
            image = self._read_frame(np.asarray(picture), self._network.modules.image_size)
            self._features = (frame, encode_frame(self._network, image))
        return self._features[1]

    # -- when memory runs out ----------------------------------------------------------------

    def _empty_logits(self) -> Tensor:
        import torch

        one = torch.full((1, 1, 1, 1), -1.0, device=self._network.device)
        # A view, which takes no memory.
        return one.expand(1, 1, *self.video.size)

    def _lose(self, memory: ObjectMemory, frame: int, error: Exception) -> None:
        """Give up one object if memory ran out; raise any other error."""
        if not is_out_of_memory(error):
            raise error
        import torch

        if self._features is None:
            # Not even the frame's features fit, so no object can be propagated.
            self._raise_out_of_memory(f"on frame {frame}", error)
        memory.lost_at = frame
        memory.passed.clear()
        memory.settle()
        memory.paths = None
        if self._network.device.type == "cuda":
            torch.cuda.empty_cache()
        _logger.warning("memory ran out over object %d on frame %d", memory.object_id, frame)
        if all(other.lost_at is not None for other in self._objects.values()):
            self._raise_if_lost()

    def _raise_if_lost(self) -> None:
        lost = {m.object_id: m.lost_at for m in self._objects.values() if m.lost_at is not None}
        if lost:
            text = ", ".join(f"object {key} on frame {frame}" for key, frame in lost.items())
            self._raise_out_of_memory(f"over {text}; its masks are empty from there on")

    def _raise_out_of_memory(self, where: str, error: Exception | None = None) -> NoReturn:
        raise PropagationError(
            f"memory of {self._network.device} ran out {where}. Masks yielded so far are valid. "
            f"To need less: {_LESS_MEMORY}"
        ) from error


def _require(logits: Tensor | None) -> Tensor:
    if logits is None:
        raise PropagationError("the mask of this frame is no longer held; begin a new run")
    return logits
