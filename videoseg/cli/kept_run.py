"""What a broken-off run had found: kept beside the output folder, and gone on from."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.cli.framework import note
from videoseg.errors import ConfigError, OutputError, VideosegError

if TYPE_CHECKING:
    from videoseg.types import Grounding, Segmentation, Trace, VideoFacts
    from videoseg.video import Video

__all__ = ["KeptRun", "forget_run", "keep_run", "load_run"]

_FORMAT = "videoseg-failed-run"


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run that failed after its grounding.

    Args:
        query: What was asked.
        grounding: The answer that had been found.
        trace: The reasoning behind it.
        seed: The seed of the run.
    """

    query: str
    grounding: Grounding
    trace: Trace
    seed: int


def keep_run(partial: Segmentation, error: VideosegError, folder: Path) -> None:
    """Write what had been found beside the folder that the result would have been in."""
    from videoseg.cli.output_place import write_file
    from videoseg.types import to_jsonable

    document = {
        "format": _FORMAT,
        "error": f"{type(error).__name__}: {error}",
        "query": partial.query,
        "video": to_jsonable(partial.video),
        "grounding": to_jsonable(partial.grounding),
        "trace": to_jsonable(partial.trace),
        "pipeline": dict(partial.pipeline),
        "seed": partial.seed,
    }
    path = _place(folder)
    try:
        write_file(path, json.dumps(document, indent=1) + "\n")
    except OutputError as problem:
        note(f"the grounding could not be kept either: {problem}")
    else:
        note(f"what had been found until then is kept in {path}")
        note(f"to go on from it, run the same with: -o {shlex.quote(str(folder))} --resume")


def load_run(folder: Path, video: Video, query: str) -> KeptRun | None:
    """Read what an earlier run kept, or return None if none did.

    Raises:
        ConfigError: If it was about another query or another video, or cannot be read.
    """
    from videoseg.types import Grounding, Trace, VideoFacts, from_jsonable

    path = _place(folder)
    if not path.exists():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document.get("format") != _FORMAT:
            raise ValueError("it is not a kept run")
        facts = from_jsonable(VideoFacts, document["video"])
        kept = KeptRun(
            str(document["query"]),
            from_jsonable(Grounding, document["grounding"]),
            from_jsonable(Trace, document["trace"]),
            int(document["seed"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, VideosegError) as error:
        raise ConfigError(f"cannot go on from {path}: {error}; remove it to start anew") from error
    if problems := _differences(kept, facts, video, query):
        raise ConfigError(
            f"{path} is of another run: {'; '.join(problems)}; remove it, or choose another -o"
        )
    return kept


def forget_run(folder: Path) -> None:
    """Remove what was kept, once the result is there."""
    _place(folder).unlink(missing_ok=True)


def _place(folder: Path) -> Path:
    whole = folder.absolute()
    return whole.with_name(f"{whole.name}.failed.json")


def _differences(kept: KeptRun, facts: VideoFacts, video: Video, query: str) -> list[str]:
    problems = []
    if kept.query != query:
        problems.append(f"it was asked {kept.query!r}")
    now = video.facts()
    if (facts.num_frames, tuple(facts.size)) != (now.num_frames, tuple(now.size)):
        height, width = facts.size
        problems.append(f"its video has {facts.num_frames} frames of {width}x{height}")
    elif facts.name != now.name:
        problems.append(f"its video is {facts.name!r}")
    return problems
