"""The detector ``zero-shot``: things that any words name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Interval

from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import Detection, Size
from videoseg_detectors.checkpoints import (
    ZERO_SHOT_MODEL,
    CheckpointChoice,
    LoadedModel,
    load_model,
)
from videoseg_detectors.transformers_detector import TransformersDetector, make_detections

__all__ = ["ZeroShotDetector"]


class ZeroShotDetector(TransformersDetector):
    """A model of transformers that is told what to find: ``AutoModelForZeroShotObjectDetection``.

    Grounding DINO, MM Grounding DINO, LLMDet, OWL-ViT, OWLv2, OmDet-Turbo. The model is asked for
    one name at a time, as the pipeline of transformers asks it, so that a box is never given to
    the wrong one of several names; each name costs a pass over the frames.

    Such a model finds something for nearly every word: a low score says little, and no box at all
    does not mean that the thing is not there.

    Args:
        model: The folder of a checkpoint, or its name on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        min_score: Boxes must score more. The default is that of Grounding DINO's demo; models of
            the OWL family need less (0.1).
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

    @checked_options("detector 'zero-shot'")
    def __init__(
        self,
        *,
        model: str = ZERO_SHOT_MODEL,
        revision: str | None = None,
        min_score: Annotated[float, Interval(ge=0, le=1)] = 0.35,
        max_overlap: Annotated[float, Interval(ge=0, le=1)] = 0.7,
        max_batch: PositiveInt = 8,
        device: str = "auto",
        download: bool = False,
    ) -> None:
        self._min_score, self._max_overlap = min_score, max_overlap
        choice = CheckpointChoice(model, revision, device, download, "zero-shot")
        super().__init__(choice, max_batch=max_batch)

    @property
    def vocabulary(self) -> None:
        """None: it may be asked for anything."""
        return None

    def unknown_names(self, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: every name is known."""
        return ()

    def _load(self) -> LoadedModel:
        return load_model(
            self._choice,
            auto_model="AutoModelForZeroShotObjectDetection",
            auto_processor="AutoProcessor",
        )

    def _detect_batch(
        self, model: LoadedModel, images: list[Any], size: Size, names: Sequence[str]
    ) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in images]
        for name in names:
            # Grounding DINO and its kin take a list of names for each picture as one text.
            texts = [[_prompt(name)] for _ in images]
            inputs = model.processor(images=images, text=texts, return_tensors="pt")
            inputs = inputs.to(model.device)
            answers = model.processor.post_process_grounded_object_detection(
                outputs=model.network(**inputs),
                threshold=self._min_score,
                target_sizes=[size] * len(images),
                text_labels=texts,
            )
            for place, answer in enumerate(answers):
                found[place] += make_detections(answer, name, size, max_overlap=self._max_overlap)
        return found


def _prompt(name: str) -> str:
    """Return a name without the full stops that would split it in two."""
    return " ".join(name.replace(".", " ").split()).lower() or "object"
