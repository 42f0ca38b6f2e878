"""References to regions of COCO images: refCOCO, refCOCO+, refCOCOg and gRefCOCO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from videoseg.benchmarks.coco_images import (
    RegionTruths,
    locate_images,
    read_instances,
    region_problem,
)
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.split import LoadedSplit
from videoseg.benchmarks.types import Sample
from videoseg.metrics.protocol import EvalProtocol
from videoseg.text import shorten

__all__ = ["read_references"]

_AGAIN = "download the file again, or correct it"


def read_references(
    name_of_split: str,
    root: Path,
    *,
    folder: Path,
    references: Any,
    path: Path,
    split: str,
    protocol: EvalProtocol,
    problems: Problems,
    with_crowds: bool = True,
    check_pictures: bool = True,
) -> LoadedSplit:
    """Build a split of references that have been read.

    Args:
        name_of_split: Benchmark and split.
        root: The folder the user gave.
        folder: The folder of ``instances.json``.
        references: A list of ``{"split", "image_id", "ann_id", "sentences": [...]}``.
        path: The file they are from.
        split: Which of them to take.
        protocol: How the split is scored.
        problems: What is wrong already.
        with_crowds: Whether annotations of crowds are part of what is meant.
        check_pictures: Whether the images must be there.

    Raises:
        EvaluationError: If the folder is not as it should be; all problems are listed.
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
    sound = [
        reference
        for place, reference in enumerate(chosen)
        if _is_sound(path, place, reference, images, annotations, problems)
    ]
    num_samples: Counter[int] = Counter()
    for reference in sound:
        num_samples[reference["image_id"]] += len(reference["sentences"])
    videos = locate_images(
        instances,
        {image: images[image] for image in num_samples},
        root,
        problems,
        num_samples=num_samples,
        check_pictures=check_pictures,
    )
    samples: list[Sample] = []
    regions: dict[int, Any] = {}
    bad: dict[int, str] = {}
    meant: dict[str, tuple[int, ...]] = {}
    for place, reference in enumerate(sound):
        if reference["image_id"] not in videos:
            continue
        video = videos[reference["image_id"]]
        ids = _annotation_ids(reference.get("ann_id")) or ()
        if not with_crowds:
            ids = tuple(one for one in ids if not _is_crowd(annotations.get(one)))
        for one in ids:
            if one not in regions and one not in bad:
                region = annotations[one].get("segmentation")
                problem = region_problem(region, video.size)
                if problem is not None:
                    bad[one] = f"annotation {one}: {problem}"
                regions[one] = region
        if (reason := next((bad[one] for one in ids if one in bad), None)) is not None:
            num = len(reference["sentences"])
            problems.leave_out(instances, reason, fix=_AGAIN, num_samples=num)
            continue
        name = reference.get("ref_id", place)
        for sentence in reference["sentences"]:
            sample = _sample(video.names[0], sentence, len(ids))
            if sample is not None and sample.id in meant:
                # Some releases number the sentences of each reference anew.
                sample = replace(sample, expression_id=f"{name}-{sample.expression_id}")
            if sample is None or sample.id in meant:
                where = f"reference {shorten(name)} has a sentence without text or id"
                problems.leave_out(path, where, fix=_AGAIN)
                continue
            samples.append(sample)
            meant[sample.id] = ids
    problems.raise_any(len(samples))
    return LoadedSplit(
        name_of_split,
        protocol=protocol,
        samples=samples,
        videos={video.names[0]: video for video in videos.values()},
        truths=RegionTruths(regions, meant),
        left_out=problems.left_out,
        notes=problems.notes,
    )


def _is_sound(
    path: Path,
    place: int,
    reference: Mapping[str, Any],
    images: Mapping[int, Any],
    annotations: Mapping[int, Any],
    problems: Problems,
) -> bool:
    """Return whether a reference has sentences, an image and its annotations, or leave it out."""
    where = f"reference {shorten(reference.get('ref_id', place))}"
    image_id, sentences = reference.get("image_id"), reference.get("sentences")
    ids = _annotation_ids(reference.get("ann_id"))
    if not isinstance(sentences, list):
        problems.leave_out(path, f"{where} has no 'sentences'", fix=_AGAIN)
        return False
    reason = None
    if type(image_id) is not int or image_id not in images or ids is None:
        reason = f"{where} names no known image and annotation"
    else:
        for one in ids:
            annotation = annotations.get(one)
            if not isinstance(annotation, dict) or annotation.get("image_id") != image_id:
                reason = f"{where} names annotation {one}, which is none of its image"
    if reason is not None:
        problems.leave_out(path, reason, fix=_AGAIN, num_samples=len(sentences))
    return reason is None


def _annotation_ids(value: Any) -> tuple[int, ...] | None:
    values = value if isinstance(value, list) else [value]
    if not all(type(one) is int for one in values):
        return None
    # gRefCOCO writes -1 where there is no target.
    return tuple(dict.fromkeys(one for one in values if one != -1))


def _is_crowd(annotation: Any) -> bool:
    return isinstance(annotation, dict) and annotation.get("iscrowd") == 1


def _sample(video_id: str, sentence: Any, num_targets: int) -> Sample | None:
    if not isinstance(sentence, Mapping) or type(sentence.get("sent_id")) is not int:
        return None
    text = sentence.get("sent") or sentence.get("raw")
    if not isinstance(text, str) or not text.strip():
        return None
    group = {0: "no-target", 1: "single"}.get(num_targets, "multiple")
    return Sample(video_id, str(sentence["sent_id"]), text.strip(), group=group)
