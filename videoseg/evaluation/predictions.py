"""Predictions to be scored: of any other system, or of an earlier run."""

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
from videoseg.text import shorten
from videoseg.types import Rle

__all__ = ["PredictionReader", "RecordedPredictions", "open_predictions"]


class PredictionReader(Protocol):
    """Gives the predicted masks of one sample after another."""

    missing_files: list[str]

    def read(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Mapping[int, Sequence[Rle | None]] | None:
        """Return one mask for each of ``truth.frames`` and object; None if there is nothing.

        Raises:
            EvaluationError: If what is there cannot be used.
        """

    def mask_values(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Sequence[int] | None:
        """Return what predicted pixels are in their pictures; None if they are in none.

        Raises:
            EvaluationError: If what is there cannot be used.
        """

    def was_run(self, sample: Sample) -> bool:
        """Return whether it is known that a sample without masks was asked, and failed."""

    def describe(self, sample: Sample, frame_names: Sequence[str]) -> str:
        """Return what is there, and where the masks of a sample are looked for."""


class RecordedPredictions:
    """The answers of an earlier run, to be scored by other rules without running it again.

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
            # The masks of a whole benchmark do not fit into memory; where they are does.
            for offset, record in record_offsets(files.records):
                self._places[record.sample] = (files.records, offset)

    def read(
        self, sample: Sample, truth: Truth, frame_names: Sequence[str]
    ) -> Mapping[int, Sequence[Rle | None]] | None:
        """Return what was answered; None if the sample was not run or failed.

        Raises:
            EvaluationError: If the answer has fewer frames than the truth.
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
        """Return None: the masks of a record are in no pictures."""
        del sample, truth, frame_names
        return None

    def describe(self, sample: Sample, frame_names: Sequence[str]) -> str:
        """Return which samples were run instead of this one."""
        del frame_names
        shown = ", ".join(shorten(name) for name in list(self._places)[:3]) or "nothing"
        more = f" and {len(self._places) - 3} more" if len(self._places) > 3 else ""
        return f"it is a run of {shown}{more}; {sample.id} is not among them"

    def was_run(self, sample: Sample) -> bool:
        """Return whether a sample has a record."""
        return sample.id in self._places


def open_predictions(
    path: str | Path, protocol: EvalProtocol, *, frame_offset: int | None = None
) -> PredictionReader:
    """Open predictions: the output folder of a run, or what ``PredictionFolder`` reads.

    Args:
        path: A folder, a zip or a JSON file.
        protocol: The rules, which say whether masks of another size are an error.
        frame_offset: What is added to the number of a frame in the names of its masks; see
            ``PredictionFolder``.

    Raises:
        EvaluationError: If there are no predictions, or they are not safe to read.
    """
    path = expand_path(path)
    # Unlike that of Path, this says no to what no file system can have, such as long names.
    if os.path.isdir(path) and files_of_runs(path):  # noqa: PTH112
        if frame_offset:
            raise EvaluationError(
                f"frame_offset={frame_offset} shifts the names of pictures, but {path} is a run, "
                "whose masks have none; leave it out"
            )
        return RecordedPredictions(path)
    return PredictionFolder(
        path,
        missing="error" if protocol.missing == "error" else "empty",
        resolution="keep" if protocol.resolution == "nearest" else "error",
        frame_offset=frame_offset,
    )
