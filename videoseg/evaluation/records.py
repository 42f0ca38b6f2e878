"""Records of samples: one JSON line each, appended as soon as a sample is done."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from videoseg.benchmarks.types import Sample
from videoseg.errors import OutputError, VideosegError
from videoseg.files import check_regular_file, expand_path
from videoseg.files.lock import FileLock
from videoseg.metrics.protocol import MEASURES, EvalProtocol
from videoseg.metrics.scoring import ObjectScore, SampleScore
from videoseg.text import parse_json, printable, shorten, shorten_text, well_formed
from videoseg.types import (
    Grounding,
    MaskTrack,
    Size,
    Trace,
    Window,
    from_dict,
    to_dict,
)

__all__ = [
    "Record",
    "RecordFile",
    "RecordedError",
    "TargetFacts",
    "read_records",
    "record_at",
    "record_offsets",
    "record_problem",
]

_SCHEMA = 1
_MAX_LINE = 2**30
"""Longest line, in bytes. A record of hours of masks takes some tens of megabytes."""

_LARGE = ("tracks", "grounding", "trace")


@dataclass(frozen=True, slots=True)
class RecordedError:
    """Why a sample failed.

    Args:
        type: The class of the error, such as ``StageError``.
        message: Its message, in one line.
    """

    type: str
    message: str

    @staticmethod
    def of(error: BaseException) -> RecordedError:
        """Return the class and the message of an error."""
        text = " ".join(str(error).split())
        return RecordedError(type(error).__name__, text or "no message")


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """Facts about the target of a sample, by which results are broken down.

    Args:
        num_objects: True objects.
        num_frames: Annotated frames.
        visible_share: Share of the annotated frames that show a true object, in [0, 1].
        area_share: Share of the frame that the true objects cover, mean over the frames that
            show one, in [0, 1].
    """

    num_objects: int
    num_frames: int
    visible_share: float
    area_share: float


@dataclass(frozen=True, slots=True)
class Record:
    """The record of one sample that was answered, failed, or was left out.

    Args:
        sample: ``video_id/expression_id``.
        video_id: The video, as the benchmark calls it.
        expression_id: The expression, as the benchmark calls it.
        query: The sentence.
        group: Its group in the tables of the benchmark.
        attributes: Other properties by which results are broken down.
        status: ``ok``, ``failed``, or ``left-out``: its ground truth cannot be read.
        error: Why it failed or was left out.
        size: (height, width) of the video.
        num_frames: Frames of the video.
        num_objects: Objects in the answer.
        tracks: The answer: one mask track for each object, over all frames.
        grounding: Where the objects were localized.
        trace: The reasoning.
        window: The predicted window: the last one the grounder asked for, or else from the first
            to the last frame with a mask.
        timings: Seconds by stage; ``total`` is the whole answer, ``scoring`` is not part of it.
        peak_memory_bytes: Peak memory of the process during this sample.
        peak_device_memory_bytes: Peak GPU memory; None if no GPU was used.
        seed: The seed of the run.
        versions: Versions of the packages that were used.
        device: Where models ran.
        warnings: Warnings of the pipeline.
        score: The score; None if the ground truth is not public.
        target: Facts about the target.
        schema: Version of this layout.
    """

    sample: str
    video_id: str
    expression_id: str
    query: str
    group: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    status: Literal["ok", "failed", "left-out"] = "ok"
    error: RecordedError | None = None
    size: Size | None = None
    num_frames: int | None = None
    num_objects: int = 0
    tracks: tuple[MaskTrack, ...] = ()
    grounding: Grounding | None = None
    trace: Trace | None = None
    window: Window | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    peak_memory_bytes: int | None = None
    peak_device_memory_bytes: int | None = None
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    warnings: tuple[str, ...] = ()
    score: SampleScore | None = None
    target: TargetFacts | None = None
    schema: int = _SCHEMA

    @staticmethod
    def of(sample: Sample) -> Record:
        """Return an empty record of a sample."""
        return Record(
            sample=sample.id,
            video_id=sample.video_id,
            expression_id=sample.expression_id,
            query=sample.query,
            group=sample.group,
            attributes=dict(sample.attributes),
        )

    @property
    def failed(self) -> bool:
        """Whether the sample failed."""
        return self.status == "failed"

    @property
    def left_out(self) -> bool:
        """Whether the sample is in no mean because its ground truth cannot be read."""
        return self.status == "left-out"

    def score_or_zero(self, protocol: EvalProtocol) -> SampleScore:
        """Return the score; zero in every measure if the sample failed before it had one."""
        if self.score is not None:
            return self.score
        # The final score is made of the means of others; no sample has one.
        measures = (name for name in protocol.measures if name != "final_score")
        return SampleScore(dict.fromkeys(measures, 0.0), missing=True)

    def without_masks(self) -> Record:
        """Return the record without its large fields: masks, grounding and trace."""
        return replace(self, tracks=(), grounding=None, trace=None)

    def to_line(self) -> str:
        """Return the record as one line of JSON, with its line break."""
        data = to_dict(self)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return well_formed(text) + "\n"

    @staticmethod
    def from_line(line: str | bytes, *, masks: bool = True) -> Record:
        """Read a line that ``to_line`` made.

        Args:
            line: The line.
            masks: Whether to read masks, grounding and trace; without them it is faster.

        Raises:
            OutputError: If it is not a record, or its layout is unknown to this release.
        """
        try:
            data = parse_json(line, allow_nan=False)
            schema = data.get("schema") if isinstance(data, dict) else None
            if schema != _SCHEMA:
                raise OutputError(
                    f"a record of schema {shorten(schema)}; this release reads schema {_SCHEMA}"
                )
            if not masks:
                for name in _LARGE:
                    data.pop(name, None)
            record = from_dict(Record, data)
        # Impossible masks raise their own errors, and deep nesting a RecursionError.
        except (ValueError, VideosegError, RecursionError) as error:
            if isinstance(error, OutputError):
                raise
            reason = shorten_text(printable(" ".join(str(error).split())), 200)
            raise OutputError(f"a line that is not a record: {reason}") from error
        if (problem := record_problem(record)) is not None:
            raise OutputError(f"a line that is not a record: {problem}")
        return record


def read_records(
    path: str | Path, *, masks: bool = True, problems: list[str] | None = None
) -> Iterator[Record]:
    """Yield the records of one file, in the order in which they were written.

    A sample that was run twice has two records; the last one counts.

    Args:
        path: A ``records.jsonl``.
        masks: Whether to read masks, grounding and trace; without them it is faster.
        problems: Receives a message for each line that cannot be read, such as the last line of
            a run that was killed. If None, such a line is an error.

    Raises:
        OutputError: If the file cannot be read, or one of its lines and ``problems`` is None.
    """
    path = expand_path(path)
    for number, line in enumerate(_lines(path), start=1):
        try:
            if not line.endswith(b"\n"):
                raise OutputError("an incomplete line")
            yield Record.from_line(line, masks=masks)
        except VideosegError as error:
            text = f"{path}, line {number}: {error}"
            if problems is None:
                raise OutputError(f"{text}; run again with resume to repair it") from error
            problems.append(text)


def record_offsets(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield the byte offset of each readable record, and the record without its masks.

    Raises:
        OutputError: If the file cannot be read.
    """
    offset = 0
    for line in _lines(path):
        with contextlib.suppress(VideosegError):
            if line.endswith(b"\n"):
                yield offset, Record.from_line(line, masks=False)
        offset += len(line)


