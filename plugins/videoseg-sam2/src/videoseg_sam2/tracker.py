"""SAM 2 on one frame: conditioning on a prompt, tracking from memory, refining by clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from videoseg.types import FloatArray, Prompt, Size
from videoseg_sam2.features import FrameFeatures
from videoseg_sam2.hooks import with_attention, with_chooser
from videoseg_sam2.images import mask_input
from videoseg_sam2.memory import ObjectMemory, Output
from videoseg_sam2.network import Network, extra_prompt
from videoseg_sam2.paths import Paths
from videoseg_sam2.policy import Candidates, FrameRecord, Keeping
from videoseg_sam2.prompts import point_inputs
from videoseg_sam2.trail import Attended, Trail

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FrameTracker"]

# Beyond this, logits that are fed back as a prompt can upset the prompt encoder.
_LARGEST_LOGIT = 32.0
# The logit that the package gives every pixel of an absent object.
_ABSENT_LOGIT = -1024.0


class FrameTracker:
    """Calls the network for one object and one frame at a time. Holds no frame.

    Args:
        network: The network.
        size: (height, width) of the source frames.
        num_frames: Length of the video; None for a live source.
        largest_hole: Holes of at most this many pixels in the network's own masks are filled.
        watches: Whether outputs say what a memory policy is told of prompted frames.
    """

    def __init__(
        self,
        network: Network,
        *,
        size: Size,
        num_frames: int | None,
        largest_hole: int,
        watches: bool = False,
    ) -> None:
        self._watches = watches
        self._network = network
        self._size = size
        # The number of pointers attended to is capped by the length; a live source has none.
        self._num_frames = num_frames or network.modules.max_obj_ptrs_in_encoder
        self._is_live = num_frames is None
        self._largest_hole = largest_hole
        self._positions: list[Tensor] | None = None

    def condition(self, features: FrameFeatures, prompt: Prompt) -> Output:
        """Segment a prompted frame by itself and remember it as a prompted one."""
        inputs = self._inputs(prompt)
        watch = _Watch(self._hides_absent)
        with _with_extra(self._vector(prompt)), self._watching(watch):
            step = self._step(features, prompt.frame, first=True, **inputs)
        output = self._encode_prompted(features, step)
        return watch.mark(output) if prompt.mask is None else output

    def refine(
        self, features: FrameFeatures, memory: ObjectMemory, prompt: Prompt, *, reverse: bool
    ) -> Output:
        """Correct by clicks what the object is found to be, and remember it as prompted."""
        watch = self._watch_for(memory.trail, prompt.frame)
        with self._watching(watch):
            found = self._step(
                features,
                prompt.frame,
                first=False,
                attended=memory.attend(prompt.frame),
                reverse=reverse,
                **_NO_INPUTS,
            )
        previous = self._fill_holes(found["pred_masks"]).clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT)
        inputs = self._inputs(prompt)
        watch = _Watch(self._hides_absent)
        with _with_extra(self._vector(prompt)), self._watching(watch):
            step = self._step(
                features,
                prompt.frame,
                first=False,
                attended=memory.attend(prompt.frame),
                reverse=reverse,
                previous=previous,
                **inputs,
            )
        return watch.mark(self._encode_prompted(features, step))

    def track(
        self,
        features: FrameFeatures,
        memory: ObjectMemory,
        frame: int,
        *,
        reverse: bool,
        prompt: Prompt | None = None,
    ) -> list[Output]:
        """Find an object on a frame from what is remembered of it.

        Args:
            features: Of the frame.
            memory: The object's.
            frame: Index of the frame.
            reverse: Whether frames come in descending order.
            prompt: A prompt whose embedding is to guide this frame, too.

        Returns:
            One output for each path that is followed from here on, the best first.
        """
        with _with_extra(None if prompt is None else self._vector(prompt)):
            paths = memory.paths
            if paths is None:
                step = self._step(
                    features,
                    frame,
                    first=False,
                    attended=memory.attend(frame),
                    reverse=reverse,
                    encode=True,
                    **_NO_INPUTS,
                )
                return [self._output(step, step["maskmem_features"], step["maskmem_pos_enc"])]
            if paths.branches:
                return self._track_paths(features, memory, paths, frame, reverse=reverse)
            watch = self._watch_for(paths.best, frame)
            step = self._follow(features, memory, paths.best, frame, watch, reverse=reverse)
            return [self._keep(features, paths.best, frame, step, watch)]

    def record_of(self, output: Output, step: int) -> FrameRecord:
        """Return what a memory policy is told of a prompted frame whose logits are held.

        Args:
            output: Its output.
            step: The frame's place in the run.
        """
        logits = output.logits
        assert logits is not None, "prompted frames keep their logits"
        return FrameRecord(
            step,
            _array(logits[0, 0]),
            output.iou,
            float(output.object_score),
            output.num_candidates,
            self._network.modules.image_size,
        )

    def _track_paths(
        self,
        features: FrameFeatures,
        memory: ObjectMemory,
        paths: Paths,
        frame: int,
        *,
        reverse: bool,
    ) -> list[Output]:
        """Let a policy choose among the candidates of all its paths, and follow the chosen ones.

        The image's features are those of all paths; each reads its own memory.
        """
        side = self._network.modules.image_size
        steps, watches = [], []
        for trail in paths.trails:
            watch = _WatchAll(self._hides_absent, step=trail.step_of(frame), side=side)
            steps.append(self._follow(features, memory, trail, frame, watch, reverse=reverse))
            watches.append(watch)
        outputs = []
        for path, candidate, trail in paths.grow([watch.candidates for watch in watches]):
            step = _row_of(steps[path], candidate)
            watches[path].iou = watches[path].candidates.ious[candidate]
            outputs.append(self._keep(features, trail, frame, step, watches[path]))
        return outputs

    def _follow(
        self,
        features: FrameFeatures,
        memory: ObjectMemory,
        trail: Trail,
        frame: int,
        watch: _Watch,
        *,
        reverse: bool,
    ) -> dict[str, Any]:
        """Run the network on a frame with what one trail remembers."""
        attended = memory.attend(frame, trail)
        with with_chooser(watch):
            return self._step(
                features, frame, first=False, attended=attended, reverse=reverse, **_NO_INPUTS
            )

    def _keep(
        self,
        features: FrameFeatures,
        trail: Trail,
        frame: int,
        step: dict[str, Any],
        watch: _Watch,
    ) -> Output:
        """Let a policy decide what is remembered of a frame, and return its mask."""
        modules = self._network.modules

        def remember(keeping: Keeping) -> Output:
            if keeping == "pointer":
                positions = self._positions or []
                return Output(None, positions, step["obj_ptr"], step["object_score_logits"])
            remembered, positions = modules._encode_new_memory(
                current_vision_feats=features.maps,
                feat_sizes=features.sizes,
                pred_masks_high_res=step["pred_masks_high_res"],
                object_score_logits=step["object_score_logits"],
                is_mask_from_pts=keeping == "anchor",
            )
            entry = self._output(step, remembered, positions, filled=True)
            entry.logits = None
            return entry

        record = FrameRecord(
            trail.step_of(frame),
            _array(step["pred_masks"][0, 0]),
            watch.iou,
            watch.object_score,
            watch.num_candidates,
            modules.image_size,
        )
        trail.keep(record, remember)
        return Output(
            None,
            [],
            step["obj_ptr"],
            step["object_score_logits"],
            self._fill_holes(step["pred_masks"]),
        )

    @property
    def _hides_absent(self) -> bool:
        return bool(self._network.modules.pred_obj_scores)

    def _watch_for(self, trail: Trail | None, frame: int) -> _Watch:
        if trail is None:
            return _Watch(self._hides_absent)
        side = self._network.modules.image_size
        return _Watch(self._hides_absent, trail.choose, trail.step_of(frame), side)

    @contextmanager
    def _watching(self, watch: _Watch) -> Iterator[None]:
        if not self._watches:
            # As published, without so much as a look at the candidates.
            yield
            return
        with with_chooser(watch):
            yield

    def _step(
        self,
        features: FrameFeatures,
        frame: int,
        *,
        first: bool,
        points: dict[str, Tensor] | None,
        mask: Tensor | None,
        attended: Attended | None = None,
        reverse: bool = False,
        previous: Tensor | None = None,
        encode: bool = False,
    ) -> dict[str, Any]:
        attended = attended or _NOTHING
        with with_attention(attended.factors, drop_missing=attended.has_missing):
            step: dict[str, Any] = self._network.modules.track_step(
                frame_idx=frame,
                is_init_cond_frame=first,
                current_vision_feats=features.maps,
                current_vision_pos_embeds=[features.positions],
                feat_sizes=features.sizes,
                point_inputs=points,
                mask_inputs=mask,
                output_dict=attended.outputs,
                num_frames=max(self._num_frames, frame + 1) if self._is_live else self._num_frames,
                track_in_reverse=reverse,
                run_mem_encoder=encode,
                prev_sam_mask_logits=previous,
            )
        return step

    def _encode_prompted(self, features: FrameFeatures, step: dict[str, Any]) -> Output:
        from torch.nn import functional

        modules = self._network.modules
        logits = self._fill_holes(step["pred_masks"])
        side = modules.image_size
        # Memory is made of exactly the mask that is shown, so from its low resolution.
        full = functional.interpolate(
            logits, size=(side, side), mode="bilinear", align_corners=False
        )
        remembered, positions = modules._encode_new_memory(
            current_vision_feats=features.maps,
            feat_sizes=features.sizes,
            pred_masks_high_res=full,
            object_score_logits=step["object_score_logits"],
            is_mask_from_pts=True,
        )
        return self._output({**step, "pred_masks": logits}, remembered, positions, filled=True)

    def _output(
        self,
        step: dict[str, Any],
        features: Tensor,
        positions: list[Tensor],
        *,
        filled: bool = False,
    ) -> Output:
        import torch

        if self._positions is None:
            self._positions = positions
        logits = step["pred_masks"]
        return Output(
            # The package keeps memory in this type whatever the precision.
            features=features.to(torch.bfloat16),
            positions=self._positions,
            pointer=step["obj_ptr"],
            object_score=step["object_score_logits"],
            logits=logits if filled else self._fill_holes(logits),
        )

    def _inputs(self, prompt: Prompt) -> dict[str, Any]:
        modules, device = self._network.modules, self._network.device
        if prompt.mask is not None:
            mask = mask_input(prompt.mask.decode(), modules.image_size).to(device)
            return {"points": None, "mask": mask}
        inputs = point_inputs(
            prompt.box,
            prompt.points,
            prompt.negative_points,
            size=self._size,
            side=modules.image_size,
            device=device,
        )
        return {"points": None if inputs is None else inputs.as_mapping(), "mask": None}

    def _vector(self, prompt: Prompt) -> Tensor | None:
        if prompt.embedding is None or prompt.mask is not None:
            return None
        import torch

        values = torch.tensor(
            prompt.embedding.values, dtype=torch.float32, device=self._network.device
        )
        # Several vectors, one after another, are several prompts.
        return values.reshape(1, -1, self._network.modules.hidden_dim)

    def _fill_holes(self, logits: Tensor) -> Tensor:
        if self._largest_hole == 0:
            return logits
        import cv2
        import numpy as np
        import torch

        background = (logits[0, 0] <= 0).to("cpu", torch.uint8).numpy()
        _, labels, stats, _ = cv2.connectedComponentsWithStats(background, connectivity=8)
        small = stats[:, cv2.CC_STAT_AREA] <= self._largest_hole
        small[0] = False  # the foreground, which is no hole
        holes = torch.from_numpy(np.ascontiguousarray(small[labels])).to(logits.device)
        # Just above the threshold, as the package fills them.
        return torch.where(holes, torch.full_like(logits, 0.1), logits)


_NO_INPUTS: dict[str, Any] = {"points": None, "mask": None}
_NOTHING = Attended({"cond_frame_outputs": {}, "non_cond_frame_outputs": {}})


class _Watch:
    """Sees the decoder's candidates on one frame and asks a policy to choose among them.

    Args:
        hides_absent: Whether the network empties the masks of absent objects.
        choose: Chooses; None for the highest estimate, as published.
        step: The frame's place in the run.
        side: Side of the network's input.
    """

    def __init__(
        self,
        hides_absent: bool,
        choose: Callable[[Candidates], int] | None = None,
        step: int = 0,
        side: int = 0,
    ) -> None:
        self.iou = 1.0
        self.object_score = 0.0
        self.num_candidates = 1
        self._hides_absent = hides_absent
        self._choose = choose
        self._step = step
        self._side = side

    def __call__(self, masks: Tensor, ious: Tensor, score: Tensor) -> Sequence[int]:
        self.object_score = float(score)
        self.num_candidates = ious.shape[1]
        if self._choose is None:
            choice = int(ious[0].argmax())
        else:
            choice = self._choose(self._candidates(masks, ious))
        self.iou = float(ious[0, choice])
        return (choice,)

    def _candidates(self, masks: Tensor, ious: Tensor) -> Candidates:
        logits = _array(masks[0])
        if self._hides_absent and self.object_score <= 0:
            logits = logits.clip(max=_ABSENT_LOGIT)
        estimates = tuple(float(iou) for iou in ious[0].float())
        return Candidates(self._step, logits, estimates, self.object_score, self._side)

    def mark(self, output: Output) -> Output:
        """Write what was seen into an output."""
        output.iou, output.num_candidates = self.iou, self.num_candidates
        return output


class _WatchAll(_Watch):
    """Sees the candidates on one frame and has the network go on with all of them."""

    candidates: Candidates

    def __call__(self, masks: Tensor, ious: Tensor, score: Tensor) -> Sequence[int]:
        self.object_score = float(score)
        self.num_candidates = ious.shape[1]
        self.candidates = self._candidates(masks, ious)
        return range(self.num_candidates)


def _row_of(step: dict[str, Any], candidate: int) -> dict[str, Any]:
    """Return what the network gave for one of the candidates that it went on with."""
    rows = ("pred_masks", "pred_masks_high_res", "obj_ptr")
    return {**step, **{name: step[name][candidate : candidate + 1] for name in rows}}


def _array(logits: Tensor) -> FloatArray:
    values: FloatArray = logits.detach().float().cpu().numpy()
    return values


@contextmanager
def _with_extra(vector: Tensor | None) -> Iterator[None]:
    token = extra_prompt.set(vector)
    try:
        yield
    finally:
        extra_prompt.reset(token)
