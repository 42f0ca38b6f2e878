"""What one policy remembers of one object in one run: its entries, within its declared bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, NoReturn

from videoseg.errors import PropagationError
from videoseg_sam2.hooks import KeyFactors
from videoseg_sam2.policy import Candidates, FrameRecord, Keeping, MemoryPolicy, Recall

if TYPE_CHECKING:
    from videoseg_sam2.memory import Output

__all__ = ["Attended", "Trail", "check_bounds", "check_network"]

_KEEPINGS = ("anchor", "recent", "pointer", "nothing")


@dataclass(frozen=True, slots=True)
class Attended:
    """What memory attention reads on one frame.

    Args:
        outputs: Outputs by frame, in the form that ``SAM2Base.track_step`` attends to.
        factors: By what keys are multiplied; None for no change.
        has_missing: Whether some pointers are NaN, which stands for none.
    """

    outputs: dict[str, dict[int, dict[str, Any]]]
    factors: KeyFactors | None = None
    has_missing: bool = False


class Trail:
    """The entries of one policy, by steps from the object's first frame in a run.

    Args:
        policy: The policy; it belongs to this trail.
        origin: The object's first frame in the run.
        reverse: Whether frames come in descending order.
        num_slots: How many slots in time the network has for features.
        num_pointers: The largest distance of a pointer that it reads.
        points_ahead: Whether it reads the pointers of prompted frames ahead, too.
    """

    def __init__(
        self,
        policy: MemoryPolicy,
        *,
        origin: int,
        reverse: bool,
        num_slots: int,
        num_pointers: int,
        points_ahead: bool = False,
    ) -> None:
        self.policy = policy
        self._origin = origin
        self._sign = -1 if reverse else 1
        self._num_slots = num_slots
        self._num_pointers = num_pointers
        self._points_ahead = points_ahead
        self._entries: dict[int, Output] = {}

    def fork(self, policy: MemoryPolicy) -> Trail:
        """Return a trail with the same entries, which goes on with another policy."""
        fork = copy(self)
        fork.policy = policy
        # Tensors are shared; which of them an entry still has is each trail's own.
        fork._entries = {step: replace(entry) for step, entry in self._entries.items()}
        return fork

    def step_of(self, frame: int) -> int:
        """Return how many frames of the run lie between the object's first frame and this one."""
        return (frame - self._origin) * self._sign

    def pass_prompted(self, record: FrameRecord) -> None:
        """Tell the policy of a prompted frame."""
        self.policy.prompted(record)
        self._free()

    def choose(self, candidates: Candidates) -> int:
        """Return the index of the policy's choice.

        Raises:
            PropagationError: If it is none of the candidates'.
        """
        choice = self.policy.choose(candidates)
        if not isinstance(choice, Integral) or not 0 <= choice < len(candidates.ious):
            self.refuse(f"chose candidate {choice} of {len(candidates.ious)}")
        return int(choice)

    def keep(self, record: FrameRecord, remember: Callable[[Keeping], Output]) -> None:
        """Let the policy decide on a frame, store what it keeps and free what it does not.

        Args:
            record: The frame.
            remember: Makes the entry; called unless nothing is kept.

        Raises:
            PropagationError: If the policy holds more than it declares, or what is not there.
        """
        kind = self.policy.keep(record)
        if kind not in _KEEPINGS:
            self.refuse(f"keeps {kind!r}; allowed are {', '.join(_KEEPINGS)}")
        if kind != "nothing":
            self._entries[record.step] = remember(kind)
        self._free()

    def attend(self, frame: int, prompted: Mapping[int, Output]) -> Attended:
        """Return what is read on a frame.

        Args:
            frame: The frame.
            prompted: Outputs of prompted frames, by frame.

        Raises:
            PropagationError: If the policy recalls what it does not hold.
        """
        recall = self.policy.recall(self.step_of(frame))
        self._check_recall(recall)
        anchors = {self._frame_of(step): self._entries[step] for step in recall.anchors}
        conditioning = dict(sorted({**anchors, **prompted}.items()))
        others: dict[int, dict[str, Any]] = {}
        missing = False
        template = next(iter(conditioning.values()))
        for distance in sorted({*recall.features, *recall.pointers}):
            read, pointed = recall.features.get(distance), recall.pointers.get(distance)
            if read is None:
                entry = _without_features(template)
            else:
                entry = self._entries[read].as_mapping()
            if pointed is None:
                missing = True
                entry["obj_ptr"] = template.pointer.new_full(template.pointer.shape, float("nan"))
            else:
                entry["obj_ptr"] = self._entries[pointed].pointer
            others[frame - self._sign * distance] = entry
        outputs = {
            "cond_frame_outputs": {key: one.as_mapping() for key, one in conditioning.items()},
            "non_cond_frame_outputs": others,
        }
        return Attended(outputs, self._factors(recall, frame, conditioning), missing)

    def refuse(self, what: str) -> NoReturn:
        """Raise an error that names the policy and says what it did."""
        raise PropagationError(f"the memory policy {type(self.policy).__name__} {what}")

    # -- internals ---------------------------------------------------------------------------

    def _factors(
        self, recall: Recall, frame: int, conditioning: Iterable[int]
    ) -> KeyFactors | None:
        of_features = recall.factors
        of_pointers = of_features if recall.pointer_factors is None else recall.pointer_factors
        if not (of_features or of_pointers):
            return None

        def factors(table: Mapping[int, float], steps: Iterable[int | None]) -> tuple[float, ...]:
            return tuple(1.0 if step is None else table.get(step, 1.0) for step in steps)

        now = self.step_of(frame)
        steps = [self.step_of(one) for one in conditioning]
        # The network reads features from the oldest slot on, and pointers from the nearest on;
        # those of prompted frames come first, and pointers of most networks only where the frame
        # has been passed.
        slots = sorted(recall.features, reverse=True)
        distances = sorted({*recall.features, *recall.pointers})
        pointed = [step for step in steps if self._points_ahead or step <= now]
        return KeyFactors(
            factors(of_features, [*steps, *(recall.features[slot] for slot in slots)]),
            factors(of_pointers, [*pointed, *map(recall.pointers.get, distances)]),
        )

    def _frame_of(self, step: int) -> int:
        return self._origin + self._sign * step

    def _check_recall(self, recall: Recall) -> None:
        for kind, named, last in (
            ("slot", recall.features, self._num_slots),
            ("distance", recall.pointers, self._num_pointers),
        ):
            wrong = sorted(key for key in named if not 1 <= key <= last)
            if wrong:
                self.refuse(f"recalls {kind} {wrong[0]}; this network has {kind}s 1 to {last}")
        read = {*recall.anchors, *recall.features.values()}
        for step in sorted({*read, *recall.pointers.values()}):
            entry = self._entries.get(step)
            if entry is None or (step in read and entry.features is None):
                what = "the pointer" if entry is None and step not in read else "features"
                self.refuse(
                    f"recalls {what} of step {step}, which it has not kept or has let go; name in "
                    "held() what recall() may still ask for"
                )

    def _free(self) -> None:
        """Drop what the policy does not hold, and check the rest against its bounds."""
        held = self.policy.held()
        for step in list(self._entries):
            if step in held.features:
                continue
            if step in held.pointers:
                self._entries[step].features = None
            else:
                del self._entries[step]
        features = sum(entry.features is not None for entry in self._entries.values())
        check_bounds(self.policy, features, len(self._entries.keys() & held.pointers))


