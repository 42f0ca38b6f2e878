"""The detector ``sam3``: boxes and masks of what any words name, with SAM 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Interval

from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import Detection, Size
from videoseg_detectors.checkpoints import (
    SAM3_MODEL,
    SAM3_TERMS,
    CheckpointChoice,
    LoadedModel,
    load_model,
)
from videoseg_detectors.transformers_detector import TransformersDetector, make_detections

__all__ = ["Sam3Detector"]


class Sam3Detector(TransformersDetector):
    """SAM 3 (Carion et al., 2025) of transformers: all things that a noun phrase names.

    The published weights are gated and under the SAM License of Meta, which restricts their use;
    read and accept it on their page on the hub before you fetch them. The features of a frame are
    computed once for all names.

    Args:
        model: The folder of a checkpoint, or its name on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        min_score: Boxes must score more. The default is that of its processor in transformers.
        max_overlap: Of two boxes of one name with a larger intersection over union the better one
            remains; 1 keeps all.
        masks: Also make masks.
        max_batch: How many frames are in one batch.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        download: Download the checkpoint if it is not on this machine. By default nothing is
            downloaded.

    Raises:
        ConfigError: If an option is not allowed.
        MissingWeightsError: If the model is not on this machine and ``download`` is false.
    """

    @checked_options("detector 'sam3'")
    def __init__(
        self,
        *,
        model: str = SAM3_MODEL,
        revision: str | None = None,
        min_score: Annotated[float, Interval(ge=0, le=1)] = 0.3,
        max_overlap: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        masks: bool = True,
        max_batch: PositiveInt = 2,
        device: str = "auto",
        download: bool = False,
    ) -> None:
        self._min_score, self._max_overlap, self._masks = min_score, max_overlap, masks
        choice = CheckpointChoice(model, revision, device, download, "sam3", terms=SAM3_TERMS)
        super().__init__(choice, max_batch=max_batch)

    @property
    def vocabulary(self) -> None:
        """None: it may be asked for anything."""
        return None

    def unknown_names(self, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: every name is known."""
        return ()

    def _load(self) -> LoadedModel:
        return load_model(self._choice, auto_model="Sam3Model", auto_processor="Sam3Processor")

    def _detect_batch(
        self, model: LoadedModel, images: list[Any], size: Size, names: Sequence[str]
    ) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in images]
        pictures = model.processor(images=images, return_tensors="pt").to(model.device)
        features = model.network.get_vision_features(pixel_values=pictures["pixel_values"])
        for name in names:
            words = model.processor(text=[name] * len(images), return_tensors="pt")
            outputs = model.network(vision_embeds=features, **words.to(model.device))
            answers = model.processor.post_process_instance_segmentation(
                outputs, threshold=self._min_score, target_sizes=[size] * len(images)
            )
            for place, answer in enumerate(answers):
                masks = answer["masks"].bool().cpu().numpy() if self._masks else None
                found[place] += make_detections(
                    answer, name, size, max_overlap=self._max_overlap, masks=masks
                )
        return found
