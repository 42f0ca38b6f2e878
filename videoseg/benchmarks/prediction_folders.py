"""Read the predictions of other systems, from folders, zips and JSON files.

============= ==================================================== =======================
layout        where                                                object ids
============= ==================================================== =======================
``masks``     ``<video>/<expression>/<frame>.png``                 1 (one mask)
``ids``       ``<video>/<frame>.png``, a picture of object ids     its values; see below
``objects``   ``<video>/<object>/<frame>.png``, masks that may     those of the sample's
              overlap                                              ``object_folders``
``coco``      a JSON file with COCO RLEs, see below                1
============= ==================================================== =======================

In pictures of ids, 0 is no object and 255 is void; a video whose only id is 255 has one object,
which gets the id 1.

A folder or a zip contains ``masks`` or ``ids`` at its top, in a folder ``Annotations``, or in its
only folder, as in a zip of a folder. Instead of in ``<video>/<expression>``, a sample's masks may
be in the folder that the benchmark's own code uses (``Sample.prediction_folders``).

The JSON is ``{video: {expression: masks}}``, where masks is a list with one RLE or null for each
frame of the video, or an object with such a list as ``prediction_masks`` or ``masks`` and, if the
list is in another order, the names of the frames as ``frames``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from videoseg.benchmarks.archive import FileTree, open_tree
from videoseg.benchmarks.encoded_masks import checked_rle, read_stated_size
from videoseg.benchmarks.mask_pictures import (
    IdTracks,
    check_frame_names,
    read_ids,
    read_mask,
    read_written_value,
    shifted_name,
)
from videoseg.benchmarks.types import Sample, Truth
from videoseg.benchmarks.untrusted import Problems, read_mapping
from videoseg.errors import ConfigError, EvaluationError
from videoseg.files import check_regular_file, expand_path
from videoseg.text import printable, shorten, shorten_text
from videoseg.types import Rle, Size

__all__ = ["PREDICTION_LAYOUTS", "PredictionFolder", "PredictionLayout"]

PredictionLayout: TypeAlias = Literal["masks", "ids", "objects", "coco"]

PREDICTION_LAYOUTS: tuple[PredictionLayout, ...] = get_args(PredictionLayout)
"""The layouts that ``PredictionFolder`` reads."""

_OFFSET = (
    "give the difference of the numbers (--frame-offset {shift}, frame_offset={shift}), or 0 if "
    "the names are correct"
)


class PredictionFolder:
    """Reads predictions sample by sample; memory does not grow with their number.

    Args:
        path: A folder, a zip, or a JSON file.
        layout: One of ``PREDICTION_LAYOUTS``; by default it is detected for each video.
        missing: What a missing file means: ``empty`` (no mask; it is listed in
            ``missing_files``) or ``error``.
        resolution: How to treat a mask of another size than the truth: ``error``, or ``keep``
            (returned unchanged, for a protocol that resizes).
        frame_offset: Difference between the number in the name of a mask and that of its frame,
            such as 1 if frames are numbered from 0 and masks from 1. If None, the names are the
            same, and numbers that look shifted are an error.

    Attributes:
        missing_files: The missing files, in the order they were looked for.

    Raises:
        EvaluationError: If there are no predictions at ``path``, or they are not safe to read.
        ConfigError: If the layout is unknown.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        layout: PredictionLayout | Literal["auto"] = "auto",
        missing: Literal["empty", "error"] = "empty",
        resolution: Literal["error", "keep"] = "error",
        frame_offset: int | None = None,
    ) -> None:
        if layout not in ("auto", *PREDICTION_LAYOUTS):
            raise ConfigError(
                f"there is no layout {shorten(layout)}; there are auto, "
                f"{', '.join(PREDICTION_LAYOUTS)}"
            )
        self.missing_files: list[str] = []
        self._path = expand_path(path)
        self._missing = missing
        self._resolution = resolution
        self._layout = layout
        self._offset = frame_offset
        self._json: dict[str, Any] | None = None
        self._tree: FileTree | None = None
        if layout == "coco" or (layout == "auto" and self._path.suffix.lower() == ".json"):
            self._json = _read_document(self._path)
        else:
            self._tree = open_tree(self._path)
            self._prefixes = _prefixes_in(self._tree)

    def read(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> dict[int, tuple[Rle | None, ...]] | None:
        """Return what was predicted for a sample, or None if nothing was.

        Args:
            sample: The sample.
            truth: Its truth, for the wanted frames and their size.
            frame_names: The names of all frames of the video.

        Returns:
            For each object one mask for each of ``truth.frames``.

        Raises:
            EvaluationError: If a file cannot be read or has a wrong size, is missing where that
                is an error, or the names of the masks do not match those of the frames.
        """
        if self._tree is None:
            return self._from_json(sample, truth, frame_names)
        if sample.object_folders and self._layout in ("auto", "objects"):
            apart = self._object_masks(self._tree, sample, truth, frame_names)
            if apart is not None or self._layout == "objects":
                return apart
        folder, found = self._masks_of(self._tree, sample)
        # The folder of a video contains pictures of ids, or the folders of its expressions.
        if self._layout == "masks" or (self._layout == "auto" and found):
            names = self._files(folder, found, truth, frame_names)
            return self._masks(folder, found, names, truth.size)
        folder, found = self._first_of(self._tree, [sample.video_id])
        names = self._files(folder, found, truth, frame_names)
        return self._ids(folder, found, names, truth.size)

    def mask_values(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> tuple[int, ...] | None:
        """Return the pixel value of a sample's masks in their pictures, 1 to 255.

        Returns:
            The highest value of each picture, 1 if there is no picture, for each of
            ``truth.frames``; None if the masks are not pictures of one object.

        Raises:
            EvaluationError: As ``read``.
        """
        if self._tree is None:
            return None
        folder, found = self._masks_of(self._tree, sample)
        if not found:
            return None
        values = []
        for name in self._files(folder, found, truth, frame_names):
            file = f"{folder}/{name}"
            value = 1
            if name in found:
                value = read_written_value(self._tree.read(file), where=self._where(file))
            values.append(max(1, value))
        return tuple(values)

    def was_run(self, sample: Sample) -> bool:
        """Return False: masks do not show which samples were run without success."""
        del sample
        return False

    def describe(self, sample: Sample, frame_names: Sequence[str]) -> str:
        """Return the contents, and the places in which the masks of a sample are looked for."""
        if self._tree is None:
            entries = self._json or {}
            place = f"{shorten(sample.video_id)}: {{{shorten(sample.expression_id)}: [...]}}"
            return (
                f"it holds {_listed(entries)}; the masks of {sample.id} are looked for as {place}"
            )
        prefix = self._prefixes[0]
        top = self._tree.names(prefix.rstrip("/"))
        there = _listed(top)
        if top and (inside := self._tree.names(f"{prefix}{min(top)}")):
            there += f" (in {shorten(min(top))}: {_listed(inside)})"
        name = frame_names[0] if frame_names else "<frame>"
        own = f"{sample.video_id}/{sample.expression_id}"
        apart = [f"{sample.video_id}/{name}" for name in list(sample.object_folders.values())[:1]]
        folders = dict.fromkeys([*apart, own, *sample.prediction_folders, sample.video_id])
        places = " or ".join(f"{prefix}{folder}/{name}.png" for folder in folders)
        return f"it holds {there}; the masks of {sample.id} are looked for as {places}"

    def _masks_of(self, tree: FileTree, sample: Sample) -> tuple[str, frozenset[str]]:
        """Return the folder of a sample's masks and the names in it; empty if there is none."""
        own = f"{sample.video_id}/{sample.expression_id}"
        return self._first_of(tree, [own, *sample.prediction_folders])

    def _first_of(self, tree: FileTree, places: Sequence[str]) -> tuple[str, frozenset[str]]:
        """Return the first folder that is not empty and the names in it; else the first folder."""
        folders = [f"{prefix}{place}" for prefix in self._prefixes for place in places]
        for folder in folders:
            if found := tree.names(folder):
                return folder, found
        return folders[0], frozenset()

    def _files(
        self, folder: str, found: Collection[str], truth: Truth, frame_names: Sequence[str]
    ) -> list[str]:
        """Return the file name of the picture of each annotated frame."""
        pictures = {name[: -len(".png")] for name in found if name.endswith(".png")}
        names = self._checked_names(frame_names, pictures, self._where(folder))
        return [f"{names[frame]}.png" for frame in truth.frames]

    def _checked_names(
        self, frames: Sequence[str], found: Collection[str], where: str
    ) -> Sequence[str]:
        """Return the name of each frame in the predictions."""
        names = [shifted_name(name, self._offset or 0) for name in frames]
        check_frame_names(
            names,
            found,
            where=where,
            fix="name each picture like its frame, or give the difference of the numbers "
            "(--frame-offset, frame_offset)",
            if_shifted=_OFFSET,
            shifts=self._offset is None,
        )
        return names

    def _pictures(
        self, folder: str, found: frozenset[str], names: Sequence[str]
    ) -> Iterator[tuple[int, bytes, str]]:
        """Yield place, content and full name of each picture; missing ones are noted."""
        for place, name in enumerate(names):
            file = f"{folder}/{name}"
            if self._tree is not None and name in found:
                yield place, self._tree.read(file), self._where(file)
            else:
                self._note(file)

    def _masks(
        self, folder: str, found: frozenset[str], names: Sequence[str], size: Size
    ) -> dict[int, tuple[Rle | None, ...]] | None:
        if not found:
            self._note(folder)
            return None
        masks: list[Rle | None] = [None] * len(names)
        for place, content, where in self._pictures(folder, found, names):
            mask = read_mask(content, where=where, size=self._expected(size))
            masks[place] = Rle.encode(mask) if mask.any() else None
        return {1: tuple(masks)}

    def _object_masks(
        self, tree: FileTree, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> dict[int, tuple[Rle | None, ...]] | None:
        """Return the masks in the folders of a sample's objects; None if there is no folder."""
        video, there = self._first_of(tree, [sample.video_id])
        if there.isdisjoint(sample.object_folders.values()):
            return None
        objects = {}
        num_frames = len(truth.frames)
        for object_id, name in sample.object_folders.items():
            folder = f"{video}/{name}"
            found = tree.names(folder)
            names = self._files(folder, found, truth, frame_names)
            # On the other frames this object is not scored, and needs no picture.
            own = (truth.object_frames or {}).get(object_id, range(num_frames))
            places = [place for place in own if place is not None]
            masks = self._masks(folder, found, [names[place] for place in places], truth.size)
            if masks is not None:
                on = dict(zip(places, masks[1], strict=True))
                objects[object_id] = tuple(on.get(place) for place in range(num_frames))
        return objects

    def _ids(
        self, folder: str, found: frozenset[str], names: Sequence[str], size: Size
    ) -> dict[int, tuple[Rle | None, ...]] | None:
        if found.isdisjoint(names):
            self._note(folder)
            return None
        tracks = IdTracks(len(names))
        for place, content, where in self._pictures(folder, found, names):
            ids = read_ids(content, where=where, size=self._expected(size))
            tracks.add(place, ids, where=where)
        return tracks.objects()

    def _from_json(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> dict[int, tuple[Rle | None, ...]] | None:
        where = f"{self._path}: {sample.id}"
        expressions = (self._json or {}).get(sample.video_id)
        entry = expressions.get(sample.expression_id) if isinstance(expressions, dict) else None
        if entry is None:
            self._note(where)
            return None
        names = self._checked_names(frame_names, (), where)
        values, given = _masks_of_entry(entry, names, where)
        if len(values) != len(given):
            raise EvaluationError(
                f"{where} needs one mask or null for each of {len(given)} frames, got "
                f"{len(values)}; write it again"
            )
        if given is not names:
            self._checked_names(frame_names, given, where)
        elif self._offset:
            raise EvaluationError(
                f"{where} lists masks without the names of their frames, which "
                f"frame_offset={self._offset} would shift; leave it out, or give 'frames'"
            )
        by_name = dict(zip(given, values, strict=True))
        masks: list[Rle | None] = []
        for frame in truth.frames:
            name = names[frame]
            if name not in by_name:
                self._note(f"{where}, frame {name}")
                masks.append(None)
                continue
            value = by_name[name]
            if isinstance(value, list) and any(isinstance(part, list) for part in value):
                raise EvaluationError(
                    f"{where}, frame {name}: a mask must be null, an RLE or a list of RLEs; write "
                    "it again"
                )
            size = self._expected(truth.size) or read_stated_size(value) or truth.size
            masks.append(checked_rle(value, size, where=f"{where}, frame {name}"))
        return {1: tuple(masks)}

    def _expected(self, size: Size) -> Size | None:
        return size if self._resolution == "error" else None

    def _where(self, file: str) -> str:
        return f"{self._path}/{file}"

    def _note(self, file: str) -> None:
        if self._missing == "error":
            raise EvaluationError(
                f"{self._where(file)} is missing; the protocol asks for every file"
            )
        self.missing_files.append(file)


def _prefixes_in(tree: FileTree) -> tuple[str, ...]:
    """Return the prefixes that the folder of a video may have."""
    prefix = "Annotations/" if "Annotations" in tree.names("") else ""
    there = [name for name in tree.names(prefix.rstrip("/")) if not name.startswith((".", "__"))]
    if len(there) != 1:
        return (prefix,)
    # It may also be the only video.
    only = f"{prefix}{there[0]}/"
    return (prefix, f"{only}Annotations/" if "Annotations" in tree.names(only[:-1]) else only)


def _read_document(path: Path) -> dict[str, Any] | None:
    try:
        check_regular_file(path)
    except FileNotFoundError:
        pass  # reported below, as for a benchmark's own files
    except (OSError, ValueError) as error:
        shown = shorten_text(printable(str(path)), 300)
        raise EvaluationError(
            f"{shown} cannot be read ({getattr(error, 'strerror', None) or error}); give a JSON "
            "file of masks"
        ) from error
    problems = Problems("predictions", path.parent)
    document = read_mapping(path, problems)
    problems.raise_any()
    return document


def _masks_of_entry(
    entry: Any, names: Sequence[str], where: str
) -> tuple[list[Any], Sequence[str]]:
    """Return the masks of an expression, and the frame name of each."""
    given: Any = names
    values = entry
    if isinstance(entry, Mapping):
        values = entry.get("prediction_masks", entry.get("masks"))
        given = entry.get("frames", names)
    if not isinstance(values, list):
        raise EvaluationError(
            f"{where} needs one mask or null for each of {len(names)} frames, got "
            f"{shorten(entry)}; write a list of them, or an object with the list as 'masks'"
        )
    if given is not names and not (
        isinstance(given, list)
        and all(isinstance(name, str) for name in given)
        and len(set(given)) == len(given)
    ):
        raise EvaluationError(
            f"{where}: 'frames' must list the name of each frame once, got {shorten(given)}; "
            "write it again"
        )
    return values, given


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(shorten(name) for name in sorted(names)[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown}{more}" or "nothing"
