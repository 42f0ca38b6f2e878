"""Write the zip that a benchmark's server accepts."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import numpy as np

from videoseg.benchmarks.types import BenchmarkSplit, Sample, SubmissionFormat
from videoseg.benchmarks.untrusted import is_plain_name, is_safe_id
from videoseg.errors import EvaluationError, OutputError, ShapeError
from videoseg.files import expand_path
from videoseg.masks import index_map, union_of_rles
from videoseg.text import printable, shorten_text
from videoseg.types import Rle, Size

__all__ = ["Masks", "frames_to_submit", "write_submission"]

Masks: TypeAlias = Mapping[int, Sequence[Rle | None]]
"""For each object one mask for each frame of the video; None where it is not visible."""

# A fixed time stamp, so that the same masks give the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)

# 255 is void.
_MAX_ID = 254


def write_submission(
    split: BenchmarkSplit,
    predictions: Iterable[tuple[Sample, Masks]],
    path: str | Path,
    *,
    format: SubmissionFormat,  # noqa: A002
) -> Path:
    """Write the zip that a benchmark's server accepts.

    For every sample of the split and every frame that the server takes there is one PNG of the
    frame's size: a mask, a picture of object ids, or a mask for each object, as
    ``format.layout`` says. Masks are encoded one frame at a time. The zip is written completely
    or not at all.

    Args:
        split: The split that was predicted.
        predictions: Each sample with its masks over all frames; no object is an empty answer.
        path: The zip to write; it must not exist.
        format: The benchmark's ``submission``.

    Returns:
        The path of the zip.

    Raises:
        EvaluationError: If a sample is not of the split, comes twice or is missing, masks do not
            match the video, or a name could lead out of the zip.
        OutputError: If the zip exists or cannot be written.
    """
    target = expand_path(path)
    if os.path.lexists(target):
        raise OutputError(f"{target} exists already; choose another name or remove it")
    partial = target.with_name(f".{target.name[:80]}.partial-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "x", zipfile.ZIP_STORED) as archive:
            _write(archive, split, predictions, format)
        partial.replace(target)
    except OSError as error:
        shown = shorten_text(printable(str(target)), 300)
        raise OutputError(
            f"cannot write {shown}: {error.strerror or error}; check the folder, its "
            "permissions and the free space"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return target


def _write(
    archive: zipfile.ZipFile,
    split: BenchmarkSplit,
    predictions: Iterable[tuple[Sample, Masks]],
    form: SubmissionFormat,
) -> None:
    wanted = {sample.id for sample in split.samples}
    done: set[str] = set()
    for sample, masks in predictions:
        if sample.id not in wanted or sample.id in done:
            reason = "comes twice" if sample.id in done else f"is not a sample of {split.name}"
            raise EvaluationError(f"{sample.id!r} {reason}; give every sample of the split once")
        if not (is_safe_id(sample.video_id) and is_plain_name(sample.expression_id)):
            raise EvaluationError(f"{sample.id!r} would lead out of the zip; it is not written")
        done.add(sample.id)
        _write_sample(archive, split, sample, masks, form)
    if missing := [sample.id for sample in split.samples if sample.id not in done]:
        raise EvaluationError(
            f"{len(missing)} of {len(wanted)} samples have no prediction ({missing[0]!r}, ...); "
            "a server counts or refuses what is missing: give empty masks for failed ones"
        )


def _write_sample(
    archive: zipfile.ZipFile,
    split: BenchmarkSplit,
    sample: Sample,
    masks: Masks,
    form: SubmissionFormat,
) -> None:
    from videoseg.results.mask_files import index_png, mask_png

    names = split.frame_names(sample.video_id)
    size = _size_of(split, sample, masks)
    for object_id, track in masks.items():
        if len(track) != len(names):
            raise EvaluationError(
                f"object {object_id} of {sample.id!r} has {len(track)} masks but the video has "
                f"{len(names)} frames; give one mask or None for each"
            )
    _check_ids(sample, masks, form)
    taken = frozenset(frames_to_submit(split, sample.video_id))
    empty = np.zeros(size, dtype=bool)
    for frame, name in enumerate(names):
        if name not in taken:
            continue
        if not is_plain_name(name):
            raise EvaluationError(f"frame {name!r} of {sample.id!r} cannot be a file's name")
        shown = {key: rle for key, track in masks.items() if (rle := track[frame]) is not None}
        try:
            # Also where masks are written one by one: each must have the frame's size.
            union = union_of_rles(list(shown.values()), size=size)
        except ShapeError as error:
            height, width = error.actual
            raise EvaluationError(
                f"a mask of {sample.id!r}, frame {name}, is {height}x{width} but the frame is "
                f"{size[0]}x{size[1]}; write masks at the original size"
            ) from error
        if form.layout == "masks":
            _add(archive, (form.top_folder, sample.id, f"{name}.png"), mask_png(union.decode()))
        elif form.layout == "ids":
            dense = {key: rle.decode() for key, rle in shown.items()}
            picture = index_png(index_map(dense, size, on_top="lower-id"))
            _add(archive, (form.top_folder, sample.video_id, f"{name}.png"), picture)
        else:
            for key, folder in sample.object_folders.items():
                mask = shown[key].decode() if key in shown else empty
                place = (form.top_folder, sample.video_id, folder, f"{name}.png")
                _add(archive, place, mask_png(mask))


def frames_to_submit(split: BenchmarkSplit, video_id: str) -> Sequence[str]:
    """Return the names of the frames of which a submission holds masks."""
    chosen = getattr(split, "submitted_frames", None)
    names: Sequence[str] = chosen(video_id) if callable(chosen) else split.frame_names(video_id)
    return names


def _check_ids(sample: Sample, masks: Masks, form: SubmissionFormat) -> None:
    if form.layout == "ids" and any(not 1 <= key <= _MAX_ID for key in masks):
        raise EvaluationError(
            f"{sample.id!r} has the objects {sorted(masks)}, but a picture of ids holds 1 to "
            f"{_MAX_ID}; keep the ids that were given"
        )
    if form.layout == "objects":
        folders = sample.object_folders
        if unknown := sorted(masks.keys() - folders.keys()):
            raise EvaluationError(
                f"{sample.id!r} has the objects {unknown}, which are not among those given, "
                f"{sorted(folders)}; keep the ids that were given"
            )
        if bad := [folder for folder in folders.values() if not is_plain_name(folder)]:
            raise EvaluationError(f"{bad[0]!r} of {sample.id!r} cannot be a folder's name")


def _add(archive: zipfile.ZipFile, parts: tuple[str, ...], content: bytes) -> None:
    info = zipfile.ZipInfo("/".join(part for part in parts if part), _DATE)
    # The permissions of a plain file; without them some tools unpack unreadable ones.
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)


def _size_of(split: BenchmarkSplit, sample: Sample, masks: Masks) -> Size:
    size_of = getattr(split, "size", None)
    if callable(size_of):
        height, width = size_of(sample.video_id)
        return (int(height), int(width))
    found = next((rle.size for track in masks.values() for rle in track if rle is not None), None)
    return found or split.video(sample.video_id).size
