"""One run of a pipeline: its query, its answer, its masks, and the result made of them."""

from __future__ import annotations

import logging
import platform
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from videoseg._interruption import foreign_code
from videoseg.errors import ConfigError, PropagationError, QueryError, VideosegError
from videoseg.pipeline.composition import Composition
from videoseg.pipeline.episode_loop import run_episode
from videoseg.pipeline.observation import Observation
from videoseg.pipeline.parts import PartOfWhole
from videoseg.pipeline.prompts import check_prompts, fit_to_frame
from videoseg.pipeline.propagate import Propagation, add_masks, require_prompt_kinds
from videoseg.pipeline.readiness import describe_random_weights
from videoseg.results import Segmentation
from videoseg.stages import (
    AsksAgain,
    DecodesInOrder,
    FrameSampler,
    Grounder,
    HasDevice,
    HasWarnings,
    Propagator,
    Segmenter,
)
from videoseg.text import has_words, shorten, shorten_text, well_formed
from videoseg.types import (
    Episode,
    FrameMasks,
    Grounding,
    MaskTrack,
    Prompt,
    Rle,
    Thought,
    Trace,
    VideoSource,
    Window,
    to_dict,
)
from videoseg.types.serial import to_dict_with_problems

__all__ = ["MAX_QUERY_WORDS", "Run", "check_query"]

_logger = logging.getLogger(__name__)

MAX_QUERY_WORDS = 1000
"""Longer queries are refused: no grounder reads a book as a question."""

_LIBRARIES = ("numpy", "cv2", "av", "decord", "torch", "transformers", "sam2")

# How deep details stand in a result: its trace, the turns, a turn, its selection.
_DEPTH_OF_DETAILS = 10


