"""A training run: from a configuration to a trained model, resumed where it was interrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from videoseg import ConfigError
from videoseg.files import expand_path
from videoseg.plugins import Registry, default_registry
from videoseg_train.building import (
    build_accelerator,
    build_policy,
    build_rewards,
    build_samples,
    build_teacher,
    check_turns,
    prepare_policy,
)
from videoseg_train.checkpoints import digest_model
from videoseg_train.config import TrainingConfig
from videoseg_train.loop import TrainingLoop
from videoseg_train.optimization import Reference
from videoseg_train.policy import Policy
from videoseg_train.processes import do_first
from videoseg_train.rewards import RewardTerm
from videoseg_train.rollout import Stages, Teacher
from videoseg_train.run_folder import RunFolder
from videoseg_train.samples import TrainingSample
from videoseg_train.settings import GrpoSettings
from videoseg_train.trainer import Trainer

__all__ = ["TrainingResult", "train"]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a run has made.

    Args:
        folder: The run's folder.
        model: Folder of the trained model.
        report: The report.
        steps: How many steps there were.
        metrics: Of the last evaluation; of the last step if there was none.
        warnings: Why the run may not have learned.
    """

    folder: Path
    model: Path
    report: Path
    steps: int
    metrics: Mapping[str, float]
    warnings: tuple[str, ...] = ()


def train(
    config: TrainingConfig,
    output: str | Path,
    *,
    resume: bool = False,
    policy: Policy | None = None,
    samples: Sequence[TrainingSample] | None = None,
    held_out: Sequence[TrainingSample] | None = None,
    stages: Stages | None = None,
    teacher: Teacher | None = None,
    rewards: Sequence[RewardTerm] | None = None,
    registry: Registry | None = None,
    quiet: bool = False,
) -> TrainingResult:
    """Train a policy as a configuration says.

    The folder gets ``config.yaml``, ``metrics.jsonl``, ``episodes.jsonl``, ``timings.jsonl``,
    ``training.html``, ``checkpoints/`` and at the end ``model/``, which pipelines load. On several
    processes (``accelerate launch``), all call this; the first one writes.

    Args:
        config: The configuration; see ``read_training_config``.
        output: The run's folder.
        resume: Go on from the newest checkpoint in the folder. On the CPU, the run then is the
            same to the last bit as one that was not interrupted. Without a checkpoint it begins
            from the start.
        policy: The policy, instead of the configuration's model; as it was when the run began,
            also where one is resumed. Needed for stages of your own that ask ``policy.chat``.
        samples: What is trained on, instead of the configuration's data.
        held_out: What is evaluated on, instead of the configuration's.
        stages: Where the policy acts, instead of the configuration's.
        teacher: Who demonstrates in SFT, instead of the configuration's.
        rewards: The reward in GRPO, instead of the configuration's.
        registry: Where names of components are looked up.
        quiet: Show no progress.

    Raises:
        ConfigError: If the configuration cannot be run, or another one was resumed.
        CheckpointError: If the checkpoint to resume from is damaged.
        OutputError: If the folder holds another run, or cannot be written, as on a full disk.
        TrainingError: If the run cannot go on; what was done until then is saved.
    """
    registry = registry or default_registry()
    folder = RunFolder(expand_path(output))
    accelerator = build_accelerator(config, str(folder.path))
    do_first(accelerator, lambda: folder.take(config, resume=resume))
    try:
        policy = policy or build_policy(config)
        start = digest_model(policy.model)
        prepare_policy(policy, config)
        training = config.training
        samples = _given(samples, config, registry)
        held_out = _given_held_out(held_out, config, registry)
        total = training.num_steps(len(samples))
        warmup = round(total * training.warmup_share)
        reference = None
        if isinstance(training.settings, GrpoSettings) and training.settings.divergence_weight:
            # Before a checkpoint is loaded, and before processes share out the parameters.
            reference = Reference(policy)
        trainer = Trainer(
            policy,
            replace(training.optimizer, num_steps=total, warmup_steps=warmup),
            batch=training.batch,
            accelerator=accelerator,
            reference=reference,
            seed=config.seed,
        )
        if config.method == "sft":
            check_turns(stages or config.stages, samples)
            teacher = teacher or build_teacher(config, policy)
        else:
            rewards = rewards or build_rewards(training.rewards, registry=registry)
        loop = TrainingLoop(
            config,
            folder,
            trainer,
            stages or config.stages,
            samples,
            held_out,
            teacher,
            tuple(rewards or ()),
            registry,
            total,
            start,
            quiet=quiet or not accelerator.is_main_process,
        )
        loop.run(resume=resume)
    finally:
        if accelerator.is_main_process:
            folder.release()
    return TrainingResult(
        folder.path,
        folder.model,
        folder.report,
        trainer.step,
        loop.metrics,
        tuple(dict.fromkeys(loop.warnings)),
    )


def _given(
    samples: Sequence[TrainingSample] | None, config: TrainingConfig, registry: Registry
) -> Sequence[TrainingSample]:
    if samples is None:
        if config.data is None:
            raise ConfigError("there is nothing to train on: 'data' is missing")
        samples = build_samples(config.data, registry=registry)
    if not len(samples):
        raise ConfigError("there is no sample to train on")
    return samples


def _given_held_out(
    samples: Sequence[TrainingSample] | None, config: TrainingConfig, registry: Registry
) -> Sequence[TrainingSample]:
    if samples is not None:
        return samples
    if config.evaluation.data is None or not config.evaluation.every:
        return ()
    return build_samples(config.evaluation.data, registry=registry)
