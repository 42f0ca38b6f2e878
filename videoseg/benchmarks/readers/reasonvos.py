"""ReasonVOS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from videoseg.benchmarks.expressions import Expression, ExpressionVideo, read_expressions
from videoseg.benchmarks.names import is_safe_id
from videoseg.benchmarks.opening import split_named
from videoseg.benchmarks.picture_truth import MaskFolderTruths
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.rle_split import locate_videos, read_rle_split, samples_of
from videoseg.benchmarks.split import LoadedSplit
from videoseg.benchmarks.types import Sample
from videoseg.metrics.protocols import REASONVOS

__all__ = ["ReasonVos"]


class ReasonVos:
    """ReasonVOS: reasoning queries (Bai et al., VideoLISA, NeurIPS 2024). Test only.

    ::

        <root>/meta_expressions.json
               JPEGImages/<video>/<frame>.jpg
               Annotations/<source>_<video>_<obj_id>/<frame>.png     (above 0: the object)

    A video's entry has ``source`` (vipseg, burst, mose, mevis) and its ``expressions`` either by
    id or as a list of ``{"exp_id", "exp_text", "obj_id"}``. Folders of vipseg have ``obj_id``
    padded to nine digits. Where there are no ``Annotations``, the form that Sa2VA's evaluation
    uses is read instead: ``meta_expressions_format.json`` (a single number as ``anno_id``) and
    ``mask_dict.json``.

    Frames without a mask's file are not annotated. Groups by ``is_sent`` of the expression, or
    of its video: long (a sentence) and short. The published script leaves out what has no
    prediction; here that scores 0.
    """

    name = "reasonvos"
    splits = ("test",)
    license = "non-commercial research only; sources under their own licences"
    homepage = "https://github.com/showlab/VideoLISA/blob/main/BENCHMARK.md"
    submission = None

    def read(self, root: Path, split: str = "") -> LoadedSplit:
        """Read the benchmark and check it.

        Raises:
            EvaluationError: If the folder is not as described; all problems are listed.
        """
        split = split_named(self, split)
        if not (root / "Annotations").is_dir() and (root / "mask_dict.json").is_file():
            return read_rle_split(
                f"{self.name}/{split}",
                root,
                protocol=REASONVOS,
                meta=root / "meta_expressions_format.json",
                pictures=root / "JPEGImages",
                masks=root / "mask_dict.json",
            )
        problems = Problems(f"{self.name}/{split}", root)
        videos = read_expressions(root / "meta_expressions.json", problems, prepare=_usual_form)
        places = locate_videos(videos, root / "JPEGImages", problems, masks={})
        folders = _folders(root, videos, problems)
        problems.raise_any()
        return LoadedSplit(
            problems.subject,
            protocol=REASONVOS,
            samples=_with_prediction_folders(samples_of(videos, _group), videos),
            videos=places,
            truths=MaskFolderTruths(folders, absent="unannotated"),
        )


def _usual_form(entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    expressions = entry.get("expressions")
    if isinstance(expressions, list):
        items = [
            (str(value.get("exp_id", place)), value)
            for place, value in enumerate(expressions)
            if isinstance(value, Mapping)
        ]
    elif isinstance(expressions, Mapping):
        items = [(key, value) for key, value in expressions.items()]
    else:
        return entry
    shared = {"is_sent": entry["is_sent"]} if "is_sent" in entry else {}
    usual = {
        key: {**shared, "exp": value.get("exp_text"), **value}
        if isinstance(value, Mapping)
        else value
        for key, value in items
    }
    return {**entry, "expressions": usual}


def _group(expression: Expression) -> str:
    is_sentence = expression.fields.get("is_sent")
    if is_sentence is None:
        return ""
    return "long" if str(is_sentence).lower() in {"true", "1"} else "short"


def _with_prediction_folders(samples: list[Sample], videos: list[ExpressionVideo]) -> list[Sample]:
    """Add where VideoLISA writes and scores masks: in a folder named as that of the truth."""
    asked = {
        f"{video.video_id}/{expression.expression_id}": (video, expression)
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


def _folders(root: Path, videos: list[ExpressionVideo], problems: Problems) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for video in videos:
        for expression in video.expressions:
            names = _names(video, expression)
            folders = [root / "Annotations" / name for name in names if is_safe_id(name)]
            folder = next((folder for folder in folders if folder.is_dir()), None)
            if folder is None:
                problems.add(
                    root / "Annotations" / names[0][:200] if is_safe_id(names[0]) else root,
                    f"there are no masks of video {video.video_id!r}, expression "
                    f"{expression.expression_id!r}",
                    fix="download the annotations again",
                )
            else:
                found[f"{video.video_id}/{expression.expression_id}"] = folder
    return found


def _names(video: ExpressionVideo, expression: Expression) -> list[str]:
    """Return what the folder of an expression's masks may be called."""
    source = str(video.fields.get("source", ""))
    object_id = str(expression.fields.get("obj_id", ""))
    return [
        f"{prefix}_{video.video_id}_{written}"
        for prefix in (source, source.lower())
        for written in (object_id, object_id.zfill(9))
    ]
