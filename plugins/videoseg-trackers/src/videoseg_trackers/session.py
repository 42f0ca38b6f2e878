"""One propagation over one video, with a session of the library for each object.

The library's session keeps the pixels of every frame, and of each object the logits and the memory
of every frame. The network reads only what is near, so after each frame what lies out of reach is
dropped; results are those of the whole session. One session for each object, with the features
of a frame shared by all, also keeps objects from changing each other: the library decides for all
objects of a frame at once how its memory is made, and in which direction a run goes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from videoseg.devices import is_out_of_memory
from videoseg.errors import PropagationError
from videoseg.propagation import FrameRun, SessionBase
from videoseg.types import BoolArray, Frame, Prompt, PropagatorCapabilities, VideoSource
from videoseg_trackers.network import TrackerNetwork

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TrackerSession"]


@dataclass(slots=True)
class _Tracked:
    """One object: the library's session, and its prompts with the run from which each counts."""

    session: Any
    prompts: dict[int, Prompt] = field(default_factory=dict)
    since_run: dict[int, int] = field(default_factory=dict)
    conditioned: set[int] = field(default_factory=set)

    @property
    def outputs(self) -> dict[str, dict[int, dict[str, Any]]]:
        """What the library remembers, by kind and frame."""
        found: dict[str, dict[int, dict[str, Any]]] = self.session.output_dict_per_obj[
            self.session.obj_id_to_idx(1)
        ]
        return found

    def usable(self, run: int) -> list[int]:
        """Return the frames whose prompts count in a run, in order."""
        return sorted(frame for frame, since in self.since_run.items() if since <= run)


