"""Episodes of the policy: the loop of inference, many at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeAlias

from videoseg_o3 import SegModel

from videoseg import ChatModel, Episode, FrameSampler, Grounder, Grounding
from videoseg.devices import torch_defaults
from videoseg.errors import (
    ContextLengthError,
    GroundingParseError,
    MissingDependencyError,
    StageError,
    VideosegError,
)
from videoseg.pipeline import PipelineConfig, Use, run_episode
from videoseg.plugins import Registry, default_registry
from videoseg.types import ChatReply, FrameSelection, Message, Move, VideoSource, Window
from videoseg_train.episode_chat import Call, EpisodeChat, StageName, Step
from videoseg_train.errors import RepeatedQuestionError, TrainingError
from videoseg_train.gate import Closed, Gate
from videoseg_train.masks import (
    FrameFeatureCache,
    SegMasks,
    SegPlace,
    decode_masks,
    overview_frames,
    pending_keyframe,
)
from videoseg_train.policy import Policy
from videoseg_train.randomness import mix_seed
from videoseg_train.samples import TrainingSample

__all__ = ["Rollout", "Stages", "Teacher", "record_demonstrations", "run_rollouts"]

_MAX_TURNS = 3
"""As the released evaluation and training of VideoSEG-O3."""

Teacher: TypeAlias = Callable[[TrainingSample, int], ChatModel]
"""Makes the chat model that answers about a sample in the policy's place; the number is a seed."""

_OF_THE_ANSWER = (ContextLengthError, GroundingParseError, RepeatedQuestionError)
"""What ends an episode alone. Any other error would come back in every one, or hide a fault."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages in which the policy acts.

    Args:
        sampler: A component's name with options (``videoseg.use``), its name, or an instance.
        grounder: Likewise. It asks the policy as its chat model; an instance has been given
            ``policy.chat``. Episodes share it, in several threads.
        max_turns: How many moves the grounder has.
    """

    sampler: Use | str | FrameSampler
    grounder: Use | str | Grounder
    max_turns: int = _MAX_TURNS

    @staticmethod
    def of(config: PipelineConfig) -> Stages:
        """Return the stages of a pipeline."""
        return Stages(config.sampler, config.grounder, config.max_turns)

    def build(
        self, chat: ChatModel, registry: Registry | None = None
    ) -> tuple[FrameSampler, Grounder]:
        """Return sampler and grounder, which ask ``chat``.

        Raises:
            ConfigError: If one cannot be built with these options.
            ComponentNotFoundError: If there is no component of this name.
        """
        registry = registry or default_registry()
        sampler, grounder = (
            _build(registry, kind, given, chat)
            for kind, given in (("sampler", self.sampler), ("grounder", self.grounder))
        )
        return sampler, grounder


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """One episode of the policy.

    Args:
        sample: What was asked.
        group: Which of the samples, counted from 0 over all processes; the rollouts of a group
            are compared with each other.
        member: Which of the group's rollouts, counted from 0.
        seed: Seed of the episode.
        steps: The policy's answers, in order.
        episode: The episode; without its last move if it failed. None if it failed before the
            grounder was first asked.
        error: Why the episode failed, such as an answer that cannot be read; None if it did not.
        masks: What each ``[SEG]`` stands for, for a policy that segments.
        seconds: How long it took, with waiting for others.
    """

    sample: TrainingSample
    group: int
    member: int
    seed: int
    steps: tuple[Step, ...]
    episode: Episode | None
    error: str | None = None
    masks: tuple[SegMasks, ...] = ()
    seconds: float = 0.0

    @property
    def grounding(self) -> Grounding | None:
        """The answer; None if the episode failed."""
        moves = () if self.episode is None else self.episode.moves
        return moves[-1] if moves and isinstance(moves[-1], Grounding) else None

    @property
    def texts(self) -> tuple[str, ...]:
        """What the grounder was answered, in order."""
        return tuple(step.text for step in self.steps if step.stage == "grounder")

    @property
    def num_tokens(self) -> int:
        """How many tokens the policy has written for the grounder."""
        return sum(len(step.tokens) for step in self.steps if step.stage == "grounder")