class Run:
    """One query on one video: the state of a run, from the query to the result.

    ``answer`` runs everything; ``prepare``, ``ground`` and ``propagate`` are its parts.

    Args:
        composition: The stages.
        video: The video.
        query: The user's sentence.
        seed: Seed for everything random.
        observers: Objects with methods named like the observer hooks.
        warmup_frames: How many frames of a live source are gathered to answer from; 0 if the
            video must not be live.
        began: When the run began, by ``time.perf_counter``; now by default.

    Attributes:
        trace: The reasoning.
        tracks: The masks of each object, one for each frame; None where it is not visible.
        observation: Observers, timings and warnings.
    """

    def __init__(
        self,
        composition: Composition,
        video: VideoSource,
        query: str,
        *,
        seed: int,
        observers: Sequence[object] = (),
        warmup_frames: int = 0,
        began: float | None = None,
    ) -> None:
        self.composition = composition
        self.video = video
        self.query = query
        self.seed = seed
        self.trace = Trace()
        self.tracks: dict[int, list[Rle | None]] = {}
        self.observation = Observation(composition.registry, observers)
        self._is_live = warmup_frames > 0 and video.num_frames is None
        self._warmup_frames = warmup_frames
        # The stages before the propagator see a live source only as far as its beginning.
        self._seen = video
        self._part = PartOfWhole.of(video)
        self._grounding: Grounding | None = None
        # An answer that was given, in the frames and pixels of the whole video.
        self._given: tuple[Grounding, Trace] | None = None
        self._num_asked = 0
        self._begin = time.perf_counter() if began is None else began

    @property
    def grounding(self) -> Grounding:
        """The answer.

        Raises:
            ConfigError: If there is none yet.
        """
        if self._grounding is None:
            raise ConfigError("the query has not been answered yet")
        return self._grounding

    def answer_in_whole(self) -> tuple[Grounding, Trace]:
        """Return answer and trace in the frames and pixels of the whole video.

        They are the same unless the run is on a part of a video, see ``Video.part``.
        """
        if self._part is None:
            return self.grounding, self.trace
        given = None if self._given is None else self._given[0]
        grounding = self._part.grounding(self.grounding) if given is None else given
        # Turns that were given are in these terms already; a propagator may have added others.
        num_given = 0 if self._given is None else len(self._given[1].turns)
        turns = self.trace.turns
        return grounding, Trace((*turns[:num_given], *self._part.turns(turns[num_given:])))

    def masks_in_whole(self, masks: FrameMasks) -> FrameMasks:
        """Return the masks of a frame of the video as those of the whole video's frame."""
        return masks if self._part is None else self._part.frame_masks(masks)

    def frame_in_whole(self, frame: int) -> int:
        """Return the index of a frame of the video in the whole video."""
        return frame if self._part is None else self._part.frame(frame)

    # -- the two halves --------------------------------------------------------------------

    def answer(self) -> Segmentation:
        """Ground the query and propagate the answer.

        Raises:
            VideosegError: One of its kinds. If the error came after the grounding, its
                ``partial`` attribute holds what had been computed.
        """
        to_dict(self.composition.record())
        self.prepare()
        self.ground()
        return self.propagate()

    def answer_given(self, grounding: Grounding, trace: Trace) -> Segmentation:
        """Propagate an answer of the caller's.

        Raises:
            ConfigError: If it cannot be saved with the result; nothing has been computed then.
            VideosegError: As ``answer``.
        """
        for part in (self.composition.record(), grounding, trace):
            to_dict(part)
        self._given = grounding, trace
        self.trace = trace
        self._grounding = grounding if self._part is None else self._part.to_part(grounding)
        check_prompts(self._grounding.prompts, self.video)
        self.prepare("segmenter", "propagator")
        if self.query and isinstance(self.composition.build("propagator"), AsksAgain):
            self.composition.build_all()
        return self.propagate()

    def prepare(self, *stages: str) -> None:
        """Build the stages, all or those named, and announce that all frames will be read."""
        if self._is_live:
            self.composition.check_live()
        # Sources of other packages need not be able to make use of it.
        elif isinstance(self.video, DecodesInOrder):
            self.video.decode_in_order()
        self.composition.build_all(*stages)
        self.observation.timings["start"] = seconds = time.perf_counter() - self._begin
        height, width = self.video.size
        _logger.info("%s, %dx%d: ready after %.2f s", self.video.name, width, height, seconds)

    def ground(self) -> Episode:
        """Let sampler and grounder find the answer."""
        if self._is_live:
            self._seen = _read_beginning(self.video, self._warmup_frames)
        composition = self.composition
        episode = run_episode(
            self._seen,
            self.query,
            sampler=cast(FrameSampler, composition.build("sampler")),
            grounder=cast(Grounder, composition.build("grounder")),
            max_turns=composition.max_turns,
            seed=self.seed,
            observation=self.observation,
            names=(composition.name("sampler"), composition.name("grounder")),
        )
        self._grounding, self.trace = episode.grounding, episode.trace
        grounding, trace, _ = _make_saveable(*self.answer_in_whole())
        self.observation.grounded(self.query, grounding, trace)
        return episode

    def propagate(self) -> Segmentation:
        """Let segmenter and propagator make the masks of the answer.

        Raises:
            VideosegError: As ``answer``.
        """
        try:
            self._fill_tracks()
        except VideosegError as error:
            error.partial = self.result()
            raise
        return self.result()

    def open_propagation(self) -> Propagation | None:
        """Return the propagation of the answer; None if there is nothing to propagate.

        Raises:
            ConfigError: If a box lies wholly outside the frame, or a mask has another size.
            StageError: If the segmenter does not answer every prompt with a mask of the frame.
            IncompatibleStagesError: If the propagator does not take these prompts.
        """
        prompts = self.complete(self.grounding.named_prompts)
        if not prompts:
            return None
        propagator = cast(Propagator, self.composition.build("propagator"))
        require_prompt_kinds(prompts, propagator, self.composition.name("propagator"))
        beginning = self._seen if self._is_live else None
        ask = self.answer_again if self.query and not self._is_live else None
        return Propagation(
            propagator,
            self.video,
            prompts,
            seed=self.seed,
            beginning=beginning,
            appears_at_prompt=self.grounding.appears_at_prompt,
            places=self.grounding.places,
            ask=ask,
        )

    def answer_again(self, frame: int, *, window: Window, reason: str) -> Grounding:
        """Let sampler, grounder and segmenter answer again; see ``videoseg.stages.Reanswer``."""
        composition = self.composition
        self._num_asked += 1
        episode = run_episode(
            self.video,
            self.query,
            sampler=cast(FrameSampler, composition.build("sampler")),
            grounder=cast(Grounder, composition.build("grounder")),
            max_turns=1,
            seed=self.seed + self._num_asked,
            window=window,
            keyframe=frame,
            observation=self.observation,
            names=(composition.name("sampler"), composition.name("grounder")),
        )
        [turn] = episode.trace.turns
        told = f"Asked again on frame {frame}: {reason}."
        whole_reason = " ".join(filter(None, [told, turn.selection.reason]))
        turn = replace(turn, selection=replace(turn.selection, reason=whole_reason))
        self.trace = Trace((*self.trace.turns, turn))
        answer = cast(Grounding, episode.grounding)
        return replace(answer, prompts=self.complete(answer.prompts))

    def complete(self, given: Iterable[Prompt]) -> tuple[Prompt, ...]:
        """Return prompts inside the frame, with the segmenter's masks if there is one."""
        composition, observation = self.composition, self.observation
        # Boxes are cut first, so that every segmenter and propagator gets the same.
        fitted = [fit_to_frame(prompt, self.video.size) for prompt in given]
        prompts = tuple(prompt for prompt, _ in fitted)
        observation.warnings += [warning for _, warnings in fitted for warning in warnings]
        have_masks = all(prompt.mask is not None for prompt in prompts)
        if have_masks or composition.stages["segmenter"] is None:
            return prompts
        segmenter = cast(Segmenter, composition.build("segmenter"))
        name = composition.name("segmenter")
        with observation.stage("segmenter", name):
            prompts, lost = add_masks(segmenter, name, self._seen, prompts)
        observation.warnings += lost
        return prompts

    def _fill_tracks(self) -> None:
        """Keep each object's masks as they are made.

        If one direction fails, the other is done before its error is raised: neither needs the
        other's masks.

        Raises:
            PropagationError: If memory runs out.
        """
        propagation = self.open_propagation()
        if propagation is None:
            return
        name, total = self.composition.name("propagator"), len(self.video)
        self.tracks = {object_id: [None] * total for object_id in propagation.object_ids}
        with self.observation.stage("propagator", name, total=total):
            done: set[int] = set()
            try:
                for masks in propagation.run():
                    for object_id, mask in masks.masks.items():
                        if mask.any():
                            self.tracks[object_id][masks.frame] = Rle.encode(mask)
                    done.add(masks.frame)
                    frame = self.frame_in_whole(masks.frame)
                    self.observation.frame_done(frame, len(done), total)
            finally:
                self.close_propagation(propagation)
            if propagation.failures and isinstance(propagation.failures[0], MemoryError):
                # Python's own error cannot hold a partial result.
                raise PropagationError(
                    f"the memory of this machine is used up in the propagator {name!r}; try a "
                    "smaller or shorter video, or fewer objects"
                ) from propagation.failures[0]
            propagation.raise_failure()

    def close_propagation(self, propagation: Propagation) -> None:
        """Close a propagation; its warnings and further failures become warnings of the run."""
        propagation.close()
        self.observation.warnings += propagation.warnings
        self.observation.failed(propagation.failures)

    # -- the result ------------------------------------------------------------------------

    def result(self) -> Segmentation:
        """Return what has been made so far as a result."""
        grounding, trace, unsaved = _make_saveable(*self.answer_in_whole())
        named = reversed(self.grounding.named_prompts)
        labels = {prompt.object_id: prompt.label for prompt in named}
        tracks = tuple(
            MaskTrack(object_id, self.video.size, tuple(masks), label=labels.get(object_id, ""))
            for object_id, masks in sorted(self.tracks.items())
        )
        whole = self.video
        if self._part is not None:
            tracks, whole = tuple(map(self._part.track, tracks)), self._part.whole
            unsaved += self._part.note(trace)
        video_warnings = self.video.warnings if isinstance(self.video, HasWarnings) else ()
        untrained = describe_random_weights(to_dict(self.composition.record()))
        warnings = [*untrained, *grounding.warnings, *video_warnings, *unsaved]
        if tracks and any(not track.visible_frames for track in tracks):
            warnings.append("an object was found but has no mask in any frame")
        return Segmentation(
            query=self.query,
            video=whole.facts(),
            grounding=grounding,
            trace=trace,
            tracks=tracks,
            pipeline=to_dict(self.composition.record()),
            timings={**self.observation.timings, "total": time.perf_counter() - self._begin},
            versions=_collect_versions(self.composition.distributions()),
            seed=self.seed,
            device=_device_of(self.composition.built()),
            warnings=tuple(dict.fromkeys([*warnings, *self.observation.warnings])),
            source=whole,
            part=None if self._part is None else self._part.part,
        )