def record_at(path: Path, offset: int) -> Record:
    """Return the record that begins at an offset given by ``record_offsets``.

    Raises:
        OutputError: If the file cannot be read, or has no such record there anymore.
    """
    return Record.from_line(next(_lines(path, offset), b""))


def _lines(path: Path, offset: int = 0) -> Iterator[bytes]:
    try:
        check_regular_file(path)
        with path.open("rb") as file:
            file.seek(offset)
            while line := file.readline(_MAX_LINE + 1):
                if len(line) > _MAX_LINE:
                    raise OutputError(f"{path} has a line of more than {_MAX_LINE} bytes")
                yield line
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror or error}") from error


class RecordFile:
    """A ``records.jsonl`` to write to, by one process at a time.

    Each record is written in full and flushed to the disk before ``append`` returns. An
    incomplete line of a process that was killed is cut off when the file is opened.

    Args:
        path: The file; it is created if it does not exist.

    Raises:
        OutputError: If it cannot be written, or another process is writing it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = expand_path(path)
        self._descriptor = -1
        self._lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self._lock.acquire():
                raise OutputError(
                    f"another process is writing {self.path}; wait for it, or choose another "
                    "folder"
                )
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            self._descriptor = os.open(self.path, flags, 0o644)
        except (OSError, ValueError) as error:
            self.close()
            shown = shorten_text(printable(str(self.path)), 300)
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"cannot write {shown}: {reason}; choose another folder") from error
        try:
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                raise OutputError(f"{self.path} is not a regular file; choose another folder")
            self._cut_incomplete_line()
        except BaseException:
            self.close()
            raise

    def append(self, record: Record) -> None:
        """Append a record, and flush it to the disk.

        Raises:
            OutputError: If it cannot be written; the file is left as it was.
        """
        line = record.to_line().encode("utf-8")
        end = os.fstat(self._descriptor).st_size
        try:
            view = memoryview(line)
            while view:
                view = view[os.write(self._descriptor, view) :]
            os.fsync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, end)
            raise OutputError(
                f"cannot write {self.path}: {error.strerror or error}; free some space and "
                "continue with resume"
            ) from error

    def close(self) -> None:
        """Close the file. Closing twice does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._lock.release()

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _cut_incomplete_line(self) -> None:
        end = os.fstat(self._descriptor).st_size
        step = 1 << 16
        stop = end
        while stop > 0:
            start = max(0, stop - step)
            os.lseek(self._descriptor, start, os.SEEK_SET)
            piece = os.read(self._descriptor, stop - start)
            newline = piece.rfind(b"\n")
            if newline >= 0:
                stop = start + newline + 1
                break
            stop = start
        if stop < end:
            os.ftruncate(self._descriptor, stop)
            os.fsync(self._descriptor)


