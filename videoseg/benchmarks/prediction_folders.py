"""Predictions of any other system, read from where it wrote them.

============= ==================================================== =======================
layout        where                                                object ids
============= ==================================================== =======================
``masks``     ``<video>/<expression>/<frame>.png``                 1 (one mask)
``ids``       ``<video>/<frame>.png``, a picture of object ids     its values; see below
``coco``      a JSON file with COCO RLEs, see below                1
============= ==================================================== =======================

In pictures of ids 0 is no object and 255 is void; a video whose only id is 255 shows one object,
which gets the id 1.

A folder or a zip holds ``masks`` or ``ids``, directly or within one folder ``Annotations``.
The JSON is ``{video: {expression: masks}}``, where masks is a list with one RLE or null for each
frame of the video, or an object with such a list as ``prediction_masks`` or ``masks`` and,
where it is in another order, the names of the frames as ``frames``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from videoseg.benchmarks.archive import FileTree, open_tree
from videoseg.benchmarks.json_files import read_mapping
from videoseg.benchmarks.mask_pictures import read_ids, read_mask
from videoseg.benchmarks.picture_truth import IdTracks
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.rles import checked_rle
from videoseg.benchmarks.types import Sample, Truth
from videoseg.errors import ConfigError, EvaluationError
from videoseg.types import Rle, Size

__all__ = ["PREDICTION_LAYOUTS", "PredictionFolder", "PredictionLayout"]

PredictionLayout: TypeAlias = Literal["masks", "ids", "coco"]

PREDICTION_LAYOUTS: tuple[PredictionLayout, ...] = get_args(PredictionLayout)
"""The layouts ``PredictionFolder`` reads."""


class PredictionFolder:
    """Reads predictions sample by sample, so that memory does not grow with their number.

    Args:
        path: A folder, a zip, or a JSON file.
        layout: One of ``PREDICTION_LAYOUTS``; by default it is found out for each video.
        missing: What a missing file is: ``empty`` (no mask; it is noted in ``missing_files``)
            or ``error``.
        resolution: What a mask of another size than the truth is: ``error``, or ``keep`` (given
            as it is, for a protocol that resizes).

    Attributes:
        missing_files: What was not there, in the order it was asked for.

    Raises:
        EvaluationError: If there are no predictions at ``path`` or they are not safe to read.
        ConfigError: If the layout is unknown.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        layout: PredictionLayout | Literal["auto"] = "auto",
        missing: Literal["empty", "error"] = "empty",
        resolution: Literal["error", "keep"] = "error",
    ) -> None:
        if layout not in {"auto", *PREDICTION_LAYOUTS}:
            raise ConfigError(
                f"there is no layout {layout!r}; there are auto, {', '.join(PREDICTION_LAYOUTS)}"
            )
        self.missing_files: list[str] = []
        self._path = Path(path).expanduser()
        self._missing = missing
        self._resolution = resolution
        self._layout = layout
        self._json: dict[str, Any] | None = None
        self._tree: FileTree | None = None
        if layout == "coco" or (layout == "auto" and self._path.suffix.lower() == ".json"):
            problems = Problems("predictions", self._path.parent)
            self._json = read_mapping(self._path, problems)
            problems.raise_any()
        else:
            self._tree = open_tree(self._path)
            top = self._tree.names("")
            self._prefix = "Annotations/" if "Annotations" in top else ""

    def read(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> dict[int, tuple[Rle | None, ...]] | None:
        """Return what was predicted for a sample, or None if nothing was.

        Args:
            sample: The sample.
            truth: Its truth, which says what frames are wanted and how large they are.
            frame_names: The names of all frames of the video.

        Returns:
            For each object one mask for each of ``truth.frames``.

        Raises:
            EvaluationError: If a file cannot be read or has a wrong size, or is missing where
                that is an error.
        """
        if self._tree is None:
            return self._from_json(sample, truth, frame_names)
        names = [frame_names[frame] for frame in truth.frames]
        folder = f"{self._prefix}{sample.video_id}"
        found = self._tree.names(f"{folder}/{sample.expression_id}")
        # A video's own folder holds pictures of ids, and the folders of its expressions.
        if self._layout == "masks" or (self._layout == "auto" and found):
            return self._masks(
                self._tree, f"{folder}/{sample.expression_id}", found, names, truth.size
            )
        return self._ids(self._tree, folder, names, truth.size)

    def _masks(
        self,
        tree: FileTree,
        folder: str,
        found: frozenset[str],
        names: Sequence[str],
        size: Size,
    ) -> dict[int, tuple[Rle | None, ...]] | None:
        if not found:
            self._note(folder)
            return None
        masks: list[Rle | None] = []
        for name in names:
            file = f"{folder}/{name}.png"
            if f"{name}.png" not in found:
                self._note(file)
                masks.append(None)
                continue
            mask = read_mask(tree.read(file), where=self._where(file), size=self._expected(size))
            masks.append(Rle.encode(mask) if mask.any() else None)
        return {1: tuple(masks)}

    def _ids(
        self, tree: FileTree, folder: str, names: Sequence[str], size: Size
    ) -> dict[int, tuple[Rle | None, ...]] | None:
        found = tree.names(folder)
        if not any(f"{name}.png" in found for name in names):
            self._note(folder)
            return None
        tracks = IdTracks(len(names))
        for index, name in enumerate(names):
            file = f"{folder}/{name}.png"
            if f"{name}.png" not in found:
                self._note(file)
                continue
            where = self._where(file)
            ids = read_ids(tree.read(file), where=where, size=self._expected(size))
            tracks.add(index, ids, where=where)
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
        values, names = _masks_of(entry, frame_names)
        if values is None or len(values) != len(names):
            raise EvaluationError(
                f"{where} needs one mask or null for each of {len(names)} frames, got "
                f"{'none' if values is None else len(values)}; write it again"
            )
        by_name = dict(zip(names, values, strict=True))
        masks: list[Rle | None] = []
        for frame in truth.frames:
            name = frame_names[frame]
            if name not in by_name:
                self._note(f"{where}, frame {name}")
                masks.append(None)
                continue
            value = by_name[name]
            size = self._expected(truth.size) or _claimed(value) or truth.size
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


def _masks_of(entry: Any, frame_names: Sequence[str]) -> tuple[list[Any] | None, Sequence[str]]:
    if isinstance(entry, list):
        return entry, frame_names
    if not isinstance(entry, Mapping):
        return None, frame_names
    values = entry.get("prediction_masks", entry.get("masks"))
    names = entry.get("frames", frame_names)
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        names = frame_names
    return (values if isinstance(values, list) else None), names


def _claimed(value: Any) -> Size | None:
    size = value.get("size") if isinstance(value, dict) else None
    if isinstance(size, list) and len(size) == 2 and all(type(one) is int for one in size):
        return (size[0], size[1])
    return None