def _read_beginning(video: VideoSource, num_frames: int) -> VideoSource:
    """Return the beginning of a live source as a video of its own, held in memory."""
    from videoseg.video import Video

    frames = [frame for _, frame in video.iter_frames(0, num_frames)]
    return Video.from_frames(frames, fps=video.fps, name=video.name)


def check_query(query: object) -> str:
    """Return the query without surrounding space, and without halves of surrogate pairs.

    Raises:
        QueryError: If it is empty, without words, not text, or longer than ``MAX_QUERY_WORDS``.
    """
    if not isinstance(query, str):
        raise QueryError(f"the query must be text, got {type(query).__name__}")
    query = well_formed(query).strip()
    if not query:
        raise QueryError("the query is empty; say which object you mean, such as 'the red car'")
    if not has_words(query):
        raise QueryError(
            f"the query {shorten(query)} has no words; say which object you mean, such as 'the "
            "red car'"
        )
    num_words = len(query.split())
    if num_words > MAX_QUERY_WORDS:
        raise QueryError(
            f"the query has {num_words:,} words; at most {MAX_QUERY_WORDS:,} are read"
        )
    return query


def _make_saveable(grounding: Grounding, trace: Trace) -> tuple[Grounding, Trace, list[str]]:
    """Return grounding and trace in a form that can be saved, and a warning for each loss.

    Only ``details`` may hold what JSON cannot; such a value is replaced by a text: the beginning
    of its ``repr``.
    """
    warnings: list[str] = []

    def details_of(details: Mapping[str, Any], whose: str) -> Mapping[str, Any]:
        plain, problems = to_dict_with_problems(details, depth=_DEPTH_OF_DETAILS)
        warnings.extend(f"{whose}: {problem}; only a text is kept" for problem in problems)
        return plain if problems else details

    def thought_of(thought: Thought, whose: str) -> Thought:
        return replace(thought, details=details_of(thought.details, f"details of {whose}"))

    turns = []
    for number, turn in enumerate(trace.turns, start=1):
        chosen = turn.selection
        details = details_of(chosen.details, f"details of the selection in turn {number}")
        turns.append(
            replace(
                turn,
                selection=replace(chosen, details=details),
                thought=thought_of(turn.thought, f"the thought in turn {number}"),
            )
        )
    answer = replace(grounding, thought=thought_of(grounding.thought, "the answer's thought"))
    return answer, replace(trace, turns=tuple(turns)), warnings


def _collect_versions(distributions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return versions of Python, videoseg, the stages' packages and the libraries in use.

    Args:
        distributions: (name, version) of the packages that provided the stages.
    """
    from videoseg._version import __version__

    versions = {"python": platform.python_version(), "videoseg": __version__}
    versions.update({name: version for name, version in distributions if version})
    for module_name in _LIBRARIES:
        # Only loaded libraries took part in the run; none is imported for its version.
        version = getattr(sys.modules.get(module_name), "__version__", None)
        if isinstance(version, str):
            versions[module_name] = version
    return versions


def _device_of(stages: Iterable[object]) -> str:
    """Return where the stages' models ran: ``cpu`` unless a stage says otherwise."""
    devices = dict.fromkeys(filter(None, map(_device, stages)))
    return ", ".join(devices) or "cpu"


def _device(stage: object) -> str:
    try:
        with foreign_code():
            device = stage.device if isinstance(stage, HasDevice) else None
            return "" if device is None else shorten_text(str(device))
    except Exception as error:
        # The masks are made by now; an unknown device is no reason to lose them.
        _logger.warning("the device of %s cannot be read: %s", type(stage).__name__, error)
        return ""