def run_rollouts(
    policy: Policy,
    stages: Stages,
    samples: Sequence[TrainingSample],
    *,
    group_size: int = 1,
    seed: int = 0,
    first_group: int = 0,
    trained: Sequence[StageName] = ("grounder",),
    greedy: bool = False,
    features: FrameFeatureCache | None = None,
    registry: Registry | None = None,
) -> list[Rollout]:
    """Run episodes, all of them in step.

    Each runs ``videoseg.pipeline.run_episode`` in a thread of its own. When all that are not over
    wait for the policy, their questions are answered together. Each image is encoded once, and
    what the conversations of a group begin with in common is computed once.

    Args:
        policy: The policy, whose parameters must not change meanwhile.
        stages: Where it acts.
        samples: P questions.
        group_size: How many episodes for each.
        seed: The same seed gives the same rollouts.
        first_group: The number of the first sample, where several processes share a step.
        trained: Whose questions are answered by sampling at the policy's temperature. If such a
            stage cannot read an answer, the episode fails; it must not ask again.
        greedy: Answer as in inference instead: at the temperatures that the stages ask for, and
            they may ask again.
        features: Where SAM 2's features of frames are kept.
        registry: Where names of components are looked up.

    Returns:
        P x group_size rollouts, group by group. An episode fails, and is a rollout with
        ``error``, if an answer cannot be read (``GroundingParseError``), makes the grounder break
        its contract, or makes the conversation too long.

    Raises:
        ConfigError: If the stages cannot be built.
        MissingDependencyError: If a package is missing or too old.
        TrainingError: If an episode ends for another reason that is not the policy's answer, such
            as a stage with an error of its own. The other episodes are given up.
        VideosegError: If a stage says such a reason itself, such as a video that is damaged.
    """
    sampler, grounder = stages.build(policy.chat, registry)
    vision = policy.new_vision_cache()
    gate = Gate(len(samples) * group_size)
    jobs: list[_Job] = []
    for position, sample in enumerate(samples):
        group = first_group + position
        for member in range(group_size):
            episode_seed = mix_seed(mix_seed(seed, group), member)
            number = len(jobs)
            chat = EpisodeChat(
                policy,
                gate.asker(number),
                vision=vision,
                seed=episode_seed,
                sampled=() if greedy else trained,
                repeats=greedy,
            )
            jobs.append(_Job(sample, group, member, episode_seed, chat))
    results: list[Rollout | BaseException | None] = [None] * len(jobs)

    def work(number: int) -> None:
        job = jobs[number]
        policy.chat.episode = job.chat
        try:
            results[number] = _run(job, sampler, grounder, stages.max_turns)
        except BaseException as error:
            results[number] = error
            gate.close()
        finally:
            gate.leave()

    threads = [
        threading.Thread(target=work, args=(number,), name=f"episode-{number}", daemon=True)
        for number in range(len(jobs))
    ]
    try:
        _start(threads)
        gate.serve(policy)
    except ImportError as error:
        raise _broken_dependency(error) from error
    finally:
        gate.close()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    rollouts = list(_results(results, samples, group_size))
    model = policy.seg_model
    if model is None or model.sam2 is None:
        return rollouts
    features = features or FrameFeatureCache(model)
    with torch_defaults():
        return [_with_masks(rollout, model, features) for rollout in rollouts]


def record_demonstrations(
    policy: Policy,
    stages: Stages,
    samples: Sequence[TrainingSample],
    teacher: Teacher,
    *,
    seed: int = 0,
    registry: Registry | None = None,
) -> list[Rollout]:
    """Run episodes in which a teacher answers in the policy's place.

    The rollouts have the conversations that the policy would have read and the teacher's answers
    as its tokens, without log-probabilities: what supervised fine-tuning trains on.

    Args:
        policy: The policy that is to learn from them.
        stages: Where it will act.
        samples: The questions.
        teacher: Makes the chat model that answers about a sample.
        seed: Seed of the episodes and the teacher.
        registry: Where names of components are looked up.

    Returns:
        A rollout for each sample; see ``run_rollouts``.

    Raises:
        VideosegError: As ``run_rollouts``, or if the teacher cannot answer.
    """
    sampler, grounder = stages.build(policy.chat, registry)
    rollouts = []
    for number, sample in enumerate(samples):
        episode_seed = mix_seed(mix_seed(seed, number), 0)
        chat = _DemonstrationChat(policy, teacher(sample, episode_seed))
        policy.chat.episode = chat
        try:
            job = _Job(sample, number, 0, episode_seed, chat)
            rollouts.append(_run(job, sampler, grounder, stages.max_turns))
        except StageError as error:
            _raise_explained(error, sample)
        finally:
            policy.chat.episode = None
    return rollouts


# -- one episode -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Job:
    """An episode to run."""

    sample: TrainingSample
    group: int
    member: int
    seed: int
    chat: EpisodeChat


class _Watched:
    """Sampler and grounder of an episode that tell its chat model who is asking.

    Attributes:
        episode: The episode as the grounder was last shown it.
    """

    def __init__(self, sampler: FrameSampler, grounder: Grounder, chat: EpisodeChat) -> None:
        self._sampler, self._grounder, self._chat = sampler, grounder, chat
        self.episode: Episode | None = None

    def sample(
        self,
        video: VideoSource,
        query: str,
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,
    ) -> FrameSelection:
        self._chat.stage = "sampler"
        if self.episode is not None:
            self._chat.turn = self.episode.turn + 1
        return self._sampler.sample(video, query, window=window, keyframe=keyframe, seed=seed)

    def step(self, episode: Episode) -> Move:
        self.episode = episode
        self._chat.stage, self._chat.turn = "grounder", episode.turn
        return self._grounder.step(episode)


