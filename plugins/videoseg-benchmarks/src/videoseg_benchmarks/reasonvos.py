"""ReasonVOS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from videoseg.benchmarks import (
    ANNOTATIONS_AGAIN,
    FILE_AGAIN,
    Expression,
    ExpressionVideo,
    LoadedSplit,
    MaskFolderTruths,
    Problems,
    Sample,
    SplitReader,
    is_safe_id,
    make_samples,
    make_split,
    parse_expressions,
    read_video_entries,
)
from videoseg.metrics import protocol_named
from videoseg_benchmarks.expressions import values_of_video
from videoseg_benchmarks.mask_dict import read_rle_split
from videoseg_benchmarks.videos import locate_videos, located_videos, unpacked_folder

__all__ = ["ReasonVos"]


class ReasonVos(SplitReader):
    """ReasonVOS: reasoning queries (Bai et al., VideoLISA, NeurIPS 2024). Test only.

    ::

        <root>/meta_expressions.json
               JPEGImages/<video>/<frame>.jpg
               Annotations/<source>_<video>_<obj_id>/<frame>.png     (above 0: the object)

    A video's entry has ``source`` (vipseg, burst, mose, mevis) and its ``expressions`` either by
    id or as a list of ``{"exp_id", "exp_text", "obj_id"}``. The expressions of each object are
    numbered separately: if an ``exp_id`` repeats in a video, its expressions are named
    ``<obj_id>_<exp_id>``. Folders of vipseg have ``obj_id`` padded to nine digits.

    If there are no ``Annotations``, the form used by the evaluation of Sa2VA is read instead:
    ``meta_expressions_format.json`` (a single number as ``anno_id``) and ``mask_dict.json``.

    Frames without a mask's file are not annotated. Groups by ``is_sent`` of the expression, or
    of its video: long (a sentence) and short. The published script leaves out samples without a
    prediction; here they score 0.

    Args:
        check_pictures: Whether frames and masks must exist.
    """

    name = "reasonvos"
    splits = ("test",)
    license = "non-commercial research only; sources under their own licenses"
    homepage = "https://github.com/showlab/VideoLISA/blob/main/BENCHMARK.md"

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        del split  # there is only one
        if not (root / "Annotations").is_dir() and (root / "mask_dict.json").is_file():
            problems.note(
                "this is the converted copy of ReasonVOS, whose converter lost expressions "
                "and gave others the masks of another object; its scores are not comparable"
            )
            return read_rle_split(
                problems,
                protocol=protocol_named("reasonvos"),
                meta=root / "meta_expressions_format.json",
                pictures=root / "JPEGImages",
                masks=root / "mask_dict.json",
                check_pictures=self.check_pictures,
            )
        meta = root / "meta_expressions.json"
        videos = parse_expressions(
            meta, read_video_entries(meta, problems), problems, prepare=_usual_form
        )
        folders = _folders(root, meta, videos, problems, required=self.check_pictures)
        places = locate_videos(
            videos,
            root / "JPEGImages",
            problems,
            check_pictures=self.check_pictures,
            masks_of=lambda video: values_of_video(video, folders),
        )
        samples = make_samples(located_videos(videos, places), _group, folders)
        return make_split(
            problems,
            protocol=protocol_named("reasonvos"),
            samples=_with_prediction_folders(samples, videos),
            videos=places,
            truths=MaskFolderTruths(folders, absent="unannotated"),
        )


def _usual_form(entry: Any) -> Any:
    """Return a video's entry with its expressions by id, none of them lost."""
    expressions = entry.get("expressions") if isinstance(entry, Mapping) else None
    if isinstance(expressions, list):
        items = [(_exp_id(value, place), value) for place, value in enumerate(expressions)]
        if len({key for key, _ in items}) < len(items):
            items = [(_name_by_object(key, value), value) for key, value in items]
    elif isinstance(expressions, Mapping):
        items = list(expressions.items())
    else:
        return entry
    shared = {"is_sent": entry["is_sent"]} if "is_sent" in entry else {}
    usual: dict[str, Any] = {}
    for key, value in items:
        number, unique = 1, key
        while unique in usual:
            number += 1
            unique = f"{key}_{number}"
        usual[unique] = value
        if isinstance(value, Mapping):
            usual[unique] = {**shared, "exp": value.get("exp_text"), **value}
    return {**entry, "expressions": usual}


def _exp_id(value: Any, place: int) -> str:
    given = value.get("exp_id") if isinstance(value, Mapping) else None
    return str(given) if isinstance(given, (str, int)) else str(place)


def _name_by_object(key: str, value: Any) -> str:
    object_id = value.get("obj_id") if isinstance(value, Mapping) else None
    return f"{object_id}_{key}" if isinstance(object_id, (str, int)) else key


def _group(expression: Expression) -> str:
    is_sentence = expression.fields.get("is_sent")
    if is_sentence is None:
        return ""
    return "long" if str(is_sentence).lower() in {"true", "1"} else "short"


def _with_prediction_folders(
    samples: Sequence[Sample], videos: Sequence[ExpressionVideo]
) -> list[Sample]:
    """Add where VideoLISA writes and scores masks: in a folder named as that of the truth."""
    asked = {
        expression.sample_id: (video, expression)
        for video in videos
        for expression in video.expressions
    }
    found = []
    for sample in samples:
        video, expression = asked[sample.id]
        exp_id = expression.fields.get("exp_id", "")
        places = [f"{name}/{exp_id}" for name in _names(video, expression)]
        usable = tuple(dict.fromkeys(place for place in places if is_safe_id(place)))
        found.append(replace(sample, prediction_folders=usable))
    return found


def _folders(
    root: Path,
    meta: Path,
    videos: Sequence[ExpressionVideo],
    problems: Problems,
    *,
    required: bool,
) -> dict[str, Path]:
    """Return the folder of masks of every sample that has one."""
    named = {
        expression.sample_id: _names(video, expression)
        for video in videos
        for expression in video.expressions
    }
    every = (name for names in named.values() for name in names)
    annotations = unpacked_folder(root / "Annotations", every)
    found: dict[str, Path] = {}
    for sample, names in named.items():
        if not names:
            problems.leave_out(
                meta,
                f"{sample} needs 'source' and 'obj_id', which name the folder of its masks",
                fix=FILE_AGAIN,
            )
            continue
        folders = [annotations / name for name in names]
        folder = next((folder for folder in folders if folder.is_dir()), None)
        if folder is None and required:
            problems.leave_out(
                folders[0],
                f"there are no masks of {sample}",
                fix=ANNOTATIONS_AGAIN,
            )
        else:
            found[sample] = folder or folders[0]
    return found


def _names(video: ExpressionVideo, expression: Expression) -> list[str]:
    source, object_id = video.fields.get("source"), expression.fields.get("obj_id")
    if not isinstance(source, str) or not isinstance(object_id, (str, int)):
        return []
    names = [
        f"{prefix}_{video.video_id}_{written}"
        for prefix in (source, source.lower())
        for written in (str(object_id), str(object_id).zfill(9))
    ]
    return [name for name in dict.fromkeys(names) if is_safe_id(name)]
