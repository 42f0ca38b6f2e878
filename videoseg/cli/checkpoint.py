"""Checkpoint of an interrupted run, beside its output folder."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg._interruption import describe_error
from videoseg.cli.framework import note
from videoseg.errors import ConfigError, GroundingParseError, OutputError, VideosegError
from videoseg.files import read_text, shorten_name, write_file
from videoseg.files.lock import FolderLock
from videoseg.text import parse_json, shorten, shorten_text

if TYPE_CHECKING:
    from videoseg.plugins import Grounded
    from videoseg.results import Segmentation
    from videoseg.types import Grounding, Trace, VideoPart
    from videoseg.video import Video

__all__ = ["Checkpoint"]

_FORMAT = "videoseg-unfinished-run"
_CONTENT = frozenset({"run.json", "exchanges.jsonl", "masks"})
# The lock, and partial files of the content.
_HIDDEN = (".lock", ".run", ".masks")
# File names have at most 255 bytes.
_MAX_NAME_BYTES = 240


class Checkpoint:
    """The folder ``OUT.unfinished``, in which a run saves its progress until ``OUT`` is written.

    The folder exists and is locked from the start, so no other run can use it. It holds each
    exchange with a chat model (``exchanges.jsonl``, written by the pipeline) and the answer
    (``run.json``, written when the pipeline announces it), so they survive even a killed
    process. As a context manager it removes the folder after a success, and says how to resume
    after an error.

    Args:
        folder: The output folder of the run.
        query: The query.
        video: The video.
        pipeline: The pipeline's configuration as a mapping.
        seed: The seed; None for 0, or for the seed of the run that is resumed.
        part: The part of the video that is asked about; None for the whole.

    Attributes:
        exchanges: The file for exchanges with a chat model.
        seed: The seed to use.
        result: The finished result, once there is one. It is saved in the checkpoint if it
            cannot be saved to its folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        query: str,
        video: Video,
        pipeline: Mapping[str, Any],
        seed: int | None,
        part: VideoPart | None = None,
    ) -> None:
        self._folder = folder
        whole = folder.absolute()
        name = shorten_name(whole.name, _MAX_NAME_BYTES)
        self._place = whole.with_name(f"{name}.unfinished")
        self._lock = FolderLock(self._place)
        self._record = self._place / "run.json"
        self._masks = self._place / "masks"
        self.exchanges = self._place / "exchanges.jsonl"
        self._query = query
        self._video = video
        self._pipeline = pipeline
        self._part = part
        self._given_seed = seed
        self.seed = seed or 0
        self._answer: tuple[Grounding, Trace] | None = None
        self.result: Segmentation | None = None

    # -- starting ----------------------------------------------------------------------------

    def start(self, *, overwrite: bool) -> None:
        """Start from the beginning.

        Raises:
            OutputError: If there is a checkpoint and it may not be overwritten, another run
                into the same folder is in progress, or something else is in its place.
        """
        with self._lock.acquired():
            if self._content() and not overwrite:
                raise OutputError(
                    f"{self._place} holds the checkpoint of an interrupted run: continue it with "
                    "--resume, discard it with --overwrite, or choose another -o"
                )
            for name in _CONTENT:
                _remove(self._place / name)
            # Exchanges are only usable with the record of their run.
            if "chat" in self._pipeline:
                self._write(None)

    def resume(self) -> tuple[Grounding, Trace] | None:
        """Read the checkpoint of an earlier run; return its answer, if it has one.

        Without a checkpoint the run starts from the beginning, so a job that is repeated until
        it succeeds can always use ``--resume``.

        Raises:
            ConfigError: If the checkpoint belongs to another run, or cannot be read.
            OutputError: As for ``start``.
        """
        with self._lock.acquired():
            if self._content():
                self._answer = self._read()
                return self._answer
        self.start(overwrite=False)
        return None

    def _content(self) -> list[str]:
        """Return the files of a checkpoint that is worth resuming."""
        found = sorted(entry.name for entry in self._place.iterdir())
        foreign = [n for n in found if n not in _CONTENT and not n.startswith(_HIDDEN)]
        if foreign:
            raise OutputError(
                f"{self._place} holds files that are not part of a checkpoint "
                f"({', '.join(foreign[:3])}); choose another -o, or move them away"
            )
        if "exchanges.jsonl" in found or "masks" in found:
            return found
        # The record is written before the run has found anything.
        with contextlib.suppress(OSError, ValueError):
            if self._document().get("answer") is None:
                return []
        return [name for name in found if name in _CONTENT]

    def _read(self) -> tuple[Grounding, Trace] | None:
        from videoseg.chat_log import read_exchanges
        from videoseg.types import Grounding, Trace, from_dict

        answer: tuple[Grounding, Trace] | None = None
        try:
            document = self._document()
            if (data := document["answer"]) is not None:
                answer = from_dict(Grounding, data["grounding"]), from_dict(Trace, data["trace"])
            problems = self._differences(document)
            answered = answer is not None
            if answered or self.exchanges.exists():
                problems += _changed_stages(document["pipeline"], self._pipeline, answered)
            if not answered and self.exchanges.exists():
                read_exchanges(self.exchanges)
            seed = _parse_seed(document)
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
                f"cannot resume from {self._record}: {reason}; to start again, use --overwrite "
                "without --resume"
            ) from error
        if problems:
            raise ConfigError(
                f"{self._place} belongs to another run: {'; '.join(problems)}; choose another "
                "-o, or start again with --overwrite and without --resume"
            )
        self.seed = seed
        return answer

    def _document(self) -> dict[str, Any]:
        """Read ``run.json``.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it holds something else.
        """
        document = parse_json(read_text(self._record), allow_nan=False)
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise ValueError("it is not the record of a run")
        return document

    def _differences(self, document: Mapping[str, Any]) -> list[str]:
        from videoseg.chat_log import pixels_digest
        from videoseg.types import VideoFacts, from_dict

        facts, now = from_dict(VideoFacts, document["video"]), self._video.facts()
        problems = []
        if document["query"] != self._query:
            problems.append(f"its query is {shorten(document['query'])}")
        if (facts.num_frames, tuple(facts.size)) != (now.num_frames, tuple(now.size)):
            height, width = facts.size
            problems.append(f"its video has {facts.num_frames} frames of {width}x{height}")
        elif (facts.name, round(facts.duration, 2)) != (now.name, round(now.duration, 2)):
            problems.append(f"its video is {shorten(facts.name)}, {facts.duration:.2f} s long")
        elif (answer := document["answer"]) is not None:
            frame = answer["grounding"]["keyframe"] or 0
            # Exchanges record the pixels that the model saw; an answer does not.
            if answer["picture"] != pixels_digest(self._video[frame]):
                path = shorten_text(str(facts.path))
                problems.append(f"its video, {path}, shows something else on frame {frame}")
        if (answer := document["answer"]) is not None and document.get("part") != self._part_now():
            # Exchanges record what the model saw of it; an answer does not.
            problems.append(f"it asked about {_describe_part(document.get('part'))}")
        if self._given_seed not in (None, seed := _parse_seed(document)):
            problems.append(f"its seed is {shorten(seed)}")
        return problems

    def _part_now(self) -> Any:
        """Return the part that is asked about, as JSON has it."""
        from videoseg.types import to_dict

        return None if self._part is None else to_dict(self._part)

    # -- saving ------------------------------------------------------------------------------

    def videoseg_grounded(self, event: Grounded) -> None:
        """Save the answer when the pipeline announces it."""
        answer = (event.grounding, event.trace)
        try:
            self._write(answer)
        except (VideosegError, ValueError) as problem:
            note(f"the answer could not be saved: {problem}")
        else:
            self._answer = answer

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Remove the checkpoint after a success; otherwise say how to resume."""
        try:
            if error is None:
                self._lock.remove()
                return
            partial = error.partial if isinstance(error, VideosegError) else None
            if (masks := self.result or partial) is not None:
                self._save_masks(masks)
            self._describe(error)
        finally:
            self._lock.release()

    def _save_masks(self, partial: Segmentation) -> None:
        if not any(track.visible_frames for track in partial.tracks):
            return
        try:
            partial.save(self._masks, overwrite=True, parts=())
        except VideosegError as problem:
            note(f"the masks finished so far could not be saved: {problem}")
        else:
            note(f"the masks finished so far are in {self._masks} (see Segmentation.load)")

    def _describe(self, error: BaseException | None) -> None:
        if self._answer is None and not self.exchanges.exists():
            if not self._masks.exists():
                self._lock.remove()
            return
        what = "the chat model's replies so far" if self._answer is None else "the answer"
        verb = "are" if self._answer is None else "is"
        note(f"{what} {verb} saved in {self._place}")
        if isinstance(error, GroundingParseError):
            note("to ask again, repeat the command with --overwrite and another --seed")
            return
        folder = shlex.quote(str(self._folder))
        note(f"to continue, repeat the command with -o {folder} --resume")

    def _write(self, answer: tuple[Grounding, Trace] | None) -> None:
        from videoseg.chat_log import pixels_digest
        from videoseg.types import to_dict

        saved = None
        if answer is not None:
            grounding, trace = answer
            picture = pixels_digest(self._video[grounding.keyframe or 0])
            saved = {"grounding": to_dict(grounding), "trace": to_dict(trace), "picture": picture}
        document = {
            "format": _FORMAT,
            "query": self._query,
            "video": to_dict(self._video.facts()),
            "pipeline": dict(self._pipeline),
            "seed": self.seed,
            "answer": saved,
        }
        if self._part is not None:
            document["part"] = self._part_now()
        write_file(self._record, json.dumps(document, indent=1) + "\n")


def _describe_part(part: Any) -> str:
    from videoseg.types import VideoPart, from_dict

    if part is None:
        return "the whole video"
    found = from_dict(VideoPart, part)
    height, width = found.size
    step = f", every {found.every}" if found.every > 1 else ""
    return f"frames {found.frames[0]} to {found.frames[-1]}{step}, at {width}x{height}"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _parse_seed(document: Mapping[str, Any]) -> int:
    seed = document["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"its seed must be a whole number, got {shorten(seed)}")
    return seed


def _changed_stages(
    earlier: Mapping[str, Any], now: Mapping[str, Any], answered: bool
) -> Iterator[str]:
    """Yield the stages that differ and whose saved output could therefore not be reused."""
    if answered:
        for stage in ("sampler", "grounder"):
            if earlier.get(stage) != now.get(stage):
                yield f"its {stage} is {_describe_stage(earlier.get(stage))}"
    # Options other than the model, such as a server's address, do not change who answers.
    if _model(earlier.get("chat")) != _model(now.get("chat")):
        yield f"its chat model is {_describe_stage(earlier.get('chat'))}"


def _model(config: Any) -> Any:
    if not isinstance(config, Mapping):
        return config, None
    model = config.get("options", {}).get("model")
    # A model that wraps another, such as ``record``, has it as its option ``model``.
    return config.get("name"), _model(model) if isinstance(model, Mapping) else model


def _describe_stage(config: Any) -> str:
    if not isinstance(config, Mapping):
        return shorten_text(str(config))
    options = ", ".join(f"{name}={shorten(value)}" for name, value in config["options"].items())
    return shorten_text(f"{config['name']} ({options})", 200)
