"""What a run has found so far: kept beside its output folder, and gone on from."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.cli.framework import note
from videoseg.errors import ConfigError, OutputError, VideosegError

if TYPE_CHECKING:
    from types import TracebackType

    from videoseg.plugins import Grounded
    from videoseg.types import Grounding, Segmentation, Trace, VideoFacts

__all__ = ["KeptAnswer", "UnfinishedRun"]

_FORMAT = "videoseg-unfinished-run"


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The answer that an unfinished run had found."""

    grounding: Grounding
    trace: Trace


class UnfinishedRun:
    """The folder ``OUT.unfinished`` beside the folder ``OUT`` of a result that is on its way.

    It appears with the first thing worth keeping: an exchange with a chat model
    (``exchanges.jsonl``, which the pipeline writes), or the answer (``run.json``, written when
    the pipeline announces it). So it is there even after the process was killed. As a context
    manager it removes the folder at the end, or says how to go on if there was an error.

    Args:
        folder: Where the result will be.
        query: What is asked.
        facts: The video.
        pipeline: The pipeline's configuration as a mapping.
        seed: The seed; None for 0, or for that of the run that is gone on from.
    """

    def __init__(
        self,
        folder: Path,
        *,
        query: str,
        facts: VideoFacts,
        pipeline: Mapping[str, Any],
        seed: int | None,
    ) -> None:
        whole = folder.absolute()
        self._folder = folder
        self._place = whole.with_name(f"{whole.name}.unfinished")
        self._query = query
        self._facts = facts
        self._pipeline = pipeline
        self._given_seed = seed
        self.seed = seed or 0
        self._answer: KeptAnswer | None = None

    @property
    def exchanges(self) -> Path:
        """Where the exchanges with a chat model are kept."""
        return self._place / "exchanges.jsonl"

    # -- beginning -------------------------------------------------------------------------

    def begin(self, *, overwrite: bool) -> KeptAnswer | None:
        """Start from the beginning, where there is no answer yet.

        Raises:
            OutputError: If an earlier run into the same folder kept something, unless that may
                be overwritten.
        """
        if self._place.exists():
            if not overwrite:
                raise OutputError(
                    f"{self._place} holds what an unfinished run had found: go on from it with "
                    "--resume, start anew with --overwrite, or choose another -o"
                )
            self._forget()
        # Exchanges must be found together with what they were about.
        if "chat" in self._pipeline:
            self._write(None)
        return None

    def go_on(self) -> KeptAnswer | None:
        """Read what an earlier run kept; return its answer, if it had found one.

        If there was no earlier run, this one starts from the beginning: a job that is run again
        until it succeeds can always ask to go on.

        Raises:
            ConfigError: If it was about something else, or cannot be read.
        """
        if not self._place.exists():
            return self.begin(overwrite=False)
        try:
            document: dict[str, Any] = json.loads(self._record.read_text(encoding="utf-8"))
            if document.get("format") != _FORMAT:
                raise ValueError("it is not of an unfinished run")
            kept = _answer_in(document)
            problems = self._differences(document)
            if kept is not None or self.exchanges.exists():
                problems += _other_stages(document["pipeline"], self._pipeline, kept is not None)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, VideosegError) as error:
            raise ConfigError(
                f"cannot go on from {self._record}: {error}; --overwrite without --resume starts "
                "anew"
            ) from error
        if problems:
            raise ConfigError(
                f"{self._place} is of another run: {'; '.join(problems)}; choose another -o, or "
                "start anew with --overwrite and without --resume"
            )
        self.seed = int(document["seed"])
        self._answer = kept
        return kept

    def _differences(self, document: Mapping[str, Any]) -> list[str]:
        from videoseg.types import VideoFacts, from_jsonable

        facts, now = from_jsonable(VideoFacts, document["video"]), self._facts
        problems = []
        if document["query"] != self._query:
            problems.append(f"it was asked {document['query']!r}")
        if (facts.num_frames, tuple(facts.size)) != (now.num_frames, tuple(now.size)):
            height, width = facts.size
            problems.append(f"its video has {facts.num_frames} frames of {width}x{height}")
        elif (facts.name, round(facts.duration, 2)) != (now.name, round(now.duration, 2)):
            problems.append(f"its video is {facts.name!r}, {facts.duration:.2f} s long")
        if self._given_seed not in (None, int(document["seed"])):
            problems.append(f"its seed is {document['seed']}")
        return problems

    # -- keeping -----------------------------------------------------------------------------

    def videoseg_grounded(self, event: Grounded) -> None:
        """Keep the answer; the pipeline announces it."""
        answer = KeptAnswer(event.grounding, event.trace)
        self._write(answer)
        self._answer = answer

    def __enter__(self) -> UnfinishedRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Forget everything once the result is there; otherwise say how to go on."""
        if error is None:
            self._forget()
            return
        if isinstance(error, VideosegError) and error.partial is not None:
            self._keep_masks(error.partial)
        self._tell()

    def _keep_masks(self, partial: Segmentation) -> None:
        if not any(track.visible_frames for track in partial.tracks):
            return
        place = self._place / "masks"
        try:
            partial.save(place, overwrite=True, parts=())
        except OutputError as problem:
            note(f"the masks made until then could not be kept: {problem}")
        else:
            note(f"the masks made until then are in {place}, for videoseg.Segmentation.load")

    def _tell(self) -> None:
        if self._answer is None and not self.exchanges.exists():
            self._forget()
            return
        what = "what the chat model said" if self._answer is None else "the answer"
        note(f"{what} until then is kept in {self._place}")
        note(f"to go on from it, run the same with: -o {shlex.quote(str(self._folder))} --resume")

    def _forget(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)

    @property
    def _record(self) -> Path:
        return self._place / "run.json"

    def _write(self, answer: KeptAnswer | None) -> None:
        from videoseg.cli.output_place import write_file
        from videoseg.types import to_jsonable

        document = {
            "format": _FORMAT,
            "query": self._query,
            "video": to_jsonable(self._facts),
            "pipeline": dict(self._pipeline),
            "seed": self.seed,
            "answer": None
            if answer is None
            else {
                "grounding": to_jsonable(answer.grounding),
                "trace": to_jsonable(answer.trace),
            },
        }
        write_file(self._record, json.dumps(document, indent=1) + "\n")


def _answer_in(document: Mapping[str, Any]) -> KeptAnswer | None:
    from videoseg.types import Grounding, Trace, from_jsonable

    data = document["answer"]
    if data is None:
        return None
    return KeptAnswer(
        from_jsonable(Grounding, data["grounding"]), from_jsonable(Trace, data["trace"])
    )


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
    return config.get("name"), config.get("options", {}).get("model")


def _text(config: Any) -> str:
    if not isinstance(config, Mapping):
        return str(config)
    options = ", ".join(f"{name}={value!r}" for name, value in config["options"].items())
    return f"{config['name']} ({options})"