def _run(job: _Job, sampler: FrameSampler, grounder: Grounder, max_turns: int) -> Rollout:
    begin = time.perf_counter()
    watched = _Watched(sampler, grounder, job.chat)
    names = (type(sampler).__name__, type(grounder).__name__)
    episode: Episode | None = None
    problem: str | None = None
    try:
        episode = run_episode(
            job.sample.video,
            job.sample.query,
            sampler=watched,
            grounder=watched,
            max_turns=max_turns,
            seed=job.seed % 2**63,
            names=names,
        )
    except _OF_THE_ANSWER as error:
        problem = str(error)
    except StageError as error:
        # What the policy said may have become a move that is none. An error with a cause is one
        # of the stage's own.
        if type(error) is not StageError or error.stage != "grounder" or error.__cause__:
            raise
        problem = str(error)
    finally:
        # Its cache is large.
        job.chat.session.clear(keep_images=True)
    return Rollout(
        job.sample,
        job.group,
        job.member,
        job.seed,
        tuple(job.chat.steps),
        episode or watched.episode,
        problem,
        seconds=time.perf_counter() - begin,
    )


def _with_masks(rollout: Rollout, model: SegModel, features: FrameFeatureCache) -> Rollout:
    """Return a rollout with the masks of its ``[SEG]``."""
    episode = rollout.episode
    if episode is None:
        return rollout
    places = [
        SegPlace(
            rollout.sample,
            number,
            step.turn,
            index,
            overview_frames(episode),
            pending_keyframe(episode, step.turn),
            state,
        )
        for number, step in enumerate(rollout.steps)
        if step.stage == "grounder" and step.seg_states is not None
        for index, state in enumerate(step.seg_states)
    ]
    return replace(rollout, masks=tuple(decode_masks(model, places, features)))


class _DemonstrationChat(EpisodeChat):
    """A teacher in the policy's place: its answers are kept as the policy's."""

    def __init__(self, policy: Policy, teacher: ChatModel) -> None:
        super().__init__(policy, _never)
        self._teacher = teacher

    def chat(self, messages: Sequence[Message], **options: Any) -> Sequence[ChatReply]:
        policy = self.policy
        conversation = self.read(messages)
        replies = []
        for reply in self._teacher.chat(messages, **options):
            tokens = policy.encode(reply.text)
            places = tuple(at for at, token in enumerate(tokens) if token == policy.seg_token)
            step = Step(self.stage, self.turn, conversation, tokens, reply.text, seg_places=places)
            self.keep(messages, step)
            replies.append(
                replace(
                    reply,
                    num_tokens=len(tokens),
                    image_sizes=policy.reader.sizes(conversation),
                    coordinate_space=policy.coordinate_space,
                    finish_reason="stop",
                )
            )
        return replies


def _never(_: Call) -> None:
    raise AssertionError("a teacher answers, not the policy")


# -- many episodes ---------------------------------------------------------------------------


def _start(threads: Sequence[threading.Thread]) -> None:
    try:
        for thread in threads:
            thread.start()
    except RuntimeError as error:
        raise TrainingError(
            f"this machine cannot run {len(threads)} episodes at once ({error}); lower "
            "samples_per_step or group_size"
        ) from error


def _results(
    results: Sequence[Rollout | BaseException | None],
    samples: Sequence[TrainingSample],
    group_size: int,
) -> Iterator[Rollout]:
    for number, result in enumerate(results):
        if isinstance(result, BaseException) and not isinstance(_cause(result), Closed):
            _raise_explained(result, samples[number // group_size])
    found = [result for result in results if isinstance(result, Rollout)]
    if len(found) < len(results):
        raise TrainingError(f"{len(results) - len(found)} episodes ended without a result")
    yield from found


def _cause(error: BaseException) -> BaseException:
    """Return the error that a stage failed with."""
    while isinstance(error, StageError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _raise_explained(error: BaseException, sample: TrainingSample) -> NoReturn:
    """Raise the error that ends rollouts, for one that ended the episode of a sample."""
    cause = _cause(error)
    if isinstance(cause, ImportError):
        raise _broken_dependency(cause) from error
    if isinstance(cause, MemoryError):
        raise cause
    if isinstance(error, VideosegError) and type(error) is not StageError:
        raise error
    reason = str(error) if isinstance(error, StageError) else repr(error)
    raise TrainingError(
        f"the episode of sample {sample.id!r} ended for a reason that is not the policy's answer: "
        f"{reason}. If the answer could not be read, the stage must raise GroundingParseError"
    ) from error


def _broken_dependency(error: ImportError) -> MissingDependencyError:
    return MissingDependencyError(
        f"the rollouts need a package that is missing or too old: {error}; install or upgrade it"
    )


def _build(registry: Registry, kind: str, given: object, chat: ChatModel) -> Any:
    if isinstance(given, str):
        given = Use(given)
    if not isinstance(given, Use):
        return given
    return registry.build(kind, given.name, given.options, given={"chat": chat})
