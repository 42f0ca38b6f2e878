"""The detector ``object-detection``: the classes that a checkpoint was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Interval

from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import Detection, Size
from videoseg_detectors.checkpoints import (
    OBJECT_DETECTION_MODEL,
    CheckpointChoice,
    LoadedModel,
    load_config,
    load_model,
)
from videoseg_detectors.matching import NameMatcher
from videoseg_detectors.transformers_detector import TransformersDetector, make_detections

__all__ = ["ObjectDetector"]

# What checkpoints call the numbers without a class.
_NO_CLASS = frozenset({"n/a", "none", "background", "no object", "no-object", ""})


class ObjectDetector(TransformersDetector):
    """A model of transformers with a fixed list of classes: ``AutoModelForObjectDetection``.

    RT-DETR, D-FINE, RF-DETR, DETR, YOLOS and others. Its classes are those of its configuration;
    a name stands for one of them or several (see ``NameMatcher``).

    Args:
        model: The folder of a checkpoint, or its name on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        min_score: Boxes must score more. The default is that of the pipeline of transformers.
        max_overlap: Of two boxes of one name with a larger intersection over union the better one
            remains; 1 keeps all.
        max_batch: How many frames are in one batch.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        download: Download the checkpoint if it is not on this machine. By default nothing is
            downloaded.

    Raises:
        ConfigError: If an option is not allowed.
        MissingWeightsError: If the model is not on this machine and ``download`` is false.
    """

    @checked_options("detector 'object-detection'")
    def __init__(
        self,
        *,
        model: str = OBJECT_DETECTION_MODEL,
        revision: str | None = None,
        min_score: Annotated[float, Interval(ge=0, le=1)] = 0.5,
        max_overlap: Annotated[float, Interval(ge=0, le=1)] = 0.7,
        max_batch: PositiveInt = 8,
        device: str = "auto",
        download: bool = False,
    ) -> None:
        self._min_score, self._max_overlap = min_score, max_overlap
        self._known: NameMatcher | None = None
        choice = CheckpointChoice(model, revision, device, download, "object-detection")
        super().__init__(choice, max_batch=max_batch)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The classes of the checkpoint, from its configuration."""
        return self._matcher.vocabulary

    def unknown_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return those of the names that are neither a class nor a word for some of them."""
        return self._matcher.unknown(names)

    @property
    def _matcher(self) -> NameMatcher:
        if self._known is None:
            labels = (str(label) for label in load_config(self._choice).id2label.values())
            named = (label for label in labels if label.strip().lower() not in _NO_CLASS)
            self._known = NameMatcher(tuple(dict.fromkeys(named)))
        return self._known

    def detect(self, frames: Any, names: Sequence[str]) -> list[list[Detection]]:
        """Find things on each of several frames; see ``videoseg.Detector.detect``.

        Raises:
            UnknownNameError: If one of the names is not known.
            MissingWeightsError: If the checkpoint is not on this machine.
            ConfigError: If it is damaged or of another kind, or memory runs out.
        """
        self._matcher.require(names)
        return super().detect(frames, names)

    def _load(self) -> LoadedModel:
        return load_model(
            self._choice,
            auto_model="AutoModelForObjectDetection",
            auto_processor="AutoImageProcessor",
        )

    def _detect_batch(
        self, model: LoadedModel, images: list[Any], size: Size, names: Sequence[str]
    ) -> list[list[Detection]]:
        inputs = model.processor(images=images, return_tensors="pt").to(model.device)
        answers = model.processor.post_process_object_detection(
            model.network(**inputs),
            threshold=self._min_score,
            target_sizes=[size] * len(images),
        )
        matches = self._matcher.require(names)
        labels = model.network.config.id2label
        found: list[list[Detection]] = [[] for _ in images]
        for place, answer in enumerate(answers):
            class_names = [str(labels[number]) for number in answer["labels"].tolist()]
            for name, match in matches.items():
                chosen = [i for i, one in enumerate(class_names) if one in match.classes]
                found[place] += make_detections(
                    {key: answer[key][chosen] for key in ("scores", "boxes")},
                    name,
                    size,
                    max_overlap=self._max_overlap,
                    class_names=[class_names[i] for i in chosen],
                )
        return found
