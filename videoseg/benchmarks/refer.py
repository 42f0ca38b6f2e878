"""References to regions of COCO images: refCOCO, refCOCO+, refCOCOg and gRefCOCO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from videoseg.benchmarks.coco_images import (
    RegionTruths,
    images_folder,
    locate_images,
    read_instances,
    region_problem,
)
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.split import LoadedSplit
from videoseg.benchmarks.types import Sample
from videoseg.metrics.protocol import EvalProtocol

__all__ = ["read_references"]

_AGAIN = "download the file again, or correct it"


def read_references(
    name: str,
    root: Path,
    *,
    folder: Path,
    references: Any,
    path: Path,
    split: str,
    protocol: EvalProtocol,
    problems: Problems,
    with_crowds: bool = True,
) -> LoadedSplit:
    """Build a split of references that have been read.

    Args:
        name: Benchmark and split.
        root: The folder the user gave.
        folder: The folder of ``instances.json``.
        references: A list of ``{"split", "image_id", "ann_id", "sentences": [...]}``.
        path: The file they are from.
        split: Which of them to take.
        protocol: How the split is scored.
        problems: What is wrong already.
        with_crowds: Whether annotations of crowds are part of what is meant.

    Raises:
        EvaluationError: If something is wrong; all of it is listed.
    """
    instances = folder / "instances.json"
    images, annotations = read_instances(instances, problems)
    chosen = [
        reference
        for reference in (references if isinstance(references, list) else [])
        if isinstance(reference, Mapping) and reference.get("split") == split
    ]
    if not chosen:
        problems.add(path, f"has no references of the split {split!r}", fix=_AGAIN)
    wanted = dict.fromkeys(
        image
        for reference in chosen
        if type(image := reference.get("image_id")) is int and image in images
    )
    videos = locate_images(
        instances,
        ((image, images[image]) for image in wanted),
        images_folder(root, problems),
        problems,
    )
    samples: list[Sample] = []
    regions: dict[int, Any] = {}
    meant: dict[str, tuple[int, ...]] = {}
    for place, reference in enumerate(chosen):
        where = f"reference {reference.get('ref_id', place)}"
        image_id = reference.get("image_id")
        ids = _annotation_ids(reference.get("ann_id"))
        sentences = reference.get("sentences")
        if type(image_id) is not int or image_id not in images or ids is None:
            problems.add(path, f"{where} names no known image and annotation", fix=_AGAIN)
            continue
        if not isinstance(sentences, list):
            problems.add(path, f"{where} has no 'sentences'", fix=_AGAIN)
            continue
        if image_id not in videos:
            continue
        if not with_crowds:
            ids = tuple(one for one in ids if not _is_crowd(annotations.get(one)))
        video_id = videos[image_id].names[0]
        for one in ids:
            if one not in regions:
                region = _region(annotations.get(one), image_id)
                problem = region_problem(region, videos[image_id].size)
                if problem is not None:
                    problems.add(instances, f"annotation {one}: {problem}", fix=_AGAIN)
                regions[one] = region
        for sentence in sentences:
            sample = _sample(video_id, sentence, len(ids))
            if sample is not None and sample.id in meant:
                # Some releases number the sentences of each reference anew.
                again = f"{reference.get('ref_id', place)}-{sample.expression_id}"
                sample = replace(sample, expression_id=again)
            if sample is None or sample.id in meant:
                problems.add(path, f"{where} has a sentence without text or id", fix=_AGAIN)
                continue
            samples.append(sample)
            meant[sample.id] = ids
    problems.raise_any()
    return LoadedSplit(
        name,
        protocol=protocol,
        samples=samples,
        videos={video.names[0]: video for video in videos.values()},
        truths=RegionTruths(regions, meant),
    )


def _annotation_ids(value: Any) -> tuple[int, ...] | None:
    values = value if isinstance(value, list) else [value]
    if not all(type(one) is int for one in values):
        return None
    # gRefCOCO writes -1 where there is no target.
    return tuple(dict.fromkeys(one for one in values if one != -1))


def _is_crowd(annotation: Any) -> bool:
    return isinstance(annotation, dict) and annotation.get("iscrowd") == 1


def _region(annotation: Any, image_id: int) -> Any:
    if not isinstance(annotation, dict) or annotation.get("image_id") != image_id:
        return None
    return annotation.get("segmentation")


def _sample(video_id: str, sentence: Any, num_targets: int) -> Sample | None:
    if not isinstance(sentence, Mapping) or type(sentence.get("sent_id")) is not int:
        return None
    text = sentence.get("sent") or sentence.get("raw")
    if not isinstance(text, str) or not text.strip():
        return None
    group = {0: "no-target", 1: "single"}.get(num_targets, "multiple")
    return Sample(video_id, str(sentence["sent_id"]), text.strip(), group=group)
