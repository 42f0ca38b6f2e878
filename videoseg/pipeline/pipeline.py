"""Stages composed into something that answers a question about a video."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace as replaced
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from videoseg.errors import ConfigError, VideosegError
from videoseg.files import expand_path, write_file
from videoseg.pipeline.carrying import answer_of, fill_tracks, propagator_for, with_masks
from videoseg.pipeline.composition import Composition, ExchangeFile, Stage
from videoseg.pipeline.config import STAGES, PipelineConfig, Use, config_from_mapping, read_config
from videoseg.pipeline.episode_loop import run_episode
from videoseg.pipeline.explanation import Explanation, explain
from videoseg.pipeline.observation import Observation
from videoseg.pipeline.prompts import as_grounding, check_prompts
from videoseg.pipeline.propagation import Propagation
from videoseg.pipeline.query import check_query
from videoseg.pipeline.results import build_result
from videoseg.pipeline.saving import check_saveable, saveable
from videoseg.pipeline.sources import expect_all_frames, first_frames_of
from videoseg.pipeline.stream import FrameOrder, MaskStream
from videoseg.pipeline.transfer import REMEDY
from videoseg.plugins import Registry, default_registry
from videoseg.results import Segmentation
from videoseg.stages import FrameSampler, Grounder, Propagator, Segmenter
from videoseg.types import Episode, Grounding, Prompt, Rle, Trace, VideoSource
from videoseg.types.scalars import text_of, whole_number

__all__ = ["Pipeline"]


class Pipeline:
    """Answers questions about videos with masks.

    Each stage is given as a name, as ``videoseg.use(name, option=...)``, or as an instance of
    your own. Names are looked up and checked now; nothing heavy loads before the first call.

    A pipeline can be copied and pickled, so that ``ProcessPoolExecutor().submit(pipe, video,
    query)`` works. What goes to the other process is which components it has, with their options,
    and instances as they are; models that were loaded stay behind and are loaded there. Names are
    looked up in that process: what ``videoseg.add`` added must be added there, too.

    Args:
        sampler: Chooses the frames the grounder sees.
        grounder: Decides which objects are meant and where they are.
        propagator: Carries their masks through the video.
        segmenter: Turns the grounder's boxes and points into masks before they are
            propagated. May be left out if the propagator takes boxes or points itself.
        chat: The chat model shared by the stages that use one.
        max_turns: How many moves the grounder has; the last must be an answer.
        name: What the pipeline is called in results.
        registry: Where names are looked up; by default all installed plug-ins.

    Raises:
        ComponentNotFoundError: If a name is unknown.
        IncompatibleStagesError: If the stages cannot work together.
        ConfigError: If max_turns is not at least 1.

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
        max_turns: int = 4,
        name: str = "",
        registry: Registry | None = None,
    ) -> None:
        self._registry = registry or default_registry()
        self._max_turns = whole_number(max_turns, "max_turns", least=1)
        self._name = name
        self._composition = Composition(
            {
                "sampler": Stage.of(sampler),
                "grounder": Stage.of(grounder),
                "segmenter": Stage.of(segmenter),
                "propagator": Stage.of(propagator),
                "chat": Stage.of(chat),
            },
            self._registry,
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
        return self._composition.config(max_turns=self._max_turns, name=self._name)

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
        arguments: dict[str, Any] = {
            stage: self._composition.stages[stage].given for stage in STAGES
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
        arguments |= {"max_turns": self._max_turns, "name": self._name}
        arguments |= changes
        pipeline = Pipeline(**arguments, registry=self._registry)
        pipeline._composition.exchange_file = self._composition.exchange_file
        return pipeline

    def recording(self, path: str | Path, *, resume: bool = False) -> Pipeline:
        """Return a pipeline like this one that keeps what its chat model is asked and answers.

        Each exchange is a line of JSON, written before the answer is used (images as digests):
        whatever fails afterwards, nothing that was answered is lost. Without a chat model it
        is the same pipeline.

        Args:
            path: The file; exchanges are added at its end. ``videoseg.chat_log`` reads it.
            resume: Answer from the file what was asked before with the same text, pixels and
                sampling, so that an interrupted run asks only what is new.
        """
        pipeline = self.replace()
        pipeline._composition.exchange_file = ExchangeFile(expand_path(path), resume)
        return pipeline

    def explain(self) -> Explanation:
        """Describe every stage, what it needs and what is missing. Loads nothing heavy."""
        return explain(self._composition, max_turns=self._max_turns, name=self._name)

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
    ) -> Segmentation:
        """Answer a query about a video with masks in every frame.

        Args:
            video: A path (video file, folder of frames, image), an array (T, H, W, 3), a list
                of frames, or a ``Video``.
            query: The user's sentence.
            seed: Seed for everything random; the same seed gives the same result.
            observers: Objects with methods named like the observer hooks.

        Raises:
            VideosegError: One of its kinds. If the error came after the grounding, its
                ``partial`` attribute holds what had been computed.
        """
        query, seed = check_query(query), whole_number(seed, "seed")
        check_saveable(self._record())
        opened = self._open(video)
        expect_all_frames(opened)
        begin = time.perf_counter()
        self._composition.build_all()
        observation = Observation(self._registry, observers)
        episode = self._ground(opened, query, seed, observation)
        return self._carried(episode, episode.trace, observation, begin)

    def ground(
        self,
        video: object,
        query: str,
        *,
        seed: int = 0,
        observers: Sequence[object] = (),
    ) -> Episode:
        """Run sampler and grounder only.

        Returns:
            The finished episode: ``.grounding`` is the answer, ``.trace`` the reasoning.
        """
        observation = Observation(self._registry, observers)
        query, seed = check_query(query), whole_number(seed, "seed")
        return self._ground(self._open(video), query, seed, observation)

    def propagate(
        self,
        video: object,
        grounding: Grounding | Iterable[Prompt],
        *,
        query: str = "",
        trace: Trace | None = None,
        seed: int = 0,
        observers: Sequence[object] = (),
    ) -> Segmentation:
        """Run segmenter and propagator only, from a grounding or prompts of your own.

        Args:
            video: As for calling the pipeline.
            grounding: A grounding (perhaps one saved earlier), or prompts.
            query: Recorded in the result.
            trace: Recorded in the result.
            seed: As for calling the pipeline.
            observers: As for calling the pipeline.

        Raises:
            ConfigError: If the prompts do not fit the video, or something given cannot be saved
                with the result; nothing has been computed then.
            VideosegError: As for calling the pipeline.
        """
        grounding, seed = as_grounding(grounding), whole_number(seed, "seed")
        query, trace = text_of(query, "the query"), trace or Trace()
        check_saveable(self._record(), grounding, trace)
        opened = self._open(video)
        expect_all_frames(opened)
        check_prompts(grounding.prompts, opened)
        begin = time.perf_counter()
        observation = Observation(self._registry, observers)
        self._composition.build_all("segmenter", "propagator")
        episode = Episode(opened, query, seed=seed, moves=(grounding,))
        return self._carried(episode, trace, observation, begin)

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
            An iterator of ``FrameMasks`` with ``grounding``, ``trace`` and ``warnings``; a
            context manager, too.
        """
        if order not in ("time", "made"):
            raise ConfigError(f"order must be 'time' or 'made', got {order!r}")
        warmup_frames = whole_number(warmup_frames, "warmup_frames", least=1)
        query, seed = check_query(query), whole_number(seed, "seed")
        opened = self._open(video, live_buffer=warmup_frames)
        observation = Observation(self._registry, observers)
        live = opened.num_frames is None
        if not live:
            expect_all_frames(opened)
        self._composition.check_live(live)
        self._composition.build_all()
        beginning = first_frames_of(opened, warmup_frames) if live else opened
        episode = self._ground(beginning, query, seed, observation)
        answer = answer_of(episode)
        prompts = with_masks(self._composition, beginning, answer, observation)
        propagation = None
        if prompts:
            propagation = Propagation(
                propagator_for(self._composition, prompts),
                opened,
                prompts,
                seed=seed,
                beginning=beginning if live else None,
            )
        return MaskStream(
            opened,
            answer,
            episode.trace,
            propagation,
            order=order,
            observation=observation,
            component=self._composition.name("propagator"),
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
                f"has only its own registry; {REMEDY}"
            )
        return {
            "composition": self._composition.state(),
            "max_turns": self._max_turns,
            "name": self._name,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._registry = default_registry()
        self._max_turns = state["max_turns"]
        self._name = state["name"]
        self._composition = Composition.from_state(state["composition"], self._registry)

    # -- freeing ---------------------------------------------------------------------------

    def close(self) -> None:
        """Free the models of all stages; the next call loads them again."""
        self._composition.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- the stages ------------------------------------------------------------------------

    @staticmethod
    def _open(video: object, *, live_buffer: int = 0) -> VideoSource:
        from videoseg.video import as_video

        return as_video(video, live_buffer=live_buffer)

    def _ground(
        self, video: VideoSource, query: str, seed: int, observation: Observation
    ) -> Episode:
        episode = run_episode(
            video,
            query,
            sampler=cast(FrameSampler, self._composition.build("sampler")),
            grounder=cast(Grounder, self._composition.build("grounder")),
            max_turns=self._max_turns,
            seed=seed,
            observation=observation,
            names=(self._composition.name("sampler"), self._composition.name("grounder")),
        )
        grounding, trace, _ = saveable(answer_of(episode), episode.trace)
        observation.grounded(query, grounding, trace)
        return episode

    def _carried(
        self, episode: Episode, trace: Trace, observation: Observation, begin: float
    ) -> Segmentation:
        """Carry the answer through the video; a failure takes along what was made until then."""
        made: dict[int, list[Rle | None]] = {}
        try:
            fill_tracks(self._composition, made, episode, observation)
        except VideosegError as error:
            error.partial = self._result(episode, trace, made, observation, begin)
            raise
        return self._result(episode, trace, made, observation, begin)

    def _result(
        self,
        episode: Episode,
        trace: Trace,
        made: Mapping[int, Sequence[Rle | None]],
        observation: Observation,
        begin: float,
    ) -> Segmentation:
        return build_result(
            self._composition,
            episode,
            trace,
            made,
            observation,
            begin=begin,
            max_turns=self._max_turns,
            name=self._name,
        )

    def _record(self) -> dict[str, Any]:
        return self._composition.record(max_turns=self._max_turns, name=self._name)