def check_network(modules: Any, name: str) -> None:
    """Raise unless a network reads all prompted frames and whatever a policy recalls.

    Args:
        modules: The ``SAM2Base``.
        name: What it is called.

    Raises:
        PropagationError: If it chooses among them by itself.
    """
    stride, most = modules.memory_temporal_stride_for_eval, modules.max_cond_frames_in_attn
    if stride != 1:
        raise PropagationError(
            f"a memory policy needs a network that reads the memory of each frame; {name!r} reads "
            f"every {stride}th; leave memory at 'fifo'"
        )
    if most != -1:
        raise PropagationError(
            f"a memory policy needs a network that reads all prompted frames; {name!r} reads "
            f"{most} of them; leave memory at 'fifo', or set max_cond_frames_in_attn to -1 in its "
            "configuration"
        )


def check_bounds(policy: MemoryPolicy, features: int, pointers: int) -> None:
    """Raise unless a policy holds at most what it declares.

    Args:
        policy: The policy.
        features: How many frames with features it holds.
        pointers: Of how many frames it holds the pointer.

    Raises:
        PropagationError: If it is more.
    """
    bounds = policy.bounds
    for what, number, most in (
        ("features", features, bounds.features),
        ("pointers", pointers, bounds.pointers),
    ):
        if number > most:
            raise PropagationError(
                f"the memory policy {type(policy).__name__} holds the {what} of {number} frames, "
                f"but declares {most} at most; let go of older ones in held(), or raise its bounds"
            )


def _without_features(template: Output) -> dict[str, Any]:
    """Return an entry whose features have no tokens, so that its slot is not read."""
    features = template.features
    assert features is not None, "prompted frames keep their features"
    none = features.new_zeros((*features.shape[:2], 0, 1))
    positions = template.positions[-1]
    return {
        "maskmem_features": none,
        "maskmem_pos_enc": [positions.new_zeros((*positions.shape[:2], 0, 1))],
    }
