"""From a configuration to what a run is made of: policy, samples, rewards, pipeline."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from accelerate import Accelerator
from videoseg_o3 import SegOptions, load_seg_model, propagator_of
from videoseg_vlm.checkpoint import CheckpointOptions
from videoseg_vlm.checkpoint import load as load_vlm

from videoseg import ChatModel, ConfigError, Grounder, Pipeline, Propagator, Use, VideosegError
from videoseg.errors import MissingDependencyError
from videoseg.plugins import Registry, default_registry
from videoseg.stages import AnswersWithEmbeddings
from videoseg.types import Episode, Move
from videoseg_train.config import DataSettings, RewardUse, TrainingConfig
from videoseg_train.data import TargetFrameSampler, TrainingSet
from videoseg_train.difficulty import DifficultyRatings
from videoseg_train.optimization import make_accelerator
from videoseg_train.parameters import LoraSettings, add_lora, set_trained
from videoseg_train.policy import Policy
from videoseg_train.published import read_cold_start, read_questions
from videoseg_train.randomness import mix_seed
from videoseg_train.replay import ColdStartSet, TraceSampler, TrainingTrace
from videoseg_train.rewards import RewardTerm
from videoseg_train.rollout import Stages, Teacher
from videoseg_train.samples import TrainingSample
from videoseg_train.teacher import TeacherChat, TeacherFaults

__all__ = [
    "TARGET_FRAME",
    "TRACE",
    "build_accelerator",
    "build_pipeline",
    "build_policy",
    "build_rewards",
    "build_samples",
    "build_teacher",
    "check_trackers",
    "check_turns",
    "prepare_policy",
    "stages_for",
    "uses_own_masks",
]

TARGET_FRAME = "target-frame"
"""Stands for ``TargetFrameSampler``, which needs the samples, among the names of samplers."""
TRACE = "trace"
"""Stands for ``TraceSampler``, likewise."""

_OWN_PROPAGATOR = "o3"
# Options of this propagator that a policy in memory answers.
_WHICH_WEIGHTS = ("model", "revision", "random_weights", "download", "device")
_TRACKER_PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb", "trackio": "trackio"}


def build_policy(config: TrainingConfig) -> Policy:
    """Load the model that training begins with.

    Raises:
        MissingWeightsError: If it is not on this machine.
        MissingDependencyError: If a package is missing.
        ConfigError: If it is damaged or another kind of model.
    """
    given, options = config.model, config.policy
    if given.kind == "seg":
        model = load_seg_model(
            SegOptions(
                given.path,
                revision=given.revision,
                dtype=given.dtype,
                device="cpu",
                attention=given.attention,
                download=given.download,
            )
        )
        processor = None
    else:
        found = load_vlm(
            CheckpointOptions(
                given.path,
                revision=given.revision,
                dtype=given.dtype,
                device="cpu",
                attention=given.attention,
                download=given.download,
            )
        )
        model, processor = found.model, found.processor
    return Policy(
        model,
        processor,
        temperature=options.temperature,
        top_p=options.top_p,
        max_tokens=options.max_tokens,
        max_batch=options.max_batch,
        preprocessing=options.preprocessing,
        max_pixels=options.max_pixels,
    )


def prepare_policy(policy: Policy, config: TrainingConfig) -> None:
    """Choose what of a policy is trained.

    Raises:
        ConfigError: If the model does not have a part.
        MissingDependencyError: If adapters are asked for and peft is not installed.
    """
    training = config.training
    set_trained(policy, training.parts)
    if training.lora is not None:
        _add_adapters(policy, training.lora, seed=config.seed)
    if training.gradient_checkpointing:
        policy.vlm.gradient_checkpointing_enable({"use_reentrant": False})


def _add_adapters(policy: Policy, settings: LoraSettings, *, seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(mix_seed(seed, 0) % 2**63)
        add_lora(policy, settings)


def build_accelerator(config: TrainingConfig, folder: str) -> Accelerator:
    """Return accelerate's object for a run.

    Raises:
        MissingDependencyError: If a tracker is not installed, or what accelerate's own
            configuration asks for.
    """
    check_trackers(config.report_to)
    options: dict[str, object] = {}
    if config.model.precision is not None:
        options["mixed_precision"] = config.model.precision
    if config.model.device == "cpu":
        options["cpu"] = True
    if config.report_to:
        options |= {"log_with": list(config.report_to), "project_dir": folder}
    try:
        return make_accelerator(**options)
    except ImportError as error:
        raise MissingDependencyError(
            f"accelerate's configuration asks for what is not installed: {error}"
        ) from error


def check_trackers(names: Sequence[str]) -> None:
    """Check that trackers are installed.

    Raises:
        MissingDependencyError: If one is not.
    """
    missing = [
        _TRACKER_PACKAGES[name]
        for name in names
        if importlib.util.find_spec(_TRACKER_PACKAGES[name]) is None
    ]
    if missing:
        packages = " ".join(missing)
        raise MissingDependencyError(
            f"report_to needs {', '.join(missing)}; install it: pip install {packages}"
        )


def build_samples(
    settings: DataSettings, *, registry: Registry | None = None
) -> Sequence[TrainingSample]:
    """Return the samples of a benchmark's split.

    Raises:
        TrainingDataError: If there are none.
        EvaluationError: If the benchmark cannot be read.
    """
    samples = _open(settings, registry)
    most = settings.max_samples
    if most is not None and len(samples) > most:
        samples = samples.at(np.linspace(0, len(samples) - 1, most).round().astype(int).tolist())
    if settings.difficulty is None:
        return samples
    given = settings.difficulty
    chat = None
    if given.chat is not None:
        registry = registry or default_registry()
        chat = registry.build("chat", given.chat.name, given.chat.options)
    rate, unrated = DifficultyRatings(chat, given.file), samples
    return TrainingSet(
        samples.name, len(samples), lambda at: rate(unrated[at]), left_out=samples.left_out
    )


def _open(settings: DataSettings, registry: Registry | None) -> TrainingSet:
    if settings.benchmark is not None:
        return TrainingSet.open(
            settings.benchmark.name,
            settings.root,
            settings.split,
            options=settings.benchmark.options,
            registry=registry,
        )
    assert settings.file is not None
    assert settings.pictures is not None
    assert settings.masks is not None
    read = read_cold_start if settings.format == "vts-cot" else read_questions
    return read(settings.file, pictures=settings.pictures, masks=settings.masks)


def stages_for(
    stages: Stages,
    samples: Sequence[TrainingSample],
    traces: Sequence[TrainingTrace] = (),
) -> Stages:
    """Return stages for some samples, which the samplers ``target-frame`` and ``trace`` know.

    Raises:
        ConfigError: If the options of ``target-frame`` are others than those of
            ``TargetFrameSampler``, or a trace has more turns than an episode.
    """
    _check_most_turns(stages, max((len(trace.texts) for trace in traces), default=0))
    sampler = stages.sampler
    name = sampler if isinstance(sampler, str) else getattr(sampler, "name", None)
    if name == TRACE:
        return replace(stages, sampler=TraceSampler(traces))
    if name != TARGET_FRAME:
        return stages
    options = dict(sampler.options) if isinstance(sampler, Use) else {}
    if "num_context" in options:
        options["num_context"] = tuple(options["num_context"])
    try:
        made = TargetFrameSampler(samples, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"sampler {TARGET_FRAME!r}: {error}") from error
    return replace(stages, sampler=made)


def check_turns(stages: Stages, samples: Sequence[TrainingSample]) -> None:
    """Check that episodes are long enough for the traces among some samples.

    Raises:
        ConfigError: If they would end before the answer of a trace.
    """
    if isinstance(samples, ColdStartSet):
        _check_most_turns(stages, samples.most_turns)


def _check_most_turns(stages: Stages, most_turns: int) -> None:
    if most_turns > stages.max_turns:
        raise ConfigError(
            f"a trace has {most_turns} turns, but an episode ends after {stages.max_turns}, so "
            f"its answer would not be learned; set 'stages.max_turns' to {most_turns}"
        )


def build_rewards(uses: Sequence[RewardUse], *, registry: Registry) -> tuple[RewardTerm, ...]:
    """Return the terms of the reward.

    Raises:
        ConfigError: If one cannot be built; lists every problem.
    """
    terms: list[RewardTerm] = []
    problems: list[str] = []
    for one in uses:
        try:
            reward = registry.build("reward", one.name, one.options)
        except VideosegError as error:
            problems += getattr(error, "problems", (str(error),))
            continue
        terms.append(RewardTerm(one.label or one.name, reward, one.weight, one.use))
    if problems:
        raise ConfigError(problems)
    return tuple(terms)


def build_teacher(config: TrainingConfig, policy: Policy) -> Teacher:
    """Return the teacher that answers from the truth in the policy's place.

    Raises:
        ConfigError: If a number is out of range.
    """
    given = config.training.teacher
    faults = TeacherFaults(given.box_spread, given.wrong_object, given.random_keyframe)

    def teach(sample: TrainingSample, seed: int) -> ChatModel:
        return TeacherChat(
            sample,
            faults=faults,
            seed=seed,
            coordinates=given.coordinates or policy.coordinate_space or "per_mille",
            seen_sizes=lambda messages: policy.reader.sizes(policy.reader.read(messages)),
            form=given.form,
            num_looks=given.num_looks,
            max_turns=config.stages.max_turns,
        )

    return teach


def uses_own_masks(config: TrainingConfig) -> bool:
    """Return whether evaluations propagate with the SAM 2 of the policy that is trained."""
    return (
        config.model.kind == "seg"
        and config.propagator is not None
        and config.propagator.name == _OWN_PROPAGATOR
    )


def build_pipeline(
    config: TrainingConfig, policy: Policy | None = None, *, registry: Registry | None = None
) -> Pipeline | None:
    """Return the pipeline whose segmenter and propagator make the masks of evaluations.

    The propagator ``o3`` of a policy that segments has the parameters that the policy has now.

    Returns:
        None without a propagator.

    Raises:
        VideosegError: If a component is unknown or does not go with the other.
    """
    given = config.propagator
    if given is None:
        return None
    registry = registry or default_registry()
    answered = _Answered(_embedding_model(config.stages.grounder, registry))
    propagator: Use | Propagator = given
    model = None if policy is None else policy.seg_model
    if uses_own_masks(config) and model is not None:
        options = {
            name: value for name, value in given.options.items() if name not in _WHICH_WEIGHTS
        }
        propagator = propagator_of(model, **options)
    return Pipeline("uniform", answered, propagator, segmenter=config.segmenter, registry=registry)


def _embedding_model(grounder: Use | str | Grounder, registry: Registry) -> str | None:
    """Return the model of the embeddings that a grounder answers with; None if it does not."""
    if isinstance(grounder, str):
        grounder = Use(grounder)
    if isinstance(grounder, Use):
        component = registry.find("grounder", grounder.name).component
        return component.embedding_model(grounder.options) or None
    if isinstance(grounder, AnswersWithEmbeddings):
        return grounder.answers_with_embeddings_of
    return None


class _Answered:
    """Stands for the policy, which has answered when masks are made.

    Args:
        embedding_model: That of the grounder in whose place it stands; the pipeline checks it.
    """

    def __init__(self, embedding_model: str | None) -> None:
        self.answers_with_embeddings_of = embedding_model

    def step(self, episode: Episode) -> Move:
        raise AssertionError(f"the policy has answered {episode.query!r} already")
