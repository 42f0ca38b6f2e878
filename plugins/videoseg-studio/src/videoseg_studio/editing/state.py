"""What the actions of a journal make of each other: objects, corrections, undo and redo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from videoseg.errors import ConfigError, ObjectNotFoundError
from videoseg.text import shorten, shorten_text, well_formed
from videoseg.types import Box, Point, Rle

__all__ = ["Correction", "EditObject", "EditState", "History", "clean_label"]

# Labels are drawn on pictures and shown in lists.
_MAX_LABEL = 80

# Steps that can be undone. States share what they have in common, so this costs little.
_MAX_UNDO = 200


@dataclass(frozen=True, slots=True)
class Correction:
    """Where one object is on one frame, as a person or the answer to a query said it.

    Args:
        frame: The frame.
        mask: The mask; empty if the object is not on this frame.
        points: Points on the object.
        negative_points: Points that are not on it.
        box: A box around it.
        base: The mask that was there before the first click on this frame, which clicks change.
        origin: Who said it.
        seq: The number of the action.
    """

    frame: int
    mask: Rle
    points: tuple[Point, ...] = ()
    negative_points: tuple[Point, ...] = ()
    box: Box | None = None
    base: Rle | None = None
    origin: Literal["user", "answer"] = "user"
    seq: int = 0

    def to_action(self) -> dict[str, Any]:
        """Return the correction as JSON can hold it."""
        return {
            "frame": self.frame,
            "mask": self.mask.to_coco(),
            "points": [[point.x, point.y] for point in self.points],
            "negative_points": [[point.x, point.y] for point in self.negative_points],
            "box": None if self.box is None else list(self.box.as_tuple()),
            "base": None if self.base is None else self.base.to_coco(),
        }

    @staticmethod
    def from_action(
        data: Mapping[str, Any], *, seq: int, origin: Literal["user", "answer"]
    ) -> Correction:
        """Return the correction that ``to_action`` described."""
        base, box = data.get("base"), data.get("box")
        return Correction(
            int(data["frame"]),
            Rle.from_coco(data["mask"]),
            tuple(Point(x, y) for x, y in data.get("points", ())),
            tuple(Point(x, y) for x, y in data.get("negative_points", ())),
            None if box is None else Box(*box),
            None if base is None else Rle.from_coco(base),
            origin,
            seq,
        )


@dataclass(frozen=True, slots=True)
class EditObject:
    """One object: its name and its corrections by frame."""

    object_id: int
    label: str = ""
    corrections: Mapping[int, Correction] = field(default_factory=dict)

    def frames(self, origin: str | None = None) -> list[int]:
        """Return the frames with a correction, sorted; of one origin if it is given."""
        return sorted(
            frame
            for frame, one in self.corrections.items()
            if origin is None or one.origin == origin
        )

    def with_correction(self, correction: Correction) -> EditObject:
        """Return the object with a correction in the place of that of the same frame."""
        return replace(self, corrections={**self.corrections, correction.frame: correction})

    def without_correction(self, frame: int) -> EditObject:
        """Return the object without the correction of a frame."""
        kept = {key: one for key, one in self.corrections.items() if key != frame}
        return replace(self, corrections=kept)


@dataclass(frozen=True, slots=True)
class EditState:
    """A project after some of its actions.

    Args:
        objects: The objects by id.
        layers: The numbers of the actions that made masks, in order. A frame shows the mask of
            the last of them that has one.
        query: What was asked last; empty if nothing was.
        answer: Number of the action that holds the last answer; 0 if there is none.
        next_id: The id of the next object. Ids are not used twice.
        done: What the last action did, in a few words.
    """

    objects: Mapping[int, EditObject] = field(default_factory=dict)
    layers: tuple[int, ...] = ()
    query: str = ""
    answer: int = 0
    next_id: int = 1
    done: str = ""

    def object(self, object_id: int) -> EditObject:
        """Return one object.

        Raises:
            ObjectNotFoundError: If there is none of this id.
        """
        if object_id not in self.objects:
            known = ", ".join(map(str, self.objects)) or "none yet"
            raise ObjectNotFoundError(
                f"there is no object {object_id}; the objects are {known}. It may have been "
                "removed: undo brings it back"
            )
        return self.objects[object_id]

    def corrections(self) -> Iterator[tuple[EditObject, Correction]]:
        """Yield every correction with its object."""
        for one in self.objects.values():
            for correction in one.corrections.values():
                yield one, correction

    def after(self, action: Mapping[str, Any]) -> EditState:
        """Return the state after one action, other than undo, redo and ``finished``.

        Raises:
            ConfigError: If the action is unknown.
            ObjectNotFoundError: If it is about an object that is not there.
        """
        step = _STEPS.get(str(action.get("do")))
        if step is None:
            raise ConfigError(f"the journal has an unknown action {shorten(action.get('do'))}")
        return step(self, action)

    def _with_object(self, one: EditObject, done: str, *layers: int) -> EditState:
        return replace(
            self,
            objects={**self.objects, one.object_id: one},
            layers=(*self.layers, *layers),
            next_id=max(self.next_id, one.object_id + 1),
            done=done,
        )


def clean_label(label: str) -> str:
    """Return a name for an object: one line, well-formed, not too long."""
    return shorten_text(" ".join(well_formed(label).split()), _MAX_LABEL)


def _answer(state: EditState, action: Mapping[str, Any]) -> EditState:
    seq = action["seq"]
    objects: dict[int, EditObject] = {}
    for entry in action["objects"]:
        corrections = [
            Correction.from_action(one, seq=seq, origin="answer") for one in entry["prompts"]
        ]
        one = EditObject(int(entry["object"]), clean_label(entry["label"]))
        for correction in corrections:
            one = one.with_correction(correction)
        objects[one.object_id] = one
    return EditState(
        objects=objects,
        # Other layers hold masks of earlier objects, whose ids an answer uses again.
        layers=(seq,),
        query=action["query"],
        answer=seq,
        next_id=max([state.next_id, *(key + 1 for key in objects)]),
        done="the answer",
    )


def _add(state: EditState, action: Mapping[str, Any]) -> EditState:
    one = EditObject(int(action["object"]), clean_label(action.get("label", "")))
    return state._with_object(one, f"adding object {one.object_id}")


def _remove(state: EditState, action: Mapping[str, Any]) -> EditState:
    removed = state.object(action["object"])
    kept = {key: one for key, one in state.objects.items() if key != removed.object_id}
    return replace(state, objects=kept, done=f"removing object {removed.object_id}")


def _rename(state: EditState, action: Mapping[str, Any]) -> EditState:
    one = replace(state.object(action["object"]), label=clean_label(action["label"]))
    return state._with_object(one, f"renaming object {one.object_id}")


def _correct(state: EditState, action: Mapping[str, Any]) -> EditState:
    correction = Correction.from_action(action, seq=action["seq"], origin="user")
    one = state.object(action["object"]).with_correction(correction)
    what = "the correction" if correction.mask.area else "hiding"
    done = f"{what} of object {one.object_id} on frame {correction.frame}"
    return state._with_object(one, done, action["seq"])


def _forget(state: EditState, action: Mapping[str, Any]) -> EditState:
    one, frame = state.object(action["object"]), int(action["frame"])
    forgotten = one.corrections.get(frame)
    after = state._with_object(
        one.without_correction(frame),
        f"taking back the correction of object {one.object_id} on frame {frame}",
    )
    # The clicks before on this frame made masks, too.
    hidden = {int(seq) for seq in action.get("layers", ())}
    if forgotten is not None and forgotten.origin == "user":
        hidden.add(forgotten.seq)
    return replace(after, layers=tuple(seq for seq in after.layers if seq not in hidden))


def _propagate(state: EditState, action: Mapping[str, Any]) -> EditState:
    return replace(state, layers=(*state.layers, action["seq"]), done="the propagation")


_STEPS = {
    "answer": _answer,
    "add": _add,
    "remove": _remove,
    "rename": _rename,
    "correct": _correct,
    "forget": _forget,
    "propagate": _propagate,
}


class History:
    """The states of a project, one after each action that can be undone.

    Attributes:
        state: The state now.
        finished: How each propagation ended, by the number of its action: ``done``,
            ``cancelled`` or ``failed``. One that is missing was interrupted, or still runs.
        starts: For each propagation the numbers of the corrections it began from.
    """

    def __init__(self) -> None:
        self.finished: dict[int, str] = {}
        self.starts: dict[int, frozenset[int]] = {}
        self._past: list[EditState] = [EditState()]
        self._future: list[EditState] = []

    @property
    def state(self) -> EditState:
        """The state now."""
        return self._past[-1]

    @property
    def undoable(self) -> str:
        """What undo would take back, in a few words; empty if there is nothing."""
        return self.state.done if len(self._past) > 1 else ""

    @property
    def redoable(self) -> str:
        """What redo would do again, in a few words; empty if there is nothing."""
        return self._future[-1].done if self._future else ""

    def check(self, action: Mapping[str, Any]) -> None:
        """Raise if an action is not possible now; nothing changes.

        Raises:
            ConfigError: If there is nothing to undo or redo.
            ObjectNotFoundError: If it is about an object that is not there.
        """
        if action["do"] == "undo" and not self.undoable:
            raise ConfigError("there is nothing to undo")
        if action["do"] == "redo" and not self.redoable:
            raise ConfigError("there is nothing to redo")
        if action["do"] not in ("undo", "redo", "finished"):
            self.state.after({"seq": 0, **action})

    def apply(self, action: Mapping[str, Any]) -> tuple[int, ...]:
        """Take one action into account.

        Returns:
            The numbers of the layers that no state needs any more: what was undone can no longer
            be done again once something else is done.
        """
        do = action["do"]
        if do == "finished":
            self.finished[int(action["layer"])] = str(action["status"])
            return ()
        if do == "undo":
            if len(self._past) > 1:
                self._future.append(self._past.pop())
            return ()
        if do == "redo":
            if self._future:
                self._past.append(self._future.pop())
            return ()
        if do == "propagate":
            self.starts[action["seq"]] = frozenset(action.get("starts", ()))
        lost = {layer for state in self._future for layer in state.layers}
        lost.update(layer for state in self._past[:-_MAX_UNDO] for layer in state.layers)
        self._future.clear()
        after = self.state.after(action)
        if action.get("part_of_answer"):
            # A question and the propagation of its answer are one step.
            self._past[-1] = replace(after, done=self.state.done)
        else:
            self._past.append(after)
        del self._past[: -_MAX_UNDO - 1]
        return tuple(sorted(lost.difference(*(state.layers for state in self._past))))

    def is_pending(self, correction: Correction) -> bool:
        """Return whether a correction has not been propagated, in a run that came to its end."""
        return not any(
            correction.seq in self.starts.get(layer, ()) and self.finished.get(layer) == "done"
            for layer in self.state.layers
        )
