"""``EditSession``: one video, its objects and its corrections, kept in a folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from videoseg.errors import ConfigError, VideosegError
from videoseg.files import expand_path
from videoseg.masks import object_color
from videoseg.stages import Direction
from videoseg.types import Box, Point, Prompt, PropagatorCapabilities, Rle, VideoSource
from videoseg_studio.editing.answers import answer_action
from videoseg_studio.editing.clicks import mask_of_clicks
from videoseg_studio.editing.colors import ObjectColors
from videoseg_studio.editing.ledger import Ledger
from videoseg_studio.editing.planning import Pass, plan_passes
from videoseg_studio.editing.stages import EditStages
from videoseg_studio.editing.state import Correction, EditState, clean_label

__all__ = ["CancelledError", "EditSession"]

Way = Literal["forward", "backward", "both"]

_DIRECTIONS: dict[Way, tuple[Direction, ...]] = {
    "forward": ("forward",),
    "backward": ("backward",),
    "both": ("forward", "backward"),
}

# How long masks may wait before they are written.
_FLUSH_SECONDS = 0.5


class CancelledError(VideosegError):
    """The user ended the work; what had been done is kept."""


class EditSession:
    """The project of one video.

    May be used from several threads. Models are called outside the lock of the project, so that
    looking at masks goes on while one works.

    Args:
        folder: The folder of the project; created if it does not exist.
        video: The video.

    Attributes:
        folder: The folder of the project.
        video: The video.

    Raises:
        OutputError: If the folder cannot be used, belongs to another video, or is open in
            another process.
    """

    def __init__(self, folder: str | Path, video: VideoSource) -> None:
        folder = expand_path(folder)
        self.folder, self.video = folder, video
        self._ledger = Ledger(folder, video.facts())
        self._colors = ObjectColors(video)
        self._segmented: tuple[EditStages, Prompt, Rle] | None = None

    # -- what there is ---------------------------------------------------------------------

    @property
    def state(self) -> EditState:
        """Objects and corrections as they are now."""
        with self._ledger.lock:
            return self._ledger.history.state

    @property
    def answer(self) -> dict[str, Any]:
        """The last answer in the journal: query, pipeline, trace; empty if there is none."""
        return self._ledger.answer

    def describe(self) -> dict[str, Any]:
        """Return what the page shows of objects, corrections and undo, as JSON can hold it."""
        # Frames are decoded for them, which must not hold up others.
        colors = self._colors.of(self.state)
        with self._ledger.lock:
            history = self._ledger.history
            objects = [
                {
                    "id": one.object_id,
                    "label": one.label,
                    "color": list(colors.get(one.object_id, object_color(one.object_id))),
                    "corrections": [
                        {
                            "frame": correction.frame,
                            "origin": correction.origin,
                            "pending": history.is_pending(correction),
                            "visible": correction.mask.area > 0,
                            "points": [[p.x, p.y] for p in correction.points],
                            "negative_points": [[p.x, p.y] for p in correction.negative_points],
                            "box": correction.box and list(correction.box.as_tuple()),
                        }
                        for _, correction in sorted(one.corrections.items())
                    ],
                }
                for one in history.state.objects.values()
            ]
            return {
                "objects": objects,
                "query": history.state.query,
                "undo": history.undoable,
                "redo": history.redoable,
                "pending": sum(history.is_pending(c) for _, c in history.state.corrections()),
            }

    def mask(self, object_id: int, frame: int) -> Rle | None:
        """Return the mask that is shown; None if nobody knows it yet.

        Raises:
            ObjectNotFoundError: If there is no such object.
        """
        with self._ledger.lock:
            state = self._ledger.history.state
            state.object(object_id)
            return self._ledger.store.get(object_id, frame, frozenset(state.layers))

    def masks(self, object_id: int, start: int, stop: int) -> Iterator[tuple[int, Rle]]:
        """Yield the known masks of an object on the frames [start, stop), in order.

        Raises:
            ObjectNotFoundError: If there is no such object.
        """
        state = self.state
        state.object(object_id)
        return self._ledger.store.iterate(object_id, frozenset(state.layers), start, stop)

    def presence(self, object_id: int) -> npt.NDArray[np.uint8]:
        """Return for each frame 0 if nothing is known, 1 if not visible, 2 if visible.

        Raises:
            ObjectNotFoundError: If there is no such object.
        """
        return self._ledger.presence(object_id)

    # -- what a person does ----------------------------------------------------------------

    def add_object(self, label: str = "") -> int:
        """Add an object without a mask and return its id."""
        with self._ledger.lock:
            object_id = self._ledger.history.state.next_id
            self._ledger.do({"do": "add", "object": object_id, "label": clean_label(label)})
            return object_id

    def remove_object(self, object_id: int) -> None:
        """Remove an object; undo brings it back with its masks.

        Raises:
            ObjectNotFoundError: If there is no such object.
        """
        self._ledger.do({"do": "remove", "object": object_id})

    def rename_object(self, object_id: int, label: str) -> None:
        """Give an object a name.

        Raises:
            ObjectNotFoundError: If there is no such object.
        """
        self._ledger.do({"do": "rename", "object": object_id, "label": clean_label(label)})

    def correct(
        self,
        stages: EditStages,
        object_id: int,
        frame: int,
        *,
        points: Sequence[Point] = (),
        negative_points: Sequence[Point] = (),
        box: Box | None = None,
    ) -> Rle:
        """Say where an object is on a frame, and return its mask there.

        Args:
            stages: What makes the mask.
            object_id: The object.
            frame: The frame.
            points: All points on the object that were given on this frame.
            negative_points: All points that are not on it.
            box: A box around it.

        Raises:
            ConfigError: If a place is outside the frame, or there is nothing to begin with.
            ObjectNotFoundError: If there is no such object.
            VideosegError: If the segmenter fails; then nothing changes.
        """
        self._check_frame(frame)
        with self._ledger.lock:
            earlier = self.state.object(object_id).corrections.get(frame)
            if earlier is not None and earlier.origin == "user":
                base = earlier.base
            else:
                base = self.mask(object_id, frame)
        mask = mask_of_clicks(
            lambda prompt: self._segment(stages, prompt),
            self.video.size,
            image=lambda: self.video[frame],
            object_id=object_id,
            frame=frame,
            points=points,
            negative_points=negative_points,
            box=box,
            base=base,
        )
        if not mask.area:
            raise ConfigError(
                "no object was found there; click on another part of it, or drag a box around it"
            )
        correction = Correction(
            frame, mask, tuple(points), tuple(negative_points), box, base if box is None else None
        )
        self._correct(object_id, correction)
        return mask

    def hide(self, object_id: int, frame: int) -> None:
        """Say that an object is not visible on a frame.

        Raises:
            ConfigError: If there is no such frame.
            ObjectNotFoundError: If there is no such object.
        """
        self._check_frame(frame)
        self._correct(object_id, Correction(frame, Rle.empty(self.video.size)))

    def forget(self, object_id: int, frame: int) -> None:
        """Take back everything that was said about an object on one frame.

        Raises:
            ConfigError: If nothing was said.
            ObjectNotFoundError: If there is no such object.
        """
        with self._ledger.lock:
            if frame not in self.state.object(object_id).corrections:
                raise ConfigError(f"object {object_id} has no correction on frame {frame}")
            made = self._ledger.made.get((object_id, frame), ())
            layers = [seq for seq in made if seq in self.state.layers]
            self._ledger.do(
                {"do": "forget", "object": object_id, "frame": frame, "layers": layers}
            )

    def undo(self) -> str:
        """Take the last action back; return what it was.

        Raises:
            ConfigError: If there is nothing to undo.
        """
        with self._ledger.lock:
            done = self._ledger.history.undoable
            self._ledger.do({"do": "undo"})
            return done

    def redo(self) -> str:
        """Do again what was undone last; return what it was.

        Raises:
            ConfigError: If there is nothing to redo.
        """
        with self._ledger.lock:
            done = self._ledger.history.redoable
            self._ledger.do({"do": "redo"})
            return done

    # -- what takes long -------------------------------------------------------------------

    def ask(
        self,
        stages: EditStages,
        query: str,
        *,
        observers: Sequence[object] = (),
        cancel: threading.Event | None = None,
        tell: Callable[[int, int], None] | None = None,
    ) -> int:
        """Let a pipeline answer a query, and propagate the answer.

        The objects of the answer take the place of all there are; undo brings those back.

        Args:
            stages: The stages of the pipeline.
            query: The user's sentence.
            observers: As for calling a pipeline.
            cancel: Ends the work as soon as it is set.
            tell: Called with how many frames are done and how many there are.

        Returns:
            How many objects were found.

        Raises:
            CancelledError: If it was cancelled.
            VideosegError: As for calling a pipeline.
        """
        with stages.lock:
            episode = stages.pipeline.ground(self.video, query, observers=observers)
        _check_cancelled(cancel)
        answer = answer_action(stages, self.video, episode, lambda: _check_cancelled(cancel))
        # Built before the lock is taken, which takes long.
        takes = stages.capabilities
        with self._ledger.lock:
            self._ledger.do(answer)
            if not answer["objects"]:
                return 0
            passes, layer = self._plan(takes, _directions("both", takes), part_of_answer=True)
        self._run(stages, passes, layer, cancel=cancel, tell=tell)
        return len(answer["objects"])

    def propagate(
        self,
        stages: EditStages,
        *,
        objects: Sequence[int] = (),
        way: Way = "both",
        frame: int | None = None,
        reach: int | None = None,
        cancel: threading.Event | None = None,
        tell: Callable[[int, int], None] | None = None,
    ) -> int:
        """Compute the masks again that corrections change.

        Args:
            stages: What propagates.
            objects: The objects; by default all with corrections that are not propagated yet.
            way: ``forward``, ``backward`` or ``both``.
            frame: Only from the corrections of this frame.
            reach: How many frames beside a correction are computed at most; by default all up
                to the next correction.
            cancel: Ends the work as soon as it is set.
            tell: Called with how many frames are done and how many there are.

        Returns:
            How many frames were computed.

        Raises:
            CancelledError: If it was cancelled; the masks made until then are kept.
            ConfigError: If there is nothing to propagate.
            VideosegError: If the propagator fails; the masks made until then are kept.
        """
        takes = stages.capabilities
        with self._ledger.lock:
            passes, layer = self._plan(
                takes, _directions(way, takes), objects=objects, frame=frame, reach=reach
            )
        return self._run(stages, passes, layer, cancel=cancel, tell=tell)

    def close(self) -> None:
        """Close the files of the project. The video stays open."""
        self._ledger.close()

    def __enter__(self) -> EditSession:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    # -- internals ---------------------------------------------------------------------------

    def _plan(
        self,
        takes: PropagatorCapabilities,
        directions: Sequence[Direction],
        *,
        objects: Sequence[int] = (),
        frame: int | None = None,
        reach: int | None = None,
        part_of_answer: bool = False,
    ) -> tuple[list[Pass], int]:
        """Return the runs of a propagation, and the number of its action; the lock is held."""
        passes, starts = plan_passes(
            self._ledger.history,
            self.mask,
            len(self.video),
            objects=objects,
            directions=directions,
            frame=frame,
            reach=reach,
            limit=takes.max_objects_per_pass,
            forward_only=bool(self.answer.get("appears_at_prompt")),
        )
        action: dict[str, Any] = {"do": "propagate", "starts": starts}
        if part_of_answer:
            action["part_of_answer"] = True
        return passes, self._ledger.do(action)

    def _run(
        self,
        stages: EditStages,
        passes: Sequence[Pass],
        layer: int,
        *,
        cancel: threading.Event | None,
        tell: Callable[[int, int], None] | None,
    ) -> int:
        """Run a propagation, keep its masks and how it ended; return how many frames it made."""
        total = sum(one.num_frames for one in passes)
        done, status = 0, "failed"
        try:
            for one in passes:
                for _ in self._run_pass(stages, one, layer):
                    done += 1
                    if tell is not None:
                        tell(done, total)
                    _check_cancelled(cancel)
            status = "done"
        except CancelledError:
            status = "cancelled"
            raise
        finally:
            self._ledger.finish(layer, status)
        return done

    def _run_pass(self, stages: EditStages, one: Pass, layer: int) -> Iterator[int]:
        ledger = self._ledger
        for object_id, frames in one.absent.items():
            ledger.keep_absence(layer, object_id, frames)
        if not one.prompts:
            return
        written = time.monotonic()
        for masks in stages.propagate(self.video, one.prompts, one.direction, one.bound):
            kept = [
                (object_id, Rle.encode(masks.masks[object_id]))
                for object_id, frames in one.kept.items()
                if masks.frame in frames and object_id in masks.masks
            ]
            ledger.keep(layer, masks.frame, kept)
            if time.monotonic() - written > _FLUSH_SECONDS:
                ledger.store.flush()
                written = time.monotonic()
            yield masks.frame

    def _segment(self, stages: EditStages, prompt: Prompt) -> Rle:
        """Return what the segmenter makes of a prompt; all clicks of a frame begin from it."""
        known = self._segmented
        if known is not None and known[0] is stages and known[1] == prompt:
            return known[2]
        mask = stages.segment(self.video, prompt)
        self._segmented = stages, prompt, mask
        return mask

    def _correct(self, object_id: int, correction: Correction) -> None:
        self._ledger.do({"do": "correct", "object": object_id, **correction.to_action()})

    def _check_frame(self, frame: int) -> None:
        if not 0 <= frame < len(self.video):
            raise ConfigError(
                f"there is no frame {frame}; the video has {len(self.video)}, from 0 to "
                f"{len(self.video) - 1}"
            )


def _directions(way: Way, takes: PropagatorCapabilities) -> list[Direction]:
    directions = [one for one in _DIRECTIONS[way] if one == "forward" or takes.backward]
    if not directions:
        raise ConfigError("this pipeline cannot propagate backward; propagate forward")
    return directions


def _check_cancelled(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise CancelledError("cancelled; what had been done is kept")
