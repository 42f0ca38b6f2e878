"""``Pipeline``: stages that together answer a question about a video."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace as replaced
from pathlib import Path
from types import MappingProxyType
from typing import Any

from videoseg.errors import ConfigError
from videoseg.files import expand_path, write_file
from videoseg.pipeline.composition import Composition
from videoseg.pipeline.config import (
    DEFAULT_MAX_TURNS,
    STAGES,
    PipelineConfig,
    Use,
    check_max_turns,
    config_from_mapping,
    read_config,
)
from videoseg.pipeline.explanation import Explanation, explain
from videoseg.pipeline.prompts import as_grounding
from videoseg.pipeline.readiness import judge_composition
from videoseg.pipeline.run import Run, check_query
from videoseg.pipeline.stream import FrameOrder, MaskStream
from videoseg.pipeline.transfer import SENDING_REMEDY
from videoseg.plugins import Readiness, Registry, default_registry
from videoseg.progress import default_progress
from videoseg.results import Segmentation
from videoseg.stages import FrameSampler, Grounder, Propagator, Segmenter
from videoseg.types import Episode, Grounding, Prompt, Trace
from videoseg.types.scalars import text_of, whole_number
from videoseg.weights import PublishedWeights

__all__ = ["Pipeline"]


class Pipeline:
    """Answers questions about videos with masks.

    Each stage is given as a name, as ``videoseg.use(name, option=...)``, or as an instance of
    your own. Names are looked up and checked now; nothing heavy loads before the first call.

    A pipeline can be copied and pickled, so that ``ProcessPoolExecutor().submit(pipe, video,
    query)`` works. Names of components with their options and instances are sent; loaded models
    are not, and load again there. Names are looked up in that process: components added with
    ``videoseg.add`` must be added there as well.

    Args:
        sampler: Chooses the frames the grounder sees.
        grounder: Decides which objects are meant and where they are.
        propagator: Propagates their masks through the video.
        segmenter: Turns the grounder's boxes and points into masks before they are
            propagated. May be left out if the propagator takes boxes or points itself.
        chat: The chat model shared by the stages that use one.
        max_turns: How many moves the grounder has; the last must be an answer.
        name: What the pipeline is called in results.
        registry: Where names are looked up; by default all installed plug-ins.

    Raises:
        ComponentNotFoundError: If a name is unknown.
        IncompatibleStagesError: If the stages cannot work together.
        ConfigError: If ``max_turns`` is not from 1 to 1,000.

    Example:
        >>> pipe = Pipeline.from_name("attributes")
        >>> pipe.config.propagator.name
        'flow'
    """

    def __init__(
        self,
        sampler: str | Use | FrameSampler,
        grounder: str | Use | Grounder,
        propagator: str | Use | Propagator,
        *,
        segmenter: str | Use | Segmenter | None = None,
        chat: str | Use | object | None = None,
        max_turns: int = DEFAULT_MAX_TURNS,
        name: str = "",
        registry: Registry | None = None,
    ) -> None:
        self._registry = registry or default_registry()
        self._composition = Composition(
            {
                "sampler": sampler,
                "grounder": grounder,
                "segmenter": segmenter,
                "propagator": propagator,
                "chat": chat,
            },
            self._registry,
            max_turns=check_max_turns(max_turns),
            name=name,
        )
        self._composition.check()

    # -- composing -----------------------------------------------------------------------

    @classmethod
    def from_name(cls, name: str, *, registry: Registry | None = None) -> Pipeline:
        """Return a named preset, such as ``attributes``.

        Raises:
            ComponentNotFoundError: If there is no such pipeline.
        """
        registry = registry or default_registry()
        data = registry.build("pipeline", name)
        config = config_from_mapping(data, source=f"pipeline {name!r}")
        return cls.from_config(replaced(config, name=config.name or name), registry=registry)

    @classmethod
    def from_config(cls, config: PipelineConfig, *, registry: Registry | None = None) -> Pipeline:
        """Build a pipeline from its configuration."""
        return cls(
            config.sampler,
            config.grounder,
            config.propagator,
            segmenter=config.segmenter,
            chat=config.chat,
            max_turns=config.max_turns,
            name=config.name,
            registry=registry,
        )

    @classmethod
    def from_yaml(cls, source: str | Path, *, registry: Registry | None = None) -> Pipeline:
        """Read a pipeline from a YAML file, or from YAML text of several lines.

        Raises:
            ConfigError: If it is not a valid configuration; lists every problem.
        """
        return cls.from_config(read_config(source), registry=registry)

    @property
    def config(self) -> PipelineConfig:
        """The configuration, for saving.

        Raises:
            ConfigError: If a stage is an instance, which no file can name.
        """
        return self._composition.config()

    @property
    def stages(self) -> Mapping[str, object]:
        """What fills each stage: a ``Use`` (name and options), an instance, or None."""
        return MappingProxyType(dict(self._composition.stages))

    def to_yaml(self, path: str | Path | None = None) -> str:
        """Return the pipeline as YAML and, if a path is given, write it there.

        Raises:
            ConfigError: If a stage is an instance, which no file can name.
            OutputError: If the file cannot be written.
        """
        text = self.config.to_yaml()
        if path is not None:
            write_file(expand_path(path), text)
        return text

    def replace(self, **changes: Any) -> Pipeline:
        """Return a pipeline with some stages (or ``max_turns``, ``name``) replaced.

        A stage given as a mapping of options keeps its component: ``replace(propagator=
        {"causal": True})``.

        Raises:
            ConfigError: If a keyword is not a stage, ``max_turns`` or ``name``.
        """
        allowed = (*STAGES, "max_turns", "name")
        unknown = [key for key in changes if key not in allowed]
        if unknown:
            raise ConfigError(
                f"cannot replace {', '.join(map(repr, unknown))}; allowed: {', '.join(allowed)}"
            )
        composition = self._composition
        arguments: dict[str, Any] = {
            **composition.stages,
            "max_turns": composition.max_turns,
            "name": composition.pipeline_name,
        }
        for key in STAGES:
            change = changes.get(key)
            if isinstance(change, Mapping):
                current = arguments[key]
                if not isinstance(current, Use):
                    raise ConfigError(
                        f"the options of {key} can only be replaced if it is given by name"
                    )
                changes[key] = Use(current.name, {**current.options, **change})
        pipeline = Pipeline(**arguments | changes, registry=self._registry)
        pipeline._composition.chat_log = composition.chat_log
        pipeline._composition.resume = composition.resume
        return pipeline

    def recording(self, path: str | Path, *, resume: bool = False) -> Pipeline:
        """Return a copy of this pipeline that records the exchanges with its chat model.

        Each exchange is a line of JSON (images as digests), written before the answer is used, so
        that a later failure loses no answer. Without a chat model nothing is recorded.

        Args:
            path: The file; exchanges are added at its end. ``videoseg.chat_log`` reads it.
            resume: Answer from the file what was asked before with the same text, pixels and
                sampling, so that an interrupted run asks only what is new.
        """
        pipeline = self.replace()
        pipeline._composition.chat_log = expand_path(path)
        pipeline._composition.resume = resume
        return pipeline

    def explain(self) -> Explanation:
        """Describe every stage, what it needs and what is missing. Loads nothing heavy."""
        return explain(self._composition)

    def weights(self) -> tuple[PublishedWeights, ...]:
        """Return the published weights that its stages need, whether they are here or not.

        ``videoseg.weights.download_weights`` fetches those that are not. Stages given as
        instances are not asked.
        """
        return self._composition.weights()

    def readiness(self) -> Readiness:
        """Judge whether it can be used on this machine, weights included.

        Imports no stage; ``explain`` also asks their constructors.

        Example:
            >>> print(Pipeline.from_name("attributes").readiness())
            usable
        """
        return judge_composition(self._composition)

    def __repr__(self) -> str:
        return f"Pipeline({self._composition.summary()})"

    # -- running --------------------------------------------------------------------------

    def __call__(
        self,
        video: object,
        query: str,
        *,
        seed: int = 0,
        observers: Sequence[object] = (),
        progress: bool | None = None,
    ) -> Segmentation:
        """Answer a query about a video with masks in every frame.

        Args:
            video: A path (video file, folder of frames, image), an array (T, H, W, 3), a list
                of frames, or a ``Video``.
            query: The user's sentence.
            seed: Seed for everything random; the same seed gives the same result.
            observers: Objects with methods named like the observer hooks.
            progress: Whether to show progress; None shows it in notebooks and on terminals.

        Raises:
            VideosegError: One of its kinds. If the error came after the grounding, its
                ``partial`` attribute holds what had been computed.
        """
        query = check_query(query)
        with default_progress(progress, observers) as shown:
            return self._start(video, query, seed, shown).answer()

    def ground(
        self,
        video: object,
        query: str,
        *,
        seed: int = 0,
        observers: Sequence[object] = (),
        progress: bool | None = None,
    ) -> Episode:
        """Run sampler and grounder only.

        Returns:
            The finished episode: ``.grounding`` is the answer, ``.trace`` the reasoning.
        """
        query = check_query(query)
        with default_progress(progress, observers) as shown:
            return self._start(video, query, seed, shown).ground()

    def propagate(
        self,
        video: object,
        grounding: Grounding | Iterable[Prompt],
        *,
        query: str = "",
        trace: Trace | None = None,
        seed: int = 0,
        observers: Sequence[object] = (),
        progress: bool | None = None,
    ) -> Segmentation:
        """Run segmenter and propagator only, from a grounding or prompts of your own.

        Args:
            video: As for calling the pipeline.
            grounding: A grounding (perhaps one saved earlier), or prompts.
            query: Recorded in the result. A propagator that asks has it answered again.
            trace: Recorded in the result.
            seed: As for calling the pipeline.
            observers: As for calling the pipeline.
            progress: As for calling the pipeline.

        Raises:
            ConfigError: If the prompts do not fit the video, or something given cannot be saved
                with the result; nothing has been computed then.
            VideosegError: As for calling the pipeline.
        """
        answer = as_grounding(grounding)
        query = text_of(query, "the query")
        with default_progress(progress, observers) as shown:
            run = self._start(video, query, seed, shown)
            return run.answer_given(answer, trace or Trace())

    def stream(
        self,
        video: object,
        query: str,
        *,
        order: FrameOrder = "time",
        warmup_frames: int = 48,
        seed: int = 0,
        observers: Sequence[object] = (),
    ) -> MaskStream:
        """Answer a query with masks that are yielded frame by frame, in flat memory.

        Args:
            video: As for calling the pipeline, or an iterator of frames that may never end.
            query: The user's sentence.
            order: ``time`` yields frames 0, 1, 2, ...; what comes before the keyframe waits in
                a temporary file. ``made`` yields each frame as soon as it is done: from the
                keyframe to the end, then from the keyframe back to the start.
            warmup_frames: For a live source, how many frames are gathered to answer from.
            seed: As for calling the pipeline.
            observers: As for calling the pipeline.

        Returns:
            An iterator of ``FrameMasks`` with ``grounding``, ``trace`` and ``warnings``, which
            is also a context manager.
        """
        if order not in ("time", "made"):
            raise ConfigError(f"order must be 'time' or 'made', got {order!r}")
        warmup_frames = whole_number(warmup_frames, "warmup_frames", least=1)
        run = self._start(video, check_query(query), seed, observers, warmup_frames=warmup_frames)
        run.prepare()
        run.ground()
        return MaskStream(run, order=order)

    def _start(
        self,
        video: object,
        query: str,
        seed: int,
        observers: Sequence[object],
        *,
        warmup_frames: int = 0,
    ) -> Run:
        """Open a video and return a run on it."""
        from videoseg.video import as_video

        began = time.perf_counter()
        seed = whole_number(seed, "seed")
        opened = as_video(video, live_buffer=warmup_frames)
        return Run(
            self._composition,
            opened,
            query,
            seed=seed,
            observers=observers,
            warmup_frames=warmup_frames,
            began=began,
        )

    # -- copying and sending ----------------------------------------------------------------

    def __copy__(self) -> Pipeline:
        return self.replace()

    def __deepcopy__(self, memo: dict[int, Any]) -> Pipeline:
        pipeline = self.replace()
        pipeline._composition.copy_instances(memo)
        return pipeline

    def __getstate__(self) -> dict[str, Any]:
        if self._registry is not default_registry():
            raise ConfigError(
                "a pipeline with a registry of its own cannot be sent to another process, which "
                f"has only its own registry; {SENDING_REMEDY}"
            )
        return {"composition": self._composition.state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._registry = default_registry()
        self._composition = Composition.from_state(state["composition"], self._registry)

    # -- freeing ---------------------------------------------------------------------------

    def close(self) -> None:
        """Free the models of all stages; the next call loads them again."""
        self._composition.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
