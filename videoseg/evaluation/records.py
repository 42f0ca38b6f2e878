"""Records of samples: one JSON line each, appended as soon as a sample is done."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
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
# A record of hours of masks takes some tens of megabytes.
_MAX_LINE = 2**30
_LARGE = ("tracks", "grounding", "trace")


@dataclass(frozen=True, slots=True)
class RecordedError:
    """Why a sample failed.

    Args:
        type: The class of the error, such as ``StageError``.
        message: What it said, in one line.
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
    """What a sample asks for, to break results down by.

    Args:
        num_objects: True objects.
        num_frames: Annotated frames.
        visible_share: Share of the annotated frames that show a true object, in [0, 1].
        area_share: Share of the picture that the true objects cover, mean over the frames
            that show one, in [0, 1].
    """

    num_objects: int
    num_frames: int
    visible_share: float
    area_share: float


@dataclass(frozen=True, slots=True)
class Record:
    """One sample answered, failed, or left out.

    Args:
        sample: ``video_id/expression_id``.
        video_id: The video, as the benchmark calls it.
        expression_id: The expression, as the benchmark calls it.
        query: The sentence.
        group: What the benchmark tells apart in its tables.
        attributes: What else results are broken down by.
        status: ``ok``, ``failed``, or ``left-out``: its truth cannot be read.
        error: Why it failed or was left out.
        size: (height, width) of the video.
        num_frames: Frames of the video.
        num_objects: Objects in the answer.
        tracks: The answer: one mask track for each object, over all frames.
        grounding: Where the objects were localised.
        trace: The reasoning.
        window: The window that was answered with: the last one the grounder asked to look at,
            or else from the first to the last frame with a mask.
        timings: Seconds, by stage; ``total`` is all of them, ``scoring`` comes on top.
        peak_memory_bytes: The most memory the process held while at this sample.
        peak_device_memory_bytes: The most memory held on GPUs; None if none was used.
        seed: The seed of the run.
        versions: Of the packages that took part.
        device: Where models ran.
        warnings: What the pipeline warned of.
        score: How good the answer is; None if the benchmark keeps its truth to itself.
        target: What was asked for.
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
        """Return the record of a sample of which nothing is known yet."""
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
        """Whether the sample counts neither way, since its truth cannot be read."""
        return self.status == "left-out"

    def score_or_zero(self, protocol: EvalProtocol) -> SampleScore:
        """Return the score; zero in every measure if the sample failed before it had one."""
        if self.score is not None:
            return self.score
        return SampleScore(dict.fromkeys(protocol.measures, 0.0), missing=True)

    def without_masks(self) -> Record:
        """Return the record without what takes room: masks, grounding and trace."""
        return replace(self, tracks=(), grounding=None, trace=None)

    def to_line(self) -> str:
        """Return the record as one line of JSON, its end included."""
        data = to_dict(self)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return well_formed(text) + "\n"

    @staticmethod
    def from_line(line: str | bytes, *, masks: bool = True) -> Record:
        """Read a line that ``to_line`` made.

        Args:
            line: The line.
            masks: Whether masks, grounding and trace are wanted; without them it is faster.

        Raises:
            OutputError: If it is no record, or one of a layout this release does not know.
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
        # Masks that cannot be, and nesting that is too deep to be looked at.
        except (ValueError, VideosegError, RecursionError) as error:
            if isinstance(error, OutputError):
                raise
            reason = shorten_text(printable(" ".join(str(error).split())), 200)
            raise OutputError(f"a line that is no record: {reason}") from error
        if (problem := record_problem(record)) is not None:
            raise OutputError(f"a line that is no record: {problem}")
        return record


def read_records(
    path: str | Path, *, masks: bool = True, problems: list[str] | None = None
) -> Iterator[Record]:
    """Yield the records of one file, in the order in which they were written.

    A sample that was run twice has two records; the later one counts.

    Args:
        path: A ``records.jsonl``.
        masks: Whether masks, grounding and trace are wanted; without them it is faster.
        problems: Gets one line of text for each line that cannot be read, such as the last one
            of a run that was killed while it wrote. If left out, such a line is an error.

    Raises:
        OutputError: If the file cannot be read, or a line of it and ``problems`` was left out.
    """
    path = expand_path(path)
    for number, line in enumerate(_lines(path), start=1):
        try:
            if not line.endswith(b"\n"):
                raise OutputError("a line that was not written to its end")
            yield Record.from_line(line, masks=masks)
        except VideosegError as error:
            text = f"{path}, line {number}: {error}"
            if problems is None:
                raise OutputError(f"{text}; run again with resume to mend it") from error
            problems.append(text)


def record_offsets(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield where each readable record begins, in bytes, and the record without its masks.

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
        OutputError: If the file cannot be read, or holds no such record there any more.
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
    """A ``records.jsonl`` that is being written, by one process at a time.

    Each record is written whole and flushed to the disk before ``append`` returns. Half a
    line, left behind by a process that was killed, is cut off when the file is opened.

    Args:
        path: The file; it is made if it does not exist.

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
                raise OutputError(f"{self.path} is no regular file; choose another folder")
            self._cut_half_a_line()
        except BaseException:
            self.close()
            raise

    def append(self, record: Record) -> None:
        """Write one record to the end of the file, down to the disk.

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
                f"cannot write {self.path}: {error.strerror or error}; make room and go on "
                "with resume"
            ) from error

    def close(self) -> None:
        """Close the file. Closing twice does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._lock.release()

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _cut_half_a_line(self) -> None:
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
# A mean of ones may come out a rounding above 1.
_SLACK = 1e-9


def record_problem(record: Record) -> str | None:
    """Say which number of a record cannot be one, or return None.

    Records come from files that anybody may have changed, and one number out of range would
    change the scores of all.
    """
    if record.score is not None and (problem := _score_problem(record.score)) is not None:
        return problem
    target = record.target
    if target is not None and not _are_shares((target.visible_share, target.area_share)):
        return "a share of the target that is not from 0 to 1"
    numbers = [
        *record.timings.values(),
        *(number or 0 for number in (record.num_frames, record.num_objects)),
        *(number or 0 for number in (record.peak_memory_bytes, record.peak_device_memory_bytes)),
        *(() if target is None else (target.num_objects, target.num_frames)),
    ]
    # Comparing so also finds what is no number at all.
    if not all(0 <= number <= _MAX_NUMBER for number in numbers):
        return "a time, a number or an amount of memory that cannot be"
    return None


def _score_problem(score: SampleScore) -> str | None:
    parts: tuple[SampleScore | ObjectScore, ...] = (score, *score.objects)
    for part in parts:
        for name, value in part.values.items():
            if name not in MEASURES:
                return f"{shorten(name)} is no measure"
            least = -1.0 if name.endswith("_decay") else 0.0
            if not least - _SLACK <= value <= 1.0 + _SLACK:
                return f"a score of {shorten(value)} for {name}, which is not from {least:g} to 1"
    if not all(
        _are_shares(one.j_per_frame) and _are_shares(one.f_per_frame) for one in score.objects
    ):
        return "a score of a frame that is not from 0 to 1"
    if not 0 <= score.intersection <= score.union <= _MAX_NUMBER:
        return "an intersection that is not from 0 to the union"
    return None


def _are_shares(values: tuple[float, ...]) -> bool:
    return all(-_SLACK <= value <= 1.0 + _SLACK for value in values)
