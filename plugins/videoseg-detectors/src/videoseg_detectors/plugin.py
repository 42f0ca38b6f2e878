"""The hooks of the plug-in. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import videoseg as vs


@vs.hookimpl
def videoseg_components() -> Iterable[vs.Component]:
    """Declare the detectors."""
    yield vs.Component(
        "detector",
        "yolox",
        "videoseg_detectors.yolox:YoloxDetector",
        summary="YOLOX on a CPU, without torch: the 80 classes of COCO and words for them.",
        requires=("cv2",),
        install="videoseg-detectors",
        license="code Apache-2.0; published weights Apache-2.0 (Megvii), trained on COCO",
        weights="videoseg_detectors.yolox_files:default_weights_command",
    )
    yield vs.Component(
        "detector",
        "zero-shot",
        "videoseg_detectors.zero_shot:ZeroShotDetector",
        summary="Any noun: Grounding DINO, OWLv2 and others of transformers.",
        requires=("torch", "torchvision", "transformers"),
        install="'videoseg-detectors[transformers]'",
        license="the model's own; see its card",
        weights="videoseg_detectors.checkpoints:zero_shot_weights_command",
    )
    yield vs.Component(
        "detector",
        "object-detection",
        "videoseg_detectors.object_detection:ObjectDetector",
        summary="The classes of a checkpoint: RT-DETR, D-FINE, YOLOS and others of transformers.",
        requires=("torch", "torchvision", "transformers"),
        install="'videoseg-detectors[transformers]'",
        license="the model's own; see its card",
        weights="videoseg_detectors.checkpoints:object_detection_weights_command",
    )
    yield vs.Component(
        "detector",
        "sam3",
        "videoseg_detectors.sam3:Sam3Detector",
        summary="Any noun, with masks: SAM 3. Gated weights under a license of their own.",
        requires=("torch", "torchvision", "transformers"),
        install="'videoseg-detectors[transformers]'",
        license="code Apache-2.0; weights SAM License (Meta), gated, restricts the use",
        weights="videoseg_detectors.checkpoints:sam3_weights_command",
    )
    yield vs.Component(
        "pipeline",
        "names",
        "videoseg_detectors.plugin:names",
        summary="The default pipeline with nouns: YOLOX finds what they name, without torch.",
        install="videoseg-detectors videoseg-attributes",
    )


def names() -> dict[str, Any]:
    """Return the pipeline ``attributes`` with the detector ``yolox``.

    The detector tells more than it is sure of: the grounder takes unsure boxes to follow a thing
    that is sure on other frames, and to know that it may be there.
    """
    detector = {"name": "yolox", "options": {"min_score": 0.1}}
    return {
        "name": "names",
        "sampler": "motion",
        "grounder": {"name": "attributes", "options": {"detector": detector}},
        "segmenter": "cut",
        "propagator": "flow",
        "max_turns": 3,
    }
