"""The segmenter ``sam2``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Interval

from videoseg.devices import is_out_of_memory
from videoseg.engines import Engine, Precision
from videoseg.errors import VideosegError
from videoseg.plugins import checked_options
from videoseg.propagation import check_segmenter_prompt
from videoseg.types import BoolArray, FloatArray, ObjectMask, Prompt, Size, VideoSource
from videoseg_sam2.features import FrameFeatures, encode_frame
from videoseg_sam2.images import image_input, to_frame_size
from videoseg_sam2.models import DEFAULT_MODEL
from videoseg_sam2.network import Network, NetworkChoice
from videoseg_sam2.prompts import point_inputs

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Sam2Segmenter"]

_logger = logging.getLogger(__name__)


class Sam2Segmenter:
    """Turns boxes, points and negative points into masks with SAM 2, one frame at a time.

    Each object is segmented alone, with its own negative points only. If its mask is empty
    or its score low, it is tried again without the negative points, and then from its box
    alone; the best of the tries is returned. Masks of objects whose boxes do not touch share no
    pixel: the one whose logit is higher keeps it.

    Weights are looked for when the segmenter is made and read when it is first used; a
    propagator with the same ones shares them.

    Args:
        model: See ``Sam2Propagator``, as for all options up to ``precision``.
        checkpoint: A local file, or a repository on the Hugging Face hub.
        config: A configuration file of your own.
        random_weights: Use untrained weights. For tests only.
        download: Fetch weights that are not on this machine.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``float32``, ``bfloat16`` or ``auto``; ``int8`` with OpenVINO.
        multimask: Let the network propose three masks and take the one it scores highest;
            otherwise it proposes one, which can be better for prompts that are not ambiguous.
        low_score: Scores below this are low.
        engine: ``eager``, ``compile`` or ``openvino``; see ``Sam2Propagator``.

    Raises:
        ConfigError: If an option is not allowed, or the device is not there.
        MissingDependencyError: If OpenVINO is asked for and not installed.
        MissingWeightsError: If the weights are not on this machine.
    """

    @checked_options("segmenter 'sam2'")
    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        checkpoint: str | Path | None = None,
        config: str | Path | None = None,
        random_weights: bool = False,
        download: bool = False,
        device: str = "auto",
        precision: Precision = "auto",
        multimask: bool = True,
        low_score: Annotated[float, Interval(ge=0, le=1)] = 0.5,
        engine: Engine = "eager",
    ) -> None:
        choice = NetworkChoice(
            model=model,
            checkpoint=checkpoint,
            config=config,
            random_weights=random_weights,
            download=download,
            device=device,
            precision=precision,
            engine=engine,
        )
        self._network = choice.locate()
        self._multimask = multimask
        self._low_score = low_score

    def segment(self, video: VideoSource, prompts: Sequence[Prompt]) -> list[ObjectMask]:
        """Return one mask for each prompt, in order.

        Args:
            video: The video; only the prompted frames are read.
            prompts: Boxes, points or both. A prompt that has a mask gets this mask back.

        Returns:
            Masks of the source's size, with SAM 2's estimate of their IoU in [0, 1] as score.
            A mask is empty where no try of SAM 2 finds anything.

        Raises:
            ConfigError: If a box or point lies outside the frame or a given mask is empty.
            ShapeError: If a given mask is not of the frame's size.
            IncompatibleStagesError: If a prompt has nothing but an embedding.
            VideoError: If there is no such frame.
        """
        for prompt in prompts:
            check_segmenter_prompt(prompt, video.size, segmenter="sam2")
        answers: dict[int, ObjectMask] = {}
        for frame in sorted({prompt.frame for prompt in prompts if prompt.mask is None}):
            here = [
                index
                for index, prompt in enumerate(prompts)
                if prompt.frame == frame and prompt.mask is None
            ]
            on_frame = [prompts[index] for index in here]
            answers.update(zip(here, self._segment_frame(video, frame, on_frame), strict=True))
        for index, prompt in enumerate(prompts):
            if prompt.mask is not None:
                answers[index] = ObjectMask(prompt.mask.decode(), 1.0)
        return [answers[index] for index in range(len(prompts))]

    def close(self) -> None:
        """Release the weights; they are read again when next needed."""
        self._network.close()

    def _segment_frame(
        self, video: VideoSource, frame: int, prompts: Sequence[Prompt]
    ) -> list[ObjectMask]:

        picture = video[frame]
        modules = self._network.modules
        try:
            with self._network.computing():
                image = image_input(np.asarray(picture), modules.image_size)
                decoder = _FrameDecoder(self._network, encode_frame(self._network, image))
                found = [self._segment_object(decoder, prompt, video.size) for prompt in prompts]
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise VideosegError(
                f"memory of {self._network.device} ran out on frame {frame}; use "
                "precision='bfloat16', a smaller model, or device='cpu'"
            ) from error
        masks = _separate(found, prompts)
        return [
            ObjectMask(mask, attempt.score) for mask, attempt in zip(masks, found, strict=True)
        ]

    def _segment_object(self, decoder: _FrameDecoder, prompt: Prompt, size: Size) -> _Attempt:
        """Return the first good attempt, or the best of all."""
        attempts: list[_Attempt] = []
        for rung in _ladder(prompt):
            attempt = decoder.decode(rung, size, multimask=self._multimask)
            if attempt.is_good(self._low_score):
                attempts.append(attempt)
                break
            attempts.append(attempt)
        best = max(attempts, key=lambda attempt: (attempt.found, attempt.score))
        if len(attempts) > 1 or not best.found:
            _logger.warning(
                "object %d on frame %d: the first of %d attempts gave %s; %s was taken",
                prompt.object_id,
                prompt.frame,
                len(attempts),
                f"a score of {attempts[0].score:.2f}" if attempts[0].found else "no mask",
                f"one with a score of {best.score:.2f}" if best.found else "an empty mask",
            )
        return best


@dataclass(frozen=True, eq=False, slots=True)
class _Attempt:
    """One answer of the decoder: logits of shape (H, W) and a score in [0, 1]."""

    logits: FloatArray
    score: float

    @property
    def found(self) -> bool:
        return bool((self.logits > 0).any())

    def is_good(self, low_score: float) -> bool:
        return self.found and self.score >= low_score


class _FrameDecoder:
    """Prompt encoder and mask decoder on the features of one frame."""

    def __init__(self, network: Network, features: FrameFeatures) -> None:
        modules = network.modules
        self._network = network
        coarse = features.maps[-1]
        if modules.directly_add_no_mem_embed:
            # In training, this embedding is added to frames without memory.
            coarse = coarse + modules.no_mem_embed
        with_embedding = replace(features, maps=[*features.maps[:-1], coarse])
        levels = len(features.maps)
        self._image = with_embedding.square(levels - 1)
        self._fine = [with_embedding.square(level) for level in range(levels - 1)] or None

    def decode(self, prompt: Prompt, size: Size, *, multimask: bool) -> _Attempt:
        modules = self._network.modules
        inputs = point_inputs(
            prompt.box,
            prompt.points,
            prompt.negative_points,
            size=size,
            side=modules.image_size,
            device=self._network.device,
        )
        points = None if inputs is None else (inputs.coordinates, inputs.labels)
        sparse, dense = modules.sam_prompt_encoder(points=points, boxes=None, masks=None)
        answers: tuple[Any, ...] = modules.sam_mask_decoder(
            image_embeddings=self._image,
            image_pe=modules.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            repeat_image=False,
            high_res_features=self._fine,
        )
        logits: Tensor = answers[0]
        scores: Tensor = answers[1].float()
        best = int(scores[0].argmax())
        full = to_frame_size(logits[:, best : best + 1], size)
        score = float(np.clip(float(scores[0, best]), 0.0, 1.0))
        return _Attempt(full[0, 0].cpu().numpy(), score)


def _ladder(prompt: Prompt) -> list[Prompt]:
    """Return the prompts to try: as given, without negative points, the box alone."""
    rungs = [prompt]
    if prompt.negative_points:
        rungs.append(replace(prompt, negative_points=()))
    if prompt.box is not None and prompt.points:
        rungs.append(replace(prompt, points=(), negative_points=()))
    return rungs


def _separate(found: Sequence[_Attempt], prompts: Sequence[Prompt]) -> list[BoolArray]:
    masks: list[BoolArray] = [attempt.logits > 0 for attempt in found]
    separate: list[BoolArray] = [mask.copy() for mask in masks]
    for one, first in enumerate(prompts):
        for other in range(one + 1, len(prompts)):
            second = prompts[other]
            if _overlap(first, second):
                # What overlaps in the prompts may overlap in the masks.
                continue
            shared = masks[one] & masks[other]
            mine = found[one].logits > found[other].logits
            if first.object_id < second.object_id:
                # Equal logits are settled so that the order of the prompts does not matter.
                mine |= found[one].logits == found[other].logits
            separate[one] &= ~(shared & ~mine)
            separate[other] &= ~(shared & mine)
    return separate


def _overlap(first: Prompt, second: Prompt) -> bool:
    """Whether two prompts ask for the same place: by their boxes, or a point in the other's."""
    if first.box is not None and second.box is not None:
        return first.box.iou(second.box) > 0
    return any(
        prompt.box is not None and any(prompt.box.contains(point) for point in other.points)
        for prompt, other in ((first, second), (second, first))
    )
