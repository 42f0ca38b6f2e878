"""What a run has found so far: kept beside its output folder, and gone on from."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg._interruption import describe_error
from videoseg.cli.framework import note
from videoseg.errors import ConfigError, GroundingParseError, OutputError, VideosegError
from videoseg.files import read_text
from videoseg.files.lock import FolderLock
from videoseg.text import parse_json, shorten, shorten_text

if TYPE_CHECKING:
    from types import TracebackType

    from videoseg.plugins import Grounded
    from videoseg.results import Segmentation
    from videoseg.types import Grounding, Trace
    from videoseg.video import Video

__all__ = ["KeptAnswer", "UnfinishedRun"]

_FORMAT = "videoseg-unfinished-run"
_CONTENT = frozenset({"run.json", "exchanges.jsonl", "masks"})
# File names have at most 255 bytes.
_LONGEST_NAME = 240


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The answer that an unfinished run had found."""

    grounding: Grounding
    trace: Trace


class UnfinishedRun:
    """The folder ``OUT.unfinished`` beside the folder ``OUT`` of a result that is on its way.

    It is there from the beginning, locked: as long as a run is going, no other one may have it.
    What is worth keeping goes there as it comes, and so is there even after the process was
    killed: each exchange with a chat model (``exchanges.jsonl``, which the pipeline writes), and
    the answer (``run.json``, written when the pipeline announces it). As a context manager it
    removes the folder at the end, or says how to go on if there was an error.

    Args:
        folder: Where the result will be.
        query: What is asked.
        video: The video.
        pipeline: The pipeline's configuration as a mapping.
        seed: The seed; None for 0, or for that of the run that is gone on from.
    """

    def __init__(
        self,
        folder: Path,
        *,
        query: str,
        video: Video,
        pipeline: Mapping[str, Any],
        seed: int | None,
    ) -> None:
        whole = folder.absolute()
        self._folder = folder
        name = os.fsencode(whole.name)[:_LONGEST_NAME].decode("utf-8", "ignore")
        self._place = whole.with_name(f"{name}.unfinished")
        self._lock = FolderLock(self._place)
        self._query = query
        self._video = video
        self._pipeline = pipeline
        self._given_seed = seed
        self.seed = seed or 0
        self._answer: KeptAnswer | None = None
        self._result: Segmentation | None = None

    @property
    def exchanges(self) -> Path:
        """Where the exchanges with a chat model are kept."""
        return self._place / "exchanges.jsonl"

    # -- beginning -------------------------------------------------------------------------

    def begin(self, *, overwrite: bool) -> None:
        """Start from the beginning.

        Raises:
            OutputError: If an earlier run into the same folder kept something, unless that may
                be overwritten; if another run is still writing there; or if there is something
                else in its place.
        """
        with self._lock.acquired():
            if self._content() and not overwrite:
                raise OutputError(
                    f"{self._place} holds what an unfinished run had found: go on from it with "
                    "--resume, start anew with --overwrite, or choose another -o"
                )
            for name in _CONTENT:
                _remove(self._place / name)
            # Exchanges must be found together with what they were about.
            if "chat" in self._pipeline:
                self._write(None)

    def go_on(self) -> KeptAnswer | None:
        """Read what an earlier run kept; return its answer, if it had found one.

        If there was no earlier run, this one starts from the beginning: a job that is run again
        until it succeeds can always ask to go on.

        Raises:
            ConfigError: If it was about something else, or cannot be read.
            OutputError: As ``begin`` does.
        """
        with self._lock.acquired():
            if self._content():
                kept = self._answer = self._read()
                return kept
        self.begin(overwrite=False)
        return None

    def _content(self) -> list[str]:
        """Return what there is of a run worth going on from."""
        found = sorted(entry.name for entry in self._place.iterdir())
        # What a run was about is written before it finds anything, under another name first.
        foreign = [
            n for n in found if n not in _CONTENT and not n.startswith((".lock", ".run", ".masks"))
        ]
        if foreign:
            raise OutputError(
                f"{self._place} holds files that are not of an unfinished run "
                f"({', '.join(foreign[:3])}); choose another -o, or move them away"
            )
        if "exchanges.jsonl" in found or "masks" in found:
            return found
        with contextlib.suppress(OSError, ValueError):
            if self._document().get("answer") is None:
                return []
        return [name for name in found if name in _CONTENT]

    def _read(self) -> KeptAnswer | None:
        from videoseg.chat_log import read_exchanges

        try:
            document = self._document()
            kept = _answer_in(document)
            problems = self._differences(document)
            if kept is not None or self.exchanges.exists():
                problems += _other_stages(document["pipeline"], self._pipeline, kept is not None)
            if kept is None and self.exchanges.exists():
                read_exchanges(self.exchanges)
            seed = _seed_in(document)
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            VideosegError,
        ) as error:
            if isinstance(error, OSError):
                reason = error.strerror or str(error)
            elif isinstance(error, ValueError | VideosegError):
                reason = shorten_text(str(error), 300)
            else:
                reason = f"it is incomplete or was changed ({describe_error(error)})"
            raise ConfigError(
                f"cannot go on from {self._record}: {reason}; --overwrite without --resume starts "
                "anew"
            ) from error
        if problems:
            raise ConfigError(
                f"{self._place} is of another run: {'; '.join(problems)}; choose another -o, or "
                "start anew with --overwrite and without --resume"
            )
        self.seed = seed
        return kept

    def _document(self) -> dict[str, Any]:
        """Read ``run.json``.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it holds something else.
        """
        document = parse_json(read_text(self._record), allow_nan=False)
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise ValueError("it is not of an unfinished run")
        return document

    def _differences(self, document: Mapping[str, Any]) -> list[str]:
        from videoseg.chat_log import pixels_digest
        from videoseg.types import VideoFacts, from_dict

        facts, now = from_dict(VideoFacts, document["video"]), self._video.facts()
        problems = []
        if document["query"] != self._query:
            problems.append(f"it was asked {shorten(document['query'])}")
        if (facts.num_frames, tuple(facts.size)) != (now.num_frames, tuple(now.size)):
            height, width = facts.size
            problems.append(f"its video has {facts.num_frames} frames of {width}x{height}")
        elif (facts.name, round(facts.duration, 2)) != (now.name, round(now.duration, 2)):
            problems.append(f"its video is {shorten(facts.name)}, {facts.duration:.2f} s long")
        elif (answer := document["answer"]) is not None:
            frame = answer["grounding"]["keyframe"] or 0
            # Exchanges hold the pixels they were about, but an answer does not.
            if answer["picture"] != pixels_digest(self._video[frame]):
                path = shorten_text(str(facts.path))
                problems.append(f"its video, {path}, shows something else on frame {frame}")
        if self._given_seed not in (None, seed := _seed_in(document)):
            problems.append(f"its seed is {shorten(seed)}")
        return problems

    # -- keeping -----------------------------------------------------------------------------

    def videoseg_grounded(self, event: Grounded) -> None:
        """Keep the answer; the pipeline announces it."""
        answer = KeptAnswer(event.grounding, event.trace)
        try:
            self._write(answer)
        except (VideosegError, ValueError) as problem:
            note(f"the answer could not be kept: {problem}")
        else:
            self._answer = answer

    def finished(self, result: Segmentation) -> Segmentation:
        """Return the result, which is kept if it cannot be saved where it should be."""
        self._result = result
        return result

    def __enter__(self) -> UnfinishedRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Forget everything once the result is there; otherwise say how to go on."""
        try:
            if error is None:
                self._lock.remove()
                return
            partial = error.partial if isinstance(error, VideosegError) else None
            if (made := self._result or partial) is not None:
                self._keep_masks(made)
            self._tell(error)
        finally:
            self._lock.release()

    def _keep_masks(self, partial: Segmentation) -> None:
        if not any(track.visible_frames for track in partial.tracks):
            return
        try:
            partial.save(self._masks, overwrite=True, parts=())
        except VideosegError as problem:
            note(f"the masks made until then could not be kept: {problem}")
        else:
            note(f"the masks made until then are in {self._masks}, for videoseg.Segmentation.load")

    def _tell(self, error: BaseException | None) -> None:
        if self._answer is None and not self.exchanges.exists():
            if not self._masks.exists():
                self._lock.remove()
            return
        what = "what the chat model said" if self._answer is None else "the answer"
        note(f"{what} until then is kept in {self._place}")
        if isinstance(error, GroundingParseError):
            note("to ask anew, run the same with --overwrite and another --seed or other options")
            return
        note(f"to go on from it, run the same with: -o {shlex.quote(str(self._folder))} --resume")

    @property
    def _masks(self) -> Path:
        return self._place / "masks"

    @property
    def _record(self) -> Path:
        return self._place / "run.json"

    def _write(self, answer: KeptAnswer | None) -> None:
        from videoseg.chat_log import pixels_digest
        from videoseg.cli.output_place import write_file
        from videoseg.types import to_dict

        document = {
            "format": _FORMAT,
            "query": self._query,
            "video": to_dict(self._video.facts()),
            "pipeline": dict(self._pipeline),
            "seed": self.seed,
            "answer": None
            if answer is None
            else {
                "grounding": to_dict(answer.grounding),
                "trace": to_dict(answer.trace),
                "picture": pixels_digest(self._video[answer.grounding.keyframe or 0]),
            },
        }
        write_file(self._record, json.dumps(document, indent=1) + "\n")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _seed_in(document: Mapping[str, Any]) -> int:
    seed = document["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"its seed must be a whole number, got {shorten(seed)}")
    return seed


def _answer_in(document: Mapping[str, Any]) -> KeptAnswer | None:
    from videoseg.types import Grounding, Trace, from_dict

    data = document["answer"]
    if data is None:
        return None
    return KeptAnswer(from_dict(Grounding, data["grounding"]), from_dict(Trace, data["trace"]))


def _other_stages(
    earlier: Mapping[str, Any], now: Mapping[str, Any], answered: bool
) -> Iterator[str]:
    """Yield what else had answered then: another answer cannot be got by going on."""
    if answered:
        for stage in ("sampler", "grounder"):
            if earlier.get(stage) != now.get(stage):
                yield f"its {stage} is {_text(earlier.get(stage))}"
    # Other options than the model (a server's address, a type of numbers) ask the same one.
    if _model(earlier.get("chat")) != _model(now.get("chat")):
        yield f"its chat model is {_text(earlier.get('chat'))}"


def _model(config: Any) -> Any:
    if not isinstance(config, Mapping):
        return config, None
    model = config.get("options", {}).get("model")
    # One that wraps another, such as ``record``, has that as its model.
    return config.get("name"), _model(model) if isinstance(model, Mapping) else model


def _text(config: Any) -> str:
    if not isinstance(config, Mapping):
        return shorten_text(str(config))
    options = ", ".join(f"{name}={shorten(value)}" for name, value in config["options"].items())
    return shorten_text(f"{config['name']} ({options})", 200)
