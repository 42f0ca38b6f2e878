"""Check a submission before it is uploaded: a server refuses it late, or scores it wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from videoseg.benchmarks.archive import FileTree, open_tree
from videoseg.benchmarks.submission import frames_to_submit
from videoseg.benchmarks.types import BenchmarkSplit, Sample, SubmissionFormat
from videoseg.errors import EvaluationError
from videoseg.files import expand_path
from videoseg.text import format_list, shorten
from videoseg.types import Size
from videoseg.video.picture_files import open_picture, picture_errors

__all__ = ["check_submission"]

_ARCHIVED = ("__MACOSX", ".DS_Store", "Thumbs.db")


def check_submission(
    path: str | Path,
    split: BenchmarkSplit,
    format: SubmissionFormat,  # noqa: A002
    *,
    max_problems: int = 20,
) -> tuple[str, ...]:
    """Return what is wrong with a submission; empty if a server can score all of it.

    Checked are the folders, that there is a picture of every frame that the server takes and no
    other, and of each picture that it is a PNG of the frame's size: with a palette and no other
    ids than those given (``ids``), or with one value beside 0 (``masks``, ``objects``).

    Args:
        path: A zip, or the folder that is to become one.
        split: The split it is for.
        format: The benchmark's ``submission``.
        max_problems: After how many problems to stop.

    Raises:
        EvaluationError: If it is neither a folder nor a zip.
    """
    tree = open_tree(expand_path(path))
    found = []
    for problem in _problems(tree, split, format):
        found.append(problem)
        if len(found) >= max_problems:
            found.append("and perhaps more")
            break
    return tuple(found)


def _problems(tree: FileTree, split: BenchmarkSplit, form: SubmissionFormat) -> Iterator[str]:
    top = form.top_folder
    wanted = list(dict.fromkeys(sample.video_id.split("/")[0] for sample in split.samples))
    there = _listed(tree, "")
    if top and there != {top}:
        yield f"its only folder must be {top}, and it has {_shown(there)}"
        return
    if not top and len(there) == 1 and not there & set(wanted):
        only = next(iter(there))
        inside = _listed(tree, only)
        if inside & set(wanted):
            yield f"everything lies in the folder {shorten(only)}; zip what is inside it"
            return
    videos = _listed(tree, top)
    if surplus := videos - set(wanted):
        yield f"it has {_shown(surplus)}, which belong to no video of {split.name}"
    for sample in split.samples:
        yield from _problems_of(tree, split, sample, form)


def _problems_of(
    tree: FileTree, split: BenchmarkSplit, sample: Sample, form: SubmissionFormat
) -> Iterator[str]:
    names = frames_to_submit(split, sample.video_id)
    size_of = getattr(split, "size", None)
    size: Size = (
        size_of(sample.video_id) if callable(size_of) else split.video(sample.video_id).size
    )
    ids = {prompt.object_id for prompt in sample.prompts}
    for folder in _folders(sample, form):
        files = _listed(tree, folder)
        missing = [name for name in names if f"{name}.png" not in files]
        if len(missing) == len(names):
            yield f"{folder} has none of the {len(names)} pictures"
            continue
        if missing:
            yield f"{folder} lacks {len(missing)} of {len(names)} pictures: {_shown(missing)}"
        if surplus := files - {f"{name}.png" for name in names}:
            yield f"{folder} has {_shown(surplus)}, which the server does not take"
        for name in names:
            file = f"{folder}/{name}.png"
            if f"{name}.png" in files and (
                problem := _picture_problem(tree, file, size, ids, form)
            ):
                yield f"{file} {problem}"


def _folders(sample: Sample, form: SubmissionFormat) -> Sequence[str]:
    inside = {
        "masks": [sample.expression_id],
        "ids": [""],
        "objects": list(sample.object_folders.values()),
    }[form.layout]
    parts = ((form.top_folder, sample.video_id, name) for name in inside)
    return ["/".join(part for part in each if part) for each in parts]


def _picture_problem(
    tree: FileTree, file: str, size: Size, ids: set[int], form: SubmissionFormat
) -> str:
    try:
        with open_picture(tree.read(file)) as image:
            if image.format != "PNG":
                return f"is {image.format or 'of no known format'} and not PNG"
            if (image.height, image.width) != tuple(size):
                return (
                    f"is {image.height}x{image.width} (height x width), and the frame is "
                    f"{size[0]}x{size[1]}"
                )
            if form.layout == "ids" and image.mode != "P":
                return f"has no palette (mode {image.mode}); write a palette PNG (mode P)"
            if image.mode not in {"P", "L", "1"}:
                return f"has colors (mode {image.mode}); write one 8-bit channel"
            values = set(np.unique(np.asarray(image)).tolist()) - {0}
    except EvaluationError as error:
        return f"cannot be read ({error})"
    except picture_errors() as error:
        return f"cannot be read as a picture ({type(error).__name__})"
    if form.layout == "ids" and (unknown := sorted(values - ids)):
        return f"has the ids {unknown[:5]}, and those given are {sorted(ids)}"
    if form.layout != "ids" and len(values) > 1:
        return f"has the values {sorted(values)[:5]}, and a mask has one beside 0"
    return ""


def _listed(tree: FileTree, folder: str) -> set[str]:
    return {name for name in tree.names(folder) if name not in _ARCHIVED}


def _shown(names: Sequence[str] | set[str]) -> str:
    return format_list([shorten(name) for name in sorted(names)], 3) or "nothing"
