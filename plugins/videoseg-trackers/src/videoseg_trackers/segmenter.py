"""The segmenter ``transformers-video``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from videoseg.devices import is_out_of_memory
from videoseg.engines import Engine, Precision
from videoseg.errors import VideosegError
from videoseg.plugins import checked_options
from videoseg.propagation import check_segmenter_prompt
from videoseg.types import BoolArray, FloatArray, ObjectMask, Prompt, VideoSource
from videoseg_trackers.network import TrackerChoice
from videoseg_trackers.published import DEFAULT_MODEL

__all__ = ["TransformersVideoSegmenter"]


class TransformersVideoSegmenter:
    """Turns boxes, points and negative points into masks with a video tracker of transformers.

    Each object is segmented as the propagator of the same name segments a prompted frame. Masks
    of objects whose boxes do not touch share no pixel: the one whose logit is higher keeps it.

    Args:
        model: See ``TransformersVideoPropagator``, as for all options.
        revision: Branch, tag or commit on the hub.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``float32``, ``bfloat16`` or ``auto``; ``int8`` with OpenVINO.
        download: Fetch a checkpoint that is not on this machine.
        engine: ``eager``, ``compile`` or ``openvino``.

    Raises:
        ConfigError: If an option is not allowed, or the device is not there.
        MissingDependencyError: If OpenVINO is asked for and not installed.
        MissingWeightsError: If the checkpoint is not on this machine.
    """

    @checked_options("segmenter 'transformers-video'")
    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        revision: str | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        download: bool = False,
        engine: Engine = "eager",
    ) -> None:
        choice = TrackerChoice("segmenter", model, revision, device, precision, download, engine)
        self._network = choice.locate()

    def segment(self, video: VideoSource, prompts: Sequence[Prompt]) -> list[ObjectMask]:
        """Return one mask for each prompt, in order.

        Args:
            video: The video; only the prompted frames are read.
            prompts: Boxes, points or both. A prompt that has a mask gets this mask back.

        Returns:
            Masks of the source's size. The score, in [0, 1], is how sure the network is that the
            object is there: these models do not tell how good they expect a mask to be.

        Raises:
            ConfigError: If a box or point lies outside the frame or a given mask is empty.
            ShapeError: If a given mask is not of the frame's size.
            IncompatibleStagesError: If a prompt has nothing but an embedding.
            VideoError: If there is no such frame.
        """
        for prompt in prompts:
            check_segmenter_prompt(prompt, video.size, segmenter="transformers-video")
        answers: dict[int, ObjectMask] = {
            index: ObjectMask(prompt.mask.decode(), 1.0)
            for index, prompt in enumerate(prompts)
            if prompt.mask is not None
        }
        for frame in sorted({prompt.frame for prompt in prompts if prompt.mask is None}):
            here = [
                index
                for index, prompt in enumerate(prompts)
                if prompt.frame == frame and prompt.mask is None
            ]
            found = self._segment_frame(video, frame, [prompts[index] for index in here])
            answers.update(zip(here, found, strict=True))
        return [answers[index] for index in range(len(prompts))]

    def close(self) -> None:
        """Release the weights; they are read again when next needed."""
        self._network.close()

    def _segment_frame(
        self, video: VideoSource, frame: int, prompts: Sequence[Prompt]
    ) -> list[ObjectMask]:
        from torch.nn import functional

        logits: list[FloatArray] = []
        scores: list[float] = []
        try:
            with self._network.computing():
                features = self._network.encode(video[frame])
                for prompt in prompts:
                    session = self._network.open_session(video.size, 1)
                    session.cache.cache_vision_features(0, features)
                    small = self._network.condition(session, 0, prompt)
                    full = functional.interpolate(
                        small.float(), tuple(video.size), mode="bilinear", align_corners=False
                    )
                    logits.append(full[0, 0].cpu().numpy())
                    outputs = session.output_dict_per_obj[0]["cond_frame_outputs"][0]
                    scores.append(_sigmoid(float(outputs["object_score_logits"])))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise VideosegError(
                f"memory of {self._network.device} ran out on frame {frame}; use "
                "precision='bfloat16', a smaller model, or device='cpu'"
            ) from error
        masks = _separate(logits, prompts)
        return [ObjectMask(mask, score) for mask, score in zip(masks, scores, strict=True)]


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-max(min(logit, 60.0), -60.0)))


def _separate(logits: Sequence[FloatArray], prompts: Sequence[Prompt]) -> list[BoolArray]:
    """Give each pixel that two objects share to one, unless their prompts overlap."""
    masks: list[BoolArray] = [one > 0 for one in logits]
    separate: list[BoolArray] = [mask.copy() for mask in masks]
    for one, first in enumerate(prompts):
        for other in range(one + 1, len(prompts)):
            second = prompts[other]
            if _overlap(first, second):
                continue
            shared = masks[one] & masks[other]
            mine = logits[one] > logits[other]
            if first.object_id < second.object_id:
                # Equal logits are settled so that the order of the prompts does not matter.
                mine |= logits[one] == logits[other]
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
