"""Results of live sources: ``masks.jsonl``, to which a line is added for every frame.

Nothing is held in memory, and what was written before an interruption stays readable. The first
line has the query and the answer, the others have the masks of a frame each, the last one says
how it ended.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from videoseg.errors import OutputError, VideosegError
from videoseg.files import expand_path, make_folder
from videoseg.files.lock import FileLock
from videoseg.text import parse_json, shorten, shorten_text, show_path, well_formed
from videoseg.types import (
    FrameMasks,
    Grounding,
    MaskTrack,
    Rle,
    Size,
    Trace,
    VideoFacts,
    from_dict,
)
from videoseg.types.serial import to_dict_with_problems

if TYPE_CHECKING:
    from videoseg.results.segmentation import Segmentation

__all__ = ["LIVE_FILE", "LiveFolder", "load_live"]

LIVE_FILE = "masks.jsonl"
"""The file of a live result in its folder."""

_FORMAT = "videoseg-live"
_SCHEMA_VERSION = 1
_FILES = frozenset({LIVE_FILE, "overlay.mp4"})
_LOCK = ".lock"


class LiveFolder:
    """Writes the masks of a live source, frame by frame.

    Args:
        folder: The folder; it is made, with its parents.
        overwrite: Replace an earlier live result. Anything else is never replaced.

    Raises:
        OutputError: If the folder exists, cannot be made, or another run is writing to it.
    """

    def __init__(self, folder: str | Path, *, overwrite: bool = False) -> None:
        self.folder = expand_path(folder)
        self._file: IO[str] | None = None
        self._has_begun = False
        self.num_frames = 0
        self._lock = FileLock(self.folder / _LOCK)
        try:
            make_folder(self.folder.parent)
            earlier = self._replaceable(overwrite=overwrite) if self.folder.exists() else []
            self.folder.mkdir(exist_ok=True)
            if not self._lock.acquire():
                raise OutputError(
                    f"another run is still writing to {show_path(self.folder)}; wait for it, or "
                    "choose another folder"
                )
            for name in earlier:
                _remove(self.folder / name)
            # Each line is written at once, so that a killed process loses none.
            self._file = (self.folder / LIVE_FILE).open("x", encoding="utf-8", buffering=1)
        except (OSError, ValueError) as error:
            self._lock.release()
            raise self._problem(error) from error

    def begin(
        self,
        *,
        query: str,
        source: str,
        size: Size,
        fps: float,
        grounding: Grounding,
        trace: Trace,
        pipeline: Mapping[str, Any],
        seed: int,
    ) -> None:
        """Write the first line: what was asked and answered.

        Raises:
            OutputError: If it cannot be written.
        """
        self._write(
            {
                "format": _FORMAT,
                "schema_version": _SCHEMA_VERSION,
                "query": query,
                "source": source,
                "size": list(size),
                "fps": fps,
                "pipeline": dict(pipeline),
                "seed": seed,
                # What a stage put into details need not be JSON; then a text of it is kept.
                "grounding": to_dict_with_problems(grounding)[0],
                "trace": to_dict_with_problems(trace)[0],
            }
        )
        self._has_begun = True

    def add(self, masks: FrameMasks, seconds: float) -> None:
        """Write the masks of a frame.

        Args:
            masks: The masks.
            seconds: When the frame came, from the first.

        Raises:
            OutputError: If they cannot be written.
        """
        shown = {
            str(object_id): Rle.encode(mask).to_coco()
            for object_id, mask in masks.masks.items()
            if mask.any()
        }
        self._write({"frame": masks.frame, "time": round(seconds, 4), "masks": shown})
        self.num_frames += 1

    def end(self, *, reason: str, num_dropped: int, warnings: Sequence[str]) -> None:
        """Write the last line, which says how it ended; nothing before there is a first one.

        Raises:
            OutputError: If it cannot be written.
        """
        if self._has_begun:
            self._write({"end": reason, "num_dropped": num_dropped, "warnings": list(warnings)})

    def close(self) -> None:
        """Close the file. A folder without an answer is removed."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        path = self.folder / LIVE_FILE
        if path.stat().st_size == 0:
            path.unlink()
        self._lock.release()
        # Another run may have taken the folder since.
        with suppress(OSError):
            if not any(self.folder.iterdir()):
                self.folder.rmdir()

    def __enter__(self) -> LiveFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _replaceable(self, *, overwrite: bool) -> list[str]:
        """Return what there is of an earlier live result and its exports, to be replaced."""
        from videoseg.results.folder import EXPORTS

        found = {entry.name for entry in self.folder.iterdir()} - {_LOCK}
        if found and not overwrite:
            raise OutputError(
                f"{show_path(self.folder)} already exists; choose another folder or pass "
                "overwrite=True"
            )
        if foreign := sorted(found - _FILES - {EXPORTS}):
            raise OutputError(
                f"{show_path(self.folder)} holds files that are not part of a live result "
                f"({shorten_text(', '.join(foreign[:3]), 200)}); choose another folder"
            )
        return sorted(found)

    def _write(self, line: Mapping[str, Any]) -> None:
        text = well_formed(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
        try:
            if self._file is None:
                raise ValueError("it is closed")
            self._file.write(text + "\n")
        except (OSError, ValueError) as error:
            raise self._problem(error) from error

    def _problem(self, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or str(error)
        return OutputError(
            f"cannot write to {show_path(self.folder)}: {reason}; what was written before is kept"
        )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def load_live(folder: str | Path) -> Segmentation:
    """Read the result of a live source, also while it is being written.

    Raises:
        OutputError: If it cannot be read.
    """
    from videoseg.results.segmentation import Segmentation

    path = expand_path(folder) / LIVE_FILE
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")
    except OSError as error:
        raise OutputError(f"cannot read {show_path(path)}: {error.strerror or error}") from error
    # A last line without its end is being written, or was cut off.
    number = 1
    try:
        head = _parsed(lines[0])
        if head.get("format") != _FORMAT or head.get("schema_version") != _SCHEMA_VERSION:
            raise ValueError(f"it is not a live result of version {_SCHEMA_VERSION}")
        height, width = head["size"]
        size = (height, width)
        times: list[float] = []
        tracks: dict[int, list[Rle | None]] = {}
        warnings: tuple[str, ...] = ("the source was still being read, or its end was cut off",)
        for number, text in enumerate(lines[1:-1], start=2):  # noqa: B007 - for the error
            line = _parsed(text)
            if "end" in line:
                warnings = tuple(line["warnings"])
                continue
            if line["frame"] != len(times):
                raise ValueError(f"frame {shorten(line['frame'])} follows {len(times)} frames")
            for key, rle in line["masks"].items():
                track = tracks.setdefault(int(key), [])
                track += [None] * (len(times) - len(track))
                track.append(Rle.from_coco(rle))
            times.append(float(line["time"]))
        grounding = from_dict(Grounding, head["grounding"])
        labels = {prompt.object_id: prompt.label for prompt in grounding.named_prompts}
        fps = float(head["fps"])
        facts = VideoFacts(
            str(head["source"]),
            None,
            len(times),
            size,
            fps,
            times[-1] + 1 / fps if times else 0.0,
            "live",
            tuple(times),
        )
        return Segmentation(
            str(head["query"]),
            facts,
            grounding,
            from_dict(Trace, head["trace"]),
            tuple(
                MaskTrack(
                    object_id,
                    size,
                    (*masks, *[None] * (len(times) - len(masks))),
                    label=labels.get(object_id, ""),
                )
                for object_id, masks in sorted(tracks.items())
            ),
            pipeline=dict(head["pipeline"]),
            seed=head["seed"],
            warnings=(*grounding.warnings, *warnings),
        )
    except (ValueError, LookupError, TypeError, AttributeError, VideosegError) as error:
        raise OutputError(
            f"{show_path(path)} is damaged in line {number} ({shorten_text(str(error), 200)}); "
            "restore it from a copy"
        ) from error


def _parsed(text: str) -> dict[str, Any]:
    line = parse_json(text)
    if not isinstance(line, dict):
        raise ValueError(f"expected an object, got {shorten(line)}")
    return line
