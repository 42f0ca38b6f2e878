"""A training run: from a configuration to a trained model, resumed where it was interrupted."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from videoseg import ConfigError, VideosegError
from videoseg.errors import OutputError
from videoseg.files import expand_path, make_folder, write_file
from videoseg.plugins import Registry, default_registry
from videoseg.progress import open_display
from videoseg.text import format_seconds, show_path
from videoseg_train.building import (
    build_accelerator,
    build_pipeline,
    build_policy,
    build_rewards,
    build_samples,
    build_teacher,
    prepare_policy,
    stages_for,
)
from videoseg_train.checkpoints import (
    CheckpointError,
    Checkpoints,
    digest_model,
    set_state,
    state_of,
)
from videoseg_train.config import TrainingConfig
from videoseg_train.evaluation import Evaluation, evaluate_policy
from videoseg_train.export import save_policy
from videoseg_train.journal import EPISODES, METRICS, TIMINGS, Journal
from videoseg_train.optimization import Reference
from videoseg_train.policy import Policy, mix_seed
from videoseg_train.replay import ColdStartSet, TraceChat, TrainingTrace
from videoseg_train.report import write_report
from videoseg_train.rewards import RewardTerm
from videoseg_train.rollout import Stages, Teacher, record_demonstrations
from videoseg_train.samples import TrainingSample
from videoseg_train.settings import GrpoSettings, SftSettings
from videoseg_train.trainer import StepReport, Trainer, order_items

__all__ = ["TrainingResult", "train"]

_CONFIG = "config.yaml"
_MODEL = "model"
_CHECKPOINTS = "checkpoints"
# Changing these in the configuration does not change what a resumed run computes.
_FREE = ("checkpoints", "report_to", "preset", "videoseg_train")


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
    folder = expand_path(output)
    checkpoints = Checkpoints(folder / _CHECKPOINTS, keep=config.checkpoints.keep)
    _check_folder(folder, config, resume=resume)
    accelerator = build_accelerator(config, str(folder))
    kind = accelerator.distributed_type.value
    if kind in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        raise ConfigError(
            f"runs with {kind} cannot be saved yet, since no process has all of the parameters; "
            "use Trainer in a loop of your own"
        )
    is_first = accelerator.is_main_process
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
        teacher = teacher or build_teacher(config, policy)
    else:
        rewards = rewards or build_rewards(training.rewards, registry=registry)
    journal = Journal(folder, enabled=is_first)
    run = _Run(
        config,
        folder,
        trainer,
        stages or config.stages,
        samples,
        held_out,
        teacher,
        tuple(rewards or ()),
        registry,
        journal,
        checkpoints,
        total,
        start,
        quiet=quiet or not is_first,
    )
    return run.run(resume=resume)


@dataclass(slots=True)
class _Run:
    """The loop and what it needs."""

    config: TrainingConfig
    folder: Path
    trainer: Trainer
    stages: Stages
    samples: Sequence[TrainingSample]
    held_out: Sequence[TrainingSample]
    teacher: Teacher | None
    rewards: tuple[RewardTerm, ...]
    registry: Registry
    journal: Journal
    checkpoints: Checkpoints
    total: int
    start: str
    quiet: bool = False
    saved: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def run(self, *, resume: bool) -> TrainingResult:
        trainer, accelerator = self.trainer, self.trainer.accelerator
        if resume:
            self._resume()
        if accelerator.is_main_process:
            make_folder(self.folder)
            self.journal.cut(trainer.step if self.saved else -1)
            write_file(self.folder / _CONFIG, self.config.to_yaml())
        accelerator.wait_for_everyone()
        if self.config.report_to:
            accelerator.init_trackers("videoseg-train", config=_flat(self.config.given))
        display = None if self.quiet else open_display(sys.stderr)
        try:
            if display is not None:
                display.begin(f"training ({self.config.method})", self.total)
            if not self.saved:
                self._evaluate(0)
            self._loop(display)
        except BaseException:
            # What went wrong is the error, not that its report cannot be written, too.
            with suppress(OutputError):
                self._write_report()
            raise
        else:
            self._write_report()
        finally:
            if display is not None:
                display.close()
            if self.config.report_to:
                accelerator.end_training()
        model = self.folder / _MODEL
        if accelerator.is_main_process:
            save_policy(trainer.policy, model)
        accelerator.wait_for_everyone()
        return TrainingResult(
            self.folder,
            model,
            self.folder / "training.html",
            trainer.step,
            self.metrics,
            tuple(dict.fromkeys(self.warnings)),
        )

    # -- the loop --------------------------------------------------------------------------------

    def _loop(self, display: Any) -> None:
        trainer, config = self.trainer, self.config
        order = order_items(
            len(self.samples),
            config.training.samples_per_step,
            seed=config.seed,
            start=trainer.step,
        )
        begin, first = time.monotonic(), trainer.step
        while trainer.step < self.total:
            numbers = next(order)
            chosen = [self.samples[number] for number in numbers]
            traces: dict[str, TrainingTrace] = {}
            if isinstance(self.samples, ColdStartSet):
                found = self.samples
                traces = {found[number].id: found.trace(number) for number in numbers}
            try:
                report = self._step(chosen, traces)
            except OutputError:
                raise
            except VideosegError:
                # Nothing has been changed in this step.
                if self._is_whole():
                    self._save()
                raise
            self._note(report)
            step, is_last = report.step, report.step == self.total
            every = config.evaluation.every
            if every and (step % every == 0 or is_last):
                self._evaluate(step)
            if step % config.checkpoints.every == 0 or is_last:
                self._save()
            if display is not None:
                done = step - first
                left = (time.monotonic() - begin) / done * (self.total - step)
                display.advance(step, self.total, self._describe(report, left))

    def _step(
        self, samples: Sequence[TrainingSample], traces: Mapping[str, TrainingTrace]
    ) -> StepReport:
        trainer, settings = self.trainer, self.config.training.settings
        with _randomness(self.config.seed, trainer.step):
            if isinstance(settings, GrpoSettings):
                return trainer.grpo_step(
                    samples,
                    stages_for(self.stages, samples),
                    self._weighted_rewards(trainer.step),
                    settings,
                    registry=self.registry,
                )
            teacher = self.teacher
            if traces:
                teacher = lambda sample, _: TraceChat(traces[sample.id])  # noqa: E731
            assert teacher is not None
            begin = time.perf_counter()
            demonstrations = record_demonstrations(
                trainer.policy,
                stages_for(self.stages, samples, list(traces.values())),
                samples,
                teacher,
                seed=mix_seed(self.config.seed, trainer.step),
                registry=self.registry,
            )
            seconds = time.perf_counter() - begin
            assert isinstance(settings, SftSettings)
            report = trainer.sft_step(demonstrations, settings)
            return replace(report, seconds={"demonstration": seconds, **report.seconds})

    def _note(self, report: StepReport) -> None:
        """Write down a step."""
        self.metrics = dict(report.metrics)
        self.warnings += report.warnings
        self.journal.add(
            METRICS,
            {
                "kind": "step",
                "step": report.step,
                "metrics": report.metrics,
                "warnings": list(report.warnings),
            },
        )
        seconds = sum(report.seconds.values())
        tokens = report.metrics.get("tokens", 0.0)
        self.journal.add(
            TIMINGS,
            {
                "step": report.step,
                "seconds": {name: round(value, 4) for name, value in report.seconds.items()},
                "tokens_per_second": round(tokens / seconds, 2) if seconds else 0.0,
                "memory_bytes": _memory(),
            },
        )
        if self.config.report_to:
            values = {f"train/{name}": value for name, value in report.metrics.items()}
            self.trainer.accelerator.log(values, step=report.step)

    def _evaluate(self, step: int) -> Evaluation | None:
        settings = self.config.evaluation
        if not self.held_out or not settings.every:
            return None
        trainer = self.trainer
        many = trainer.accelerator.num_processes > 1
        begin = time.perf_counter()
        with _randomness(self.config.seed, step), trainer.optimization.whole():
            found = evaluate_policy(
                trainer.policy,
                stages_for(self._evaluation_stages(), self.held_out),
                self.held_out,
                pipeline=build_pipeline(self.config, registry=self.registry),
                rewards=self.rewards,
                shown=settings.shown,
                seed=settings.seed,
                share=trainer.optimization.share(len(self.held_out)) if many else None,
                registry=self.registry,
            )
        self.metrics = found.metrics
        for episode in found.episodes:
            self.journal.add(EPISODES, {"step": step, **asdict(episode)})
        self.journal.add(METRICS, {"kind": "evaluation", "step": step, "metrics": found.metrics})
        self.journal.add(
            TIMINGS,
            {"step": step, "seconds": {"evaluation": round(time.perf_counter() - begin, 4)}},
        )
        if self.config.report_to:
            values = {f"evaluation/{name}": value for name, value in found.metrics.items()}
            trainer.accelerator.log(values, step=step)
        if step:
            self._write_report()
        return found

    def _evaluation_stages(self) -> Stages:
        sampler = self.config.evaluation.sampler
        return self.stages if sampler is None else replace(self.stages, sampler=sampler)

    def _weighted_rewards(self, step: int) -> tuple[RewardTerm, ...]:
        """Return the terms with the weights of a step."""
        fading = {one.label or one.name: one.fade_steps for one in self.config.training.rewards}
        return tuple(
            replace(term, weight=term.weight * max(0.0, 1 - step / steps))
            if (steps := fading.get(term.name, 0))
            else term
            for term in self.rewards
        )

    def _describe(self, report: StepReport, left: float) -> str:
        name = "reward" if self.config.method == "grpo" else "loss"
        text = f"step {report.step} of {self.total}, {name} {report.metrics[name]:.4g}"
        return text if report.step == self.total else f"{text}, {format_seconds(left)} left"

    def _write_report(self) -> None:
        if self.trainer.accelerator.is_main_process:
            write_report(self.folder)

    # -- checkpoints -----------------------------------------------------------------------------

    def _is_whole(self) -> bool:
        """Return whether the trainer is as the last step has left it."""
        settings = self.config.training.settings
        once = not isinstance(settings, GrpoSettings) or settings.num_updates == 1
        return once and self.trainer.step > self.saved

    def _save(self) -> None:
        trainer = self.trainer
        if trainer.accelerator.is_main_process and trainer.step > self.saved:
            reference = trainer.reference
            self.checkpoints.prepare()
            self.checkpoints.save(
                trainer.step,
                state_of(trainer),
                {
                    "method": self.config.method,
                    "seed": self.config.seed,
                    "total_steps": self.total,
                    "num_samples": len(self.samples),
                    "start": self.start,
                    # The reference is the start, or that without adapters; nothing to be saved.
                    "reference": None
                    if reference is None
                    else ("copy" if reference.is_copy else "adapters"),
                    "torch": torch.__version__,
                },
            )
        self.saved = trainer.step
        trainer.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        found = self.checkpoints.load()
        if found is None:
            return
        facts = found.facts
        problems = []
        if facts["start"] != self.start:
            problems.append(
                f"the model {self.config.model.path!r} is another one than the run began with"
            )
        if facts["num_samples"] != len(self.samples):
            problems.append(
                f"there are {len(self.samples)} samples, but {facts['num_samples']} when it began"
            )
        if facts["total_steps"] != self.total:
            problems.append(
                f"the run has {self.total} steps now, but {facts['total_steps']} when it began"
            )
        if problems:
            raise CheckpointError(
                f"cannot resume the run in {show_path(self.folder)}: {'; '.join(problems)}; begin "
                "again in another folder, or put back what has changed"
            )
        set_state(self.trainer, found.state)
        self.saved = found.step


# -- before the run ------------------------------------------------------------------------------


def _check_folder(folder: Path, config: TrainingConfig, *, resume: bool) -> None:
    """Check that a run may be written to a folder.

    Raises:
        OutputError: If it holds something, and nothing is resumed.
        ConfigError: If another run is resumed.
    """
    path = folder / _CONFIG
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise OutputError(f"cannot write a training run to {show_path(folder)}: it is a file")
    if not path.is_file():
        raise OutputError(
            f"{show_path(folder)} holds something else than a training run; choose another folder"
        )
    if not resume:
        raise OutputError(
            f"{show_path(folder)} already holds a training run; go on with it (resume=True, "
            "--resume on the command line), or choose another folder"
        )
    before = _plain(path.read_text(encoding="utf-8"))
    now = _plain(config.to_yaml())
    names = (*_FREE, *({"sft", "grpo"} - {config.method}))
    other = [
        f"'{name}' was {_short(before.get(name))} and is {_short(now.get(name))}"
        for name in sorted({*before, *now})
        if name not in names and before.get(name) != now.get(name)
    ]
    if other:
        raise ConfigError(
            [
                f"cannot resume the run in {show_path(folder)}: {problem}; give the options that "
                "it began with"
                for problem in other
            ]
        )


def _plain(text: str) -> Mapping[str, Any]:
    from videoseg.pipeline import parse_yaml

    found = parse_yaml(text)
    return found if isinstance(found, Mapping) else {}


def _short(value: object) -> str:
    from videoseg.text import shorten

    return shorten(value, 120)


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


# -- randomness, memory --------------------------------------------------------------------------


@contextmanager
def _randomness(seed: int, step: int) -> Iterator[None]:
    """Draw from random numbers of this step alone, such as for dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(mix_seed(seed, step) % 2**63)
        yield


def _memory() -> int:
    """Return the most memory that has been in use: the GPU's, or the process's."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most if sys.platform == "darwin" else most * 1024)


def _flat(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping as trackers take it."""
    flat: dict[str, Any] = {}
    for key, value in given.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value if isinstance(value, int | float | str | bool) else str(value)
    return flat
