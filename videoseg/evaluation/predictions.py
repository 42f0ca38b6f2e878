"""Readers of predictions: of any system, or of an earlier run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from videoseg.benchmarks.prediction_folders import PredictionFolder
from videoseg.benchmarks.types import Sample, Truth
from videoseg.errors import EvaluationError
from videoseg.evaluation.records import record_at, record_offsets
from videoseg.evaluation.run import files_of_runs
from videoseg.files import expand_path
from videoseg.metrics.protocol import EvalProtocol
from videoseg.text import format_list, shorten
from videoseg.types import Rle

__all__ = ["PredictionReader", "RecordedPredictions", "open_predictions"]


class PredictionReader(Protocol):
    """Reads the predicted masks of samples.

    ``missing_files`` collects the masks that do not exist.
    """

    missing_files: list[str]

    def read(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Mapping[int, Sequence[Rle | None]] | None:
        """Return one mask for each object and each of ``truth.frames``; None if there is none.

        Raises:
            EvaluationError: If the prediction cannot be used.
        """

    def mask_values(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Sequence[int] | None:
        """Return the value of predicted pixels in their pictures; None without pictures.

        Raises:
            EvaluationError: If the prediction cannot be used.
        """

    def was_run(self, sample: Sample) -> bool:
        """Return whether a sample without masks is known to have been run, and failed."""

    def describe(self, sample: Sample, frame_names: Sequence[str]) -> str:
        """Return what is there, and where the masks of a sample are expected."""


class RecordedPredictions:
    """Predictions of an earlier run, to score them by other rules.

    Args:
        folder: The folder of the run.

    Raises:
        OutputError: If it cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.missing_files: list[str] = []
        self._folder = Path(folder)
        self._places: dict[str, tuple[Path, int]] = {}
        for files in files_of_runs(self._folder):
            # The masks of a whole benchmark do not fit into memory, but their offsets do.
            for offset, record in record_offsets(files.records):
                self._places[record.sample] = (files.records, offset)

    def read(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Mapping[int, Sequence[Rle | None]] | None:
        """Return the prediction; None if the sample was not run or failed.

        Raises:
            EvaluationError: If the prediction has fewer frames than the ground truth.
        """
        del frame_names
        place = self._places.get(sample.id)
        record = None if place is None else record_at(*place)
        if record is None or record.failed:
            self.missing_files.append(f"{self._folder}: {sample.id}")
            return None
        last = max(truth.frames, default=-1)
        for track in record.tracks:
            if last >= len(track.masks):
                raise EvaluationError(
                    f"{sample.id} was answered on {len(track.masks)} frames but frame {last} is "
                    "annotated; the run and the benchmark do not belong together"
                )
        return {
            track.object_id: [track.masks[frame] for frame in truth.frames]
            for track in record.tracks
        }

    def mask_values(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Sequence[int] | None:
        """Return None: records store masks without pixel values."""
        del sample, truth, frame_names
        return None

    def describe(self, sample: Sample, frame_names: Sequence[str]) -> str:
        """Return which samples were run instead of this one."""
        del frame_names
        shown = format_list([shorten(name) for name in self._places], 3) or "nothing"
        return f"it is a run of {shown}, without {sample.id}"

    def was_run(self, sample: Sample) -> bool:
        """Return whether a sample has a record."""
        return sample.id in self._places


def open_predictions(
    path: str | Path, protocol: EvalProtocol, *, frame_offset: int | None = None
) -> PredictionReader:
    """Open the output folder of a run, or predictions that ``PredictionFolder`` reads.

    Args:
        path: A folder, a zip or a JSON file.
        protocol: The rules, which say whether masks of another size are an error.
        frame_offset: Offset from a frame's number to that in the name of its mask; see
            ``PredictionFolder``.

    Raises:
        EvaluationError: If there are no predictions, or they are not safe to read.
    """
    path = expand_path(path)
    # Unlike Path.is_dir, this is False for impossible paths, such as overlong names.
    if os.path.isdir(path) and files_of_runs(path):  # noqa: PTH112
        if frame_offset:
            raise EvaluationError(
                f"frame_offset={frame_offset} is for named pictures, but {path} is a run, "
                "whose masks have no names; leave it out"
            )
        return RecordedPredictions(path)
    return PredictionFolder(
        path,
        missing="error" if protocol.missing == "error" else "empty",
        resolution="keep" if protocol.resolution == "nearest" else "error",
        frame_offset=frame_offset,
    )
