"""refCOCO, refCOCO+, refCOCOg and gRefCOCO: references to regions of COCO images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from videoseg.benchmarks import (
    FILE_AGAIN,
    LoadedSplit,
    Problems,
    Sample,
    SplitReader,
    make_split,
    read_json,
)
from videoseg.errors import ConfigError
from videoseg.metrics import EvalProtocol, protocol_named
from videoseg.text import shorten
from videoseg_benchmarks.coco_images import (
    RegionTruths,
    locate_images,
    read_instances,
    region_problem,
)
from videoseg_benchmarks.pickles import read_pickle

__all__ = ["Grefcoco", "Refcoco", "RefcocoPlus", "Refcocog"]

_Divisions: TypeAlias = Mapping[str, tuple[str, ...]]

_UNC: tuple[str, ...] = ("val", "testA", "testB", "train")
_WITH_TEST: tuple[str, ...] = ("val", "test", "train")
_LICENSE = "images under the terms of COCO and Flickr; none stated for the expressions"


class Refcoco(SplitReader):
    """refCOCO (Yu et al., ECCV 2016), in the layout of the REFER toolkit.

    ::

        <root>/refcoco/refs(unc).p or refs(unc).json
               refcoco/instances.json
               images/mscoco/images/train2014/COCO_train2014_<id>.jpg

    ``root`` may also be the folder ``refcoco``; the images may be in ``images/train2014`` or
    ``train2014`` of the root or of the folder above it. An image is a video of one frame, named
    like its file; a sample is one sentence, its expression id the ``sent_id``. The pickle is
    read without running what it may hold; the same list as JSON is accepted as well.

    A sentence without text or a region that cannot be drawn is left out; an empty list of
    polygons is an empty region.

    Args:
        split_by: The division into splits: ``unc`` (val, testA, testB, train) or ``google``
            (val, test, train).
        check_pictures: Whether the images must exist.

    Raises:
        ConfigError: If there is no such division.
    """

    name = "refcoco"
    splits = _UNC
    license = _LICENSE
    homepage = "https://github.com/lichengunc/refer"
    _folder = "refcoco"
    _file = "refs"
    _protocol: EvalProtocol = protocol_named("refcoco")
    _with_crowds = True

    _divisions: ClassVar[_Divisions] = {"unc": _UNC, "google": _WITH_TEST}

    def __init__(self, *, split_by: str = "", check_pictures: bool = True) -> None:
        if split_by and split_by not in self._divisions:
            raise ConfigError(
                f"{self.name} is divided into splits by {' or '.join(self._divisions)}, got "
                f"split_by={split_by!r}"
            )
        self._split_by = split_by or next(iter(self._divisions))
        self.splits = self._divisions[self._split_by]
        super().__init__(check_pictures=check_pictures)

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        folder = root / self._folder
        if not folder.is_dir() and (root / "instances.json").is_file():
            folder = root
        path, references = self._read_references(folder, problems)
        instances = folder / "instances.json"
        images, annotations = read_instances(instances, problems)
        chosen = [
            reference
            for reference in (references if isinstance(references, list) else [])
            if isinstance(reference, Mapping) and reference.get("split") == split
        ]
        if not chosen:
            problems.add(path, f"has no references of the split {split!r}", fix=FILE_AGAIN)
        valid = _valid_references(path, chosen, images, annotations, problems)
        num_samples: Counter[int] = Counter()
        for reference in valid:
            num_samples[reference["image_id"]] += len(reference["sentences"])
        videos = locate_images(
            instances,
            {image: images[image] for image in num_samples},
            root,
            problems,
            num_samples=num_samples,
            check_pictures=self.check_pictures,
        )
        samples: list[Sample] = []
        regions: dict[int, Any] = {}
        bad: dict[int, str] = {}
        annotations_of: dict[str, tuple[int, ...]] = {}
        for place, reference in enumerate(valid):
            if reference["image_id"] not in videos:
                continue
            video = videos[reference["image_id"]]
            ids = _annotation_ids(reference.get("ann_id")) or ()
            if not self._with_crowds:
                ids = tuple(one for one in ids if not _is_crowd(annotations.get(one)))
            for one in ids:
                if one not in regions:
                    regions[one] = annotations[one].get("segmentation")
                    if (problem := region_problem(regions[one], video.size)) is not None:
                        bad[one] = f"annotation {one}: {problem}"
            if (reason := next((bad[one] for one in ids if one in bad), None)) is not None:
                num = len(reference["sentences"])
                problems.leave_out(instances, reason, fix=FILE_AGAIN, num_samples=num)
                continue
            name = reference.get("ref_id", place)
            for sentence in reference["sentences"]:
                sample = _sample(video.names[0], sentence, len(ids))
                if sample is not None and sample.id in annotations_of:
                    # Some releases number the sentences of each reference separately.
                    sample = replace(sample, expression_id=f"{name}-{sample.expression_id}")
                if sample is None or sample.id in annotations_of:
                    where = f"reference {shorten(name)} has a sentence without text or id"
                    problems.leave_out(path, where, fix=FILE_AGAIN)
                    continue
                samples.append(sample)
                annotations_of[sample.id] = ids
        return make_split(
            problems,
            protocol=self._protocol,
            samples=samples,
            videos={video.names[0]: video for video in videos.values()},
            truths=RegionTruths(regions, annotations_of),
        )

    def _read_references(self, folder: Path, problems: Problems) -> tuple[Path, Any]:
        """Return the file of the references, JSON or else a pickle, and its content."""
        path = folder / f"{self._file}({self._split_by}).json"
        pickled = path.with_suffix(".p")
        if path.is_file() or not pickled.is_file():
            return path, read_json(path, problems)
        return pickled, read_pickle(pickled, problems)


class RefcocoPlus(Refcoco):
    """refCOCO+: no words for places (Yu et al., ECCV 2016). Layout as refCOCO, ``refcoco+``.

    Args:
        split_by: The division into splits: ``unc``.
        check_pictures: Whether the images must exist.
    """

    name = "refcoco-plus"
    _folder = "refcoco+"
    _divisions: ClassVar[_Divisions] = {"unc": _UNC}


class Refcocog(Refcoco):
    """refCOCOg: longer sentences (Mao et al., CVPR 2016). Layout as refCOCO, ``refcocog``.

    Args:
        split_by: The division into splits: ``umd`` (val, test, train) or ``google`` (val,
            train).
        check_pictures: Whether the images must exist.
    """

    name = "refcocog"
    splits = _WITH_TEST
    _folder = "refcocog"
    _divisions: ClassVar[_Divisions] = {"umd": _WITH_TEST, "google": ("val", "train")}


class Grefcoco(Refcoco):
    """gRefCOCO: sentences for several objects or none (Liu et al., GRES, CVPR 2023).

    ::

        <root>/grefcoco/grefs(unc).json
               grefcoco/instances.json
               images as for refCOCO

    ``ann_id`` is a list; ``[-1]`` means that there is no such object. Crowds are left out, as
    the authors' loader does. Groups: single, multiple, no-target.

    Args:
        split_by: The division into splits: ``unc``.
        check_pictures: Whether the images must exist.
    """

    name = "grefcoco"
    homepage = "https://github.com/henghuiding/gRefCOCO"
    _folder = "grefcoco"
    _file = "grefs"
    _protocol = protocol_named("grefcoco")
    _divisions: ClassVar[_Divisions] = {"unc": _UNC}
    _with_crowds = False


def _valid_references(
    path: Path,
    references: Sequence[Mapping[str, Any]],
    images: Mapping[int, Any],
    annotations: Mapping[int, Any],
    problems: Problems,
) -> list[Mapping[str, Any]]:
    """Return the references with sentences, an image and its annotations; others are left out."""
    found = []
    for place, reference in enumerate(references):
        where = f"reference {shorten(reference.get('ref_id', place))}"
        image_id, sentences = reference.get("image_id"), reference.get("sentences")
        ids = _annotation_ids(reference.get("ann_id"))
        if not isinstance(sentences, list):
            problems.leave_out(path, f"{where} has no 'sentences'", fix=FILE_AGAIN)
            continue
        reason = None
        if type(image_id) is not int or image_id not in images or ids is None:
            reason = f"{where} names no known image and annotation"
        else:
            for one in ids:
                annotation = annotations.get(one)
                if not isinstance(annotation, dict) or annotation.get("image_id") != image_id:
                    reason = f"{where} names annotation {one}, which is not of its image"
        if reason is None:
            found.append(reference)
        else:
            num = len(sentences)
            problems.leave_out(path, reason, fix=FILE_AGAIN, num_samples=num)
    return found


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
