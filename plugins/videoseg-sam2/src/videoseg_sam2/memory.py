"""The memory of one object, and how long outputs stay in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from videoseg.types import Prompt
from videoseg_sam2.paths import Paths
from videoseg_sam2.trail import Attended, Trail

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KnownPrompt", "MemoryReach", "ObjectMemory", "Output"]


@dataclass(slots=True)
class Output:
    """The network's output for one object on one frame.

    Args:
        features: Memory for later frames, shape (1, C_m, h, w), bfloat16; None once no frame
            can attend to it any more.
        positions: Encoding of its positions; one tensor, shared by all outputs.
        pointer: Vector that stands for the object, shape (1, C).
        object_score: Logit of the object being in sight, shape (1, 1).
        logits: Mask logits, shape (1, 1, 4 h, 4 w); kept for prompted frames only.
        iou: The network's estimate of the mask's IoU, where a memory policy is to be told.
        num_candidates: Among how many masks this one was chosen.
    """

    features: Tensor | None
    positions: list[Tensor]
    pointer: Tensor
    object_score: Tensor
    logits: Tensor | None = None
    iou: float = 1.0
    num_candidates: int = 1

    def as_mapping(self) -> dict[str, Any]:
        """Return it under the names that ``SAM2Base`` reads."""
        return {
            "maskmem_features": self.features,
            "maskmem_pos_enc": self.positions,
            "obj_ptr": self.pointer,
        }


@dataclass(frozen=True, slots=True)
class MemoryReach:
    """How many frames back memory attention looks.

    Args:
        features: For memory features.
        pointers: For object pointers; at least as far.
    """

    features: int
    pointers: int

    @staticmethod
    def of(modules: Any) -> MemoryReach:
        """Return the reach of a network, from its own settings."""
        stride = modules.memory_temporal_stride_for_eval
        # The last frame, and every stride-th one before it; the first of them lies up to
        # stride - 1 frames further back than the one before last.
        features = stride * max(modules.num_maskmem - 2, 0) + 1
        pointers = modules.max_obj_ptrs_in_encoder - 1 if modules.use_obj_ptrs_in_encoder else 0
        return MemoryReach(features, max(features, pointers))


@dataclass(slots=True)
class KnownPrompt:
    """A prompt and from which run on it counts.

    Args:
        prompt: The prompt.
        since_run: Number of the first run in which it counts.
        refines: Whether it corrects the mask found on its frame, as clicks do, instead of
            replacing it.
    """

    prompt: Prompt
    since_run: int
    refines: bool


@dataclass(slots=True)
class ObjectMemory:
    """One object of a session.

    Args:
        object_id: Its id.
        prompts: By frame.
        prompted: Outputs of prompted frames, kept as long as the session.
        refined: Outputs of frames whose prompts refined them, kept for one run.
        passed: Outputs of other frames, only those within reach.
        paths: Instead of ``passed``, what a memory policy remembers in a run.
        answers: By frame, what is decided and has not been yielded yet.
        anew_from: The earliest frame of a run that had been read, but not yielded, when a prompt
            for it came.
        lost_at: The frame on which memory ran out for it.
    """

    object_id: int
    prompts: dict[int, KnownPrompt] = field(default_factory=dict)
    prompted: dict[int, Output] = field(default_factory=dict)
    refined: dict[int, Output] = field(default_factory=dict)
    passed: dict[int, Output] = field(default_factory=dict)
    paths: Paths | None = None
    answers: dict[int, Any] = field(default_factory=dict)
    anew_from: int | None = None
    lost_at: int | None = None

    @property
    def trail(self) -> Trail | None:
        """What the policy remembers on its best path; None without a policy."""
        return None if self.paths is None else self.paths.best

    def usable_prompts(self, run: int) -> Iterable[int]:
        """Return the frames whose prompts count in this run."""
        return [frame for frame, known in self.prompts.items() if known.since_run <= run]

    def has_begun(self, frame: int, run: int, *, reverse: bool) -> bool:
        """Return whether a run has reached the object's first prompt."""
        usable = self.usable_prompts(run)
        return any(first >= frame if reverse else first <= frame for first in usable)

    def begin_run(self) -> None:
        """Forget what belongs to the run before."""
        self.refined.clear()
        self.answers.clear()
        self.anew_from = None
        self.paths = None
        self.lost_at = None

    def attend(self, frame: int, trail: Trail | None = None) -> Attended:
        """Return what is read on a frame, along a trail of this object or along its best one."""
        prompted = {**self.prompted, **self.refined}
        trail = trail or self.trail
        if trail is not None:
            return trail.attend(frame, prompted)
        outputs = {
            "cond_frame_outputs": {
                other: output.as_mapping() for other, output in sorted(prompted.items())
            },
            "non_cond_frame_outputs": {
                other: output.as_mapping() for other, output in self.passed.items()
            },
        }
        return Attended(outputs)

    def answer(self, frame: int, answers: Sequence[Any]) -> None:
        """Take what each path answers on a frame; without a policy there is one."""
        if self.paths is None:
            self.answers[frame] = answers[0]
        else:
            self.answers.update(self.paths.answer(frame, answers))

    def settle(self) -> None:
        """Answer frames that wait as the best path has them, and end the others."""
        if self.paths is not None:
            self.answers.update(self.paths.settle())

    def begin_anew(self, frame: int, *, reverse: bool) -> None:
        """Forget what a policy remembers, and what it answers from this frame on."""
        self.settle()
        self.paths = None
        self.answers = {
            other: answer
            for other, answer in self.answers.items()
            if (other > frame if reverse else other < frame)
        }

    def forget_beyond(self, reach: MemoryReach, frame: int, *, reverse: bool) -> None:
        """Drop what no later frame of this run, nor of one the other way, can attend to."""
        frames = self.prompts.keys()
        # A run the other way begins at the object's outermost prompt and sees what lies behind.
        edge = min(frames) if reverse else max(frames)
        for other in list(self.passed):
            distances = (other - frame, edge - other) if reverse else (frame - other, other - edge)
            away = min((d for d in distances if d >= 0), default=reach.pointers + 1)
            if away > reach.pointers:
                del self.passed[other]
            elif away > reach.features:
                self.passed[other].features = None

    def close(self) -> None:
        """Free everything."""
        for held in (self.prompts, self.prompted, self.refined, self.passed, self.answers):
            held.clear()
        self.paths = None
