"""From a configuration to what a run is made of: policy, samples, rewards, pipeline."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np
import torch
from accelerate import Accelerator
from videoseg_o3 import SegOptions, load_seg_model
from videoseg_vlm.checkpoint import CheckpointOptions
from videoseg_vlm.checkpoint import load as load_vlm

from videoseg import ChatModel, ConfigError, Pipeline, VideosegError
from videoseg.benchmarks import BenchmarkSplit, Sample, open_benchmark
from videoseg.errors import MissingDependencyError
from videoseg.plugins import Registry
from videoseg.types import Episode, MaskTrack, Move, Rle
from videoseg_train.config import DataSettings, RewardUse, TrainingConfig
from videoseg_train.optimization import make_accelerator
from videoseg_train.parameters import LoraSettings, add_lora, set_trained
from videoseg_train.policy import Policy, mix_seed
from videoseg_train.rewards import RewardTerm
from videoseg_train.rollout import Teacher
from videoseg_train.samples import TrainingSample

__all__ = [
    "build_accelerator",
    "build_pipeline",
    "build_policy",
    "build_rewards",
    "build_samples",
    "build_teacher",
    "check_trackers",
    "prepare_policy",
]

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
        if "embeddings" in training.parts:
            # Adapters freeze the language model, in which those of the input are.
            policy.vlm.get_input_embeddings().requires_grad_(True)
    if training.gradient_checkpointing:
        policy.vlm.gradient_checkpointing_enable({"use_reentrant": False})


def _add_adapters(policy: Policy, settings: LoraSettings, *, seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(mix_seed(seed, 0) % 2**63)
        add_lora(policy, settings)


def build_accelerator(config: TrainingConfig, folder: str) -> Accelerator:
    """Return accelerate's object for a run.

    Raises:
        MissingDependencyError: If a tracker is not installed.
    """
    check_trackers(config.report_to)
    options: dict[str, object] = {}
    if config.model.precision is not None:
        options["mixed_precision"] = config.model.precision
    if config.model.device == "cpu":
        options["cpu"] = True
    if config.report_to:
        options |= {"log_with": list(config.report_to), "project_dir": folder}
    return make_accelerator(**options)


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
        ConfigError: If there are none.
        EvaluationError: If the benchmark cannot be read.
    """
    split = open_benchmark(
        settings.benchmark.name,
        settings.root,
        settings.split,
        options=settings.benchmark.options,
        registry=registry,
    )
    samples = list(split.samples)
    if settings.max_samples is not None and len(samples) > settings.max_samples:
        chosen = np.linspace(0, len(samples) - 1, settings.max_samples).round().astype(int)
        samples = [samples[number] for number in chosen]
    if not samples:
        raise ConfigError(f"{split.name} has no samples to train on")
    return [_sample(split, sample) for sample in samples]


def _sample(split: BenchmarkSplit, sample: Sample) -> TrainingSample:
    video = split.video(sample.video_id)

    def truth() -> dict[int, MaskTrack]:
        found = split.truth(sample)
        if found is None:
            raise ConfigError(f"{split.name} does not publish the masks of {sample.id}")
        masks = {}
        for number, given in found.objects.items():
            whole: list[Rle | None] = [None] * len(video)
            for frame, mask in zip(found.frames, given, strict=True):
                whole[frame] = mask
            masks[number] = MaskTrack(number, found.size, tuple(whole))
        return masks

    return TrainingSample(sample.id, video, sample.query, truth, dict(sample.attributes))


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
    from videoseg_train.teacher import TeacherChat, TeacherFaults

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


def build_pipeline(config: TrainingConfig, *, registry: Registry | None = None) -> Pipeline | None:
    """Return the pipeline whose segmenter and propagator make the masks of evaluations.

    Returns:
        None without a propagator.

    Raises:
        VideosegError: If a component is unknown or does not go with the other.
    """
    if config.propagator is None:
        return None
    return Pipeline(
        "uniform", _Answered(), config.propagator, segmenter=config.segmenter, registry=registry
    )


class _Answered:
    """Stands for the policy, which has answered when masks are made."""

    def step(self, episode: Episode) -> Move:
        raise AssertionError(f"the policy has answered {episode.query!r} already")