class TrackerSession(SessionBase):
    """Propagates objects through one video; see ``TransformersVideoPropagator``.

    Args:
        video: The video.
        capabilities: What the propagator declares.
        network: The network; shared, and not changed.
    """

    def __init__(
        self, video: VideoSource, capabilities: PropagatorCapabilities, *, network: TrackerNetwork
    ) -> None:
        super().__init__(video, capabilities)
        self._network = network
        config = network.model.config
        # A checkpoint of the whole SAM 3 has the tracker's settings inside.
        config = getattr(config, "tracker_config", None) or config
        self._feature_reach = config.num_maskmem - 1
        self._pointer_reach = max(config.max_object_pointers_in_encoder - 1, self._feature_reach)
        self._tracked: dict[int, _Tracked] = {}
        self._run_number = 0
        self._position: tuple[int, bool] | None = None

    def prompt(self, prompt: Prompt) -> None:
        """Say where one object is on one frame. Allowed at any time before ``close``.

        A prompt for a frame that a run has not reached takes effect in this run, one for a
        frame it has passed in the next run. A correction replaces the object on its frame: the
        library's clicks do not see the mask that was found.

        Raises:
            PropagationError: If the prompt cannot be used; the session stays as it was.
        """
        super().prompt(prompt)
        tracked = self._tracked.get(prompt.object_id)
        if tracked is None:
            num_frames = self.video.num_frames
            tracked = _Tracked(
                self._network.open_session(
                    self.video.size, sys.maxsize if num_frames is None else num_frames
                )
            )
            tracked.session.obj_id_to_idx(1)
            self._tracked[prompt.object_id] = tracked
        tracked.prompts[prompt.frame] = prompt
        tracked.since_run[prompt.frame] = self._first_run_for(prompt.frame)
        if self._position is None:
            # The outputs of an earlier run do not know this prompt.
            tracked.outputs["non_cond_frame_outputs"].clear()

    def propagate(self, frames: FrameRun) -> Iterator[tuple[int, Mapping[int, BoolArray]]]:
        """Yield the masks of one run, frame by frame; see ``SessionBase.propagate``.

        A mask that was given as a prompt is returned as it was given. A second run ends the
        one before it.

        Raises:
            PropagationError: If memory runs out, or another run has begun.
        """
        for frame, logits in self._run_logits(frames):
            yield frame, {key: self._mask_of(key, frame, one) for key, one in logits.items()}

    def close(self) -> None:
        """Free everything the session holds. Using it afterwards is a PropagationError."""
        super().close()
        self._tracked.clear()
        self._position = None

    # -- internals ---------------------------------------------------------------------------

    def _first_run_for(self, frame: int) -> int:
        if self._position is None:
            return self._run_number + 1
        here, reverse = self._position
        is_ahead = frame < here if reverse else frame > here
        return self._run_number if is_ahead else self._run_number + 1

    def _run_logits(self, frames: FrameRun) -> Iterator[tuple[int, dict[int, Tensor]]]:
        self.require_open()
        self._run_number += 1
        run = self._run_number
        reverse = frames.direction == "backward"
        try:
            for frame, picture in frames:
                self._require_current(run)
                self._position = (frame, reverse)
                yield frame, self._advance(frame, picture, reverse=reverse)
                self._require_current(run)
        finally:
            if self._run_number == run:
                self._position = None
                for tracked in self._tracked.values():
                    tracked.session.cache.clear_all()

    def _require_current(self, run: int) -> None:
        self.require_open()
        if run != self._run_number:
            raise PropagationError(
                "this run has ended because another one was begun in the same session; open a "
                "session for each of two simultaneous runs"
            )

    def _advance(self, frame: int, picture: Frame, *, reverse: bool) -> dict[int, Tensor]:
        """Return the logits of every object that the run has reached, shape (H, W) each."""
        from torch.nn import functional

        run = self._run_number
        here = {
            object_id: tracked
            for object_id, tracked in sorted(self._tracked.items())
            if any(one >= frame if reverse else one <= frame for one in tracked.usable(run))
        }
        answers: dict[int, Tensor] = {}
        try:
            with self._network.computing():
                features = self._network.encode(picture)
                for object_id, tracked in here.items():
                    self._condition(tracked, frame, features)
                    if frame in tracked.conditioned:
                        logits = tracked.outputs["cond_frame_outputs"][frame]["pred_masks"]
                    else:
                        _share(features, tracked.session, frame)
                        logits = self._network.track(tracked.session, frame, reverse=reverse)
                    answers[object_id] = functional.interpolate(
                        logits.float(), self.video.size, mode="bilinear", align_corners=False
                    )[0, 0]
                    tracked.session.cache.clear_all()
                    self._forget(tracked, frame, reverse=reverse)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._raise_out_of_memory(frame, error)
        return answers

    def _condition(self, tracked: _Tracked, frame: int, features: dict[str, Any]) -> None:
        """Segment the prompted frames that have not been segmented yet."""
        for prompted in tracked.usable(self._run_number):
            # Frames of a live source come one after another.
            is_there = prompted == frame or self.video.num_frames is not None
            if prompted in tracked.conditioned or not is_there:
                continue
            own = features if prompted == frame else self._network.encode(self.video[prompted])
            _share(own, tracked.session, prompted)
            self._network.condition(tracked.session, prompted, tracked.prompts[prompted])
            tracked.session.cache.clear_all()
            tracked.conditioned.add(prompted)

    def _forget(self, tracked: _Tracked, frame: int, *, reverse: bool) -> None:
        """Drop what no later frame of this run, nor of one the other way, can attend to."""
        outputs = tracked.outputs
        for output in outputs["cond_frame_outputs"].values():
            output.pop("high_res_masks", None)
        prompts = tracked.prompts
        # A run the other way begins at the object's outermost prompt and sees what lies behind.
        edge = min(prompts) if reverse else max(prompts)
        passed = outputs["non_cond_frame_outputs"]
        for other in list(passed):
            distances = (other - frame, edge - other) if reverse else (frame - other, other - edge)
            away = min((one for one in distances if one >= 0), default=self._pointer_reach + 1)
            if away >= self._pointer_reach + 1:
                del passed[other]
                continue
            kept = {"object_pointer"}
            if away <= self._feature_reach:
                kept |= {"maskmem_features", "maskmem_pos_enc"}
            for name in passed[other].keys() - kept:
                del passed[other][name]
        tracked.session.frames_tracked_per_obj[tracked.session.obj_id_to_idx(1)].clear()

    def _mask_of(self, object_id: int, frame: int, logits: Tensor) -> BoolArray:
        tracked = self._tracked[object_id]
        prompt = tracked.prompts.get(frame)
        if prompt is not None and prompt.mask is not None and frame in tracked.conditioned:
            return prompt.mask.decode()
        mask: BoolArray = (logits > 0).cpu().numpy()
        return mask

    def _raise_out_of_memory(self, frame: int, error: Exception) -> NoReturn:
        raise PropagationError(
            f"memory of {self._network.device} ran out on frame {frame}. Masks yielded so far are "
            "valid. To need less: use fewer objects at a time (max_objects_per_pass), "
            "precision='bfloat16', a smaller model, or device='cpu'"
        ) from error


def _share(features: dict[str, Any], session: Any, frame: int) -> None:
    """Give a session the features of a frame, so that it does not compute them."""
    session.cache.clear_all()
    session.cache.cache_vision_features(frame, features)