_MAX_NUMBER = 2**62
_SLACK = 1e-9
"""A mean of ones may be rounded to slightly more than 1."""


def record_problem(record: Record) -> str | None:
    """Return which number of a record is out of range; None if there is none.

    Records come from files that may have been edited, and one impossible number would change
    the overall score.
    """
    if record.score is not None and (problem := _score_problem(record.score)) is not None:
        return problem
    target = record.target
    if target is not None and not _are_shares((target.visible_share, target.area_share)):
        return "a share of the target outside 0 to 1"
    numbers = [
        *record.timings.values(),
        *(number or 0 for number in (record.num_frames, record.num_objects)),
        *(number or 0 for number in (record.peak_memory_bytes, record.peak_device_memory_bytes)),
        *(() if target is None else (target.num_objects, target.num_frames)),
    ]
    # This comparison also rejects NaN.
    if not all(0 <= number <= _MAX_NUMBER for number in numbers):
        return "an impossible time, number or amount of memory"
    return None


def _score_problem(score: SampleScore) -> str | None:
    parts: tuple[SampleScore | ObjectScore, ...] = (score, *score.objects)
    for part in parts:
        for name, value in part.values.items():
            if name not in MEASURES:
                return f"{shorten(name)} is not a measure"
            least = -1.0 if name.endswith("_decay") else 0.0
            if not least - _SLACK <= value <= 1.0 + _SLACK:
                return f"a score of {shorten(value)} for {name}, outside {least:g} to 1"
    if not all(
        _are_shares(one.j_per_frame) and _are_shares(one.f_per_frame) for one in score.objects
    ):
        return "a score of a frame outside 0 to 1"
    if not 0 <= score.intersection <= score.union <= _MAX_NUMBER:
        return "an intersection outside 0 to the union"
    return None


def _are_shares(values: tuple[float, ...]) -> bool:
    return all(-_SLACK <= value <= 1.0 + _SLACK for value in values)
